// Breaker 1: pages, log-ins and the sales report together. On one box web and database fight for the
// same quarter of a core; on two boxes each has its own.
import { catalogue, home, list, logIn, logInStaff, product, salesReport, search, TAGS } from './lib/shop.js';
import { chances, pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

export const options = {
  scenarios: {
    peak: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 100),
      timeUnit: '1s',
      duration: __ENV.DURATION || '40s',
      preAllocatedVUs: 100,
      maxVUs: 500,
    },
  },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    http_req_duration: ['p(95)<500'],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  return { products: catalogue(), boss: logInStaff() };
}

export default function ({ products, boss }) {
  const one = pick(products);
  chances([
    [15, () => home()],
    [49, () => product(one.sku)],
    [20, () => list(one.category)],
    [14, () => search(one.name.split(' ').pop())],
    [1, () => logIn()],
    [1, () => salesReport(boss)],
  ]);
}
