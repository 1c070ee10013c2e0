import { MemoryStore } from '../../../gateway/store/memory.ts';
import { testPromises } from './promises.ts';

describe('the store in memory', () => {
  let store: MemoryStore;
  beforeEach(() => {
    store = new MemoryStore();
  });
  testPromises(async () => store);
});
