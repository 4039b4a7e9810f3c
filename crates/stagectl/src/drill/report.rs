//! What a drill showed: figures, what happened when, and each promise against what was seen.

use serde::Serialize;

use super::Drill;
use super::field::Mark;
use super::series::Figures;
use crate::audit::Books;
use crate::balancer::View;
use crate::stage::Stage;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) drill: Drill,
    pub(crate) stage: Stage,
    /// Of all requests of the load.
    pub(crate) load: Figures,
    /// More figures, by name.
    pub(crate) figures: Vec<Figure>,
    pub(crate) events: Vec<Mark>,
    pub(crate) promises: Vec<Promise>,
    /// The balancer's view, when all was well again.
    pub(crate) balancer: Option<View>,
    pub(crate) books: Option<Books>,
}

/// `worth knowing: 1.3 s`.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// A line of the reliability table.
#[derive(Debug, Serialize)]
pub(crate) struct Promise {
    pub(crate) promise: &'static str,
    pub(crate) promised: String,
    pub(crate) seen: String,
    pub(crate) kept: bool,
    /// It is of a time, which was missed by no more than [`LEEWAY`].
    pub(crate) is_slow: bool,
}

/// How good it was, from bad to good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Broken,
    /// Nothing but times were missed, and not by much: as a machine does that has other things to do.
    Slow,
    Kept,
}

/// Up to so many times as long as was promised is slow; longer, and something is wrong. What a drill looks
/// at after its fault is longer than that, or it would see no end of it.
const LEEWAY: f64 = 2.5;

/// What a drill finds, before the rest of the report is known.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) load: Figures,
    pub(crate) figures: Vec<Figure>,
    pub(crate) promises: Vec<Promise>,
}

impl Findings {
    pub(crate) fn figure(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name, value, unit });
    }

    /// At most, counting from zero: `of` what.
    pub(crate) fn at_most(&mut self, promise: &'static str, limit: f64, seen: f64, unit: &str) {
        self.promises.push(Promise {
            promise,
            promised: format!("at most {}", shown(limit, unit)),
            seen: shown(seen, unit),
            kept: seen <= limit,
            is_slow: unit == "ms" && seen > limit && seen <= LEEWAY * limit,
        });
    }

    pub(crate) fn at_least(&mut self, promise: &'static str, limit: f64, seen: f64, unit: &str) {
        self.promises.push(Promise {
            promise,
            promised: format!("at least {}", shown(limit, unit)),
            seen: shown(seen, unit),
            kept: seen >= limit,
            is_slow: false,
        });
    }

    /// Something took so long, or never ended.
    pub(crate) fn within(&mut self, promise: &'static str, limit: f64, seconds: Option<f64>) {
        let took = seconds.unwrap_or(f64::INFINITY);
        self.promises.push(Promise {
            promise,
            promised: format!("within {limit} s"),
            seen: seconds.map_or("not at all".to_owned(), |s| format!("{s:.1} s")),
            kept: took <= limit,
            is_slow: took > limit && took <= LEEWAY * limit,
        });
    }
}

fn shown(value: f64, unit: &str) -> String {
    if value.is_infinite() {
        return "never".to_owned();
    }
    let space = if unit.is_empty() { "" } else { " " };
    if value.fract() == 0.0 {
        format!("{value:.0}{space}{unit}")
    } else {
        format!("{value:.2}{space}{unit}")
    }
}

impl Promise {
    fn outcome(&self) -> Outcome {
        match (self.kept, self.is_slow) {
            (true, _) => Outcome::Kept,
            (false, true) => Outcome::Slow,
            (false, false) => Outcome::Broken,
        }
    }
}

impl Report {
    /// Of every promise and the books, the worst.
    pub(crate) fn outcome(&self) -> Outcome {
        let books = match &self.books {
            Some(books) if !books.findings.is_empty() => Outcome::Broken,
            _ => Outcome::Kept,
        };
        let promises = self.promises.iter().map(Promise::outcome);
        promises.fold(books, Outcome::min)
    }

    pub(crate) fn tell(&self) {
        let Figures {
            requests,
            failed,
            gets_over_1s,
            p50_ms,
            p99_ms,
            ..
        } = self.load;
        println!(
            "{requests} requests, {failed} failed, p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, {gets_over_1s} GETs over 1 s"
        );
        let start = self.events.first().map_or(0.0, |mark| mark.at);
        for (status, failures) in &self.load.failed_with {
            let how = match status {
                0 => "no answer".to_owned(),
                status => format!("failed with {status}"),
            };
            let (first, last) = (failures.first - start, failures.last - start);
            let times = failures.times;
            println!("{how}: {times} times, from {first:.2} s to {last:.2} s");
        }
        for figure in &self.figures {
            println!("{}: {}", figure.name, shown(figure.value, figure.unit));
        }
        for mark in &self.events {
            println!("{:>6.1} s  {}", mark.at - start, mark.what);
        }
        if let Some(view) = &self.balancer {
            for upstream in &view.upstreams {
                println!(
                    "balancer: {} {:?}, {} requests, {} failures, {} ejections",
                    upstream.name,
                    upstream.state,
                    upstream.requests,
                    upstream.failures,
                    upstream.ejections
                );
            }
        }
        for promise in &self.promises {
            println!(
                "{}  {}: promised {}, seen {}",
                match promise.outcome() {
                    Outcome::Kept => "ok  ",
                    Outcome::Slow => "SLOW",
                    Outcome::Broken => "FAIL",
                },
                promise.promise,
                promise.promised,
                promise.seen
            );
        }
        match self.books.as_ref().map(Books::verdict) {
            Some(Ok(seen)) => println!("ok    the books balance: {seen}"),
            Some(Err(error)) => println!("FAIL  the books: {error:#}"),
            None => {}
        }
        let verdict = match self.outcome() {
            Outcome::Kept => "all promises kept",
            Outcome::Slow => "slower than was promised, all else kept",
            Outcome::Broken => "a promise is broken",
        };
        println!("drill {} on {}: {verdict}", self.drill, self.stage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(found: impl FnOnce(&mut Findings)) -> bool {
        let mut findings = Findings::default();
        found(&mut findings);
        findings.promises[0].kept
    }

    #[test]
    fn a_promise_is_kept_up_to_its_limit_and_no_further() {
        assert!(kept(|f| f.at_most("failed", 0.0, 0.0, "")));
        assert!(!kept(|f| f.at_most("failed", 0.0, 1.0, "")));
        assert!(kept(|f| f.at_least("goodput", 80.0, 80.0, "%")));
        assert!(!kept(|f| f.at_least("goodput", 80.0, 79.9, "%")));
        assert!(kept(|f| f.within("again", 2.0, Some(2.0))));
        assert!(!kept(|f| f.within("again", 2.0, Some(2.1))));
    }

    #[test]
    fn a_time_may_be_missed_by_a_little_and_nothing_else_may() {
        let outcome = |found: &dyn Fn(&mut Findings)| {
            let mut findings = Findings::default();
            found(&mut findings);
            findings.promises[0].outcome()
        };
        assert_eq!(outcome(&|f| f.within("", 2.0, Some(2.0))), Outcome::Kept);
        assert_eq!(outcome(&|f| f.within("", 2.0, Some(5.0))), Outcome::Slow);
        assert_eq!(outcome(&|f| f.within("", 2.0, Some(5.1))), Outcome::Broken);
        assert_eq!(outcome(&|f| f.within("", 2.0, None)), Outcome::Broken);
        let at_most = |seen, unit| outcome(&move |f| f.at_most("", 100.0, seen, unit));
        assert_eq!(at_most(250.0, "ms"), Outcome::Slow);
        assert_eq!(at_most(251.0, "ms"), Outcome::Broken);
        assert_eq!(at_most(101.0, ""), Outcome::Broken);
    }

    #[test]
    fn what_never_happened_is_not_kept() {
        assert!(!kept(|f| f.within("again", 2.0, None)));
        assert!(!kept(|f| f.at_most("takes", 50.0, f64::INFINITY, "ms")));
        assert!(!kept(|f| f.at_least("ratio", 2.7, f64::NAN, "")));
        assert_eq!(shown(f64::INFINITY, "s"), "never");
    }
}
