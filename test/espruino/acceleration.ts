/**
 * Time that jumps, on the real interpreter: a script that stands before a product's bundle and changes nothing of it. It
 * puts its own `getTime`, `setTimeout` and `clearTimeout` in the place of the interpreter's, and lets time pass only from
 * one timer to the next, once all that was sent has been answered. The socket is a real one; what is sent carries the time,
 * so that the peer lives in the same one. A Modbus meter stands behind the first serial port: it sees the lamp's pins.
 *
 * What it prints: `=day N <jsvars> <timers> <polls> <messages> <s lit> <time>` when a day is over, and time
 * stands still for 2 s: so long a peer has for what it wants to say then; `=stall` when an answer did not come.
 */

export interface AccelerationOptions {
  /** W of the lamp at 100 % of light. */
  wattage: number;
  /** ms of real time without news after which nothing more is expected. */
  quiet: number;
}

/** File in the interpreter's directory from which a boot reads how late it is, as JSON. */
export const TIME_FILE = 'soak.json';

export interface BootTime {
  /** s of the controller's clock. */
  now: number;
  /** The same, when the next day ends; and the days that are over. */
  mark: number;
  day: number;
}

/** @returns JavaScript for the interpreter, which leaves one global object, `soak` */
export const acceleration = ({ wattage, quiet }: AccelerationOptions): string => `
var soak = JSON.parse(require("fs").readFileSync("${TIME_FILE}"));
Object.assign(soak, { list: [], id: 0, wait: 0, patience: 0, settle: 0, rest: "", asked: 0,
  polls: 0, sent: 0, lit: 0, relay: 0, light: 0, energy: 0, since: soak.now, crc: new Uint16Array(256),
  getTime: getTime, setTimeout: setTimeout, net: require("net"), connect: require("net").connect });
for (var soakByte = 0; soakByte < 256; soakByte++) {
  var soakCrc = soakByte;
  for (var soakBit = 0; soakBit < 8; soakBit++) soakCrc = soakCrc & 1 ? (soakCrc >> 1) ^ 40961 : soakCrc >> 1;
  soak.crc[soakByte] = soakCrc;
}
global.getTime = function () { return soak.now; };
global.setTimeout = function (run, delay, a, b, c) {
  soak.list.push({ due: soak.now + Math.max(delay, 0.1) / 1000, run: run, a: a, b: b, c: c, id: ++soak.id });
  return soak.id;
};
global.clearTimeout = function (id) {
  for (var i = 0; i < soak.list.length; i++) if (soak.list[i].id === id) { soak.list.splice(i, 1); return; }
};
soak.pump = function () {
  soak.setTimeout(soak.pump, 0);
  var real = soak.getTime();
  if (soak.wait > 0) {
    if (real < soak.patience) return;
    soak.wait = 0;
    print("=stall");
  }
  if (real < soak.settle) return;
  var first = 0;
  for (var i = 1; i < soak.list.length; i++) if (soak.list[i].due < soak.list[first].due) first = i;
  var timer = soak.list[first];
  if (timer.due >= soak.mark) {
    soak.now = soak.mark;
    soak.mark += 86400;
    soak.count();
    print("=day " + [++soak.day, process.memory().usage, soak.list.length, soak.polls, soak.sent, Math.round(soak.lit), soak.now].join(" "));
    soak.settle = real + 2;
    return;
  }
  if (timer.due > soak.now) soak.now = timer.due;
  soak.list.splice(first, 1);
  timer.run(timer.a, timer.b, timer.c);
};
soak.expect = function (count) {
  soak.wait += count;
  soak.patience = soak.getTime() + 60;
};
soak.heard = function (text) {
  text = soak.rest + text;
  for (;;) {
    var length = text.charCodeAt(1), head = 2;
    if (text.length < 2) break;
    if (length > 127) {
      if (text.length < 3) break;
      length = (length & 127) + 128 * text.charCodeAt(2);
      head = 3;
    }
    if (text.length < head + length) break;
    var type = text.charCodeAt(0) & 240;
    if (type === 32 || type === 64 || type === 144 || type === 208) soak.wait--;
    if (type === 48 && soak.asked && text.substr(0, 60).indexOf("/time") > 0) {
      soak.asked = 0;
      soak.wait--;
    }
    text = text.substr(head + length);
  }
  soak.rest = text;
  soak.settle = soak.getTime() + ${quiet / 1000};
};
soak.gone = function () { soak.wait = soak.asked = 0; soak.rest = ""; };
soak.net.connect = function (target, connected) {
  soak.gone();
  soak.expect(1);
  var socket;
  try {
    socket = soak.connect.call(soak.net, target, function () {
      soak.wait--;
      connected.call(socket, socket);
    });
  } catch (error) {
    soak.wait = 0;
    throw error;
  }
  var write = socket.write, end = socket.end;
  socket.write = function (text) {
    var type = text.charCodeAt(0) & 246;
    if (type >= 48 && type < 64) soak.sent++;
    if (type === 48 && text.substr(0, 60).indexOf("/ask") > 0 && !soak.asked) {
      soak.asked = 1;
      soak.expect(1);
    }
    if (type === 16 || (type & 240) === 128 || type === 192 || type === 50) soak.expect(1);
    return write.call(socket, soak.now.toFixed(3) + " " + text.length + "\\n" + text);
  };
  socket.end = function () {
    soak.gone();
    end.call(socket);
  };
  socket.on("data", soak.heard);
  socket.on("close", soak.gone);
  socket.on("error", soak.gone);
  return socket;
};
soak.power = function () { return soak.relay ? ${wattage} * soak.light : 0.4; };
soak.count = function () {
  var time = soak.now - soak.since;
  soak.since = soak.now;
  soak.energy += soak.power() * time / 3600000;
  if (soak.relay) soak.lit += time;
};
global.analogWrite = function (pin, fraction) {
  soak.count();
  soak.light = 0.1 + (fraction * 10 - 1) / 10;
};
global.digitalWrite = function (pin, value) {
  soak.count();
  soak.relay = value;
};
soak.answer = function (text) { Serial1.emit("data", text); };
Serial1.setup = function () {};
Serial1.write = function (request) {
  soak.count();
  soak.polls++;
  var power = soak.power(), first = request[3], count = request[5];
  var values = { 0: 230, 6: power / 223.1, 12: power, 18: power / 0.97, 24: power * 0.25, 30: 0.97, 70: 50, 72: soak.energy };
  var reply = new Uint8Array(5 + 2 * count), view = new DataView(reply.buffer), crc = 65535;
  reply.set([request[0], request[1], 2 * count]);
  for (var at in values) {
    if (at >= first && at < first + count) view.setFloat32(3 + 2 * (at - first), values[at]);
  }
  for (var i = 0; i < 3 + 2 * count; i++) crc = (crc >> 8) ^ soak.crc[(crc ^ reply[i]) & 255];
  reply.set([crc & 255, crc >> 8], 3 + 2 * count);
  reply = E.toString(reply);
  for (i = 0; i < reply.length; i += 32) setTimeout(soak.answer, 200 + i, reply.substr(i, 32));
};
soak.setTimeout(soak.pump, 0);
`;
