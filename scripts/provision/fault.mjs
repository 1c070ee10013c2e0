/** A failure whose message tells the operator what to do, and no secret. */
export class ProvisionError extends Error {
  /**
   * @param {string} message one or more lines
   * @param {number} [exitCode] 1: failed, 2: wrong usage
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.name = 'ProvisionError';
    this.exitCode = exitCode;
  }
}
