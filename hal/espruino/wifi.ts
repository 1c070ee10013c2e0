/** The interpreter's Wi-Fi module of this board, put in by the build: 'Wifi', 'EspruinoWiFi' (same call), or '' without one. */
declare const WIFI: 'Wifi' | '';

/** Attempts to connect after which the network is joined anew: what was lost by night is not given back by itself. */
const PATIENCE = 4;

let ssid: string | undefined;
let password: string | undefined;
let attempts = 0;

/**
 * Joins a network, now and again whenever connections keep failing: call it with the network's name once, and without
 * before each attempt to connect. Failing is no fault. Boards without Wi-Fi ignore it.
 */
export function joinWifi(name?: string, passphrase?: string): void {
  if (!WIFI) return;
  if (name !== undefined) {
    ssid = name;
    password = passphrase;
  }
  if (ssid === undefined || attempts++ % PATIENCE) return;
  try {
    require(WIFI).connect(ssid, { password }, () => {});
  } catch (_error) {
    // Busy with the attempt before.
  }
}
