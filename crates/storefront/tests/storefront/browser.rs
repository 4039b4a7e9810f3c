//! A visitor with a cookie and no JavaScript.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use contract::users::SessionToken;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use runtime::layers::LayerConfig;
use storefront::{Assets, Storefront};
use tower::ServiceExt;

use crate::fakes::World;

pub(crate) struct Browser {
    router: Router,
    session: Option<SessionToken>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A router over this world, departments fetched, nothing of it counted.
pub(crate) async fn router(world: &Arc<World>, assets: Assets) -> Router {
    let storefront = Storefront::new(world.clone(), world.clone(), world.clone(), assets, "web-1");
    // The first poll fetches them; then it would sleep.
    let fetch = storefront.clone().keep_departments_fresh();
    let _ = tokio::time::timeout(Duration::ZERO, fetch).await;
    world.calls.store(0, std::sync::atomic::Ordering::Relaxed);
    runtime::layers::public(storefront.routes(), &LayerConfig::default())
}

impl Browser {
    pub(crate) async fn guest(world: &Arc<World>) -> Browser {
        Browser::with_assets(world, Assets::load(None, "").unwrap()).await
    }

    pub(crate) async fn with_assets(world: &Arc<World>, assets: Assets) -> Browser {
        Browser {
            router: router(world, assets).await,
            session: None,
        }
    }

    pub(crate) async fn logged_in(world: &Arc<World>, email: &str) -> Browser {
        let assets = Assets::load(None, "").unwrap();
        Browser::logged_in_with_assets(world, email, assets).await
    }

    pub(crate) async fn logged_in_with_assets(
        world: &Arc<World>,
        email: &str,
        assets: Assets,
    ) -> Browser {
        Browser {
            session: Some(world.session_of(email)),
            ..Browser::with_assets(world, assets).await
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(form.into()).unwrap()).await
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        if let Some(session) = &self.session {
            let cookie = format!("session={}", session.expose());
            request
                .headers_mut()
                .insert(COOKIE, cookie.parse().unwrap());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Where a redirect leads, checked to be one after a post.
    pub(crate) fn see_other(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header(LOCATION)
    }

    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let before = format!("name=\"{name}\" value=\"");
        let (_, rest) = self
            .body
            .split_once(&before)
            .expect("the page has this field");
        rest.split('"').next().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn assert_shows(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.body.contains(text), "no {text:?} in {}", self.body);
        }
    }
}
