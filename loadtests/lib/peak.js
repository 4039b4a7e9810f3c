// The mix of a busy evening, whose work is the web tier's: pages, and log-ins.
import { home, list, logIn, product } from './shop.js';
import { chances, pick } from './random.js';

export const LOG_INS_PER_100_PAGES = 8;

export function browse({ products }) {
  const one = pick(products);
  chances([
    [15, () => home()],
    [65, () => product(one.sku)],
    [20, () => list(one.category)],
  ]);
}

export function arrive() {
  logIn();
}
