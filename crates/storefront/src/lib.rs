//! The shop's pages, rendered on the server, and the assets they are dressed in.
//!
//! **Owns** what people see: templates, style sheet, forms and the addresses of pages. A page is one
//! file here and one of the same name in `templates/`.
//!
//! **Never** decides a price, a stock or a right: it asks the three domains through their traits and
//! shows what they answer. No SQL, no JSON API.
//!
//! **Start** at [`Storefront::routes`], then follow one page: `catalogue.rs` asks, `frame.rs` has what
//! all pages share, `templates/product.html` says it. `error_page.rs` tells problems to people.

mod catalogue;
mod home;

mod cart;
mod checkout;
mod orders;
mod report;

mod account;
mod form;
mod local_path;

mod error_page;
mod filters;
mod frame;
mod visit;

mod assets;
mod departments;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use contract::{Inventory, Orders, Users};

pub use assets::{Assets, AssetsError};

use departments::Departments;

/// What every page needs. Cheap to clone.
#[derive(Clone)]
pub struct Storefront {
    users: Arc<dyn Users>,
    inventory: Arc<dyn Inventory>,
    orders: Arc<dyn Orders>,
    assets: Arc<Assets>,
    departments: Arc<Departments>,
    /// The name of this web box, for "this page came from".
    instance: Arc<str>,
}

impl Storefront {
    pub fn new(
        users: Arc<dyn Users>,
        inventory: Arc<dyn Inventory>,
        orders: Arc<dyn Orders>,
        assets: Assets,
        instance: &str,
    ) -> Storefront {
        Storefront {
            users,
            inventory,
            orders,
            assets: Arc::new(assets),
            departments: Arc::default(),
            instance: instance.into(),
        }
    }

    /// All pages, the assets, and a page for addresses that lead nowhere.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/", get(home::show))
            .route("/products", get(catalogue::list))
            .route("/products/{sku}", get(catalogue::show))
            .route("/products/{sku}/stock", post(catalogue::restock))
            .route("/cart", get(cart::show))
            .route("/cart/items", post(cart::change))
            .route("/checkout", get(checkout::show).post(checkout::place))
            .route("/orders", get(orders::list))
            .route("/orders/{id}", get(orders::show))
            .route("/orders/{id}/cancel", post(orders::cancel))
            .route("/login", get(account::show_login).post(account::log_in))
            .route(
                "/register",
                get(account::show_register).post(account::register),
            )
            .route("/logout", post(account::log_out))
            .route("/logout/everywhere", post(account::log_out_everywhere))
            .route("/reports/sales", get(report::show))
            .fallback(error_page::no_such_page)
            .method_not_allowed_fallback(error_page::no_such_method)
            .layer(from_fn_with_state(self.clone(), error_page::tell))
            .route("/assets/{file}", get(assets::serve))
            .with_state(self.clone())
    }

    /// Keeps the navigation's departments fresh until dropped. Without it pages have none.
    ///
    /// They are asked for here and not by each page: a page costs its own queries and no more, and
    /// a department that comes a minute late harms nobody.
    pub async fn keep_departments_fresh(self) {
        self.departments.keep_fresh(&*self.inventory).await;
    }
}
