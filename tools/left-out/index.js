// The espruino package loads its transports inside try/catch and goes on without those that are absent.
throw Object.assign(new Error('left out of Reverbere: flashing needs a serial port only'), {
  code: 'MODULE_NOT_FOUND',
});
