import { Night, told } from './power-cuts.ts';

const SEED = 7;

describe('a power cut in a night of 60 commands', () => {
  let night: Night;

  before(async () => {
    night = await Night.live(60, SEED, 60);
  });

  after(() => console.log(`      ${told(night, SEED)}`));

  it('every 97 s leaves the right level 5 s after the boot, with a clock on a battery and without', () => {
    for (let second = 0; second < night.seconds.length; second += 97) {
      night.cutAt(second, true, 0);
      night.cutAt(second, false, night.outage(second));
    }
  });

  it('in each flash operation of the first 14 commands leaves all of the command or nothing', () => {
    for (let order = 0; order < 14; order++) night.cutInOrder(order);
  });
});
