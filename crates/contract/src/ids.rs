//! Names of things. Each parses strictly, so that what reaches a domain is well-formed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

/// A slice of all users, 0 to 255: the unit that moves between shards.
///
/// `bucket = first byte of SHA-256(id)`: fixed for good, since rows carry it. The hash is there
/// because the first bits of a UUIDv7 are a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket(pub u8);

impl Bucket {
    pub const COUNT: usize = 256;

    /// The bucket of any key: a user's id, or an e-mail address for the log-in look-up.
    pub fn of(key: &[u8]) -> Bucket {
        Bucket(Sha256::digest(key)[0])
    }
}

/// Postgres has no unsigned byte: `bucket smallint`.
impl From<Bucket> for i16 {
    fn from(bucket: Bucket) -> i16 {
        i16::from(bucket.0)
    }
}

/// A value that does not parse; says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                Uuid::try_parse(text).map($name).map_err(|_| Malformed("expected a UUID"))
            }
        }
    };
}

uuid_id!(
    /// A user. UUIDv7, chosen by whoever registers.
    UserId
);
// See `OrderId::derive`.
uuid_id!(
    /// An order, and the reservation of its stock.
    OrderId
);
uuid_id!(
    /// One delivery of goods: the same id twice counts once.
    RestockId
);

impl UserId {
    #[expect(clippy::new_without_default, reason = "every call gives another id")]
    pub fn new() -> UserId {
        UserId(Uuid::now_v7())
    }

    pub fn bucket(self) -> Bucket {
        Bucket::of(self.0.as_bytes())
    }
}

impl RestockId {
    #[expect(clippy::new_without_default, reason = "every call gives another id")]
    pub fn new() -> RestockId {
        RestockId(Uuid::now_v7())
    }

    /// The id of the one delivery that this member of staff notes with this key: see
    /// [`OrderId::derive`].
    pub fn derive(staff: UserId, key: &IdempotencyKey) -> RestockId {
        RestockId(Uuid::new_v8(digest(staff, key)))
    }
}

impl OrderId {
    /// The id of the one order that this user places with this key.
    ///
    /// A retry derives the same id, so every step of a checkout is idempotent by itself: no
    /// table of keys, no state "in progress" to clean up after a crash. UUIDv8 (RFC 9562, 5.8):
    /// SHA-256 of user and key; the last byte is the user's bucket, so that an order's id alone
    /// leads to its shard.
    pub fn derive(user: UserId, key: &IdempotencyKey) -> OrderId {
        let mut bytes = digest(user, key);
        bytes[15] = user.bucket().0;
        OrderId(Uuid::new_v8(bytes))
    }

    pub fn bucket(self) -> Bucket {
        Bucket(self.0.as_bytes()[15])
    }
}

/// The first half of SHA-256 of user and key.
fn digest(user: UserId, key: &IdempotencyKey) -> [u8; 16] {
    let digest = Sha256::new()
        .chain_update(user.0)
        .chain_update(key.as_str())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes
}

/// A product's number, e.g. `MUG-0042`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "MUG-0042", pattern = "^[A-Z0-9-]{1,32}$")]
pub struct Sku(String);

/// The client's name for one attempt to do something (draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdempotencyKey(String);

macro_rules! string_id {
    ($name:ident, $max:literal, $allowed:expr, $expected:literal) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;

            fn try_from(text: String) -> Result<Self, Malformed> {
                let allowed: fn(u8) -> bool = $allowed;
                let fits = !text.is_empty() && text.len() <= $max && text.bytes().all(allowed);
                if fits {
                    Ok($name(text))
                } else {
                    Err(Malformed($expected))
                }
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

string_id!(
    Sku,
    32,
    |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-',
    "expected 1 to 32 of A-Z, 0-9 and -"
);
string_id!(
    IdempotencyKey,
    128,
    |b| b.is_ascii_graphic(),
    "expected 1 to 128 visible ASCII characters"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_is_the_same_for_the_same_key_and_leads_to_the_users_bucket() {
        let (ada, bob) = (UserId::new(), UserId::new());
        let key: IdempotencyKey = "basket-1".parse().unwrap();
        let other: IdempotencyKey = "basket-2".parse().unwrap();
        assert_eq!(OrderId::derive(ada, &key), OrderId::derive(ada, &key));
        assert_ne!(OrderId::derive(ada, &key), OrderId::derive(ada, &other));
        assert_ne!(OrderId::derive(ada, &key), OrderId::derive(bob, &key));
        assert_eq!(OrderId::derive(ada, &key).bucket(), ada.bucket());
        assert_eq!(OrderId::derive(ada, &key).0.get_version_num(), 8);
    }

    /// Rows carry the bucket: this value may never change.
    #[test]
    fn the_bucket_of_a_known_user_is_fixed() {
        let user: UserId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(user.bucket(), Bucket(150));
    }

    #[test]
    fn malformed_ids_say_what_was_expected() {
        assert_eq!(
            "mug 1".parse::<Sku>(),
            Err(Malformed("expected 1 to 32 of A-Z, 0-9 and -"))
        );
        assert_eq!(
            "".parse::<Sku>(),
            Err(Malformed("expected 1 to 32 of A-Z, 0-9 and -"))
        );
        assert_eq!("7".parse::<OrderId>(), Err(Malformed("expected a UUID")));
        assert!("a\u{0}b".parse::<IdempotencyKey>().is_err());
    }
}
