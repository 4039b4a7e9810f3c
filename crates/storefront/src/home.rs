//! The front page: the hero and the shop window.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use contract::Sku;
use contract::inventory::Product;
use http::StatusCode;
use runtime::Failure;

use crate::Storefront;
use crate::filters;
use crate::frame::Frame;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage<'a> {
    frame: Frame<'a>,
    window: &'a [Product],
}

/// What stands in the window, chosen by hand; what is not sold any more is left out.
const WINDOW: [&str; 12] = [
    "TPT-0022", "LMP-0015", "JUG-0036", "VSE-0020", "STL-0016", "POT-0034", "BSK-0019", "CHR-0025",
    "WTC-0009", "CDL-0011", "MUG-0055", "RUG-0014",
];

pub(crate) async fn show(
    State(storefront): State<Storefront>,
    visit: Visit,
) -> Result<Response, Failure> {
    let wanted: Vec<Sku> = WINDOW.iter().filter_map(|sku| sku.parse().ok()).collect();
    let mut window = storefront
        .inventory
        .products_by_sku(&visit.ctx, &wanted)
        .await?;
    window.sort_by_key(|product| wanted.iter().position(|sku| *sku == product.sku));
    let page = HomePage {
        frame: storefront.frame(&visit),
        window: &window,
    };
    storefront.html(&visit, StatusCode::OK, &page)
}
