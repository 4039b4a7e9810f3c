//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

use http::HeaderMap;

use crate::ids::{IdempotencyKey, Malformed};
use crate::problem::Problem;

const HEADER: &str = "idempotency-key";

impl IdempotencyKey {
    /// The client's key, if there is one: bare, or as a string of RFC 8941, as the draft has it.
    /// `"k"` and `k` are the same key.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Box<Problem>> {
        let malformed = |detail: &str| {
            Box::new(
                Problem::new(400, "bad-idempotency-key", "Malformed Idempotency-Key")
                    .field("Idempotency-Key", detail),
            )
        };
        let mut values = headers.get_all(HEADER).into_iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(malformed("expected one key"));
        }
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = text.trim();
        let key = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').and_then(unescape),
            None => Some(text.to_owned()),
        };
        let key = key.ok_or_else(|| malformed("expected a string of RFC 8941"))?;
        key.try_into()
            .map(Some)
            .map_err(|error: Malformed| malformed(error.0))
    }
}

/// `\"` and `\\` (RFC 8941, 3.3.3); `None` for a quote or a backslash by itself.
fn unescape(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            '"' => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(values: &[&str]) -> Result<Option<String>, String> {
        let headers = values
            .iter()
            .map(|v| (HEADER.parse().unwrap(), v.parse().unwrap()));
        match IdempotencyKey::from_headers(&headers.collect()) {
            Ok(key) => Ok(key.map(String::from)),
            Err(problem) => Err(problem.slug().to_owned()),
        }
    }

    #[test]
    fn a_key_may_be_bare_or_quoted() {
        for (value, key) in [
            ("k-1", "k-1"),
            ("\"k-1\"", "k-1"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
        ] {
            assert_eq!(parsed(&[value]), Ok(Some(key.to_owned())));
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        let long = "x".repeat(129);
        for value in [
            "", "\"\"", "\"", "a b", r#""a"b""#, r#""a\b""#, r#""a\""#, "ä", &long,
        ] {
            assert_eq!(
                parsed(&[value]),
                Err("bad-idempotency-key".to_owned()),
                "{value}"
            );
        }
        assert_eq!(parsed(&["a", "b"]), Err("bad-idempotency-key".to_owned()));
        assert_eq!(parsed(&[]), Ok(None));
    }
}
