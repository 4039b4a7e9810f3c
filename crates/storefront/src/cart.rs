//! The cart: what a customer is about to buy.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use contract::ids::Malformed;
use contract::inventory::Quantity;
use contract::orders::{Cart, CartItem};
use contract::{OrdersError, Problem, Sku};
use http::StatusCode;
use runtime::Failure;
use runtime::extract::Form;
use serde::Deserialize;

use crate::Storefront;
use crate::filters;
use crate::frame::Frame;
use crate::visit::{Customer, Visit};

#[derive(Template)]
#[template(path = "cart.html")]
struct CartPage<'a> {
    frame: Frame<'a>,
    cart: &'a Cart,
    notice: Option<&'a str>,
}

/// One form for all changes: the button that was pressed says which.
#[derive(Deserialize)]
pub(crate) struct Change {
    sku: Sku,
    quantity: Option<i64>,
    #[serde(default)]
    action: Action,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// To what is there already.
    Add,
    #[default]
    Set,
    Remove,
}

pub(crate) async fn show(
    State(storefront): State<Storefront>,
    Customer { visit, identity }: Customer,
) -> Result<Response, Failure> {
    let cart = storefront.orders.cart(&visit.ctx, identity.user_id).await?;
    page(&storefront, &visit, StatusCode::OK, &cart, None)
}

pub(crate) async fn change(
    State(storefront): State<Storefront>,
    customer: Customer,
    Form(Change {
        sku,
        quantity,
        action,
    }): Form<Change>,
) -> Result<Response, Failure> {
    let ctx = &customer.visit.ctx;
    let user = customer.user_id();
    let orders = &storefront.orders;
    let typed = quantity.unwrap_or(1);
    let quantity = || {
        let invalid = |error: Malformed| Problem::invalid("quantity", error.to_string());
        Quantity::try_from(typed).map_err(|error| Failure::from(invalid(error)))
    };
    match action {
        Action::Add => orders.add_cart_item(ctx, user, &sku, quantity()?).await?,
        Action::Set if typed != 0 => orders.put_cart_item(ctx, user, &sku, quantity()?).await?,
        Action::Set | Action::Remove => orders.remove_cart_item(ctx, user, &sku).await?,
    };
    Ok(Redirect::to("/cart").into_response())
}

/// The cart as the answer to a checkout that could not be: what has to change, and the means to.
pub(crate) async fn show_refusal(
    storefront: &Storefront,
    customer: &Customer,
    error: OrdersError,
) -> Result<Response, Failure> {
    let visit = &customer.visit;
    let cart = storefront
        .orders
        .cart(&visit.ctx, customer.user_id())
        .await?;
    let name = |sku: &Sku| {
        let item = cart.items.iter().find(|item| item.sku == *sku);
        item.map_or_else(|| sku.to_string(), |item| item.name.clone())
    };
    let notice = match &error {
        OrdersError::OutOfStock(short) if short.available == 0 => {
            format!(
                "{} has just sold out. Nothing was ordered.",
                name(&short.sku)
            )
        }
        OrdersError::OutOfStock(short) => format!(
            "There are only {} of {} left. Nothing was ordered: take fewer and try again.",
            short.available,
            name(&short.sku)
        ),
        OrdersError::NoSuchProduct(sku) => {
            format!(
                "We do not sell {} any more. Nothing was ordered.",
                name(sku)
            )
        }
        _ => return Err(error.into()),
    };
    let status = StatusCode::from_u16(Problem::from(&error).status).unwrap_or(StatusCode::CONFLICT);
    page(storefront, visit, status, &cart, Some(&notice))
}

fn page(
    storefront: &Storefront,
    visit: &Visit,
    status: StatusCode,
    cart: &Cart,
    notice: Option<&str>,
) -> Result<Response, Failure> {
    let page = CartPage {
        frame: storefront.frame(visit),
        cart,
        notice,
    };
    storefront.html(visit, status, &page)
}

/// More in the cart than on the shelf.
fn is_short(item: &CartItem) -> bool {
    item.available < item.quantity.get()
}

pub(crate) fn line_total(item: &CartItem) -> i64 {
    item.price_cents * i64::from(item.quantity.get())
}
