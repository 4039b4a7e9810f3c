use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use contract::text::PersonName;
use contract::users::{Credentials, LoggedIn, NewUser, User};
use contract::{Ctx, UserId, UsersError};
use http::Request;
use http::header::WWW_AUTHENTICATE;
use tower::ServiceExt;

use super::*;
use crate::layers::{LayerConfig, public};

/// Knows the tokens `shopper` and `staff`; with `broken` it knows nothing for sure.
struct Sessions;

#[async_trait::async_trait]
impl Users for Sessions {
    async fn authenticate(
        &self,
        _: &Ctx,
        token: &SessionToken,
    ) -> Result<Option<Identity>, UsersError> {
        let staff = match token.expose() {
            "shopper" => false,
            "staff" => true,
            "broken" => return Err(Fault::Unavailable("no store".into()).into()),
            _ => return Ok(None),
        };
        Ok(Some(Identity {
            user_id: UserId::new(),
            email: "ada@example.test".parse().unwrap(),
            name: "Ada".parse().unwrap(),
            staff,
        }))
    }

    async fn register(&self, _: &Ctx, _: UserId, _: NewUser) -> Result<User, UsersError> {
        unreachable!()
    }

    async fn log_in(&self, _: &Ctx, _: Credentials, _: IpAddr) -> Result<LoggedIn, UsersError> {
        unreachable!()
    }

    async fn log_out(&self, _: &Ctx, _: &SessionToken) -> Result<(), UsersError> {
        unreachable!()
    }

    async fn log_out_everywhere(&self, _: &Ctx, _: UserId) -> Result<(), UsersError> {
        unreachable!()
    }

    async fn user(&self, _: &Ctx, _: UserId) -> Result<Option<User>, UsersError> {
        unreachable!()
    }

    async fn rename(&self, _: &Ctx, _: UserId, _: PersonName) -> Result<User, UsersError> {
        unreachable!()
    }
}

async fn status(path: &str, header: &str, value: &str) -> u16 {
    let routes = Router::new()
        .route("/user", get(async |AuthUser(_): AuthUser| ()))
        .route("/staff", get(async |Staff(_): Staff| ()))
        .route(
            "/anyone",
            get(async |MaybeUser(user): MaybeUser| {
                user.map_or("nobody".to_owned(), |user| user.name.to_string())
            }),
        )
        .layer(layer(Arc::new(Sessions)));
    let request = Request::get(path).header(header, value);
    let request = request.body(Body::empty()).unwrap();
    let router = public(routes, &LayerConfig::default());
    let response = router.oneshot(request).await.unwrap();
    if response.status() == 401 {
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    }
    response.status().as_u16()
}

#[tokio::test]
async fn who_asks_decides_what_is_answered() {
    for (token, user, staff, anyone) in [
        ("shopper", 200, 403, 200),
        ("staff", 200, 200, 200),
        ("unknown", 401, 401, 200),
        ("broken", 503, 503, 503),
    ] {
        for (path, expected) in [("/user", user), ("/staff", staff), ("/anyone", anyone)] {
            let bearer = format!("Bearer {token}");
            assert_eq!(
                status(path, "authorization", &bearer).await,
                expected,
                "{token} {path}"
            );
            let cookie = format!("a=b; session={token}; c");
            assert_eq!(
                status(path, "cookie", &cookie).await,
                expected,
                "{token} {path}"
            );
        }
    }
    assert_eq!(status("/user", "x-nothing", "").await, 401);
    assert_eq!(
        status("/user", "authorization", "Basic c2hvcHBlcg==").await,
        401
    );
}

#[test]
fn a_bearer_token_goes_before_a_cookie_and_split_cookies_are_joined() {
    let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    };
    let both = headers(&[("cookie", "session=a"), ("authorization", "bearer b")]);
    assert_eq!(token(&both).unwrap().expose(), "b");
    let mut split = headers(&[("cookie", "a=b")]);
    split.append(COOKIE, HeaderValue::from_static("session=c"));
    assert_eq!(token(&split).unwrap().expose(), "c");
    assert!(token(&headers(&[("cookie", "sessions=a")])).is_none());
}

#[test]
fn a_session_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let expires_at = DateTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    assert_eq!(
        session_cookie(&SessionToken::new("t"), expires_at),
        "session=t; Path=/; HttpOnly; SameSite=Lax; Expires=Sun, 09 Sep 2001 01:46:40 GMT"
    );
}
