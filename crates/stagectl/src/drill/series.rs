//! What clients saw, request by request, as k6's CSV output has it. Times are seconds since the epoch.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Serialize;

/// The p99 of so many seconds tells whether clients are served well at that time: at 300 requests a
/// second it is the second worst of 150.
const WINDOW: f64 = 0.5;
/// What is read of all that k6 writes.
const METRICS: [&str; 4] = [
    "http_req_duration",
    "answered",
    "wrong",
    "dropped_iterations",
];

#[derive(Debug, Default)]
pub(crate) struct Series {
    pub(crate) requests: Vec<Request>,
    /// When which box answered, by its own word.
    answers: Vec<(f64, String)>,
    /// When requests were due that could not be made, as all of k6's clients were waiting for answers.
    pub(crate) dropped: Vec<f64>,
    /// Answers that should never be given, by what was wrong with them.
    pub(crate) wrong: BTreeMap<String, usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// When its answer was there, or the wait for it over.
    pub(crate) at: f64,
    pub(crate) ms: f64,
    pub(crate) is_get: bool,
    /// 0 without an answer.
    pub(crate) status: u16,
    /// Answered as the load test expects.
    pub(crate) ok: bool,
    /// Who asked: the load test's scenario.
    pub(crate) scenario: String,
}

/// Some requests in a few figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) requests: usize,
    pub(crate) failed: usize,
    pub(crate) failed_gets: usize,
    /// By status; 0 is no answer.
    pub(crate) failed_with: BTreeMap<u16, Failures>,
    pub(crate) gets_over_1s: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// How many failed in one way, and when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Failures {
    pub(crate) times: usize,
    pub(crate) first: f64,
    pub(crate) last: f64,
}

impl Series {
    /// Reads `k6 run --out csv=..`, with times in milliseconds. What `setup()` asked is left out.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Series> {
        let file = fs::File::open(path).with_context(|| path.display().to_string())?;
        let mut lines = BufReader::new(file).lines();
        let header = lines.next().context("k6 wrote no samples")??;
        let columns = Columns::of(&header)?;
        let mut series = Series::default();
        for line in lines {
            series.take(&columns, &line?)?;
        }
        Ok(series)
    }

    fn take(&mut self, columns: &Columns, line: &str) -> anyhow::Result<()> {
        let metric = line.split(',').next().unwrap_or_default();
        if !METRICS.contains(&metric) {
            return Ok(());
        }
        let fields: Vec<&str> = line.split(',').collect();
        ensure!(
            fields.len() == columns.count,
            "a row that k6 quoted: {line}"
        );
        let at: f64 = fields[columns.timestamp].parse()?;
        let at = at / 1e3;
        let tag = |name: &str| {
            let tags = fields[columns.extra_tags].split('&');
            let mut pairs = tags.filter_map(|tag| tag.split_once('='));
            let pair = pairs.find(|(key, _)| *key == name);
            pair.map_or("", |(_, value)| value).to_owned()
        };
        match metric {
            "dropped_iterations" => {
                let count: f64 = fields[columns.value].parse()?;
                self.dropped.extend(std::iter::repeat_n(at, count as usize));
            }
            "answered" => self.answers.push((at, tag("box"))),
            "wrong" => *self.wrong.entry(tag("what")).or_default() += 1,
            _ if fields[columns.scenario].is_empty() => {}
            _ => self.requests.push(Request {
                at,
                ms: fields[columns.value].parse()?,
                is_get: fields[columns.method] == "GET",
                status: fields[columns.status].parse()?,
                ok: fields[columns.expected].parse()?,
                scenario: fields[columns.scenario].to_owned(),
            }),
        }
        Ok(())
    }

    pub(crate) fn between(&self, from: f64, to: f64) -> impl Iterator<Item = &Request> {
        let range = from..to;
        self.requests.iter().filter(move |r| range.contains(&r.at))
    }

    pub(crate) fn first(&self) -> f64 {
        self.requests.iter().map(|r| r.at).fold(f64::MAX, f64::min)
    }

    pub(crate) fn last(&self) -> f64 {
        self.requests.iter().map(|r| r.at).fold(0.0, f64::max)
    }

    /// Seconds from `from` until the p99 was under `limit_ms`, and stayed there to the end of it;
    /// `None` when it never was.
    pub(crate) fn calm_after(&self, from: f64, to: f64, limit_ms: f64) -> Option<f64> {
        let mut calm = 0.0;
        let mut at = from;
        while at + WINDOW <= to {
            let figures = Figures::of(self.between(at, at + WINDOW));
            at += WINDOW;
            if figures.requests == 0 || figures.p99_ms >= limit_ms {
                calm = at - from;
            }
        }
        (from + calm + WINDOW <= to).then_some(calm)
    }

    /// Part of the requests that were due and not made.
    pub(crate) fn left_out(&self) -> f64 {
        let (made, dropped) = (self.requests.len() as f64, self.dropped.len() as f64);
        dropped / (made + dropped)
    }

    /// From the first to the last failure.
    pub(crate) fn outage(&self) -> f64 {
        let failures = || self.requests.iter().filter(|r| !r.ok).map(|r| r.at);
        let (first, last) = (
            failures().fold(f64::MAX, f64::min),
            failures().fold(0.0, f64::max),
        );
        (last - first).max(0.0)
    }

    /// How many answers came from each box.
    pub(crate) fn shares(&self, from: f64, to: f64) -> BTreeMap<&str, usize> {
        let mut shares = BTreeMap::new();
        for (at, name) in &self.answers {
            if (from..to).contains(at) {
                *shares.entry(name.as_str()).or_default() += 1;
            }
        }
        shares
    }

    /// The part of all answers that came from a box; `None` without any.
    pub(crate) fn share_of(&self, name: &str, from: f64, to: f64) -> Option<f64> {
        let shares = self.shares(from, to);
        let all: usize = shares.values().sum();
        let of_box = shares.get(name).copied().unwrap_or_default();
        (all > 0).then(|| of_box as f64 / all as f64)
    }

    pub(crate) fn first_answer_of(&self, name: &str, after: f64) -> Option<f64> {
        let answers = self.answers.iter();
        let of_box = answers.filter(|(at, by)| by == name && *at >= after);
        of_box.map(|(at, _)| *at).reduce(f64::min)
    }
}

impl Figures {
    pub(crate) fn of<'a>(requests: impl Iterator<Item = &'a Request>) -> Figures {
        let mut figures = Figures::default();
        let mut durations = Vec::new();
        for request in requests {
            figures.requests += 1;
            if !request.ok {
                figures.failed += 1;
                let (status, at) = (request.status, request.at);
                let failures = figures.failed_with.entry(status).or_insert(Failures {
                    times: 0,
                    first: at,
                    last: at,
                });
                failures.times += 1;
                failures.first = failures.first.min(at);
                failures.last = failures.last.max(at);
            }
            figures.failed_gets += usize::from(!request.ok && request.is_get);
            figures.gets_over_1s += usize::from(request.is_get && request.ms > 1_000.0);
            durations.push(request.ms);
        }
        durations.sort_by(f64::total_cmp);
        figures.p50_ms = quantile(&durations, 0.5);
        figures.p99_ms = quantile(&durations, 0.99);
        figures
    }
}

/// Of sorted values; 0 of none.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (sorted.len() as f64 * q).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

/// Where k6 puts what: versions differ.
struct Columns {
    count: usize,
    timestamp: usize,
    value: usize,
    method: usize,
    status: usize,
    expected: usize,
    scenario: usize,
    extra_tags: usize,
}

impl Columns {
    fn of(header: &str) -> anyhow::Result<Columns> {
        let names: Vec<&str> = header.split(',').collect();
        let place = |name: &str| {
            let place = names.iter().position(|column| *column == name);
            place.with_context(|| format!("k6's CSV has no column {name}"))
        };
        Ok(Columns {
            count: names.len(),
            timestamp: place("timestamp")?,
            value: place("metric_value")?,
            method: place("method")?,
            status: place("status")?,
            expected: place("expected_response")?,
            scenario: place("scenario")?,
            extra_tags: place("extra_tags")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "metric_name,timestamp,metric_value,check,error,error_code,expected_response,\
                          group,method,name,proto,scenario,service,status,subproto,tls_version,url,\
                          extra_tags,metadata";

    fn read(rows: &[&str]) -> anyhow::Result<Series> {
        let columns = Columns::of(HEADER)?;
        let mut series = Series::default();
        for row in rows {
            series.take(&columns, row)?;
        }
        Ok(series)
    }

    /// A request a hundredth of a second, each as slow as told.
    fn requests(ms: impl Fn(usize) -> f64, count: usize) -> Series {
        let request = |i: usize| Request {
            at: i as f64 / 100.0,
            ms: ms(i),
            is_get: true,
            status: 200,
            ok: true,
            scenario: "visitors".to_owned(),
        };
        Series {
            requests: (0..count).map(request).collect(),
            ..Series::default()
        }
    }

    #[test]
    fn requests_and_answers_are_read_and_nothing_else() {
        let series = read(&[
            "http_reqs,1700000000100,1,,,,true,,GET,home,,visitors,,200,,,,stage=3,",
            "http_req_duration,1700000000100,12.5,,,,true,,GET,home,,visitors,,200,,,,stage=3,",
            "http_req_duration,1700000000200,1.5,,,,false,,POST,buy,,buyers,,503,,,,stage=3,",
            "http_req_duration,1700000000200,90,,,,true,,POST,log in,,,,201,,,,stage=3,",
            "answered,1700000000100,1,,,,,,,,,visitors,,,,,,box=web-2&stage=3,",
            "wrong,1700000000150,1,,,,,,,,,callers,,,,,,stage=3&what=another,",
            "dropped_iterations,1700000000300,2,,,,,,,,,visitors,,,,,,stage=3,",
        ])
        .expect("read");
        let figures = Figures::of(series.requests.iter());
        assert_eq!(
            (figures.requests, figures.failed, figures.failed_gets),
            (2, 1, 0)
        );
        assert_eq!((figures.p50_ms, figures.p99_ms), (1.5, 12.5));
        assert_eq!(series.requests[1].scenario, "buyers");
        assert_eq!(series.wrong, BTreeMap::from([("another".to_owned(), 1)]));
        assert_eq!(
            series.first_answer_of("web-2", 1_700_000_000.0),
            Some(1_700_000_000.1)
        );
        assert_eq!(series.shares(0.0, f64::MAX), BTreeMap::from([("web-2", 1)]));
        assert_eq!(series.share_of("web-2", 0.0, f64::MAX), Some(1.0));
        assert_eq!(series.share_of("web", 0.0, f64::MAX), Some(0.0));
        assert_eq!(series.share_of("web-2", 0.0, 1.0), None);
        assert_eq!(series.dropped, [1_700_000_000.3, 1_700_000_000.3]);
    }

    #[test]
    fn a_row_that_would_be_misread_is_an_error() {
        let quoted = "http_req_duration,1,1,,,,true,,GET,\"a,b\",,visitors,,200,,,,stage=3,";
        assert!(read(&[quoted]).is_err());
    }

    #[test]
    fn calm_is_what_stays() {
        // Slow from 1.0 to 1.9 s, and once more at 3.2 s.
        let slow = |i: usize| {
            if (100..190).contains(&i) || i == 320 {
                300.0
            } else {
                5.0
            }
        };
        let series = requests(slow, 600);
        assert_eq!(series.calm_after(1.0, 3.0, 250.0), Some(1.0));
        assert_eq!(series.calm_after(1.0, 6.0, 250.0), Some(2.5));
        assert_eq!(series.calm_after(4.0, 6.0, 250.0), Some(0.0));
        assert_eq!(requests(|_| 300.0, 600).calm_after(1.0, 6.0, 250.0), None);
        // Nothing seen is not calm.
        assert_eq!(series.calm_after(7.0, 9.0, 250.0), None);
    }
}
