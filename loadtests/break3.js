// Breaker 3: a link to the shop goes round. Everybody looks at the front page, with nothing of it in the
// browser yet, and its hero is a picture of 4 MB. No box is full; it is the bytes that leave the origin
// which somebody pays for. From stage 4 on nearly all of them leave from the CDN.
import { Trend } from 'k6/metrics';
import { visit } from './lib/visitor.js';
import { TAGS } from './lib/shop.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const originBytes = new Trend('origin_bytes_per_visit');

export const options = {
  scenarios: {
    visits: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.VISITS || 4),
      timeUnit: '1s',
      duration: __ENV.DURATION || '45s',
      preAllocatedVUs: 50,
      maxVUs: 100,
    },
  },
  thresholds: {
    // A page, and what the CDN has to ask for now and then: its hero once is 4 MB in 180 visits.
    origin_bytes_per_visit: ['avg<100000'],
    http_req_failed: ['rate<0.001'],
    checks: ['rate==1'],
    'http_req_duration{name:page}': ['p(95)<500'],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: ['avg', ...TREND_STATS],
  tags: TAGS,
};

export default function () {
  const bytes = visit('/');
  originBytes.add(bytes.origin);
}
