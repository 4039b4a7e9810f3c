// As much of breaker 2's mix as the web tier takes: each visitor logs in and looks around, and asks again
// as soon as he has his answer. For `./stage drill web-capacity`, which reads each single request.
import { catalogue, TAGS } from './lib/shop.js';
import { arrive, browse, LOG_INS_PER_100_PAGES } from './lib/peak.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const PAGES = 100 / LOG_INS_PER_100_PAGES;

export const options = {
  scenarios: {
    visitors: {
      executor: 'constant-vus',
      vus: Number(__ENV.VISITORS || 10),
      duration: __ENV.DURATION || '30s',
    },
  },
  systemTags: ['name', 'method', 'status', 'scenario', 'expected_response', 'error_code'],
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  return { products: catalogue() };
}

// One after the other, so that the mix is the same however much of it is done.
export default function (found) {
  arrive();
  for (let page = 0; page < PAGES; page += 1) browse(found);
}
