//! Errors on the wire: `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fault::Fault;

pub const CONTENT_TYPE: &str = "application/problem+json";

/// An error as clients see it. `type` is stable: programs may rely on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable slug, e.g. `/problems/out-of-stock`.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is wrong with which field of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds after which trying again makes sense; also sent as `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// For `/problems/out-of-stock`: the product, and how many are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<Short>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    pub field: String,
    pub detail: String,
}

/// A product of which there is less than was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Short {
    pub sku: crate::Sku,
    pub available: i32,
}

impl Problem {
    pub fn new(status: u16, slug: &str, title: &str) -> Problem {
        Problem {
            kind: format!("/problems/{slug}"),
            title: title.to_owned(),
            status,
            detail: None,
            errors: Vec::new(),
            retry_after: None,
            short: None,
        }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Problem {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn field(mut self, field: impl Into<String>, detail: impl Into<String>) -> Problem {
        self.errors.push(FieldError {
            field: field.into(),
            detail: detail.into(),
        });
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after = Some(seconds);
        self
    }

    /// The last part of `type`: `out-of-stock`.
    pub fn slug(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }

    /// A request that is well-formed but says something impossible.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Problem {
        Problem::new(422, "invalid", "The request says something that cannot be")
            .field(field, detail)
    }

    pub fn not_found(what: &str) -> Problem {
        Problem::new(404, "not-found", "Not found").detail(format!("there is no such {what}"))
    }

    pub fn bad_cursor() -> Problem {
        Problem::new(400, "bad-cursor", "Unknown cursor")
            .field("cursor", crate::page::BadCursor.to_string())
    }
}

/// Faults tell clients what to do, and nothing about our insides.
impl From<&Fault> for Problem {
    fn from(fault: &Fault) -> Problem {
        match fault {
            Fault::Unavailable(_) => {
                Problem::new(503, "unavailable", "Not available right now").retry_after(1)
            }
            Fault::DeadlineExceeded => {
                Problem::new(503, "deadline-exceeded", "This took too long").retry_after(1)
            }
            Fault::Internal(_) => Problem::new(500, "internal", "Something broke on our side"),
        }
    }
}

/// The way back, on the caller's side of a remote call: any problem that is none of the domain's.
impl From<Problem> for Fault {
    fn from(problem: Problem) -> Fault {
        match (problem.status, problem.slug()) {
            (_, "deadline-exceeded") => Fault::DeadlineExceeded,
            (503 | 504 | 502 | 429, _) => Fault::Unavailable(problem.title),
            (status, slug) => Fault::Internal(format!("remote answered {status} {slug}")),
        }
    }
}
