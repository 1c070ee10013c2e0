const Mocha = require('mocha');

/** ms that a finished run may take to end by itself. */
const PATIENCE = 10_000;

/** mocha's spec reporter, closed by the one line that a CI can read without knowing mocha. */
module.exports = class extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = runner.stats;
      setImmediate(() => console.log(`${passes} passed, ${failures} failed, ${pending} skipped`));
      // A timer or a socket that a test left open must not hold up a CI for ever, nor go unseen.
      setTimeout(() => {
        console.error(`left open by a test: ${process.getActiveResourcesInfo().join(', ')}`);
        process.exit(failures > 0 ? 1 : 0);
      }, PATIENCE).unref();
    });
  }
};
