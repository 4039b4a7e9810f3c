// As much of breaker 2's mix as the web tier takes: each visitor asks again as soon as he has his answer.
// For `./stage drill web-capacity`, which reads each single request.
import { catalogue, TAGS } from './lib/shop.js';
import { arrive, browse, LOG_INS_PER_100_PAGES } from './lib/peak.js';
import { chances } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

export const options = {
  scenarios: {
    visitors: {
      executor: 'constant-vus',
      // Enough to keep three boxes full, and their hashing busy.
      vus: Number(__ENV.VISITORS || 48),
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

export default function (found) {
  chances([
    [LOG_INS_PER_100_PAGES, () => arrive()],
    [100 - LOG_INS_PER_100_PAGES, () => browse(found)],
  ]);
}
