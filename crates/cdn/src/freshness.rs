//! How long an answer may be used without asking, and what may be done afterwards (RFC 9111, 4.2).

use http::header::{AGE, DATE, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::clock::{Millis, parse_date};
use crate::config::CacheConfig;
use crate::directives::{Directives, Seconds};

/// A tenth of the time that it has not changed for, and no more than a day (RFC 9111, 4.2.2).
const HEURISTIC_SHARE: u64 = 10;
const HEURISTIC_MOST: u64 = 24 * 60 * 60;

/// When an answer was got, and how old it was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Birth {
    received: Millis,
    pub(crate) requested: Millis,
    /// `corrected_initial_age` (RFC 9111, 4.2.3), in milliseconds.
    initial_age: u64,
}

impl Birth {
    pub(crate) fn of(headers: &HeaderMap, requested: Millis, received: Millis) -> Birth {
        let date = headers.get(DATE).and_then(parse_date);
        let apparent = date.map_or(0, |date| received.since(date));
        // A date has whole seconds: it is not old by a fraction of one.
        let apparent = if apparent < 1000 { 0 } else { apparent };
        let told = u64::from(told_age(headers)) * 1000;
        Birth {
            received,
            requested,
            // `corrected_age_value`: what the way back took is in it.
            initial_age: apparent.max(told + received.since(requested)),
        }
    }

    /// In whole seconds.
    pub(crate) fn age(&self, now: Millis) -> u64 {
        (self.initial_age + now.since(self.received)) / 1000
    }
}

/// What the hops before us say of its age. Of several the first; what is no number says nothing.
fn told_age(headers: &HeaderMap) -> Seconds {
    let first = headers.get(AGE).and_then(|value| value.to_str().ok());
    let first = first.and_then(|line| line.split(',').next()).map(str::trim);
    let digits = first.filter(|age| !age.is_empty() && age.bytes().all(|b| b.is_ascii_digit()));
    digits.map_or(0, |digits| digits.parse().unwrap_or(Seconds::MAX))
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// In seconds of age.
    pub(crate) lifetime: Seconds,
    /// It is never used without asking, however young.
    pub(crate) always_ask: bool,
    /// When its time is over it is not used without an answer, come what may (RFC 9111, 5.2.2.2).
    strict: bool,
    /// For so many seconds more it is used while somebody asks (RFC 5861, 3) ..
    while_revalidating: Seconds,
    /// .. or when there is no good answer (RFC 5861, 4).
    if_error: Seconds,
}

impl Freshness {
    pub(crate) fn of(
        status: StatusCode,
        headers: &HeaderMap,
        directives: &Directives,
        birth: &Birth,
        config: &CacheConfig,
    ) -> Freshness {
        let explicit = explicit_lifetime(headers, directives, birth);
        let negative = || {
            let is_missing = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
            is_missing.then_some(config.negative.as_secs() as Seconds)
        };
        let may_guess = directives.public || is_heuristically_cacheable(status);
        let heuristic =
            || (config.heuristic && may_guess).then(|| heuristic_lifetime(headers, birth))?;
        let lifetime = explicit.or_else(heuristic).or_else(negative).unwrap_or(0);
        // `s-maxage` means `proxy-revalidate`, too (RFC 9111, 5.2.2.10).
        let strict =
            directives.must_revalidate || directives.no_cache || directives.s_maxage.is_some();
        // An error helps nobody against another.
        let may_stand_in = !strict && !is_failure(status);
        let if_error = directives
            .stale_if_error
            .unwrap_or(config.stale_if_error.as_secs() as Seconds);
        Freshness {
            lifetime,
            always_ask: directives.no_cache,
            strict,
            while_revalidating: match strict {
                true => 0,
                false => directives.stale_while_revalidate.unwrap_or(0),
            },
            if_error: if may_stand_in { if_error } else { 0 },
        }
    }

    pub(crate) fn is_fresh(&self, age: u64) -> bool {
        !self.always_ask && age < u64::from(self.lifetime)
    }

    /// Each use of it is an answer of its own, then.
    pub(crate) fn is_never_fresh(&self) -> bool {
        self.always_ask || self.lifetime == 0
    }

    pub(crate) fn may_revalidate_behind(&self, age: u64) -> bool {
        !self.always_ask && age < u64::from(self.lifetime) + u64::from(self.while_revalidating)
    }

    pub(crate) fn may_stand_in(&self, age: u64) -> bool {
        !self.strict && age < u64::from(self.lifetime) + u64::from(self.if_error)
    }
}

/// The lifetime that the origin sets; `None` where it sets none (RFC 9111, 4.2.1).
fn explicit_lifetime(
    headers: &HeaderMap,
    directives: &Directives,
    birth: &Birth,
) -> Option<Seconds> {
    let set = directives.s_maxage.or(directives.max_age);
    if set.is_some() || directives.is_targeted {
        return set;
    }
    let mut expires = headers.get_all(EXPIRES).iter();
    let first = expires.next()?;
    // Neither several nor what is no date: its time is over (RFC 9111, 5.3).
    let Some(expires) = parse_date(first).filter(|_| expires.next().is_none()) else {
        return Some(0);
    };
    let date = headers.get(DATE).and_then(parse_date);
    let lifetime = expires.since(date.unwrap_or(birth.received)) / 1000;
    Some(Seconds::try_from(lifetime).unwrap_or(Seconds::MAX))
}

fn heuristic_lifetime(headers: &HeaderMap, birth: &Birth) -> Option<Seconds> {
    let modified = headers.get(LAST_MODIFIED).and_then(parse_date)?;
    let date = headers.get(DATE).and_then(parse_date);
    let unchanged = date.unwrap_or(birth.received).since(modified) / 1000;
    Some((unchanged / HEURISTIC_SHARE).min(HEURISTIC_MOST) as Seconds)
}

/// RFC 5861, 4.
pub(crate) fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// RFC 9110, 15.1.
pub(crate) fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000_000_000);
    /// `NOW`, and 100 s before and after it.
    const DATE_NOW: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const BEFORE: &str = "Sun, 09 Sep 2001 01:45:00 GMT";
    const AFTER: &str = "Sun, 09 Sep 2001 01:48:20 GMT";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn of(status: u16, lines: &[(&'static str, &str)], config: &str) -> Freshness {
        let headers = headers(lines);
        let birth = Birth::of(&headers, NOW, NOW);
        let config: CacheConfig = toml::from_str(config).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        Freshness::of(status, &headers, &Directives::of(&headers), &birth, &config)
    }

    fn lifetime(lines: &[(&'static str, &str)]) -> Seconds {
        of(200, lines, "").lifetime
    }

    #[test]
    fn rfc9111_4_2_1_s_maxage_then_max_age_then_expires() {
        let all = [
            ("cache-control", "max-age=2, s-maxage=3"),
            ("expires", AFTER),
            ("date", DATE_NOW),
        ];
        assert_eq!(lifetime(&all), 3);
        assert_eq!(lifetime(&[("cache-control", "max-age=2"), all[1]]), 2);
        assert_eq!(lifetime(&all[1..]), 100);
        assert_eq!(lifetime(&[("expires", AFTER), ("date", BEFORE)]), 200);
        assert_eq!(lifetime(&[]), 0);
    }

    #[test]
    fn rfc9111_5_3_an_expires_that_is_no_date_or_not_alone_is_over() {
        assert_eq!(lifetime(&[("expires", "0")]), 0);
        assert_eq!(lifetime(&[("expires", AFTER), ("expires", AFTER)]), 0);
        assert_eq!(lifetime(&[("expires", BEFORE), ("date", DATE_NOW)]), 0);
    }

    #[test]
    fn rfc9213_2_1_expires_says_nothing_beside_what_is_meant_for_us() {
        let targeted = [("cdn-cache-control", "public"), ("expires", AFTER)];
        assert_eq!(lifetime(&targeted), 0);
    }

    #[test]
    fn rfc9111_4_2_3_age_is_the_larger_of_what_is_told_and_what_the_date_shows() {
        let age = |lines: &[(&'static str, &str)], later: u64| {
            let birth = Birth::of(&headers(lines), Millis(NOW.0 - 500), NOW);
            birth.age(Millis(NOW.0 + later))
        };
        assert_eq!(age(&[], 2_499), 2);
        assert_eq!(age(&[], 2_500), 3, "half a second of it on its way");
        assert_eq!(age(&[("date", BEFORE)], 0), 100);
        assert_eq!(age(&[("date", BEFORE), ("age", "300")], 700), 301);
        // Clocks differ: nobody is younger than nothing.
        assert_eq!(age(&[("date", AFTER)], 0), 0);
        for (value, expected) in [("7200, 0", 7200), ("-1", 0), ("7200.0", 0), ("x", 0)] {
            assert_eq!(age(&[("age", value)], 0), expected, "{value}");
        }
        assert_eq!(age(&[("age", "0"), ("age", "9")], 0), 0);
    }

    #[test]
    fn rfc9111_4_2_2_guesses_are_made_only_where_that_is_wanted() {
        let lines = [("last-modified", BEFORE), ("date", DATE_NOW)];
        assert_eq!(of(200, &lines, "").lifetime, 0);
        assert_eq!(of(200, &lines, "heuristic = true").lifetime, 10);
        assert_eq!(of(201, &lines, "heuristic = true").lifetime, 0);
        let public = [lines[0], lines[1], ("cache-control", "public")];
        assert_eq!(of(201, &public, "heuristic = true").lifetime, 10);
        assert_eq!(of(404, &[], "negative = \"3s\"").lifetime, 3);
        assert_eq!(of(404, &[("cache-control", "max-age=0")], "").lifetime, 0);
    }

    #[test]
    fn rfc5861_stale_answers_have_a_window_each() {
        let control = "max-age=10, stale-while-revalidate=5, stale-if-error=20";
        let freshness = of(200, &[("cache-control", control)], "");
        assert!(freshness.is_fresh(9) && !freshness.is_fresh(10));
        assert!(freshness.may_revalidate_behind(14) && !freshness.may_revalidate_behind(15));
        assert!(freshness.may_stand_in(29) && !freshness.may_stand_in(30));
    }

    #[test]
    fn rfc9111_4_2_4_some_answers_are_never_used_stale() {
        for control in [
            "must-revalidate",
            "proxy-revalidate",
            "s-maxage=9",
            "no-cache",
        ] {
            let line = format!("max-age=9, stale-while-revalidate=9, stale-if-error=9, {control}");
            let freshness = of(200, &[("cache-control", &line)], "");
            assert!(!freshness.may_revalidate_behind(9), "{control}");
            assert!(!freshness.may_stand_in(9), "{control}");
        }
    }
}
