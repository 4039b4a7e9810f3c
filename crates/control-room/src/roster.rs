//! Who is there, and who was a moment ago. A box that died is news: it stays in the drawing, as silent.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How long a silent box is shown. Longer than a restart, shorter than a talk about it.
const MEMORY: Duration = Duration::from_secs(60);

/// A box whose figures have not moved for three scrapes is silent, whatever Prometheus still knows.
const STILL: Duration = Duration::from_secs(6);

/// Stage 1's. No other box ever runs beside it.
const ONE_BOX: &str = "box";

#[derive(Debug, Default)]
pub(crate) struct Roster {
    boxes: BTreeMap<String, Heard>,
    has_heard: bool,
}

#[derive(Debug)]
struct Heard {
    /// When its latest figures were scraped, by Prometheus' clock.
    scraped: f64,
    /// When they last were new. None: they never were, as long as we looked. A Prometheus that was
    /// restarted goes on repeating the boxes of the stage before.
    moved: Option<Instant>,
    /// Prometheus has figures of it now.
    is_known: bool,
}

impl Heard {
    fn is_there(&self, now: Instant) -> bool {
        self.is_known && self.moved.is_some_and(|moved| now - moved < STILL)
    }

    fn is_remembered(&self, now: Instant) -> bool {
        self.is_known || self.moved.is_some_and(|moved| now - moved < MEMORY)
    }
}

impl Roster {
    /// Takes in which boxes Prometheus knows now, and when it scraped each.
    pub(crate) fn hear<'a>(&mut self, known: impl Iterator<Item = (&'a str, f64)>) {
        let now = Instant::now();
        let is_first = !std::mem::replace(&mut self.has_heard, true);
        for heard in self.boxes.values_mut() {
            heard.is_known = false;
        }
        for (name, scraped) in known {
            match self.boxes.get_mut(name) {
                Some(heard) => {
                    if heard.scraped != scraped {
                        heard.moved = Some(now);
                    }
                    (heard.scraped, heard.is_known) = (scraped, true);
                }
                None => {
                    let heard = Heard {
                        scraped,
                        // What is repeated was there when we began to look.
                        moved: (!is_first).then_some(now),
                        is_known: true,
                    };
                    self.boxes.insert(name.to_owned(), heard);
                }
            }
        }
        self.forget(now);
    }

    fn forget(&mut self, now: Instant) {
        // What is silent beside the one box, or the one box beside others, was left for them.
        let there = |one_box: bool| {
            let mut boxes = self.boxes.iter();
            boxes.any(|(name, heard)| (name == ONE_BOX) == one_box && heard.is_there(now))
        };
        let (one_box, others) = (there(true), there(false));
        for (name, heard) in &mut self.boxes {
            let is_left = if name == ONE_BOX { others } else { one_box };
            if is_left && !heard.is_there(now) {
                heard.moved = None;
            }
        }
        self.boxes.retain(|_, heard| heard.is_remembered(now));
    }

    pub(crate) fn is_there(&self, name: &str) -> bool {
        let heard = self.boxes.get(name);
        heard.is_some_and(|heard| heard.is_there(Instant::now()))
    }

    /// Boxes that were there, and for how many seconds each has been silent.
    pub(crate) fn silent(&self) -> impl Iterator<Item = (&str, u64)> {
        let now = Instant::now();
        let silent = self
            .boxes
            .iter()
            .filter(move |(_, heard)| !heard.is_there(now));
        silent.filter_map(move |(name, heard)| {
            let moved = heard.moved?;
            Some((name.as_str(), (now - moved).as_secs()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two seconds later, these boxes have been scraped at these times.
    async fn after_a_scrape(roster: &mut Roster, boxes: &[(&str, f64)]) {
        tokio::time::advance(Duration::from_secs(2)).await;
        roster.hear(boxes.iter().copied());
    }

    fn silent(roster: &Roster) -> Vec<(&str, u64)> {
        roster.silent().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_box_is_there_once_its_figures_have_moved() {
        let mut roster = Roster::default();
        for (scraped, is_there) in [(1.0, false), (1.0, false), (3.0, true), (3.0, true)] {
            after_a_scrape(&mut roster, &[("web", scraped)]).await;
            assert_eq!(roster.is_there("web"), is_there, "{scraped}");
            assert_eq!(silent(&roster), []);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_box_that_comes_is_there_at_once() {
        let mut roster = Roster::default();
        after_a_scrape(&mut roster, &[]).await;
        after_a_scrape(&mut roster, &[("web", 1.0)]).await;
        assert!(roster.is_there("web"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_box_that_died_is_shown_for_a_minute() {
        let mut roster = Roster::default();
        for scraped in [1.0, 3.0] {
            after_a_scrape(&mut roster, &[("db", scraped), ("web", scraped)]).await;
        }
        after_a_scrape(&mut roster, &[("db", 5.0)]).await;
        assert!(roster.is_there("db"));
        assert_eq!(silent(&roster), [("web", 2)]);
        tokio::time::advance(MEMORY).await;
        after_a_scrape(&mut roster, &[("db", 7.0)]).await;
        assert_eq!(silent(&roster), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_box_that_does_not_move_any_more_is_silent() {
        let mut roster = Roster::default();
        for scraped in [1.0, 3.0, 3.0, 3.0, 3.0] {
            after_a_scrape(&mut roster, &[("web", scraped)]).await;
        }
        assert_eq!(silent(&roster), [("web", 6)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_restarted_prometheus_repeats_is_not_shown() {
        let mut roster = Roster::default();
        for scraped in [11.0, 13.0, 15.0, 17.0] {
            let boxes = [("box", 1.0), ("db", scraped), ("web", scraped)];
            after_a_scrape(&mut roster, &boxes).await;
            assert!(!roster.is_there("box"));
            assert_eq!(silent(&roster), []);
        }
        assert!(roster.is_there("db") && roster.is_there("web"));
    }

    #[tokio::test(start_paused = true)]
    async fn boxes_of_a_stage_that_was_left_are_forgotten() {
        let (one, two) = (&["box"][..], &["db", "web"][..]);
        for (left, entered) in [(one, two), (two, one)] {
            let mut roster = Roster::default();
            for (scraped, boxes) in [(1.0, left), (3.0, left), (5.0, entered), (7.0, entered)] {
                let boxes: Vec<_> = boxes.iter().map(|name| (*name, scraped)).collect();
                after_a_scrape(&mut roster, &boxes).await;
            }
            assert_eq!(silent(&roster), []);
            assert!(entered.iter().all(|name| roster.is_there(name)));
        }
    }
}
