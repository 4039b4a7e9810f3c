// Breaker 4: the regulars are here. Four visitors of five are logged in, and all of them look at the same
// few hundred products. Each page asks who is there and what there is, and the database gives the same
// answers again and again until it is full; the web boxes are not. From stage 5 on Redis has the answers.
import { check } from 'k6';
import { arrivals } from './lib/arrivals.js';
import { catalogue, home, list, logIn, product, TAGS } from './lib/shop.js';
import { noteQueries } from './lib/way.js';
import { chances, pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const DURATION = __ENV.DURATION || '45s';
const SESSIONS = 100;

export const options = {
  scenarios: {
    pages: arrivals('browse', Number(__ENV.PAGES || 800), DURATION, 600, 1000),
  },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    'http_req_duration{scenario:pages}': ['p(95)<400'],
    // A page of somebody logged in takes two without a cache, and one for guests: 1.8, and a fifth of that.
    db_queries_per_page: ['avg<0.36'],
    dropped_iterations: ['count==0'],
    'checks{about:members}': ['rate>0.99'],
  },
  summaryTrendStats: ['avg', ...TREND_STATS],
  tags: TAGS,
};

export function setup() {
  const sessions = [];
  for (let number = 2001; number <= 2000 + SESSIONS; number += 1) sessions.push(logIn(number));
  // Guests' pages cost half: they would prove nothing.
  if (sessions.includes(null)) throw new Error(`of ${SESSIONS} regulars some were not let in`);
  return { products: catalogue(), sessions };
}

export function browse({ products, sessions }) {
  const one = pick(products);
  const session = chances([
    [80, () => pick(sessions)],
    [20, () => null],
  ]);
  const answer = chances([
    [10, () => home(session)],
    [70, () => product(one.sku, session)],
    [20, () => list(one.category, session)],
  ]);
  noteQueries(answer);
  const knows = (r) => r.body !== null && r.body.includes(session.email);
  if (session) check(answer, { 'page knows who asks': knows }, { about: 'members' });
}
