//! The ladder: which stages there are, and the boxes of each.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A stage that can be run today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Stage(u8);

impl Stage {
    pub(crate) const ALL: [Stage; 5] = [Stage(1), Stage(2), Stage(3), Stage(4), Stage(5)];

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
            2 => "split tiers",
            3 => "load balancer, web cluster",
            4 => "CDN",
            _ => "cache",
        }
    }

    /// The compose services that are boxes, and how many of each.
    fn services(self) -> &'static [(&'static str, usize)] {
        match self.0 {
            1 => &[("box", 1)],
            2 => &[("db", 1), ("web", 1)],
            3 => &[("db", 1), ("lb", 1), ("web", 3), ("worker", 1)],
            4 => &[("cdn", 1), ("db", 1), ("lb", 1), ("web", 3), ("worker", 1)],
            _ => &[
                ("cdn", 1),
                ("db", 1),
                ("lb", 1),
                ("redis", 1),
                ("web", 3),
                ("worker", 1),
            ],
        }
    }

    /// Its boxes by name, as they call themselves: the second box of a service is `web-2`.
    pub(crate) fn boxes(self) -> Vec<String> {
        let services = self.services().iter();
        services
            .flat_map(|(service, _)| self.boxes_of(service))
            .collect()
    }

    /// Those of one service.
    pub(crate) fn boxes_of(self, service: &str) -> Vec<String> {
        let numbers = 1..=self.count(service);
        numbers.map(|number| box_name(service, number)).collect()
    }

    /// The first box of each service.
    pub(crate) fn one_of_each(self) -> Vec<String> {
        let services = self.services().iter();
        services.map(|(service, _)| (*service).to_owned()).collect()
    }

    /// How many boxes of this service there are.
    pub(crate) fn count(self, service: &str) -> usize {
        let services = self.services().iter();
        services
            .filter(|(name, _)| *name == service)
            .map(|(_, count)| count)
            .sum()
    }

    /// Whether requests come by a balancer, which finds the web boxes and leaves out those that are not
    /// well.
    pub(crate) fn has_balancer(self) -> bool {
        self.count("lb") > 0
    }

    pub(crate) fn next(self) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.0 == self.0 + 1)
    }

    /// Whether assets have a host of their own.
    pub(crate) fn has_cdn(self) -> bool {
        self.count("cdn") > 0
    }

    /// Whether sessions and what is read again and again are in Redis.
    pub(crate) fn has_redis(self) -> bool {
        self.count("redis") > 0
    }

    /// What gives way under this stage's breaker.
    pub(crate) fn weakness(self) -> Weakness {
        match self.0 {
            1 => Weakness::Saturated("box"),
            2 => Weakness::Saturated("web"),
            3 => Weakness::Exceeded("origin_bytes_per_visit"),
            _ => Weakness::Saturated("db"),
        }
    }

    /// The service that serves the pages.
    pub(crate) fn web_service(self) -> &'static str {
        match self.0 {
            1 => "box",
            _ => "web",
        }
    }

    /// The service whose first box looks at the books: the one that runs the jobs, and serves nobody
    /// where it can be helped.
    pub(crate) fn audit_service(self) -> &'static str {
        match self.0 {
            1 => "box",
            2 => "web",
            _ => "worker",
        }
    }
}

/// How a stage breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// The boxes of this service are at their cap.
    Saturated(&'static str),
    /// No box is: it is this figure of the load test that is too large.
    Exceeded(&'static str),
}

/// What the box with this number of a service calls itself (see `boxstat`).
pub(crate) fn box_name(service: &str, number: usize) -> String {
    match number {
        1 => service.to_owned(),
        _ => format!("{service}-{number}"),
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
    fn each_box_of_a_service_has_a_name() {
        let boxes = Stage(3).boxes();
        assert_eq!(boxes, ["db", "lb", "web", "web-2", "web-3", "worker"]);
        assert_eq!(Stage(3).count("web"), 3);
        assert!(!Stage(2).has_balancer());
        assert!(Stage(4).has_cdn() && !Stage(3).has_cdn());
        assert!(Stage(5).has_redis() && !Stage(4).has_redis());
    }

    #[test]
    fn a_stage_that_is_not_there_is_refused_by_name() {
        assert_eq!("2".parse::<Stage>().map(Stage::number), Ok(2));
        for bad in ["0", "9", "one", ""] {
            assert_eq!(
                bad.parse::<Stage>(),
                Err("expected the number of a stage: 1 or 2 or 3 or 4 or 5".to_owned())
            );
        }
    }
}
