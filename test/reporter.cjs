const Mocha = require('mocha');

/** mocha's spec reporter, closed by the one line that a CI can read without knowing mocha. */
module.exports = class extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () =>
      setImmediate(() => {
        const { passes, failures, pending } = runner.stats;
        console.log(`${passes} passed, ${failures} failed, ${pending} skipped`);
      }),
    );
  }
};
