// What a run found, as `./stage` reads it: the thresholds first, then how much there was of it.

export function handleSummary(data) {
  const metrics = data.metrics;
  const thresholds = [];
  for (const [metric, figures] of Object.entries(metrics)) {
    for (const [threshold, result] of Object.entries(figures.thresholds || {})) {
      // `p(95)<400` is about the value that k6 calls `p(95)`.
      const [name] = /^[^<>=]+/.exec(threshold);
      thresholds.push({ metric, threshold, seen: figures.values[name.trim()], ok: result.ok });
    }
  }
  const value = (metric, key) => (metrics[metric] ? metrics[metric].values[key] : 0);
  const outcome = {
    thresholds,
    requests: value('http_reqs', 'count'),
    failed_checks: value('checks', 'fails'),
    dropped_iterations: value('dropped_iterations', 'count'),
  };
  const ms = (metric, key) => `${value(metric, key).toFixed(0)} ms`;
  const told = [
    `${outcome.requests} requests, ${(100 * value('http_req_failed', 'rate')).toFixed(2)} % failed`,
    `p50 ${ms('http_req_duration', 'med')}, p95 ${ms('http_req_duration', 'p(95)')}, p99 ${ms('http_req_duration', 'p(99)')}`,
    `${outcome.failed_checks} failed checks, ${outcome.dropped_iterations} dropped iterations`,
  ];
  if (metrics.db_queries_per_page) told.push(`${value('db_queries_per_page', 'avg').toFixed(2)} queries a page`);
  const written = { stdout: `${told.join('\n')}\n` };
  if (__ENV.SUMMARY) written[__ENV.SUMMARY] = JSON.stringify(outcome);
  return written;
}

export const TREND_STATS = ['med', 'p(95)', 'p(99)', 'max'];
