// Checkouts at 50 a second, for faults to be thrown at: what is tried and what is acknowledged is
// written down, and failures are expected. `./stage audit` has the last word.
import { buy, catalogue, logIn, someSkus, TAGS } from './lib/shop.js';
import { pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

export const options = {
  scenarios: {
    checkouts: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 50),
      timeUnit: '1s',
      duration: __ENV.DURATION || '30s',
      preAllocatedVUs: 100,
      maxVUs: 600,
    },
  },
  thresholds: {
    // Without an order nothing is shown. Iterations may be dropped while nobody answers.
    orders_acknowledged: ['count>0'],
  },
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  const sessions = [];
  for (let number = 11; number <= 30; number += 1) sessions.push(logIn(number));
  return { products: catalogue(20), sessions };
}

export default function ({ products, sessions }) {
  buy(pick(sessions), someSkus(products));
}
