/** A failure whose message tells the user what to do. */
export class FlashError extends Error {
  /**
   * @param {string} message one or more lines
   * @param {number} [exitCode] 1: failed, 2: wrong usage
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.name = 'FlashError';
    this.exitCode = exitCode;
  }
}
