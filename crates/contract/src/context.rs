//! What travels with a request through every call: its id, its trace, its deadline, and the list
//! of hops that becomes `Server-Timing`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fault::Fault;

/// The context of one request. Cheap to clone: all clones are the same request.
#[derive(Debug, Clone)]
pub struct Ctx {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    request_id: String,
    traceparent: Option<String>,
    deadline: Instant,
    hops: Mutex<Vec<Hop>>,
}

/// One entry of `Server-Timing` (W3C): who worked on this request, with what outcome, how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Hop {
    /// One of the names in `interfaces.md`: `web`, `users`, `orders`, `inventory`, `cache`, `db` ..
    pub metric: String,
    /// The instance and what it did: `db-replica-1 read shard-1`.
    pub desc: String,
    pub duration: Duration,
}

/// Bounds the `Server-Timing` header: a page that asks the database more often shows the first ones.
const MAX_HOPS: usize = 24;

impl Ctx {
    /// A context for one request that must be over `budget` from now.
    pub fn new(request_id: String, traceparent: Option<String>, budget: Duration) -> Ctx {
        Ctx {
            inner: Arc::new(Inner {
                request_id,
                traceparent,
                deadline: Instant::now() + budget,
                hops: Mutex::default(),
            }),
        }
    }

    /// A context for work that no request asked for: a job, a migration, a test.
    pub fn background(name: &str, budget: Duration) -> Ctx {
        Ctx::new(format!("{name}-{}", uuid::Uuid::now_v7()), None, budget)
    }

    pub fn request_id(&self) -> &str {
        &self.inner.request_id
    }

    /// The W3C trace context to pass on, if the request came with or was given one.
    pub fn traceparent(&self) -> Option<&str> {
        self.inner.traceparent.as_deref()
    }

    pub fn deadline(&self) -> Instant {
        self.inner.deadline
    }

    /// Time left, or [`Fault::DeadlineExceeded`] when there is none: call before starting work.
    pub fn remaining(&self) -> Result<Duration, Fault> {
        let left = self
            .inner
            .deadline
            .saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(Fault::DeadlineExceeded)
        } else {
            Ok(left)
        }
    }

    /// Notes a hop for `Server-Timing`, in order of travel.
    pub fn record(&self, metric: impl Into<String>, desc: impl Into<String>, duration: Duration) {
        let mut hops = self.lock();
        if hops.len() < MAX_HOPS {
            hops.push(Hop {
                metric: metric.into(),
                desc: desc.into(),
                duration,
            });
        }
    }

    /// The hops so far.
    pub fn hops(&self) -> Vec<Hop> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Hop>> {
        // A panic while pushing leaves a valid list behind.
        self.inner
            .hops
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Hop {
    /// The `Server-Timing` form, e.g. `db;desc="db read shard-1";dur=0.8` (milliseconds).
    pub fn to_header(&self) -> String {
        let desc: String = self
            .desc
            .chars()
            .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
            .collect();
        format!(
            "{};desc=\"{desc}\";dur={:.2}",
            self.metric,
            self.duration.as_secs_f64() * 1e3
        )
    }

    /// Reads entries as another service of ours writes them; anything else is passed over.
    pub fn parse_header(value: &str) -> Vec<Hop> {
        value.split(',').filter_map(Hop::parse_entry).collect()
    }

    fn parse_entry(entry: &str) -> Option<Hop> {
        let mut parts = entry.trim().split(';');
        let metric = parts.next()?.trim().to_owned();
        let mut hop = Hop {
            metric,
            desc: String::new(),
            duration: Duration::ZERO,
        };
        for part in parts {
            match part.trim().split_once('=')? {
                ("desc", desc) => hop.desc = desc.trim_matches('"').to_owned(),
                ("dur", ms) => {
                    let ms: f64 = ms.parse().ok()?;
                    hop.duration = Duration::try_from_secs_f64(ms / 1e3).ok()?;
                }
                _ => {}
            }
        }
        let token = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (!hop.metric.is_empty() && hop.metric.bytes().all(token)).then_some(hop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_survive_the_header() {
        let hop = Hop {
            metric: "db".into(),
            desc: "db-replica-1 read shard-1".into(),
            duration: Duration::from_micros(800),
        };
        assert_eq!(
            hop.to_header(),
            "db;desc=\"db-replica-1 read shard-1\";dur=0.80"
        );
        assert_eq!(Hop::parse_header(&hop.to_header()), [hop]);
    }

    #[test]
    fn garbage_in_the_header_is_passed_over() {
        assert_eq!(Hop::parse_header(";;,=,,db;dur=x,\u{7f}"), []);
    }

    #[test]
    fn a_request_whose_time_is_over_starts_no_work() {
        let ctx = Ctx::new("r".into(), None, Duration::ZERO);
        assert!(matches!(ctx.remaining(), Err(Fault::DeadlineExceeded)));
    }
}
