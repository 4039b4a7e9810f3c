//! What an answer says about being stored: `Cache-Control` (RFC 9111, 5.2.2), or `CDN-Cache-Control`
//! (RFC 9213), which is meant for the likes of us and goes before it.

use std::borrow::Cow;
use std::str::FromStr;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Seconds. What is larger means for ever (RFC 9111, 1.2.2).
pub(crate) type Seconds = u32;

const FOR_EVER: Seconds = 1 << 31;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    pub(crate) must_understand: bool,
    /// Not to be used without asking.
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    /// `proxy-revalidate` means the same to a shared cache.
    pub(crate) must_revalidate: bool,
    pub(crate) max_age: Option<Seconds>,
    pub(crate) s_maxage: Option<Seconds>,
    pub(crate) stale_while_revalidate: Option<Seconds>,
    pub(crate) stale_if_error: Option<Seconds>,
    /// Fields that are not to be stored with the rest: those that `no-cache` or `private` name.
    pub(crate) withheld: Vec<HeaderName>,
    /// It is `CDN-Cache-Control` that says all this, and `Expires` says nothing.
    pub(crate) is_targeted: bool,
}

impl Directives {
    pub(crate) fn of(headers: &HeaderMap) -> Directives {
        targeted(headers).unwrap_or_else(|| {
            let mut directives = Directives::default();
            for line in headers.get_all(CACHE_CONTROL) {
                let line = String::from_utf8_lossy(line.as_bytes());
                for member in members(&line) {
                    let (name, value) = match member.split_once('=') {
                        Some((name, value)) => (name, Some(unquoted(value))),
                        None => (member, None),
                    };
                    directives.set(&name.to_ascii_lowercase(), value.as_deref());
                }
            }
            directives
        })
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        // Of several, the first counts (RFC 9111, 4.2.1).
        let first = |slot: &mut Option<Seconds>| {
            slot.get_or_insert(seconds(value));
        };
        match name {
            "no-store" => self.no_store = true,
            "must-understand" => self.must_understand = true,
            "no-cache" => self.withhold_or(value, |directives| directives.no_cache = true),
            "private" => self.withhold_or(value, |directives| directives.private = true),
            "public" => self.public = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "max-age" => first(&mut self.max_age),
            "s-maxage" => first(&mut self.s_maxage),
            "stale-while-revalidate" => first(&mut self.stale_while_revalidate),
            "stale-if-error" => first(&mut self.stale_if_error),
            _ => {}
        }
    }

    /// Where it names fields it concerns these alone; where those are no names, all.
    fn withhold_or(&mut self, value: Option<&str>, set: impl FnOnce(&mut Directives)) {
        let names = value.map(|value| {
            let names = value
                .split(',')
                .map(|name| HeaderName::from_str(name.trim()));
            names.collect::<Result<Vec<_>, _>>()
        });
        match names {
            Some(Ok(names)) if !names.is_empty() => self.withheld.extend(names),
            _ => set(self),
        }
    }
}

/// `None` where there is no such field, or one that is none (RFC 9213, 2.1).
fn targeted(headers: &HeaderMap) -> Option<Directives> {
    let lines: Vec<&str> = headers
        .get_all(CDN_CACHE_CONTROL)
        .iter()
        .map(|line| line.to_str().ok())
        .collect::<Option<_>>()?;
    let dictionary: Dictionary = Parser::new(&lines.join(",")).parse().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut directives = Directives {
        is_targeted: true,
        ..Directives::default()
    };
    for (name, entry) in &dictionary {
        let ListEntry::Item(item) = entry else {
            continue;
        };
        let value: Option<Cow<'_, str>> = match &item.bare_item {
            BareItem::Boolean(true) => None,
            // As good as absent.
            BareItem::Boolean(false) => continue,
            BareItem::Integer(number) => Some(number.to_string().into()),
            // None of ours is of another type, and what has one wrong is as if it were not there.
            _ if is_in_seconds(name.as_str()) => return None,
            BareItem::String(text) => Some(text.as_str().into()),
            _ => continue,
        };
        directives.set(name.as_str(), value.as_deref());
    }
    Some(directives)
}

fn is_in_seconds(name: &str) -> bool {
    matches!(
        name,
        "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error"
    )
}

/// What is no number has no time to live.
fn seconds(value: Option<&str>) -> Seconds {
    let digits =
        value.filter(|value| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()));
    digits.map_or(0, |digits| digits.parse().unwrap_or(FOR_EVER).min(FOR_EVER))
}

/// The members of a list, where commas in quotation marks do not count.
pub(crate) fn members(line: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    line.split(move |character| {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        match character {
            '"' if !was_escaped => is_quoted = !is_quoted,
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            ',' => return !is_quoted,
            _ => {}
        }
        false
    })
    .map(str::trim)
    .filter(|member| !member.is_empty())
}

fn unquoted(value: &str) -> Cow<'_, str> {
    let inner = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    match inner {
        Some(inner) if inner.contains('\\') => inner.replace('\\', "").into(),
        Some(inner) => inner.into(),
        None => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&'static str, &str)]) -> Directives {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        Directives::of(&headers)
    }

    fn control(line: &str) -> Directives {
        of(&[("cache-control", line)])
    }

    #[test]
    fn rfc9111_5_2_names_are_caseless_and_unknown_ones_are_ignored() {
        let directives = control("foo, PUBLIC, Max-Age=3600 , bar=\"x, no-store\"");
        assert_eq!(directives.max_age, Some(3600));
        assert!(directives.public && !directives.no_store);
    }

    #[test]
    fn rfc9111_4_2_1_the_first_of_several_counts_whatever_the_line() {
        let lines = [
            ("cache-control", "max-age=1"),
            ("cache-control", "max-age=9"),
        ];
        assert_eq!(of(&lines).max_age, Some(1));
        assert_eq!(control("max-age=9, max-age=1").max_age, Some(9));
    }

    #[test]
    fn rfc9111_1_2_2_seconds_are_digits_and_too_many_are_for_ever() {
        for (value, expected) in [
            ("99999999999", FOR_EVER),
            ("2147483649", FOR_EVER),
            ("\"60\"", 60),
            ("'60'", 0),
            ("60.5", 0),
            ("-60", 0),
            ("", 0),
        ] {
            let line = format!("max-age={value}");
            assert_eq!(control(&line).max_age, Some(expected), "{value}");
        }
    }

    #[test]
    fn rfc9111_5_2_2_4_qualified_forms_concern_the_named_fields_alone() {
        let directives = control("no-cache=\"a, b\", private=c, max-age=1");
        assert!(!directives.no_cache && !directives.private);
        assert_eq!(directives.withheld, ["a", "b", "c"]);
        assert!(control("private=\"\"").private);
    }

    #[test]
    fn rfc9213_2_2_what_is_meant_for_us_goes_before_the_rest() {
        let both = |targeted| {
            of(&[
                ("cache-control", "no-store"),
                ("cdn-cache-control", targeted),
            ])
        };
        let directives = both("max-age=60, foo=(a b)");
        assert!(directives.is_targeted && !directives.no_store);
        assert_eq!(directives.max_age, Some(60));
        // No dictionary, and so as if it were not there.
        for broken in [
            "max-age =60",
            "Max-Age=60",
            "max-age=60,",
            "max-age=1.5",
            "max-age=\"60\"",
            "",
        ] {
            assert!(both(broken).no_store, "{broken}");
        }
    }
}
