/** Over how long a fleet spreads, so that its broker is never asked for more than it can take. */

/** Connections that are counted together: a second's, or these where they take longer. */
const FEWEST = 10;
/** How often a fleet may pass the rate, for a second, when all of it comes back at once. */
const CHANCE = 0.01;

/**
 * Every controller draws its instant at random. W = fleet / rate would hold the rate on average only, and pass it in every
 * other second; so W is as much longer as it takes that no second of a whole window, but for one time in a hundred, has more.
 * @param {number} fleet controllers
 * @param {number} rate connections a second that the broker may be asked for at most
 * @returns {number} s, whole
 */
export function windowFor(fleet, rate) {
  const most = Math.max(FEWEST, rate);
  const isCalm = (mean) => (fleet / mean) * moreThan(most, mean) <= CHANCE;
  let [calm, wild] = [0, most];
  while (wild - calm > most / 1e6) {
    const mean = (calm + wild) / 2;
    if (isCalm(mean)) calm = mean;
    else wild = mean;
  }
  return Math.ceil((fleet / calm) * (most / rate));
}

/** @returns {number} the probability of more than `most` arrivals where `mean` are expected: Poisson's distribution */
function moreThan(most, mean) {
  // From the first term on, each is the one before times mean / k; logarithms, because the first is as small as e^-mean.
  const first = Math.floor(most) + 1;
  let logarithm = -mean;
  for (let k = 1; k <= first; k++) logarithm += Math.log(mean / k);
  let term = Math.exp(logarithm);
  let sum = 0;
  for (let k = first; term > sum * 1e-12; k++) {
    sum += term;
    term *= mean / (k + 1);
  }
  return sum;
}
