// Assets, as fast as many browsers ask for them, and ten checkouts a second so that the books have
// something to say. Drills of the CDN run it: they read each single request, and the GETs are the assets.
import { check } from 'k6';
import { arrivals } from './lib/arrivals.js';
import { buy, catalogue, list, logIn, someSkus, TAGS } from './lib/shop.js';
import { addresses, ask } from './lib/visitor.js';
import { pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const DURATION = __ENV.DURATION || '30s';

export const options = {
  scenarios: {
    browsers: arrivals('look', Number(__ENV.RATE || 300), DURATION, 300, 1000),
    buyers: arrivals('checkOut', 10, DURATION, 100, 1000),
  },
  systemTags: ['name', 'method', 'status', 'scenario', 'expected_response', 'error_code'],
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

// What the lists of some departments are made of.
export function setup() {
  const products = catalogue(5);
  const departments = Array.from(new Set(products.map((product) => product.category)));
  const found = new Set();
  for (const department of departments) {
    for (const address of addresses(list(department).body)) found.add(address);
  }
  const sessions = [];
  for (let number = 41; number <= 50; number += 1) sessions.push(logIn(number));
  return { assets: Array.from(found), products, sessions };
}

export function look({ assets }) {
  check(ask(pick(assets)), { 'asset is served': (r) => r.status === 200 });
}

export function checkOut({ products, sessions }) {
  buy(pick(sessions), someSkus(products));
}
