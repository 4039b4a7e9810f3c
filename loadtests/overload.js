// From START to RATE requests a second over DURATION: pages that web boxes make, and no waiting for one
// another. For `./stage drill overload`, which reads each single request.
import http from 'k6/http';
import { BASE_URL, catalogue, TAGS } from './lib/shop.js';
import { pick } from './lib/random.js';
import { TREND_STATS } from './lib/summary.js';

export { handleSummary } from './lib/summary.js';

const RATE = Number(__ENV.RATE || 300);

export const options = {
  scenarios: {
    visitors: {
      executor: 'ramping-arrival-rate',
      startRate: Number(__ENV.START || RATE),
      timeUnit: '1s',
      stages: [{ target: RATE, duration: __ENV.DURATION || '30s' }],
      // For all to wait half a second, and more for some.
      preAllocatedVUs: 600,
      maxVUs: 2000,
    },
  },
  systemTags: ['name', 'method', 'status', 'scenario', 'expected_response', 'error_code'],
  summaryTrendStats: TREND_STATS,
  tags: TAGS,
};

export function setup() {
  return { products: catalogue() };
}

export default function ({ products }) {
  // Bodies are not looked at: k6 has enough to do.
  http.get(`${BASE_URL}/products/${pick(products).sku}`, {
    tags: { name: 'product' },
    responseType: 'none',
    responseCallback: http.expectedStatuses(200),
    timeout: '10s',
  });
}
