//! Registering, logging in and out.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use contract::text::{Email, Password, PersonName};
use contract::users::{Credentials, LoggedIn, NewUser, SessionToken};
use contract::{Problem, UserId, UsersError};
use http::header::{CACHE_CONTROL, RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use runtime::Failure;
use runtime::auth::Token;
use runtime::extract::{ClientAddr, Form, Query};
use serde::Deserialize;

use crate::Storefront;
use crate::filters;
use crate::form::Wrong;
use crate::frame::Frame;
use crate::local_path::LocalPath;
use crate::visit::{Customer, Visit};

#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

/// What was typed; both forms share the fields they have.
#[derive(Default, Deserialize)]
pub(crate) struct Account {
    email: Option<String>,
    password: Option<String>,
    name: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame<'a>,
    next: LocalPath,
    typed: &'a Account,
    wrong: Wrong,
    /// What is wrong with the whole of it.
    notice: Option<String>,
}

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage<'a> {
    frame: Frame<'a>,
    next: LocalPath,
    typed: &'a Account,
    wrong: Wrong,
}

impl Account {
    fn next(&self) -> LocalPath {
        LocalPath::parse(self.next.as_deref().unwrap_or_default())
    }
}

pub(crate) async fn show_login(
    State(storefront): State<Storefront>,
    visit: Visit,
    Query(Next { next }): Query<Next>,
) -> Result<Response, Failure> {
    let next = LocalPath::parse(next.as_deref().unwrap_or_default());
    if visit.identity().is_some() {
        return Ok(Redirect::to(next.as_str()).into_response());
    }
    let page = LoginPage {
        frame: storefront.frame(&visit),
        next,
        typed: &Account::default(),
        wrong: Wrong::default(),
        notice: None,
    };
    storefront.html(&visit, StatusCode::OK, &page)
}

pub(crate) async fn log_in(
    State(storefront): State<Storefront>,
    visit: Visit,
    ClientAddr(client): ClientAddr,
    Token(before): Token,
    Form(typed): Form<Account>,
) -> Result<Response, Failure> {
    let mut wrong = Wrong::default();
    let email = wrong.text::<Email>("email", typed.email.as_deref());
    let password = wrong.text::<Password>("password", typed.password.as_deref());
    let refuse = |wrong, problem: Option<Problem>| {
        let status = problem.as_ref().map_or(422, |problem| problem.status);
        let retry_after = problem.as_ref().and_then(|problem| problem.retry_after);
        let page = LoginPage {
            frame: storefront.frame(&visit),
            next: typed.next(),
            typed: &typed,
            wrong,
            notice: problem.and_then(|problem| problem.detail),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let mut response = storefront.html(&visit, status, &page)?;
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        Ok(response)
    };
    let (Some(email), Some(password)) = (email, password) else {
        return refuse(wrong, None);
    };
    let credentials = Credentials { email, password };
    match storefront
        .users
        .log_in(&visit.ctx, credentials, client)
        .await
    {
        Ok(logged_in) => {
            storefront.end_session_before(&visit, before).await;
            Ok(welcome(&logged_in, &typed.next()))
        }
        Err(error @ (UsersError::WrongCredentials | UsersError::TooManyAttempts { .. })) => {
            refuse(wrong, Some(Problem::from(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn show_register(
    State(storefront): State<Storefront>,
    visit: Visit,
    Query(Next { next }): Query<Next>,
) -> Result<Response, Failure> {
    let page = RegisterPage {
        frame: storefront.frame(&visit),
        next: LocalPath::parse(next.as_deref().unwrap_or_default()),
        typed: &Account::default(),
        wrong: Wrong::default(),
    };
    storefront.html(&visit, StatusCode::OK, &page)
}

pub(crate) async fn register(
    State(storefront): State<Storefront>,
    visit: Visit,
    ClientAddr(client): ClientAddr,
    Token(before): Token,
    Form(typed): Form<Account>,
) -> Result<Response, Failure> {
    let mut wrong = Wrong::default();
    let name = wrong.text::<PersonName>("name", typed.name.as_deref());
    let email = wrong.text::<Email>("email", typed.email.as_deref());
    let password = wrong.text::<Password>("password", typed.password.as_deref());
    let refuse = |status, wrong| {
        let page = RegisterPage {
            frame: storefront.frame(&visit),
            next: typed.next(),
            typed: &typed,
            wrong,
        };
        storefront.html(&visit, status, &page)
    };
    let (Some(name), Some(email), Some(password)) = (name, email, password) else {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, wrong);
    };
    let credentials = Credentials {
        email: email.clone(),
        password: password.clone(),
    };
    let new = NewUser {
        email,
        password,
        name,
    };
    match storefront
        .users
        .register(&visit.ctx, UserId::new(), new)
        .await
    {
        Ok(_) => {}
        Err(error @ UsersError::EmailTaken) => {
            wrong.note::<Email>("email", error);
            return refuse(StatusCode::CONFLICT, wrong);
        }
        Err(error @ UsersError::PasswordTooShort) => {
            wrong.note::<Password>("password", error);
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, wrong);
        }
        Err(error) => return Err(error.into()),
    }
    let logged_in = storefront
        .users
        .log_in(&visit.ctx, credentials, client)
        .await?;
    storefront.end_session_before(&visit, before).await;
    Ok(welcome(&logged_in, &typed.next()))
}

pub(crate) async fn log_out(
    State(storefront): State<Storefront>,
    visit: Visit,
    Token(token): Token,
) -> Result<Response, Failure> {
    if let Some(token) = token {
        storefront.users.log_out(&visit.ctx, &token).await?;
    }
    Ok(with_cookie(
        Redirect::to("/"),
        runtime::expired_session_cookie(),
    ))
}

pub(crate) async fn log_out_everywhere(
    State(storefront): State<Storefront>,
    customer: Customer,
) -> Result<Response, Failure> {
    let users = &storefront.users;
    users
        .log_out_everywhere(&customer.visit.ctx, customer.user_id())
        .await?;
    Ok(with_cookie(
        Redirect::to("/"),
        runtime::expired_session_cookie(),
    ))
}

impl Storefront {
    /// What was known before a log-in is worth nothing after it. Should it not end now, it ends by itself:
    /// whoever logged in has his new session.
    async fn end_session_before(&self, visit: &Visit, before: Option<SessionToken>) {
        if let Some(before) = before
            && let Err(error) = self.users.log_out(&visit.ctx, &before).await
        {
            tracing::warn!(%error, "the session before a log-in goes on");
        }
    }
}

fn welcome(logged_in: &LoggedIn, next: &LocalPath) -> Response {
    let cookie = runtime::session_cookie(&logged_in.token, logged_in.expires_at);
    with_cookie(Redirect::to(next.as_str()), cookie)
}

fn with_cookie(redirect: Redirect, cookie: HeaderValue) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    ([(SET_COOKIE, cookie), (CACHE_CONTROL, no_store)], redirect).into_response()
}
