// Smoke: a little of everything at 50 requests a second; nothing may fail, on any stage.
//
//   k6 run loadtests/smoke.js            (BASE_URL=http://127.0.0.1:8080, DURATION=30s)
import { buy, catalogue, home, list, logIn, orders, product, putIntoCart, search, someSkus, TAGS } from './lib/shop.js';
import { chances, pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

export const options = {
  scenarios: {
    everything: {
      executor: 'constant-arrival-rate',
      rate: 50,
      timeUnit: '1s',
      duration: __ENV.DURATION || '30s',
      preAllocatedVUs: 50,
      maxVUs: 200,
    },
  },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  const sessions = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => logIn(number));
  return { products: catalogue(), sessions };
}

export default function ({ products, sessions }) {
  const session = pick(sessions);
  const one = pick(products);
  chances([
    [10, () => home()],
    [40, () => product(one.sku)],
    [10, () => product(one.sku, session)],
    [15, () => list(one.category)],
    [8, () => search(one.name.split(' ').pop())],
    [7, () => orders(session)],
    [5, () => putIntoCart(session, one.sku)],
    [5, () => buy(session, someSkus(products))],
  ]);
}
