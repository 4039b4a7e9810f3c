//! Stay, or climb: what the triggers say, told for the stage that runs.

use serde::Serialize;

use crate::prometheus::{Alert, Rule};
use crate::topology::STAGES;

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Verdict {
    /// No trigger above this stage fires.
    Stay {
        /// One that is true, but not yet for long enough to act on.
        #[serde(skip_serializing_if = "Option::is_none")]
        pending: Option<Advice>,
    },
    Climb(Advice),
    /// Nobody can tell, and why.
    Unknown {
        why: String,
    },
}

/// A trigger's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The stage to climb to.
    pub stage: u8,
    pub title: &'static str,
    /// What was measured.
    pub signal: String,
    pub add: String,
    pub not_yet: String,
    pub over_engineering: String,
}

impl Verdict {
    pub(crate) fn unknown(why: impl Into<String>) -> Verdict {
        Verdict::Unknown { why: why.into() }
    }

    /// Of triggers above the stage that runs, the lowest that fires wins: one rung at a time. Those
    /// at or below it are bottlenecks that this stage has already answered.
    pub(crate) fn of(rules: &[Rule], stage: Option<u8>) -> Verdict {
        let Some(stage) = stage else {
            return Verdict::unknown("Prometheus sees no boxes, so no stage seems to run");
        };
        let mut above: Vec<(u8, &Rule)> = rules
            .iter()
            .filter_map(|rule| Some((trigger(&rule.name)?, rule)))
            .collect();
        if above.is_empty() {
            return Verdict::unknown("Prometheus has no triggers: it runs without triggers.yml");
        }
        above.retain(|(to, _)| *to > stage);
        above.sort_by_key(|(to, _)| *to);
        let first = |state| {
            above.iter().find_map(|(to, rule)| {
                let alert = rule.alerts.iter().find(|alert| alert.state == state)?;
                Some(Advice::of(*to, alert))
            })
        };
        if let Some(advice) = first("firing") {
            return Verdict::Climb(advice);
        }
        if let Some((_, rule)) = above.iter().find(|(_, rule)| rule.health == "err") {
            return Verdict::unknown(format!("Prometheus cannot evaluate {}", rule.name));
        }
        Verdict::Stay {
            pending: first("pending"),
        }
    }
}

impl Advice {
    fn of(stage: u8, alert: &Alert) -> Advice {
        let text = |name: &str| alert.annotations.get(name).cloned().unwrap_or_default();
        Advice {
            stage,
            title: STAGES[usize::from(stage) - 1],
            signal: text("signal"),
            add: text("add"),
            not_yet: text("not_yet"),
            over_engineering: text("over_engineering"),
        }
    }
}

/// 4 for `Stage4Trigger`.
fn trigger(name: &str) -> Option<u8> {
    let number = name.strip_prefix("Stage")?.strip_suffix("Trigger")?;
    number.parse().ok().filter(|stage| (1..=8).contains(stage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(stage: u8, state: &str) -> Rule {
        let words = ["signal", "add", "not_yet", "over_engineering"];
        let annotations = words.map(|word| (word.to_owned(), format!("{word} {stage}")));
        let alert = Alert {
            state: state.to_owned(),
            annotations: annotations.into(),
        };
        Rule {
            name: format!("Stage{stage}Trigger"),
            health: "ok".to_owned(),
            alerts: if state.is_empty() {
                vec![]
            } else {
                vec![alert]
            },
        }
    }

    fn climb(verdict: &Verdict) -> Option<u8> {
        match verdict {
            Verdict::Climb(advice) => Some(advice.stage),
            _ => None,
        }
    }

    #[test]
    fn the_lowest_trigger_above_this_stage_wins() {
        let rules = [
            rule(6, "firing"),
            rule(2, "firing"),
            rule(3, "pending"),
            rule(4, "firing"),
        ];
        assert_eq!(climb(&Verdict::of(&rules, Some(1))), Some(2));
        assert_eq!(climb(&Verdict::of(&rules, Some(2))), Some(4));
        assert_eq!(climb(&Verdict::of(&rules, Some(4))), Some(6));
    }

    #[test]
    fn it_says_what_the_trigger_says() {
        let Verdict::Climb(advice) = Verdict::of(&[rule(5, "firing")], Some(4)) else {
            panic!("expected a climb");
        };
        assert_eq!(
            advice,
            Advice {
                stage: 5,
                title: "Cache",
                signal: "signal 5".into(),
                add: "add 5".into(),
                not_yet: "not_yet 5".into(),
                over_engineering: "over_engineering 5".into(),
            }
        );
    }

    #[test]
    fn a_trigger_of_a_stage_already_climbed_is_no_climb() {
        let rules = [rule(2, "firing"), rule(3, "")];
        assert_eq!(
            Verdict::of(&rules, Some(2)),
            Verdict::Stay { pending: None }
        );
    }

    #[test]
    fn a_trigger_that_is_not_sure_yet_is_no_climb() {
        let verdict = Verdict::of(&[rule(2, "pending")], Some(1));
        let Verdict::Stay {
            pending: Some(advice),
        } = verdict
        else {
            panic!("{verdict:?}");
        };
        assert_eq!(advice.stage, 2);
    }

    #[test]
    fn it_does_not_say_stay_when_nobody_can_know() {
        let is_unknown = |verdict| matches!(verdict, Verdict::Unknown { .. });
        assert!(is_unknown(Verdict::of(&[rule(2, "")], None)));
        assert!(is_unknown(Verdict::of(&[], Some(1))));
        let mut broken = rule(2, "");
        broken.health = "err".to_owned();
        assert!(is_unknown(Verdict::of(
            std::slice::from_ref(&broken),
            Some(1)
        )));
        assert_eq!(
            Verdict::of(&[broken], Some(2)),
            Verdict::Stay { pending: None }
        );
    }
}
