//! Boxes that were there a moment ago. A box that died is news: it stays in the drawing, as silent.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::snapshot::BoxFigures;

/// How long a silent box is shown. Longer than a restart, shorter than a talk about it.
const MEMORY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Roster(BTreeMap<String, Seen>);

#[derive(Debug)]
struct Seen {
    figures: BoxFigures,
    at: Instant,
}

impl Roster {
    /// Remembers these, and adds those that went silent.
    pub(crate) fn complete(&mut self, mut boxes: Vec<BoxFigures>) -> Vec<BoxFigures> {
        let now = Instant::now();
        for figures in &boxes {
            let seen = Seen {
                figures: figures.clone(),
                at: now,
            };
            self.0.insert(figures.name.clone(), seen);
        }
        // Where everything runs in one box, what ran beside it belongs to a stage that was left.
        let is_one_box = boxes.iter().any(|figures| figures.name == "box");
        self.0
            .retain(|_, seen| seen.at == now || (!is_one_box && now - seen.at < MEMORY));
        let silent = self.0.values().filter(|seen| seen.at != now);
        boxes.extend(silent.map(|seen| seen.figures.silent((now - seen.at).as_secs())));
        boxes.sort_by(|one, other| one.name.cmp(&other.name));
        boxes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Condition;

    fn conditions(boxes: &[BoxFigures]) -> Vec<(&str, Condition)> {
        boxes
            .iter()
            .map(|b| (b.name.as_str(), b.condition))
            .collect()
    }

    fn boxes(names: &[&str]) -> Vec<BoxFigures> {
        names.iter().map(|name| BoxFigures::new(name)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_box_that_died_is_shown_for_a_minute() {
        let mut roster = Roster::default();
        roster.complete(boxes(&["db", "web"]));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(
            conditions(&roster.complete(boxes(&["db"]))),
            [("db", Condition::Starting), ("web", Condition::Silent)]
        );
        tokio::time::advance(MEMORY).await;
        assert_eq!(
            conditions(&roster.complete(boxes(&["db"]))),
            [("db", Condition::Starting)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn boxes_of_a_stage_that_was_left_for_one_box_are_forgotten() {
        let mut roster = Roster::default();
        roster.complete(boxes(&["db", "web"]));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(roster.complete(boxes(&["box"])).len(), 1);
    }
}
