//! Time as a cache counts it: of the wall, since what it stores outlives the process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Millis(pub(crate) u64);

impl Millis {
    pub(crate) fn now() -> Millis {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(Millis(0), |since| Millis(since.as_millis() as u64))
    }

    /// As a `Date`.
    pub(crate) fn as_date(self) -> HeaderValue {
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(self.0));
        HeaderValue::try_from(date).unwrap_or(HeaderValue::from_static("-"))
    }

    /// Milliseconds since then; 0 where clocks were put back.
    pub(crate) fn since(self, then: Millis) -> u64 {
        self.0.saturating_sub(then.0)
    }
}

/// A date (RFC 9110, 5.6.7), in any case of letters; `None` for what is none.
pub(crate) fn parse_date(value: &HeaderValue) -> Option<Millis> {
    let text = value.to_str().ok()?;
    // Names have one way to be written, and many in which they are found.
    let text: String = text
        .split_inclusive(|character: char| !character.is_ascii_alphabetic())
        .map(|word| match word.eq_ignore_ascii_case("gmt") {
            true => "GMT".to_owned(),
            false => {
                let mut word = word.to_ascii_lowercase();
                if let Some(first) = word.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                word
            }
        })
        .collect();
    let date = httpdate::parse_http_date(&text).ok()?;
    let since = date.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Some(Millis(since.as_millis() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_5_6_7_three_formats_and_nothing_else() {
        let parse = |text: &str| parse_date(&text.parse().unwrap());
        for good in [
            "Thu, 18 Aug 2050 02:01:18 GMT",
            "THU, 18 AUG 2050 02:01:18 gmt",
            "Thursday, 18-Aug-50 02:01:18 GMT",
            "Thu Aug 18 02:01:18 2050",
        ] {
            assert_eq!(parse(good), Some(Millis(2_544_400_878_000)), "{good}");
        }
        for bad in [
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "0",
            "",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
