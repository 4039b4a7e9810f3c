//! Every question to Prometheus, by name.
//!
//! All questions of a poll travel as one: each gets its name as a label `figure`, and `or` joins them.
//! One request, one evaluation, one consistent moment.
//!
//! Boxes are scraped every 2 s. A window of 12 s has six samples in it: enough for a steady figure,
//! short enough to be called now.

/// A question and its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    expr: &'static str,
}

const fn query(name: &'static str, expr: &'static str) -> Query {
    Query { name, expr }
}

// -- boxes: one series a box, by the label `box` ------------------------------------------------

/// Cores used.
pub(crate) const CPU: Query = query("cpu", "max by (box) (rate(box_cpu_seconds_total[12s]))");

/// Share of time in which a box wanted to run and its cap did not let it.
pub(crate) const THROTTLED: Query = query(
    "throttled",
    "max by (box) (rate(box_cpu_throttled_seconds_total[12s]))",
);

/// Cores a box may use.
pub(crate) const CPU_LIMIT: Query = query("cpu_limit", "max by (box) (box_cpu_limit_cores)");

/// When the box was last scraped, in seconds since 1970.
pub(crate) const SCRAPED: Query = query("scraped", "max by (box) (timestamp(box_memory_bytes))");

/// Bytes in use; and, by its `instance`, which box lives at which address.
pub(crate) const MEMORY: Query = query("memory", "max by (box, instance) (box_memory_bytes)");

pub(crate) const MEMORY_LIMIT: Query =
    query("memory_limit", "max by (box) (box_memory_limit_bytes)");

/// Bytes a second, by `direction`: `receive`, `transmit`.
pub(crate) const NETWORK: Query = query(
    "network",
    "max by (box, direction) (rate(box_network_bytes_total[12s]))",
);

// -- arrows: what processes say they did, by the address they were scraped at --------------------

/// Whether the shop at this address has opened its door: 0 while it is set up.
pub(crate) const OPEN: Query = query("open", "max by (instance) (shop_open)");

/// HTTP requests answered a second.
pub(crate) const REQUESTS: Query = query(
    "requests",
    "sum by (instance) (rate(http_server_request_duration_seconds_count[12s]))",
);

/// Units of work on a Postgres node, a second.
pub(crate) const QUERIES: Query = query(
    "queries",
    "sum by (instance, node) (rate(db_query_duration_seconds_count[12s]))",
);

/// Commands to Redis a second. What is sent together counts once.
pub(crate) const COMMANDS: Query = query(
    "commands",
    "sum by (instance) (rate(redis_request_duration_seconds_count[12s]))",
);

/// Requests that a proxy passed on, a second.
pub(crate) const PASSED_ON: Query = query(
    "passed_on",
    "sum by (instance) (rate(upstream_requests_total{outcome!=\"retried\"}[12s]))",
);

// -- balancers: what each thinks of its upstreams, by the address it was scraped at ---------------

/// The state of each upstream, as a label. A gauge: it is seen with the next scrape.
pub(crate) const UPSTREAM_STATE: Query = query(
    "upstream_state",
    "max by (instance, upstream, state) (upstream_state) == 1",
);

/// Attempts a second. One that was tried elsewhere counts there, too.
pub(crate) const UPSTREAM_REQUESTS: Query = query(
    "upstream_requests",
    "sum by (instance, upstream) (rate(upstream_requests_total{outcome!=\"retried\"}[12s]))",
);

/// Of these, a second, those that came to nothing.
pub(crate) const UPSTREAM_FAILED: Query = query(
    "upstream_failed",
    "sum by (instance, upstream) (rate(upstream_requests_total{outcome=~\"error|timeout|refused\"}[12s]))",
);

pub(crate) const UPSTREAM_IN_FLIGHT: Query = query(
    "upstream_in_flight",
    "max by (instance, upstream) (upstream_in_flight)",
);

/// Seconds until the head of a good answer, on average.
pub(crate) const UPSTREAM_LATENCY: Query = query(
    "upstream_latency",
    "sum by (instance, upstream) (rate(upstream_ok_seconds_total[12s])) \
     / sum by (instance, upstream) (rate(upstream_requests_total{outcome=\"ok\"}[12s]))",
);

/// Seconds since each was last ejected, also when it is back by now.
pub(crate) const EJECTED_AGO: Query = query(
    "ejected_ago",
    "time() - max by (instance, upstream) (upstream_last_ejection_timestamp_seconds)",
);

/// In the last 15 minutes. Rounded, as Prometheus stretches what it saw to the whole of them.
pub(crate) const EJECTIONS: Query = query(
    "ejections",
    "sum by (instance) (round(increase(upstream_ejections_total[15m])))",
);

/// 1 while most are ejected, and ejections are therefore ignored.
pub(crate) const PANIC: Query = query("panic", "max by (instance) (upstream_panic)");

/// A second.
pub(crate) const RETRIES: Query = query(
    "retries",
    "sum by (instance) (rate(upstream_requests_total{outcome=\"retried\"}[12s]))",
);

/// A second, by `reason`: `full`, `nobody_ready`.
pub(crate) const REFUSED: Query = query(
    "refused",
    "sum by (instance, reason) (rate(requests_refused_total[12s]))",
);

// -- sessions and the cache ---------------------------------------------------------------------

/// Look-ups of sessions a second, by `store` and `outcome`.
pub(crate) const SESSIONS: Query = query(
    "sessions",
    "sum by (store, outcome) (rate(session_lookups_total[12s]))",
);

// The CDN counts under the same name what it has.

/// Requests a second, by `cache` and `outcome`.
pub(crate) const CACHED: Query = query(
    "cached",
    "sum by (cache, outcome) (rate(cache_requests_total{cache!=\"cdn\"}[12s]))",
);

/// Share of requests that cost no query of their own, by `cache`. 0 where none ever was one.
pub(crate) const HIT_RATE: Query = query(
    "hit_rate",
    "(sum by (cache) (rate(cache_requests_total{cache!=\"cdn\",outcome=~\"hit|absent|shared\"}[12s])) \
     or 0 * sum by (cache) (rate(cache_requests_total{cache!=\"cdn\"}[12s]))) \
     / sum by (cache) (rate(cache_requests_total{cache!=\"cdn\"}[12s]))",
);

/// Entries renewed before their time was over, a second, by `cache`.
pub(crate) const REFRESHES: Query = query(
    "refreshes",
    "sum by (cache) (rate(cache_refreshes_total[12s]))",
);

/// Entries invalidated a second, by `cache` and `path`: `fast`, `feed`.
pub(crate) const INVALIDATIONS: Query = query(
    "invalidations",
    "sum by (cache, path) (rate(cache_invalidations_total[12s]))",
);

/// What each address says of its way to `redis-sessions` and `redis-cache`, by `dependency`: 0 closed,
/// 1 half-open, 2 open.
pub(crate) const CIRCUITS: Query = query(
    "circuits",
    "max by (instance, dependency) (circuit_state{dependency=~\"redis-.+\"})",
);

// What each Redis says of itself, by `store`: `sessions`, `cache`.

/// Bytes.
pub(crate) const REDIS_MEMORY: Query = query(
    "redis_memory",
    "max by (instance, store) (redis_memory_used_bytes)",
);
pub(crate) const REDIS_MEMORY_LIMIT: Query = query(
    "redis_memory_limit",
    "max by (instance, store) (redis_memory_max_bytes)",
);

pub(crate) const REDIS_KEYS: Query = query("redis_keys", "max by (instance, store) (redis_keys)");

/// Keys that had to make room for others, in the last 15 minutes. Rounded, as ejections are.
pub(crate) const REDIS_EVICTIONS: Query = query(
    "redis_evictions",
    "max by (instance, store) (round(increase(redis_evicted_keys_total[15m])))",
);

// -- the front door: what visitors see ----------------------------------------------------------

// Whoever comes while the shop is set up is told to come again. That is no load and no error of it,
// and has a figure of its own.

pub(crate) const OFFERED: Query = query(
    "offered",
    "sum(rate(http_server_request_duration_seconds_count{$door,route!=\"starting\"}[12s]))",
);

/// Answers a second that were our fault. 0 where there never was one: else the next door would answer.
pub(crate) const FAILED: Query = query(
    "failed",
    "(sum(rate(http_server_request_duration_seconds_count{$door,route!=\"starting\",status=~\"5..\"}[12s])) \
     or 0 * sum(rate(http_server_request_duration_seconds_count{$door,route!=\"starting\"}[12s])))",
);

/// Requests a second that came before the shop was open. Empty if none ever did.
pub(crate) const TURNED_AWAY: Query = query(
    "turned_away",
    "sum(rate(http_server_request_duration_seconds_count{$door,route=\"starting\"}[12s]))",
);

/// Seconds. 20 s, as the last percent of a small load is few requests.
pub(crate) const P50: Query = query(
    "p50",
    "histogram_quantile(0.5, sum by (le) (rate(http_server_request_duration_seconds_bucket{$door,route!=\"starting\"}[20s])))",
);
pub(crate) const P95: Query = query(
    "p95",
    "histogram_quantile(0.95, sum by (le) (rate(http_server_request_duration_seconds_bucket{$door,route!=\"starting\"}[20s])))",
);
pub(crate) const P99: Query = query(
    "p99",
    "histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket{$door,route!=\"starting\"}[20s])))",
);

// -- what a visit costs --------------------------------------------------------------------------

// As the triggers have them, so that page and verdict agree.

/// Bytes of answers a second. What a CDN answers is no longer the origin's.
pub(crate) const EGRESS: Query = query(
    "egress",
    "sum(rate(http_server_response_bytes_total{service=~\"(box|web)(-.+)?\"}[20s]))",
);

/// Bytes of answers a second that leave from the CDN instead.
pub(crate) const CDN_SENT: Query = query(
    "cdn_sent",
    "sum(rate(cache_sent_bytes_total{cache=\"cdn\"}[20s]))",
);

/// Visits a second: pages served, without their assets and without API calls.
pub(crate) const VISITS: Query = query(
    "visits",
    "sum(rate(http_server_request_duration_seconds_count{service=~\"(box|web)(-.+)?\",method=\"GET\",status=~\"2..\",route!~\"/assets/.*|/api/.*|unmatched\"}[20s]))",
);

/// Queries a second of those who serve pages, and answer API calls. What jobs ask is theirs.
pub(crate) const PAGE_QUERIES: Query = query(
    "page_queries",
    "sum(rate(db_query_duration_seconds_count{service=~\"(box|web)(-.+)?\"}[20s]))",
);

// -- panels that only some stages have: empty without the metric ---------------------------------------

/// What each process takes of the cap of its box, where that has several. Of the cap, not of what is
/// used: at rest that would divide next to nothing by next to nothing.
pub(crate) const PROCESSES: Query = query(
    "processes",
    "max by (box, process) (rate(box_process_cpu_seconds_total[12s])) / on (box) group_left () max by (box) (box_cpu_limit_cores)",
);
pub(crate) const CDN_HITS: Query = query(
    "cdn_hits",
    "sum by (cache) (rate(cache_requests_total{cache=\"cdn\",outcome=~\"hit|stale|stood-in\"}[30s])) / sum by (cache) (rate(cache_requests_total[30s]))",
);
pub(crate) const REPLICA_LAG: Query =
    query("replica_lag", "max by (node) (db_replica_lag_seconds)");
pub(crate) const SHARD_BUCKETS: Query = query("shard_buckets", "max by (shard) (shard_buckets)");

// -- history ------------------------------------------------------------------------------------

/// A box's CPU as a share of its cap.
pub(crate) const CPU_SHARE: Query = query(
    "cpu_share",
    "max by (box) (rate(box_cpu_seconds_total[12s])) / max by (box) (box_cpu_limit_cores)",
);

/// What every poll asks.
pub(crate) const NOW: &[Query] = &[
    CPU,
    THROTTLED,
    CPU_LIMIT,
    SCRAPED,
    MEMORY,
    MEMORY_LIMIT,
    NETWORK,
    OPEN,
    REQUESTS,
    QUERIES,
    COMMANDS,
    PASSED_ON,
    UPSTREAM_STATE,
    UPSTREAM_REQUESTS,
    UPSTREAM_FAILED,
    UPSTREAM_IN_FLIGHT,
    UPSTREAM_LATENCY,
    EJECTED_AGO,
    EJECTIONS,
    PANIC,
    RETRIES,
    REFUSED,
    SESSIONS,
    CACHED,
    HIT_RATE,
    REFRESHES,
    INVALIDATIONS,
    CIRCUITS,
    REDIS_MEMORY,
    REDIS_MEMORY_LIMIT,
    REDIS_KEYS,
    REDIS_EVICTIONS,
    OFFERED,
    FAILED,
    TURNED_AWAY,
    P50,
    P95,
    P99,
    EGRESS,
    CDN_SENT,
    VISITS,
    PAGE_QUERIES,
    PROCESSES,
    CDN_HITS,
    REPLICA_LAG,
    SHARD_BUCKETS,
];

/// What the plots show.
pub(crate) const OVER_TIME: &[Query] = &[
    OFFERED,
    FAILED,
    P95,
    EGRESS,
    CDN_SENT,
    VISITS,
    PAGE_QUERIES,
    HIT_RATE,
    CPU_SHARE,
];

/// Which services are the front door, the latest stage's first: the first that has figures is it.
/// So a plot goes on through a climb, though the door moves from `box` to `web` to `lb`.
const DOORS: [&str; 3] = [
    "service=~\"cdn-[ab]\"",
    "service=\"lb\"",
    "service=~\"box|web\"",
];

impl Query {
    fn promql(self) -> String {
        if !self.expr.contains("$door") {
            return self.expr.to_owned();
        }
        DOORS
            .map(|door| self.expr.replace("$door", door))
            .join(" or ")
    }
}

/// These questions as one.
pub(crate) fn together(queries: &[Query]) -> String {
    let named = queries.iter().map(|query| {
        let expr = query.promql();
        format!(
            "label_replace({expr}, \"figure\", \"{}\", \"\", \"\")",
            query.name
        )
    });
    named.collect::<Vec<_>>().join(" or ")
}
