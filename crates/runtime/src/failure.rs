//! What handlers return when they cannot answer: the problem for the client, the cause for our logs.

use axum::response::{IntoResponse, Response};
use contract::{Fault, InventoryError, OrdersError, Problem, UsersError, problem};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

/// A request that failed. Turning it into a response logs it, once, if somebody should know.
#[derive(Debug)]
pub struct Failure {
    // Boxed: handlers return this by value, and nearly always do not.
    problem: Box<Problem>,
    cause: Option<String>,
}

impl Failure {
    /// Logs what deserves it and returns what the client may know. For those who do not answer with
    /// problem+json, such as pages; [`IntoResponse`] does it by itself.
    pub fn report(self) -> Problem {
        if let Some(cause) = self.cause {
            match self.problem.status {
                500 => tracing::error!(cause, "request failed"),
                502..=504 => tracing::warn!(cause, "request refused"),
                _ => {}
            }
        }
        *self.problem
    }

    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure {
            problem: Box::new(problem),
            cause: None,
        }
    }
}

macro_rules! from_error {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                Failure {
                    problem: Box::new(Problem::from(&error)),
                    cause: Some(error.to_string()),
                }
            }
        }
    )*};
}

from_error!(Fault, UsersError, InventoryError, OrdersError);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        problem_response(&self.report())
    }
}

/// The wire form of a problem.
pub(crate) fn problem_response(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).expect("a problem is plain data");
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(problem::CONTENT_TYPE),
    );
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(
            http::header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer"),
        );
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_learn_when_to_come_back_and_nothing_about_our_insides() {
        let response = Failure::from(Fault::Unavailable("db:5432 refused".into())).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let problem = Failure::from(Fault::internal("relation does not exist")).report();
        assert_eq!(problem.detail, None);
    }
}
