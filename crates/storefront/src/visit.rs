//! Who asks for a page.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use contract::users::Identity;
use contract::{Ctx, Fault, Problem, UserId, UsersError};
use http::Method;
use http::request::Parts;
use runtime::Failure;
use runtime::auth::Token;
use runtime::extract::Context;

use crate::Storefront;
use crate::frame::login_address;

/// One look at a page. Costs a session look-up if a token came along, and nothing for guests.
pub(crate) struct Visit {
    pub(crate) ctx: Ctx,
    pub(crate) visitor: Visitor,
    /// Path and query: where to come back to after logging in.
    pub(crate) here: String,
    pub(crate) started: Instant,
}

pub(crate) enum Visitor {
    Guest,
    Known(Arc<Identity>),
    /// Somebody with a token, while nobody can tell whose: may look around like a guest.
    Unknown(Fault),
}

/// Who was found to visit, kept with the request for an error page that comes later.
#[derive(Clone, Default)]
pub(crate) struct Found(Arc<OnceLock<Arc<Identity>>>);

/// Somebody logged in; others are sent to log in and come back.
pub(crate) struct Customer {
    pub(crate) visit: Visit,
    pub(crate) identity: Arc<Identity>,
}

/// A member of staff; 403 for other customers.
pub(crate) struct StaffMember {
    pub(crate) visit: Visit,
}

impl Visit {
    /// A visit that failed. Asks nobody who is there, but remembers if somebody was asked before.
    pub(crate) fn failed(ctx: Ctx, found: &Found, here: String, started: Instant) -> Visit {
        let identity = found.0.get();
        Visit {
            ctx,
            visitor: identity.map_or(Visitor::Guest, |identity| Visitor::Known(identity.clone())),
            here,
            started,
        }
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        match &self.visitor {
            Visitor::Known(identity) => Some(identity),
            Visitor::Guest | Visitor::Unknown(_) => None,
        }
    }

    pub(crate) fn is_staff(&self) -> bool {
        self.identity().is_some_and(|identity| identity.staff)
    }
}

impl Customer {
    pub(crate) fn user_id(&self) -> UserId {
        self.identity.user_id
    }
}

impl FromRequestParts<Storefront> for Visit {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut Parts,
        storefront: &Storefront,
    ) -> Result<Visit, Failure> {
        let started = Instant::now();
        let Context(ctx) = Context::from_request_parts(parts, storefront).await?;
        let Token(token) = Token::from_request_parts(parts, storefront).await?;
        let visitor = match token {
            None => Visitor::Guest,
            Some(token) => match storefront.users.authenticate(&ctx, &token).await {
                Ok(Some(identity)) => {
                    let identity = Arc::new(identity);
                    if let Some(Found(found)) = parts.extensions.get() {
                        found.get_or_init(|| identity.clone());
                    }
                    Visitor::Known(identity)
                }
                Ok(None) => Visitor::Guest,
                Err(UsersError::Fault(fault)) => Visitor::Unknown(fault),
                Err(error) => return Err(error.into()),
            },
        };
        let here = parts.uri.path_and_query();
        let here = here.map_or_else(|| "/".to_owned(), ToString::to_string);
        Ok(Visit {
            ctx,
            visitor,
            here,
            started,
        })
    }
}

impl FromRequestParts<Storefront> for Customer {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        storefront: &Storefront,
    ) -> Result<Customer, Response> {
        let visit = Visit::from_request_parts(parts, storefront).await;
        let visit = visit.map_err(IntoResponse::into_response)?;
        match visit.visitor {
            Visitor::Known(ref identity) => Ok(Customer {
                identity: Arc::clone(identity),
                visit,
            }),
            Visitor::Guest => {
                // What a form sent is lost at log-in: nobody can come back to a POST.
                let next = if parts.method == Method::GET {
                    &visit.here
                } else {
                    "/cart"
                };
                Err(Redirect::to(&login_address(next)).into_response())
            }
            Visitor::Unknown(fault) => Err(Failure::from(fault).into_response()),
        }
    }
}

impl FromRequestParts<Storefront> for StaffMember {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        storefront: &Storefront,
    ) -> Result<StaffMember, Response> {
        let Customer { visit, identity } = Customer::from_request_parts(parts, storefront).await?;
        if identity.staff {
            Ok(StaffMember { visit })
        } else {
            let problem = Problem::new(403, "staff-only", "For staff only");
            Err(Failure::from(problem).into_response())
        }
    }
}
