//! Buying what is in the cart.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use contract::ids::Malformed;
use contract::inventory::Line;
use contract::orders::{Buyer, Cart, Lines, NewOrder};
use contract::{IdempotencyKey, OrdersError, Problem};
use http::StatusCode;
use runtime::Failure;
use runtime::extract::Form;
use serde::Deserialize;
use uuid::Uuid;

use crate::Storefront;
use crate::cart;
use crate::filters;
use crate::frame::Frame;
use crate::visit::Customer;

#[derive(Template)]
#[template(path = "checkout.html")]
struct CheckoutPage<'a> {
    frame: Frame<'a>,
    cart: &'a Cart,
    email: &'a str,
    /// Made with the page: however often its button is pressed, it places one order. (The form is
    /// `autocomplete="off"`, or a reload would put the old key beside new lines.)
    key: Uuid,
    lines: String,
    notice: Option<&'a str>,
}

/// What the page showed is what is bought: not what the cart holds by the time of the click, which a
/// second click would find empty.
#[derive(Deserialize)]
pub(crate) struct Purchase {
    key: IdempotencyKey,
    /// `MUG-0042:2 BWL-0007:1`
    lines: String,
}

pub(crate) async fn show(
    State(storefront): State<Storefront>,
    customer: Customer,
) -> Result<Response, Failure> {
    offer(&storefront, &customer, StatusCode::OK, None).await
}

pub(crate) async fn place(
    State(storefront): State<Storefront>,
    customer: Customer,
    Form(purchase): Form<Purchase>,
) -> Result<Response, Failure> {
    let lines = parse_lines(&purchase.lines)?;
    let buyer = Buyer::from(&*customer.identity);
    let ctx = &customer.visit.ctx;
    let placed = storefront
        .orders
        .place_order(ctx, &buyer, &purchase.key, NewOrder { lines })
        .await;
    match placed {
        Ok(placement) => {
            let order = format!("/orders/{}?thanks=1", placement.order.id);
            Ok(Redirect::to(&order).into_response())
        }
        Err(error @ (OrdersError::OutOfStock(_) | OrdersError::NoSuchProduct(_))) => {
            cart::show_refusal(&storefront, &customer, error).await
        }
        Err(OrdersError::GivenUp) => {
            let notice =
                "That took too long and was given up. Nothing was ordered: please try again.";
            offer(&storefront, &customer, StatusCode::CONFLICT, Some(notice)).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn offer(
    storefront: &Storefront,
    Customer { visit, identity }: &Customer,
    status: StatusCode,
    notice: Option<&str>,
) -> Result<Response, Failure> {
    let cart = storefront.orders.cart(&visit.ctx, identity.user_id).await?;
    if cart.items.is_empty() {
        return Ok(Redirect::to("/cart").into_response());
    }
    let lines = cart
        .items
        .iter()
        .map(|item| format!("{}:{}", item.sku, item.quantity.get()));
    let page = CheckoutPage {
        frame: storefront.frame(visit),
        cart: &cart,
        email: identity.email.as_str(),
        key: Uuid::now_v7(),
        lines: lines.collect::<Vec<_>>().join(" "),
        notice,
    };
    storefront.html(visit, status, &page)
}

fn parse_lines(text: &str) -> Result<Lines, Failure> {
    let line = |text: &str| {
        let (sku, quantity) = text.split_once(':')?;
        Some(Line {
            sku: sku.parse().ok()?,
            quantity: quantity.parse::<i64>().ok()?.try_into().ok()?,
        })
    };
    let lines: Option<Vec<Line>> = text.split_ascii_whitespace().map(line).collect();
    let lines = lines.ok_or(Malformed("expected SKU:quantity, separated by spaces"));
    let lines = lines.and_then(Lines::try_from);
    lines.map_err(|error| Problem::invalid("lines", error.to_string()).into())
}
