//! Pages of a list, by opaque keyset cursor: a page costs the same however deep it lies.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Some items and, if there are more, the cursor that leads to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
}

/// Where a page begins: a sort key, base64url. Opaque to clients; worth nothing beyond its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Cursor(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this cursor was not made by this list")]
pub struct BadCursor;

impl Cursor {
    pub fn encode<K: Serialize>(key: &K) -> Cursor {
        let json = serde_json::to_vec(key).expect("sort keys are plain data");
        Cursor(BASE64_URL_SAFE_NO_PAD.encode(json))
    }

    pub fn decode<K: DeserializeOwned>(&self) -> Result<K, BadCursor> {
        let json = BASE64_URL_SAFE_NO_PAD
            .decode(&self.0)
            .map_err(|_| BadCursor)?;
        serde_json::from_slice(&json).map_err(|_| BadCursor)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `?cursor=&limit=`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// From the `next` of the page before.
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    pub limit: Limit,
}

/// Items a page, 1 to 100; 24 unless told: it fills rows of 2, 3, 4 and 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Limit(u32);

impl Limit {
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Limit {
        Limit(24)
    }
}

impl TryFrom<u32> for Limit {
    type Error = crate::ids::Malformed;

    fn try_from(n: u32) -> Result<Limit, Self::Error> {
        match n {
            1..=100 => Ok(Limit(n)),
            _ => Err(crate::ids::Malformed("expected 1 to 100")),
        }
    }
}

impl From<Limit> for u32 {
    fn from(limit: Limit) -> u32 {
        limit.0
    }
}

impl<T> Page<T> {
    /// Makes a page of rows that were read with a limit of one more than asked for: the extra row
    /// only tells that there is a next page.
    pub fn from_rows<K: Serialize>(
        mut rows: Vec<T>,
        limit: Limit,
        key: impl Fn(&T) -> K,
    ) -> Page<T> {
        let more = rows.len() > limit.get() as usize;
        rows.truncate(limit.get() as usize);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|last| Cursor::encode(&key(last)));
        Page { items: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let cursor = Cursor::encode(&("MUG-0042", 7));
        assert_eq!(
            cursor.decode::<(String, i32)>(),
            Ok(("MUG-0042".to_owned(), 7))
        );
        assert_eq!(Cursor("%%%".into()).decode::<String>(), Err(BadCursor));
        assert_eq!(cursor.decode::<Vec<bool>>(), Err(BadCursor));
    }

    #[test]
    fn the_extra_row_becomes_the_cursor_of_the_last_shown() {
        let limit = Limit::try_from(2).unwrap();
        let page = Page::from_rows(vec![1, 2, 3], limit, |n| *n);
        assert_eq!(
            page,
            Page {
                items: vec![1, 2],
                next: Some(Cursor::encode(&2))
            }
        );
        assert_eq!(Page::from_rows(vec![1, 2], limit, |n| *n).next, None);
    }
}
