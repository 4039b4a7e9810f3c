//! The ladder: which stages there are, and the boxes of each.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A stage that can be run today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Stage(u8);

impl Stage {
    pub(crate) const ALL: [Stage; 2] = [Stage(1), Stage(2)];

    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// Its compose file's name without `.yml`.
    pub(crate) fn file(self) -> String {
        format!("stage{}", self.0)
    }

    pub(crate) fn title(self) -> &'static str {
        match self.0 {
            1 => "one box",
            _ => "split tiers",
        }
    }

    /// The compose services that are boxes, one container each.
    pub(crate) fn boxes(self) -> &'static [&'static str] {
        match self.0 {
            1 => &["box"],
            _ => &["db", "web"],
        }
    }

    pub(crate) fn next(self) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.0 == self.0 + 1)
    }

    /// The box that this stage's breaker saturates.
    pub(crate) fn weakest_box(self) -> &'static str {
        match self.0 {
            1 => "box",
            _ => "web",
        }
    }

    /// The service in which the program `shop` runs.
    pub(crate) fn shop_service(self) -> &'static str {
        match self.0 {
            1 => "box",
            _ => "web",
        }
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Stage, String> {
        let expected = || {
            let numbers: Vec<_> = Stage::ALL.iter().map(|stage| stage.0.to_string()).collect();
            format!("expected the number of a stage: {}", numbers.join(" or "))
        };
        let number: u8 = text.parse().map_err(|_| expected())?;
        Stage::ALL
            .into_iter()
            .find(|stage| stage.0 == number)
            .ok_or_else(expected)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {} ({})", self.0, self.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_is_not_there_is_refused_by_name() {
        assert_eq!("2".parse::<Stage>().map(Stage::number), Ok(2));
        for bad in ["0", "9", "one", ""] {
            assert_eq!(
                bad.parse::<Stage>(),
                Err("expected the number of a stage: 1 or 2".to_owned())
            );
        }
    }
}
