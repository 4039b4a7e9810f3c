// Breaker 2: the evening of the sale. Everybody looks around, and many log in: hashing a password is
// the work that a web box takes longest for. One web box is full, and the database is not; three web
// boxes have room to spare.
import { catalogue, TAGS } from './lib/shop.js';
import { arrive, browse, LOG_INS_PER_100_PAGES } from './lib/peak.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';
export { arrive, browse };

const DURATION = __ENV.DURATION || '45s';
const PAGES = Number(__ENV.PAGES || 160);

// So much, however long the answers take: visitors do not wait for one another.
function arrivals(exec, rate) {
  return {
    executor: 'constant-arrival-rate',
    exec,
    // In ten seconds, so that fractions of a log-in a second can be had.
    rate: Math.round(rate * 10),
    timeUnit: '10s',
    duration: DURATION,
    // All from the start: to make one takes k6 long enough to miss an arrival.
    preAllocatedVUs: 300,
    maxVUs: 600,
  };
}

export const options = {
  scenarios: {
    pages: arrivals('browse', PAGES),
    log_ins: arrivals('arrive', (PAGES * LOG_INS_PER_100_PAGES) / 100),
  },
  thresholds: {
    'http_req_duration{scenario:pages}': ['p(95)<400'],
    'http_req_duration{scenario:log_ins}': ['p(95)<1500'],
    http_req_failed: ['rate<0.01'],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  return { products: catalogue() };
}
