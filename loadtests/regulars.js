// Visitors who stay, as browsers do: each keeps the cookies that he was given, so a balancer with sticky
// sessions knows him again. A hundred pages a second of 200 visitors, and five checkouts a second by
// shoppers who log in themselves, and once more when the shop does not know them any more. Judged by
// `./stage drill sticky-sessions`, which reads each single request.
import { arrivals } from './lib/arrivals.js';
import { buy, catalogue, home, list, logIn, product, someSkus, TAGS } from './lib/shop.js';
import { noteWhoAnswered } from './lib/way.js';
import { chances, pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const DURATION = __ENV.DURATION || '60s';

export const options = {
  noCookiesReset: true,
  scenarios: {
    // k6 lets its clients take turns: each comes every few seconds.
    visitors: arrivals('browse', 100, DURATION, 200, 500),
    // Each first logs in, and a password costs a web box a sixth of a second: not too many, then.
    buyers: arrivals('checkOut', 5, DURATION, 40, 500),
  },
  systemTags: ['name', 'method', 'status', 'scenario', 'expected_response', 'error_code'],
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  return { products: catalogue(5) };
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

// Of this client alone: k6 runs a copy of this file for each.
let session = null;

export function checkOut({ products }) {
  session = session || logIn();
  if (!session) return;
  const answer = buy(session, someSkus(products));
  if (answer.status === 401) session = null;
}
