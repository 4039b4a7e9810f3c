use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use contract::{IdempotencyKey, Problem};
use runtime::Failure;

const HEADER: &str = "idempotency-key";

/// The client's `Idempotency-Key`, bare or as a string of RFC 8941, as
/// draft-ietf-httpapi-idempotency-key-header has it: `"k"` and `k` are the same key.
pub(crate) struct Key(pub(crate) IdempotencyKey);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Key, Failure> {
        parse(&parts.headers).map(Key)
    }
}

fn parse(headers: &HeaderMap) -> Result<IdempotencyKey, Failure> {
    let malformed = |detail: &str| -> Failure {
        Problem::new(400, "bad-idempotency-key", "Malformed Idempotency-Key")
            .field("Idempotency-Key", detail)
            .into()
    };
    let mut values = headers.get_all(HEADER).into_iter();
    let Some(value) = values.next() else {
        let detail = "orders need an Idempotency-Key, so that a retry is not a second order";
        let problem = Problem::new(400, "no-idempotency-key", "No Idempotency-Key");
        return Err(problem.detail(detail).into());
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
        .map_err(|error: contract::ids::Malformed| malformed(error.0))
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

    fn parsed(values: &[&str]) -> Result<String, String> {
        let headers = values
            .iter()
            .map(|v| (HEADER.parse().unwrap(), v.parse().unwrap()));
        match parse(&headers.collect()) {
            Ok(key) => Ok(key.into()),
            Err(failure) => Err(failure.problem().slug().to_owned()),
        }
    }

    #[test]
    fn a_key_may_be_bare_or_quoted() {
        for (value, key) in [
            ("k-1", "k-1"),
            ("\"k-1\"", "k-1"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
        ] {
            assert_eq!(parsed(&[value]).as_deref(), Ok(key));
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
        assert_eq!(parsed(&[]), Err("no-idempotency-key".to_owned()));
    }
}
