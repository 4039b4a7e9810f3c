// A thousand visitors who stay: each keeps his connection, and looks at a page every ten seconds. For
// `./stage drill soak-lb`, which looks at the balancer's memory.
import { sleep } from 'k6';
import { catalogue, home, list, product, TAGS } from './lib/shop.js';
import { chances, pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const PAUSE_S = 10;

export const options = {
  scenarios: {
    visitors: { executor: 'constant-vus', vus: 1000, duration: __ENV.DURATION || '600s' },
  },
  systemTags: ['name', 'method', 'status', 'scenario', 'expected_response', 'error_code'],
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  return { products: catalogue() };
}

export default function ({ products }) {
  // Not all at once, at first.
  if (__ITER === 0) sleep(Math.random() * PAUSE_S);
  const one = pick(products);
  chances([
    [10, () => home()],
    [70, () => product(one.sku)],
    [20, () => list(one.category)],
  ]);
  sleep(PAUSE_S);
}
