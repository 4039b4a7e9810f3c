//! The list of products and a product's own page, where staff also restock.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use contract::inventory::{Product, ProductQuery, StockDelta};
use contract::text::{SearchText, Slug};
use contract::{Cursor, InventoryError, Page, Problem, RestockId, Sku};
use http::StatusCode;
use runtime::Failure;
use runtime::extract::{Form, Path, Query};
use serde::Deserialize;

use crate::Storefront;
use crate::filters;
use crate::form::Wrong;
use crate::frame::Frame;
use crate::visit::{StaffMember, Visit};

/// Addresses get shared with all sorts of things behind them: what we do not know we ignore.
#[derive(Deserialize)]
pub(crate) struct Browse {
    category: Option<Slug>,
    q: Option<SearchText>,
    cursor: Option<Cursor>,
}

#[derive(Template)]
#[template(path = "products.html")]
struct ProductsPage<'a> {
    frame: Frame<'a>,
    query: &'a ProductQuery,
    products: &'a Page<Product>,
    /// The name of the department, or what else this list is.
    title: &'a str,
}

#[derive(Template)]
#[template(path = "product.html")]
struct ProductPage<'a> {
    frame: Frame<'a>,
    product: &'a Product,
    restock: Restock,
    wrong: Wrong,
}

#[derive(Default, Deserialize)]
pub(crate) struct Restock {
    /// Made with the form: sent twice, the goods still come once.
    id: Option<RestockId>,
    delta: Option<String>,
}

pub(crate) async fn list(
    State(storefront): State<Storefront>,
    visit: Visit,
    Query(Browse {
        category,
        q,
        cursor,
    }): Query<Browse>,
) -> Result<Response, Failure> {
    let query = ProductQuery {
        category,
        q,
        cursor,
        ..ProductQuery::default()
    };
    let products = storefront
        .inventory
        .products(&visit.ctx, query.clone())
        .await?;
    let frame = storefront
        .frame(&visit)
        .of_department(query.category.as_ref());
    let departments = frame.departments.clone();
    let department = query.category.as_ref().map(|slug| {
        let known = departments
            .iter()
            .find(|department| department.slug == *slug);
        known.map_or(slug.as_str(), |department| &department.name)
    });
    let page = ProductsPage {
        frame,
        query: &query,
        products: &products,
        title: department.unwrap_or(if query.q.is_some() {
            "Search"
        } else {
            "Everything"
        }),
    };
    storefront.html(&visit, StatusCode::OK, &page)
}

pub(crate) async fn show(
    State(storefront): State<Storefront>,
    visit: Visit,
    Path(sku): Path<String>,
) -> Result<Response, Failure> {
    let product = find(&storefront, &visit, &sku).await?;
    let page = ProductPage {
        frame: storefront
            .frame(&visit)
            .of_department(Some(&product.category)),
        product: &product,
        restock: Restock::default(),
        wrong: Wrong::default(),
    };
    storefront.html(&visit, StatusCode::OK, &page)
}

pub(crate) async fn restock(
    State(storefront): State<Storefront>,
    StaffMember { visit }: StaffMember,
    Path(sku): Path<String>,
    Form(restock): Form<Restock>,
) -> Result<Response, Failure> {
    let product = find(&storefront, &visit, &sku).await?;
    let mut wrong = Wrong::default();
    let Some(delta) = wrong.number::<StockDelta>("delta", restock.delta.as_deref()) else {
        let page = ProductPage {
            frame: storefront
                .frame(&visit)
                .of_department(Some(&product.category)),
            product: &product,
            restock,
            wrong,
        };
        return storefront.html(&visit, StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    let id = restock.id.unwrap_or_else(RestockId::new);
    storefront
        .inventory
        .restock(&visit.ctx, id, &product.sku, delta)
        .await?;
    Ok(Redirect::to(&format!("/products/{}", product.sku)).into_response())
}

async fn find(storefront: &Storefront, visit: &Visit, sku: &str) -> Result<Product, Failure> {
    // What is no SKU is no product either: an address is not a form to correct.
    let sku: Sku = sku.parse().map_err(|_| Problem::not_found("product"))?;
    let product = storefront.inventory.product(&visit.ctx, &sku).await?;
    Ok(product.ok_or(InventoryError::NoSuchProduct(sku))?)
}

/// The query string of this list, from `cursor` on.
fn list_query(query: &ProductQuery, cursor: Option<&Cursor>) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    if let Some(category) = &query.category {
        text.append_pair("category", category.as_str());
    }
    if let Some(q) = &query.q {
        text.append_pair("q", q.as_str());
    }
    if let Some(cursor) = cursor {
        text.append_pair("cursor", cursor.as_str());
    }
    text.finish()
}
