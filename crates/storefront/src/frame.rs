//! What all pages share: the head, the navigation, and the footer "this page came from".

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::response::{IntoResponse, Response};
use contract::context::Hop;
use contract::inventory::Category;
use contract::text::Slug;
use contract::users::Identity;
use contract::{Fault, Sku};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};
use runtime::Failure;

use crate::Storefront;
use crate::visit::{Visit, Visitor};

/// The frame around one page. Make it after the page's data is there, so that it knows every hop.
pub(crate) struct Frame<'a> {
    storefront: &'a Storefront,
    visit: &'a Visit,
    pub(crate) departments: Arc<[Category]>,
    department: Option<&'a Slug>,
    /// The way this page came, as far as this box can tell: itself and what lies behind it. What
    /// lies before it only the browser knows, from `Server-Timing`.
    pub(crate) hops: Vec<Hop>,
}

impl Storefront {
    pub(crate) fn frame<'a>(&'a self, visit: &'a Visit) -> Frame<'a> {
        let web = Hop {
            metric: "web".to_owned(),
            desc: self.instance.to_string(),
            duration: visit.started.elapsed(),
        };
        let mut hops = visit.ctx.hops();
        hops.insert(0, web);
        Frame {
            storefront: self,
            visit,
            departments: self.departments.current(),
            department: None,
            hops,
        }
    }

    /// A page as a response. Nothing in between may keep it: every page says who is logged in.
    pub(crate) fn html(
        &self,
        visit: &Visit,
        status: StatusCode,
        page: &impl Template,
    ) -> Result<Response, Failure> {
        let body = page.render().map_err(Fault::internal)?;
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(VARY, HeaderValue::from_static("Cookie"));
        let cache_control = match visit.visitor {
            // Personal: not even the back button of the next person at this computer shows it.
            Visitor::Known(_) | Visitor::Unknown(_) => "no-store",
            Visitor::Guest => "private, no-cache",
        };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
        if let Some(policy) = self.assets.policy() {
            headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
        }
        Ok(response)
    }
}

impl<'a> Frame<'a> {
    /// This page belongs to a department.
    pub(crate) fn of_department(mut self, department: Option<&'a Slug>) -> Frame<'a> {
        self.department = department;
        self
    }
}

// What templates ask of the frame. There is no number of things in the cart beside its link: it would
// cost every page a query.
impl Frame<'_> {
    pub(crate) fn asset(&self, name: &str) -> Cow<'_, str> {
        self.storefront.assets.url(name)
    }

    pub(crate) fn hero(&self) -> Option<&str> {
        self.storefront.assets.find("hero.jpg")
    }

    /// Where assets come from, if it is not here: worth a connection before the first is asked for.
    pub(crate) fn assets_host(&self) -> Option<&str> {
        self.storefront.assets.host()
    }

    pub(crate) fn srcset(&self, sku: &Sku) -> Option<String> {
        self.storefront.assets.srcset(sku)
    }

    pub(crate) fn picture(&self, sku: &Sku) -> Cow<'_, str> {
        self.storefront.assets.picture(sku)
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.visit.identity()
    }

    pub(crate) fn is_staff(&self) -> bool {
        self.visit.is_staff()
    }

    /// Somebody who is logged in, but whose session cannot be looked up right now.
    pub(crate) fn is_unsure(&self) -> bool {
        matches!(self.visit.visitor, Visitor::Unknown(_))
    }

    pub(crate) fn login(&self) -> String {
        login_address(&self.visit.here)
    }

    pub(crate) fn is_at(&self, path: &str) -> bool {
        self.visit.here.split('?').next() == Some(path)
    }

    pub(crate) fn is_of(&self, department: &Category) -> bool {
        self.department == Some(&department.slug)
    }

    pub(crate) fn request_id(&self) -> &str {
        self.visit.ctx.request_id()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.hops[0].duration
    }

    /// How much of the whole time this hop took, in percent: the length of its bar.
    pub(crate) fn share(&self, hop: &Hop) -> u32 {
        let whole = self.elapsed().as_secs_f64().max(f64::EPSILON);
        (hop.duration.as_secs_f64() / whole * 100.0).clamp(1.0, 100.0) as u32
    }
}

/// Where to log in and come back to `next`.
pub(crate) fn login_address(next: &str) -> String {
    let next = form_urlencoded::byte_serialize(next.as_bytes());
    next.fold("/login?next=".to_owned(), |address, part| address + part)
}
