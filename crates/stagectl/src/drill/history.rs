//! What was written of one product, what was read of it, and whether anybody read what was over.

use std::time::Duration;

/// One product's: its level rises by one with each write, so no level is ever there twice, and it has one
/// writer, so writes are in order. Times are since the beginning.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The level before the first write.
    pub(super) first: i64,
    pub(super) writes: Vec<Write>,
    pub(super) reads: Vec<Read>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    pub(super) asked: Duration,
    /// Only the last one may lack it.
    pub(super) acknowledged: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) asked: Duration,
    pub(super) answered: Duration,
    pub(super) level: i64,
}

/// What is wrong with some reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// For each read that began after a newer level was acknowledged: how long after the first such.
    pub(super) ages: Vec<Duration>,
    /// Reads of levels that were never there, or not there yet.
    pub(super) impossible: usize,
}

impl Verdict {
    pub(super) fn of<'a>(histories: impl IntoIterator<Item = &'a History>) -> Verdict {
        let mut verdict = Verdict::default();
        let looks = histories
            .into_iter()
            .flat_map(|history| history.reads.iter().map(|read| history.look(read)));
        for look in looks {
            match look {
                Look::Fresh => {}
                Look::Stale(age) => verdict.ages.push(age),
                Look::Impossible => verdict.impossible += 1,
            }
        }
        verdict.ages.sort();
        verdict
    }

    pub(super) fn older_than(&self, limit: Duration) -> usize {
        self.ages.iter().filter(|age| **age > limit).count()
    }
}

/// What one read shows.
enum Look {
    Fresh,
    Stale(Duration),
    Impossible,
}

impl History {
    fn look(&self, read: &Read) -> Look {
        // So many writes made this level.
        let Ok(made) = usize::try_from(read.level - self.first) else {
            return Look::Impossible;
        };
        let last_asked = match made {
            0 => Some(Duration::ZERO),
            _ => self.writes.get(made - 1).map(|last| last.asked),
        };
        if last_asked.is_none_or(|asked| asked > read.answered) {
            return Look::Impossible;
        }
        let replaced = self.writes.get(made).and_then(|next| next.acknowledged);
        match replaced {
            Some(replaced) if replaced < read.asked => Look::Stale(read.asked - replaced),
            _ => Look::Fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Levels 5 to 8: written at 100, 200 and 300 ms, each acknowledged 10 ms later.
    fn history(reads: &[(u64, u64, i64)]) -> History {
        let write = |at| Write {
            asked: ms(at),
            acknowledged: Some(ms(at + 10)),
        };
        let reads = reads.iter().map(|(asked, answered, level)| Read {
            asked: ms(*asked),
            answered: ms(*answered),
            level: *level,
        });
        History {
            first: 5,
            writes: [100, 200, 300].map(write).to_vec(),
            reads: reads.collect(),
        }
    }

    fn judged(reads: &[(u64, u64, i64)]) -> Verdict {
        Verdict::of([&history(reads)])
    }

    #[test]
    fn who_reads_while_it_is_written_may_see_both() {
        let reads = [
            (0, 5, 5),
            (100, 108, 5),
            (100, 108, 6),
            // Before it is acknowledged, however late the answer.
            (109, 500, 5),
            (310, 320, 7),
            (400, 405, 8),
        ];
        assert_eq!(judged(&reads), Verdict::default());
    }

    #[test]
    fn a_stale_read_is_found_and_its_age_is_that_of_the_first_newer_level() {
        // One that was replaced 50 ms before, and one that was replaced twice: 150 ms.
        let verdict = judged(&[(160, 165, 5), (260, 265, 5), (215, 220, 7)]);
        assert_eq!(verdict.ages, [ms(50), ms(150)]);
        assert_eq!(verdict.impossible, 0);
        assert_eq!(verdict.older_than(ms(100)), 1);
        assert_eq!(verdict.older_than(ms(150)), 0);
    }

    #[test]
    fn levels_that_cannot_be_there_are_found() {
        // Below the first, beyond the last, and one before anybody asked for it.
        let verdict = judged(&[(150, 155, 4), (400, 405, 9), (10, 20, 6)]);
        assert_eq!((verdict.impossible, verdict.ages.len()), (3, 0));
    }

    #[test]
    fn a_write_without_an_answer_may_be_there_or_not() {
        let mut history = history(&[(500, 505, 7), (500, 505, 8)]);
        history.writes[2].acknowledged = None;
        assert_eq!(Verdict::of([&history]), Verdict::default());
    }

    #[test]
    fn one_stale_read_among_many_is_found_wherever_it_is() {
        let fresh = |at: u64| {
            let level = 5 + [110, 210, 310].iter().filter(|ack| at > **ack).count() as i64;
            (at, at + 1, level)
        };
        // Not while a write is under way: then either would be fine.
        let times = || (0..400).filter(|at| at % 100 > 10);
        for planted in times().filter(|at| *at > 110) {
            let reads = times().map(|at| {
                let (asked, answered, level) = fresh(at);
                (asked, answered, level - i64::from(at == planted))
            });
            let verdict = judged(&reads.collect::<Vec<_>>());
            assert_eq!(
                (verdict.ages.len(), verdict.impossible),
                (1, 0),
                "{planted}"
            );
        }
    }
}
