//! What a read of several keys found: for metrics and `Server-Timing`.

use metrics::counter;

use crate::flights::How;

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) hit: u64,
    pub(super) absent: u64,
    miss: u64,
    shared: u64,
    pub(super) bypass: u64,
    pub(super) refused: u64,
}

impl Tally {
    pub(super) fn landed(&mut self, how: How, led: bool) {
        match how {
            How::Loaded if led => self.miss += 1,
            How::Loaded | How::FilledByOthers { .. } => self.shared += 1,
            How::Bypassed => self.bypass += 1,
        }
    }

    fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [
            ("hit", self.hit),
            ("absent", self.absent),
            ("miss", self.miss),
            ("shared", self.shared),
            ("bypass", self.bypass),
            ("refused", self.refused),
        ];
        all.into_iter().filter(|(_, count)| *count > 0)
    }

    pub(super) fn count(&self, cache: &'static str) {
        for (outcome, count) in self.outcomes() {
            counter!("cache_requests_total", "cache" => cache, "outcome" => outcome)
                .increment(count);
        }
    }

    /// `redis products 11 hit 1 miss`.
    pub(super) fn describe(&self, cache: &str) -> String {
        let parts = self
            .outcomes()
            .map(|(outcome, count)| format!(" {count} {outcome}"));
        parts.fold(format!("redis {cache}"), |text, part| text + &part)
    }
}
