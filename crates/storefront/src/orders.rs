//! A customer's orders: the list, one of them, and taking it back.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use contract::inventory::PricedLine;
use contract::orders::{Order, OrderStatus};
use contract::{Cursor, OrderId, OrdersError, Page, PageQuery, Problem};
use http::StatusCode;
use runtime::Failure;
use runtime::extract::{Path, Query};
use serde::Deserialize;

use crate::Storefront;
use crate::filters;
use crate::frame::Frame;
use crate::visit::Customer;

#[derive(Deserialize)]
pub(crate) struct Browse {
    cursor: Option<Cursor>,
}

#[derive(Deserialize)]
pub(crate) struct Arrival {
    /// Straight from the checkout.
    thanks: Option<String>,
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage<'a> {
    frame: Frame<'a>,
    orders: &'a Page<Order>,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    frame: Frame<'a>,
    order: &'a Order,
    thanks: bool,
    email: &'a str,
}

pub(crate) async fn list(
    State(storefront): State<Storefront>,
    Customer { visit, identity }: Customer,
    Query(Browse { cursor }): Query<Browse>,
) -> Result<Response, Failure> {
    let query = PageQuery {
        cursor,
        ..PageQuery::default()
    };
    let orders = storefront
        .orders
        .orders(&visit.ctx, identity.user_id, query)
        .await?;
    let page = OrdersPage {
        frame: storefront.frame(&visit),
        orders: &orders,
    };
    storefront.html(&visit, StatusCode::OK, &page)
}

pub(crate) async fn show(
    State(storefront): State<Storefront>,
    Customer { visit, identity }: Customer,
    Path(id): Path<String>,
    Query(Arrival { thanks }): Query<Arrival>,
) -> Result<Response, Failure> {
    let order = storefront
        .orders
        .order(&visit.ctx, identity.user_id, parse(&id)?)
        .await?;
    let order = order.ok_or(OrdersError::NoSuchOrder)?;
    let page = OrderPage {
        frame: storefront.frame(&visit),
        order: &order,
        thanks: thanks.is_some(),
        email: identity.email.as_str(),
    };
    storefront.html(&visit, StatusCode::OK, &page)
}

pub(crate) async fn cancel(
    State(storefront): State<Storefront>,
    Customer { visit, identity }: Customer,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    storefront
        .orders
        .cancel_order(&visit.ctx, identity.user_id, id)
        .await?;
    Ok(Redirect::to(&format!("/orders/{id}")).into_response())
}

fn parse(id: &str) -> Result<OrderId, Failure> {
    id.parse().map_err(|_| Problem::not_found("order").into())
}

/// Enough of an id to tell a customer's orders apart.
fn short_id(id: &OrderId) -> String {
    let id = id.to_string();
    id[..8].to_uppercase()
}

fn line_total(line: &PricedLine) -> i64 {
    line.price_cents * i64::from(line.quantity.get())
}

fn pieces(order: &Order) -> i32 {
    order.lines.iter().map(|line| line.quantity.get()).sum()
}
