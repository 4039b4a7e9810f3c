//! Rates that all boxes count together: the generic cell rate algorithm, in Redis and by its clock.

use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use serde::{Deserialize, Serialize};

use crate::client::{Redis, Result};

/// `{ burst = 5, per_minute = 6 }`: five at once, then one every ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub burst: NonZeroU32,
    pub per_minute: NonZeroU32,
}

impl Rate {
    /// # Panics
    /// If one of them is zero.
    pub const fn new(burst: u32, per_minute: u32) -> Rate {
        Rate {
            burst: NonZeroU32::new(burst).unwrap(),
            per_minute: NonZeroU32::new(per_minute).unwrap(),
        }
    }
}

/// Counts attempts under any number of keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Limiter {
    redis: Redis,
}

/// Under each key stands the theoretical arrival time of the next attempt, in microseconds. What is
/// refused under one key is not counted under those after it. A clock that was set back makes nobody wait
/// for longer than a burst takes.
static ATTEMPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local due = math.max(tonumber(redis.call('GET', key) or 0), now)
  due = math.min(due, now + burst * interval)
  local early = due + interval - burst * interval - now
  if early > 0 then return math.ceil(early) end
  local next = due + interval
  redis.call('SET', key, string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
end
return 0
",
    )
});

impl Limiter {
    pub fn new(redis: Redis) -> Limiter {
        Limiter { redis }
    }

    /// Counts an attempt under each key, up to the first that refuses it: `Some` says how long to wait.
    pub async fn attempt(&self, keys: &[(String, Rate)]) -> Result<Option<Duration>> {
        let mut call = ATTEMPT.prepare_invoke();
        for (key, rate) in keys {
            let interval = 60_000_000 / u64::from(rate.per_minute.get());
            call.key(self.redis.key(format_args!("limit:{key}")));
            call.arg(interval).arg(rate.burst.get());
        }
        let wait: u64 = self.redis.run("limit", &call).await?;
        Ok((wait > 0).then(|| Duration::from_micros(wait)))
    }
}
