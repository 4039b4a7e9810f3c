//! Session tokens: what the client holds, and what we keep of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::users::SessionToken;
use contract::{Bucket, Fault};
use sha2::{Digest, Sha256};

const SECRET_BYTES: usize = 24;

/// Where a session is, found in its token: base64url of the user's bucket, which leads to the
/// shard, and 192 random bits. Knowing this does not make the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionKey {
    pub(crate) bucket: Bucket,
    /// SHA-256 of the token's bytes; no salt is needed, since nobody can guess 192 bits.
    pub(crate) token_hash: [u8; 32],
}

/// A token that nobody had before.
pub(crate) fn new_token(bucket: Bucket) -> Result<(SessionToken, SessionKey), Fault> {
    let mut bytes = [bucket.0; 1 + SECRET_BYTES];
    getrandom::fill(&mut bytes[1..]).map_err(Fault::internal)?;
    let token = SessionToken::new(URL_SAFE_NO_PAD.encode(bytes));
    Ok((token, SessionKey::of(&bytes)))
}

impl SessionKey {
    /// `None` for what we never gave to anybody.
    pub(crate) fn parse(token: &SessionToken) -> Option<SessionKey> {
        // Some bytes more than a token has: how the decoder counts its room.
        let mut bytes = [0; 36];
        let n = URL_SAFE_NO_PAD
            .decode_slice(token.expose(), &mut bytes)
            .ok()?;
        bytes[..n].try_into().ok().map(SessionKey::of)
    }

    fn of(bytes: &[u8; 1 + SECRET_BYTES]) -> SessionKey {
        SessionKey {
            bucket: Bucket(bytes[0]),
            token_hash: Sha256::digest(bytes).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_leads_to_its_session() {
        let (token, key) = new_token(Bucket(150)).unwrap();
        assert_eq!(SessionKey::parse(&token), Some(key.clone()));
        assert_eq!(key.bucket, Bucket(150));
        assert_ne!(new_token(Bucket(150)).unwrap().0, token);
    }

    proptest! {
        #[test]
        fn text_that_is_no_token_is_nobodys(text in ".{0,80}") {
            prop_assert_eq!(SessionKey::parse(&SessionToken::new(text)), None);
        }
    }
}
