//! `Vary`: which requests an answer is for (RFC 9111, 4.1). Fields are compared in a normal form, so
//! that what means the same is one answer.

use http::header::InvalidHeaderName;
use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::directives::members;

/// What an answer depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub(crate) struct Vary(Box<[(HeaderName, Option<Box<str>>)]>);

/// As it is written down.
type Fields = Vec<(String, Option<String>)>;

impl TryFrom<Fields> for Vary {
    type Error = InvalidHeaderName;

    fn try_from(fields: Fields) -> Result<Vary, InvalidHeaderName> {
        let fields = fields
            .into_iter()
            .map(|(name, value)| Ok((name.parse()?, value.map(String::into_boxed_str))));
        fields.collect::<Result<_, _>>().map(Vary)
    }
}

impl From<Vary> for Fields {
    fn from(vary: Vary) -> Fields {
        let fields = vary.0.into_iter();
        fields
            .map(|(name, value)| (name.as_str().to_owned(), value.map(String::from)))
            .collect()
    }
}

impl Vary {
    /// `None` where nobody can say whom an answer is for: `*`, or what is no name.
    pub(crate) fn of(answer: &HeaderMap, request: &HeaderMap) -> Option<Vary> {
        let mut fields: Vec<(HeaderName, Option<Box<str>>)> = Vec::new();
        for line in answer.get_all(VARY) {
            for name in members(line.to_str().ok()?) {
                let name: HeaderName = name.parse().ok().filter(|_| name != "*")?;
                if is_ours(&name) {
                    return None;
                }
                if !fields.iter().any(|(known, _)| *known == name) {
                    let value = normal(&name, request);
                    fields.push((name, value));
                }
            }
        }
        Some(Vary(fields.into()))
    }

    /// Bytes of memory, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let fields = self.0.iter();
        fields
            .map(|(name, value)| 64 + name.as_str().len() + value.as_ref().map_or(0, |v| v.len()))
            .sum()
    }

    pub(crate) fn matches(&self, request: &HeaderMap) -> bool {
        let mut fields = self.0.iter();
        fields.all(|(name, value)| {
            let mut lines = request.get_all(name).iter();
            match (lines.next(), lines.next(), value) {
                (None, _, value) => value.is_none(),
                // Mostly it is the same to the letter.
                (Some(line), None, Some(value)) if line.as_bytes() == value.as_bytes() => true,
                (_, _, value) => normal(name, request).as_deref() == value.as_deref(),
            }
        })
    }
}

/// What we tell the origin ourselves is not the same for two requests, whatever clients said. Host and
/// scheme are: they are in the address.
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "x-forwarded-for" | "x-request-id" | "x-deadline-ms" | "traceparent"
    )
}

/// All that a request says in a field, or `None` if it says nothing.
fn normal(name: &HeaderName, request: &HeaderMap) -> Option<Box<str>> {
    if !request.contains_key(name) {
        return None;
    }
    let mut parts: Vec<String> = Vec::new();
    for line in request.get_all(name) {
        // As Latin-1: no two values become one.
        let line: String = line.as_bytes().iter().map(|b| char::from(*b)).collect();
        parts.extend(members(&line).map(str::to_owned));
    }
    if *name == ACCEPT_LANGUAGE {
        for part in &mut parts {
            part.make_ascii_lowercase();
            part.retain(|character| character != ' ');
        }
        // Weights say what is liked better, places do not (RFC 9110, 12.5.4).
        parts.sort_unstable();
    }
    Some(parts.join(",").into())
}

/// The codings that matter, and below all ways to ask for them.
const CODINGS: [&str; 3] = ["br", "gzip", "zstd"];
const ACCEPTED: [&str; 8] = [
    "",
    "br",
    "gzip",
    "br,gzip",
    "zstd",
    "br,zstd",
    "gzip,zstd",
    "br,gzip,zstd",
];

const GZIP: usize = 1 << 1;

/// Reduces `Accept-Encoding` to which codings of those that matter are acceptable: browsers have a dozen
/// ways to say the same. It is this form that origins get, so they answer to what we compare.
pub(crate) fn normalise_encoding(request: &mut HeaderMap) {
    let (mut accepted, mut refused, mut takes_anything) = (0, 0, false);
    for line in request.get_all(ACCEPT_ENCODING) {
        for member in members(line.to_str().unwrap_or_default()) {
            let (name, weight) = member.split_once(';').unwrap_or((member, ""));
            let weight = weight.trim().trim_start_matches(['q', 'Q']).trim_start();
            let weight = weight.strip_prefix('=').map(str::trim);
            let is_refused = weight.is_some_and(|weight| weight.parse() == Ok(0.0));
            let name = name.trim();
            takes_anything |= name == "*" && !is_refused;
            let place = CODINGS.iter().position(|c| name.eq_ignore_ascii_case(c));
            let bit = place.map_or(0, |place| 1 << place);
            match is_refused {
                true => refused |= bit,
                false => accepted |= bit,
            }
        }
    }
    if takes_anything {
        // What is most common.
        accepted |= GZIP;
    }
    match ACCEPTED[accepted & !refused] {
        "" => request.remove(ACCEPT_ENCODING),
        codings => request.insert(ACCEPT_ENCODING, HeaderValue::from_static(codings)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    /// Whether an answer to the first that varies by all fields of both is one to the second.
    fn same(first: &[(&'static str, &str)], second: &[(&'static str, &str)]) -> bool {
        let names: Vec<&str> = first.iter().chain(second).map(|(name, _)| *name).collect();
        let answer = headers(&[("vary", &names.join(", "))]);
        let vary = Vary::of(&answer, &headers(first)).unwrap();
        vary.matches(&headers(second))
    }

    #[test]
    fn rfc9111_4_1_all_named_fields_have_to_match() {
        assert!(same(&[("foo", "1")], &[("foo", "1")]));
        assert!(!same(&[("foo", "1")], &[("foo", "2")]));
        assert!(!same(&[("foo", "1")], &[]));
        assert!(!same(&[], &[("foo", "1")]));
        assert!(!same(&[("foo", "1"), ("bar", "1")], &[("foo", "1")]));
        assert!(same(&[], &[]));
    }

    #[test]
    fn rfc9111_4_1_a_star_matches_nothing() {
        for line in ["*", "foo, *", ", *", "foo bar", "X-Forwarded-For"] {
            let answer = headers(&[("vary", line)]);
            assert_eq!(Vary::of(&answer, &HeaderMap::new()), None, "{line}");
        }
        let lines = headers(&[("vary", ""), ("vary", "*")]);
        assert_eq!(Vary::of(&lines, &HeaderMap::new()), None);
    }

    #[test]
    fn rfc9111_4_1_fields_are_compared_in_a_normal_form() {
        assert!(same(&[("foo", "1,2")], &[("foo", "1"), ("foo", " 2 ")]));
        let language = |first, second| {
            same(
                &[("accept-language", first)],
                &[("accept-language", second)],
            )
        };
        assert!(language("en, de", "De,  eN"));
        assert!(!language("en;q=0.5, de", "en, de;q=0.5"));
        // Elsewhere order counts, and so does case.
        assert!(!same(&[("foo", "1, 2")], &[("foo", "2, 1")]));
        assert!(!same(&[("foo", "a")], &[("foo", "A")]));
    }

    #[test]
    fn codings_that_mean_the_same_are_asked_for_in_one_way() {
        for (said, meant) in [
            ("gzip, deflate, br, zstd", "br,gzip,zstd"),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", "br,gzip"),
            ("GZIP", "gzip"),
            ("gzip;q=0, br; q=0.000", ""),
            ("*", "gzip"),
            ("gzip;q=0, *", ""),
            ("*;q=0, br", "br"),
            ("identity", ""),
            ("", ""),
        ] {
            let mut headers = headers(&[("accept-encoding", said)]);
            normalise_encoding(&mut headers);
            let now = headers.get(ACCEPT_ENCODING);
            assert_eq!(now.map_or("", |v| v.to_str().unwrap()), meant, "{said}");
        }
    }
}
