//! What of a stored answer a client wants: all, its head, a part, or only to hear that nothing has
//! changed (RFC 9110, 13 and 14). Such requests are answered from the whole, and only the whole is ever
//! asked for.

use http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::clock::parse_date;
use crate::directives::members;
use crate::head::Head;

#[derive(Debug, Clone)]
pub(crate) struct Wants {
    pub(crate) is_head: bool,
    if_none_match: Vec<HeaderValue>,
    if_modified_since: Option<HeaderValue>,
    range: Option<HeaderValue>,
    if_range: Option<HeaderValue>,
}

/// What to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Portion {
    Whole,
    NotModified,
    /// From, and how many bytes, of a length.
    Part(u64, u64, u64),
    Unsatisfiable(u64),
}

impl Wants {
    pub(crate) fn of(parts: &Parts) -> Wants {
        let headers = &parts.headers;
        Wants {
            is_head: parts.method == Method::HEAD,
            if_none_match: headers.get_all(IF_NONE_MATCH).iter().cloned().collect(),
            if_modified_since: headers.get(IF_MODIFIED_SINCE).cloned(),
            range: headers.get(RANGE).cloned(),
            if_range: headers.get(IF_RANGE).cloned(),
        }
    }

    /// Takes all that out of a request, so that it asks for the whole.
    pub(crate) fn strip(headers: &mut HeaderMap) {
        for name in [
            IF_MATCH,
            IF_NONE_MATCH,
            IF_MODIFIED_SINCE,
            IF_UNMODIFIED_SINCE,
            IF_RANGE,
            RANGE,
        ] {
            headers.remove(name);
        }
    }

    /// `length` is that of the whole, if it is known.
    pub(crate) fn portion(&self, head: &Head, length: Option<u64>) -> Portion {
        if head.status != StatusCode::OK {
            return Portion::Whole;
        }
        if self.is_known(head) {
            return Portion::NotModified;
        }
        let range = self.range.as_ref().filter(|_| !self.is_head);
        match (range, length) {
            (Some(range), Some(length)) if self.is_same_version(head) => part(range, length),
            _ => Portion::Whole,
        }
    }

    /// RFC 9111, 4.3.2.
    fn is_known(&self, head: &Head) -> bool {
        if self.if_none_match.is_empty() {
            let since = self.if_modified_since.as_ref().and_then(parse_date);
            return since.is_some_and(|since| head.modified <= since);
        }
        let lines = self.if_none_match.iter();
        let mut tags = lines.filter_map(|line| std::str::from_utf8(line.as_bytes()).ok());
        tags.any(|line| {
            members(line).any(|tag| {
                let ours = head.etag().map(|etag| opaque(etag.as_bytes()));
                tag == "*" || ours == Some(opaque(tag.as_bytes()))
            })
        })
    }

    /// `If-Range` compares strongly (RFC 9110, 13.1.5).
    fn is_same_version(&self, head: &Head) -> bool {
        let Some(version) = &self.if_range else {
            return true;
        };
        match version.as_bytes() {
            [b'W', b'/', ..] => false,
            [b'"', ..] => head.etag() == Some(version),
            _ => head.headers.get(LAST_MODIFIED) == Some(version),
        }
    }
}

/// An entity tag without its weakness.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// One range. Several are served as the whole, as is what cannot be understood (RFC 9110, 14.2).
fn part(range: &HeaderValue, length: u64) -> Portion {
    parse(range, length).unwrap_or(Portion::Whole)
}

fn parse(range: &HeaderValue, length: u64) -> Option<Portion> {
    let (unit, set) = range.to_str().ok()?.split_once('=')?;
    let (first, last) = set.split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, end) = match (first, last) {
        ("", last) => {
            let count = number(last)?.min(length);
            if count == 0 {
                return Some(Portion::Unsatisfiable(length));
            }
            (length - count, length)
        }
        (first, "") => (number(first)?, length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    Some(match first < length {
        true => Portion::Part(first, end - first, length),
        false => Portion::Unsatisfiable(length),
    })
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;
    use crate::config::CacheConfig;
    use crate::head::Asked;
    use crate::key::Key;

    const LONG_AGO: &str = "Sun, 09 Sep 2001 01:45:00 GMT";
    const THEN: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const LATER: &str = "Sun, 09 Sep 2001 01:48:20 GMT";

    fn head(lines: &[(&str, &str)]) -> Head {
        let mut answer = Response::builder().header("cache-control", "max-age=60");
        for (name, value) in lines {
            answer = answer.header(*name, *value);
        }
        let answer = answer.body(()).unwrap();
        let key = Key::parse("http://shop/a").unwrap();
        let times = Asked::now(0);
        let config = CacheConfig::default();
        Head::of(&key, &HeaderMap::new(), &answer, times, &config).unwrap()
    }

    fn portion(asked: &[(&str, &str)], stored: &[(&str, &str)]) -> Portion {
        let mut request = Request::builder();
        for (name, value) in asked {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Wants::of(&parts).portion(&head(stored), Some(100))
    }

    #[test]
    fn rfc9111_4_3_2_a_tag_that_is_known_is_compared_weakly_and_goes_before_dates() {
        let stored = [("etag", "\"a\""), ("last-modified", THEN)];
        for (tags, expected) in [
            ("\"a\"", Portion::NotModified),
            ("W/\"a\"", Portion::NotModified),
            ("\"b\", \"a\"", Portion::NotModified),
            ("*", Portion::NotModified),
            ("\"b\"", Portion::Whole),
            ("\"x, \\\"a\\\"\"", Portion::Whole),
        ] {
            let asked = [("if-none-match", tags), ("if-modified-since", LATER)];
            assert_eq!(portion(&asked, &stored), expected, "{tags}");
        }
    }

    #[test]
    fn rfc9111_4_3_2_dates_are_compared_with_the_last_change_or_else_the_answers_own() {
        for field in ["last-modified", "date"] {
            let at = |since| portion(&[("if-modified-since", since)], &[(field, THEN)]);
            assert_eq!(at(THEN), Portion::NotModified);
            assert_eq!(at(LATER), Portion::NotModified);
            assert_eq!(at(LONG_AGO), Portion::Whole);
            assert_eq!(at("yesterday"), Portion::Whole);
        }
    }

    #[test]
    fn rfc9110_14_1_2_one_range_is_served_from_the_whole() {
        for (range, expected) in [
            ("bytes=0-9", Portion::Part(0, 10, 100)),
            ("bytes=90-", Portion::Part(90, 10, 100)),
            ("bytes=90-400", Portion::Part(90, 10, 100)),
            ("bytes=-10", Portion::Part(90, 10, 100)),
            ("bytes=-400", Portion::Part(0, 100, 100)),
            ("BYTES=99-99", Portion::Part(99, 1, 100)),
            ("bytes=100-", Portion::Unsatisfiable(100)),
            ("bytes=-0", Portion::Unsatisfiable(100)),
            ("bytes=99999999999999999999-", Portion::Unsatisfiable(100)),
            ("bytes=9-1", Portion::Whole),
            ("bytes=0-1,5-6", Portion::Whole),
            ("lines=0-1", Portion::Whole),
            ("bytes=a-b", Portion::Whole),
            ("bytes=-", Portion::Whole),
            ("bytes", Portion::Whole),
        ] {
            assert_eq!(portion(&[("range", range)], &[]), expected, "{range}");
        }
    }

    #[test]
    fn rfc9110_13_1_5_a_part_of_another_version_is_no_use() {
        let stored = [("etag", "\"a\""), ("last-modified", THEN)];
        let part = Portion::Part(0, 10, 100);
        for (version, expected) in [
            ("\"a\"", part),
            ("\"b\"", Portion::Whole),
            ("W/\"a\"", Portion::Whole),
            (THEN, part),
            (LATER, Portion::Whole),
        ] {
            let asked = [("range", "bytes=0-9"), ("if-range", version)];
            assert_eq!(portion(&asked, &stored), expected, "{version}");
        }
    }
}
