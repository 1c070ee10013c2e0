/**
 * The `espruino` package's serial ports, in a process of their own: the package patches globals, prints what it sends
 * (which may be a password) and keeps one connection per process.
 *
 * Messages in: `{ list }`, `{ open: path, baud }`, `{ write: text }`, `{ close }`.
 * Messages out: `{ ports }`, `{ opened }`, `{ data: text }`, `{ failed: reason }`, `{ closed }`.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const send = (message) => process.connected && process.send(message);

// The transports report what goes wrong by printing, or by an unhandled 'error' event.
const failed = (reason) => send({ failed: String(reason) });
for (const name of ['log', 'info', 'warn', 'debug']) console[name] = () => {};
console.error = (...words) =>
  /^(RECEIVE ERROR|serialport error|Unable to open)/.test(words[0]) && failed(words.join(' '));
process.on('uncaughtException', (error) => failed(error.message));
process.on('disconnect', () => process.exit());

require('espruino').init(() => {
  const { Espruino } = globalThis;
  const { Serial } = Espruino.Core;
  Object.assign(Espruino.Config, {
    // These would ask the board and then the internet what the board is.
    ENV_ON_CONNECT: false,
    BOARD_JSON_URL: '',
    MODULE_URL: '',
    SERIAL_IGNORE: '',
  });
  let wanted = [];
  const kept = Serial.devices.filter((device) => device.name === 'Node Serial' || device.name === 'Node Socket');
  Serial.devices.splice(0, Serial.devices.length, ...kept);
  const serial = kept.find((device) => device.name === 'Node Serial');
  if (serial) {
    // Links in /dev/serial/by-id, on-board UARTs and pseudo-terminals are not in the package's own list.
    const listed = serial.getPorts;
    serial.getPorts = (done) =>
      listed((ports = []) => {
        const more = wanted.filter((path) => !ports.some((port) => port.path === path));
        done([...ports, ...more.map((path) => ({ path }))], true);
      });
  }

  process.on('message', (message) => {
    if (message.list) {
      Serial.getPorts((ports) => send({ ports: ports.map(({ path, description }) => ({ path, description })) }));
    } else if (message.open) {
      const path = message.open;
      Espruino.Config.BAUD_RATE = message.baud;
      if (path.startsWith('tcp://')) Espruino.Config.SERIAL_TCPIP = [path];
      else wanted = [path];
      Serial.startListening((data) => send({ data: Buffer.from(data).toString('latin1') }));
      Serial.getPorts(() =>
        Serial.open(
          path,
          (opened) => {
            if (!opened) return failed('could not be opened');
            // Pauses of the package's own are not needed: the next line is sent when the last one was answered.
            Serial.setSlowWrite(false, true);
            Serial.setBinary(true);
            send({ opened: true });
          },
          () => send({ closed: true }),
        ),
      );
    } else if (message.write) {
      Serial.write(message.write, false);
    } else if (message.close) {
      if (Serial.isConnected()) Serial.close();
      setTimeout(() => process.exit(), 100);
    }
  });
  send({ ready: true });
});
