// All that Redis has a part in, for the drills that break it: guests who look around, members whose pages
// know them, API calls that must know who asks, and ten checkouts a second for the books. `./stage drill`
// reads each single request; what was answered that never should be is counted here.
import http from 'k6/http';
import { Counter } from 'k6/metrics';
import { arrivals } from './lib/arrivals.js';
import { BASE_URL, buy, catalogue, home, list, logIn, product, someSkus, TAGS } from './lib/shop.js';
import { chances, pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const DURATION = __ENV.DURATION || '30s';
const GUESTS = Number(__ENV.GUESTS || 200);
// Guests ask for this product and nothing else.
const { SKU } = __ENV;
// Of the products, so many are looked at and the others are bought: a sale changes what is cached.
const LOOKED_AT = Number(__ENV.LOOKED_AT || 400);

const scenarios = {
  guests: arrivals('lookAround', GUESTS, DURATION, 500, 1000),
  buyers: arrivals('checkOut', 10, DURATION, 100, 500),
};
if (__ENV.MEMBERS !== 'none') {
  scenarios.members = arrivals('visit', 80, DURATION, 200, 500);
  scenarios.callers = arrivals('call', 40, DURATION, 100, 500);
}

export const options = {
  scenarios,
  systemTags: ['name', 'method', 'status', 'scenario', 'expected_response', 'error_code'],
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

const wrong = new Counter('wrong');

export function setup() {
  const sessions = [];
  for (let number = 51; number <= 70; number += 1) sessions.push(logIn(number));
  const products = catalogue(5);
  return { looked: products.slice(0, LOOKED_AT), bought: products.slice(LOOKED_AT), sessions };
}

export function lookAround({ looked }) {
  if (SKU) product(SKU);
  else browse(looked, null);
}

// Somebody's page says who he is, or that nobody can tell right now. It never takes him for another.
export function visit({ looked, sessions }) {
  const session = pick(sessions);
  const answer = browse(looked, session);
  if (answer.status !== 200) return;
  const [, shown] = /title="([^"]+@example\.test)"/.exec(answer.body) || [];
  const isUnsure = answer.body.includes('cannot look up your log-in');
  if (shown ? shown !== session.email : !isUnsure) wrong.add(1, { what: shown ? 'another' : 'nobody' });
}

export function call({ sessions }) {
  const session = pick(sessions);
  const path = chances([
    [50, () => '/users/me'],
    [50, () => '/cart'],
  ]);
  const answer = http.get(`${BASE_URL}/api/v1${path}`, {
    tags: { name: path },
    headers: { Authorization: `Bearer ${session.token}` },
    responseCallback: http.expectedStatuses(200),
    timeout: '10s',
  });
  judge(answer, [200]);
  if (answer.status === 200 && path === '/users/me' && answer.json('email') !== session.email) {
    wrong.add(1, { what: 'another' });
  }
}

export function checkOut({ bought, sessions }) {
  // Once: of several tries only the last would be judged.
  judge(buy(pick(sessions), someSkus(bought), 1), [201, 409]);
}

function browse(products, session) {
  const one = pick(products);
  return chances([
    [5, () => home(session)],
    [85, () => product(one.sku, session)],
    [10, () => list(one.category, session)],
  ]);
}

// Done, or refused in the way that tells a client what to do.
function judge(answer, done) {
  if (done.includes(answer.status)) return;
  if (answer.status !== 503) wrong.add(1, { what: `status-${answer.status}` });
  else if (!(Number(answer.headers['Retry-After']) > 0)) wrong.add(1, { what: 'no-retry-after' });
}
