//! Problems, told to people.
//!
//! Handlers and extractors fail here as they do everywhere in the shop, with a problem document; on
//! its way out [`tell`] turns it into a page. So there is one way to fail, and no failure without a
//! page.

use std::time::Instant;

use askama::Template;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use contract::{Ctx, Problem, problem};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use runtime::Failure;

use crate::Storefront;
use crate::filters;
use crate::frame::Frame;
use crate::visit::{Found, Visit};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame<'a>,
    problem: &'a Problem,
    heading: &'static str,
    advice: &'static str,
}

pub(crate) async fn no_such_page() -> Failure {
    Problem::not_found("page").into()
}

pub(crate) async fn no_such_method() -> Failure {
    Problem::new(405, "method-not-allowed", "This address does not do that").into()
}

/// Problem documents are small: what is larger is something else.
const MAX_PROBLEM: usize = 16 << 10;

pub(crate) async fn tell(
    State(storefront): State<Storefront>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let ctx = request.extensions().get::<Ctx>().cloned();
    // Who was sent away while posting cannot come back to that.
    let here = match *request.method() {
        Method::GET => request.uri().to_string(),
        _ => "/".to_owned(),
    };
    let found = Found::default();
    request.extensions_mut().insert(found.clone());
    let response = next.run(request).await;
    let content_type = response.headers().get(CONTENT_TYPE);
    if content_type.is_none_or(|value| value != problem::CONTENT_TYPE) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let body = Limited::new(body, MAX_PROBLEM).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let problem = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Problem::new(head.status.as_u16(), "unknown", "Something went wrong"));
    let Some(ctx) = ctx else {
        return Response::from_parts(head, body.into());
    };
    let visit = Visit::failed(ctx, &found, here, started);
    match page(&storefront, &visit, head.status, &problem) {
        Ok(page) => {
            let (page_head, page) = page.into_parts();
            head.headers.remove(CONTENT_LENGTH);
            head.headers.extend(page_head.headers);
            Response::from_parts(head, page)
        }
        Err(_) => Response::from_parts(head, body.into()),
    }
}

fn page(
    storefront: &Storefront,
    visit: &Visit,
    status: StatusCode,
    problem: &Problem,
) -> Result<Response, Failure> {
    let (heading, advice) = words(problem);
    let page = ErrorPage {
        frame: storefront.frame(visit),
        problem,
        heading,
        advice,
    };
    storefront.html(visit, status, &page)
}

/// A heading, and what to do now.
fn words(problem: &Problem) -> (&'static str, &'static str) {
    match (problem.status, problem.slug()) {
        (404, "no-such-product") | (422, "no-such-product") => (
            "We do not sell that",
            "Perhaps we did once. Have a look around, there are many other good things.",
        ),
        (404, _) => (
            "There is nothing here",
            "The address may be mistyped, or what was here is gone.",
        ),
        (403, "staff-only") => (
            "For staff only",
            "Log in with a staff account to see this page.",
        ),
        (403, _) => (
            "We did not do that",
            "The request came from another site. If it was you, do it from here.",
        ),
        (409, "in-progress") => (
            "One moment: your order is being placed",
            "Your first click arrived and we are still at work. You will find it among your orders.",
        ),
        (409, "not-cancellable") => (
            "Too late to cancel",
            "This order is on its way or was delivered already.",
        ),
        (409, _) => (
            "That did not work out",
            "Something changed in the meantime. Please try again.",
        ),
        (_, "cart-full") => (
            "Your cart is full",
            "Buy what is in it, or take something out, and there will be room again.",
        ),
        (413, _) => ("That is too much", "Please send less at once."),
        (429, _) => (
            "A little slower, please",
            "You asked more often than we can answer.",
        ),
        (502..=504, _) => (
            "We are out of breath",
            "The shop is busy or a part of it is away. Nothing was lost: please try again in a moment.",
        ),
        (400..=499, _) => (
            "We did not understand that",
            "Something in the request is not as we expect it.",
        ),
        _ => (
            "Something broke on our side",
            "It is not your fault, and we have taken note of it. Please try again.",
        ),
    }
}
