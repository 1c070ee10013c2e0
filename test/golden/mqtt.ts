/** Packets worked out by hand from MQTT 3.1.1, section by section. */

/** CONNECT: client "ab", keep-alive 300 s, will 00 to "w" (QoS 1, retained), user "u", password "p" (§3.1). */
export const CONNECT = '101a00044d51545404ee012c00026162000177000100000175000170';
/** The same without user and password. */
export const CONNECT_OPEN = '101400044d515454042e012c00026162000177000100';
/** SUBSCRIBE with identifier 1 to "a/b" and "c/d", QoS 1 each (§3.8). */
export const SUBSCRIBE = '820e00010003612f62010003632f6401';
/** PUBLISH of 01 02 to "a/b", QoS 0 (§3.3). */
export const PUBLISH = '30070003612f620102';
/** The same with QoS 1, retained, identifier 258. */
export const PUBLISH_ONCE = '33090003612f6201020102';
export const PUBACK = '40020102';
export const PINGREQ = 'c000';
export const DISCONNECT = 'e000';
/** From the server. */
export const CONNACK = '20020000';
export const SUBACK = '900400010101';
export const PINGRESP = 'd000';
