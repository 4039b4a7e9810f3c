// Breaker 1: a busy hour of pages, log-ins and the sales report. On one box web and database fight
// for the same quarter of a core; on two boxes each has its own, and room to spare.
import {
  catalogue, home, list, logIn, logInStaff, product, salesReport, search, TAGS,
} from './lib/shop.js';
import { chances, pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const DURATION = __ENV.DURATION || '45s';

// So much, however long the answers take: visitors do not wait for one another.
function arrivals(exec, rate, timeUnit) {
  return {
    executor: 'constant-arrival-rate',
    exec,
    rate,
    timeUnit,
    duration: DURATION,
    // All from the start: to make one takes k6 long enough to miss an arrival.
    preAllocatedVUs: 200,
    maxVUs: 300,
  };
}

export const options = {
  scenarios: {
    pages: arrivals('browse', Number(__ENV.PAGES || 300), '1s'),
    // Hashing a password is what a web box works on longest: on purpose.
    log_ins: arrivals('arrive', Number(__ENV.LOG_INS || 45), '10s'),
    // The heaviest read there is, a few times a minute.
    reports: arrivals('report', Number(__ENV.REPORTS || 12), '1m'),
  },
  thresholds: {
    'http_req_duration{scenario:pages}': ['p(95)<400'],
    http_req_failed: ['rate<0.01'],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  return { products: catalogue(), boss: logInStaff() };
}

export function browse({ products }) {
  const one = pick(products);
  chances([
    [10, () => home()],
    [50, () => product(one.sku)],
    [25, () => list(one.category)],
    [15, () => search(one.name.split(' ').pop())],
  ]);
}

export function arrive() {
  logIn();
}

export function report({ boss }) {
  salesReport(boss);
}
