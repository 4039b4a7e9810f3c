use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use contract::{IdempotencyKey, Problem};
use runtime::Failure;

/// The client's `Idempotency-Key`, which an order needs.
pub(crate) struct Key(pub(crate) IdempotencyKey);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Key, Failure> {
        let key = IdempotencyKey::from_headers(&parts.headers).map_err(|problem| *problem)?;
        key.map(Key).ok_or_else(|| {
            let detail = "orders need an Idempotency-Key, so that a retry is not a second order";
            let problem = Problem::new(400, "no-idempotency-key", "No Idempotency-Key");
            problem.detail(detail).into()
        })
    }
}
