//! Whether an upstream's requests are a queue that drains or one that stands: the good and the bad queue of
//! `CoDel` (Nichols and Jacobson, 2012), which goes by how long each has waited. We go by how many are in
//! flight, ten times a second: that needs no clock on a request's way.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) stands: bool,
    length: Length,
    /// Since when it is as long as that.
    since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// No more than half of what may be in flight where it stands.
    Short,
    Middling,
    /// More than that.
    Long,
}

impl Queue {
    pub(crate) fn new(now: Instant) -> Queue {
        Queue {
            stands: false,
            length: Length::Short,
            since: now,
        }
    }

    /// It stands once it was long for all of `burst`, and drains once it was short for as long: what is
    /// short for a moment under too much load is no sign that the load is over.
    pub(crate) fn look(&mut self, now: Instant, length: Length, burst: Duration) {
        if length != self.length {
            self.since = now;
            self.length = length;
        }
        if now.duration_since(self.since) >= burst {
            match length {
                Length::Short => self.stands = false,
                Length::Middling => {}
                Length::Long => self.stands = true,
            }
        }
    }
}
