// The steady load of drills: 300 pages a second, and ten checkouts so that the books have something to
// say. Faults are thrown at it, so nothing is judged here: `./stage drill` reads each single request.
import { arrivals } from './lib/arrivals.js';
import { buy, catalogue, home, list, logIn, product, someSkus, TAGS } from './lib/shop.js';
import { noteWhoAnswered } from './lib/way.js';
import { chances, pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const DURATION = __ENV.DURATION || '30s';

export const options = {
  scenarios: {
    visitors: arrivals('browse', Number(__ENV.RATE || 300), DURATION, 500, 1000),
    buyers: arrivals('checkOut', 10, DURATION, 100, 1000),
  },
  // A request's address says nothing that its name does not, and would be most of each sample.
  systemTags: ['name', 'method', 'status', 'scenario', 'expected_response', 'error_code'],
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  const sessions = [];
  for (let number = 31; number <= 40; number += 1) sessions.push(logIn(number));
  return { products: catalogue(5), sessions };
}

export function browse({ products }) {
  const one = pick(products);
  const answer = chances([
    [10, () => home()],
    [70, () => product(one.sku)],
    [20, () => list(one.category)],
  ]);
  noteWhoAnswered(answer);
}

export function checkOut({ products, sessions }) {
  buy(pick(sessions), someSkus(products));
}
