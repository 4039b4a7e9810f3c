//! Text that people type. Each type trims, bounds and refuses control characters (Postgres takes no
//! NUL), so that no text can make a query fail.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::Malformed;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String)]
        pub struct $name(String);

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
                let check: fn(&str) -> Option<String> = $check;
                check(text.trim()).map($name).ok_or(Malformed($expected))
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }
    };
}

fn bounded(text: &str, max_chars: usize) -> Option<String> {
    let fits = !text.is_empty()
        && text.chars().count() <= max_chars
        && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

fn email(text: &str) -> Option<String> {
    // Whether it exists only a mail can tell; this keeps out what no mail server would take.
    let (local, domain) = text.split_once('@')?;
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"@<>()[],;:\\\"".contains(&b))
    };
    let fits = text.len() <= 254
        && local.len() <= 64
        && plain(local)
        && plain(domain)
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.');
    fits.then(|| text.to_ascii_lowercase())
}

text!(
    /// An e-mail address, in lower case.
    Email,
    email,
    "expected an e-mail address of at most 254 characters"
);
text!(
    /// What a user wants to be called.
    PersonName,
    |text| bounded(text, 100),
    "expected 1 to 100 characters, none of them control characters"
);
text!(
    /// What somebody searches for.
    SearchText,
    |text| bounded(text, 100),
    "expected 1 to 100 characters, none of them control characters"
);
text!(
    /// A category's name in an address, e.g. `kitchen`.
    Slug,
    |text| bounded(text, 50).filter(|t| t.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')),
    "expected 1 to 50 of a-z and -"
);

/// A password as typed. Never trimmed, printed, logged or serialized by us except to a domain.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = Password)]
pub struct Password(String);

impl Password {
    /// Shortest password for a new account (NIST 800-63B).
    pub const MIN_CHARS: usize = 8;

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl TryFrom<String> for Password {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        // Bounded, so that hashing has a bounded cost.
        if text.is_empty() || text.len() > 512 {
            return Err(Malformed("expected 1 to 512 bytes"));
        }
        Ok(Password(text))
    }
}

impl From<Password> for String {
    fn from(password: Password) -> String {
        password.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_bounded() {
        assert_eq!("  Ada \t".parse::<PersonName>().unwrap().as_str(), "Ada");
        assert!("".parse::<PersonName>().is_err());
        assert!("a\u{0}b".parse::<PersonName>().is_err());
        assert!("x".repeat(101).parse::<PersonName>().is_err());
    }

    #[test]
    fn an_email_is_lower_case_and_plausible() {
        assert_eq!(
            "Ada@Example.TEST".parse::<Email>().unwrap().as_str(),
            "ada@example.test"
        );
        for bad in [
            "ada",
            "@x.y",
            "a@b",
            "a b@c.d",
            "a@b@c.d",
            "a@.d",
            "ada@exa\u{0}mple.test",
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_never_shows() {
        let password = Password::try_from("correct horse".to_owned()).unwrap();
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}
