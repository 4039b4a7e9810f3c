use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{LINK, LOCATION};
use axum::http::{HeaderName, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post, put};
use contract::inventory::Quantity;
use contract::orders::{Buyer, Cart, Listing, NewOrder, Order, Placement, ReportDays, SalesReport};
use contract::page::Limit;
use contract::remote::calls::orders as calls;
use contract::{Cursor, OrderId, Orders, OrdersError, Page, PageQuery, Problem, Sku};
use runtime::Failure;
use runtime::auth::{AuthUser, Staff};
use runtime::extract::{Context, Json, Path, Query};
use runtime::rpc;
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::key::Key;

type Shared = State<Arc<dyn Orders>>;

/// The public API. All of it asks who is there: `runtime::auth::layer` goes around it.
pub fn routes(orders: Arc<dyn Orders>) -> Router {
    Router::new()
        .route("/api/v1/cart", get(cart))
        .route(
            "/api/v1/cart/items/{sku}",
            put(put_cart_item).delete(remove_cart_item),
        )
        .route("/api/v1/orders", get(list).post(place))
        .route("/api/v1/orders/all", get(list_all))
        .route("/api/v1/orders/{id}", get(order))
        .route("/api/v1/orders/{id}/cancel", post(cancel))
        .route("/api/v1/reports/sales", get(sales_report))
        .with_state(orders)
}

/// Describes [`routes`] for `/api/v1/openapi.json`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(
        cart,
        put_cart_item,
        remove_cart_item,
        place,
        list,
        list_all,
        order,
        cancel,
        sales_report
    ))]
    struct Api;

    Api::openapi()
}

/// The cart, at today's prices.
#[utoipa::path(get, path = "/api/v1/cart",
    security(("token" = []), ("cookie" = [])), responses((status = 200, body = Cart)))]
async fn cart(
    State(orders): Shared,
    Context(ctx): Context,
    AuthUser(user): AuthUser,
) -> Result<Json<Cart>, Failure> {
    Ok(Json(orders.cart(&ctx, user.user_id).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewQuantity {
    quantity: Quantity,
}

/// Sets how many of a product are in the cart.
#[utoipa::path(put, path = "/api/v1/cart/items/{sku}",
    security(("token" = []), ("cookie" = [])), params(("sku" = Sku, Path)),
    request_body = NewQuantity,
    responses((status = 200, body = Cart), (status = 422, body = Problem)))]
async fn put_cart_item(
    State(orders): Shared,
    Context(ctx): Context,
    AuthUser(user): AuthUser,
    Path(sku): Path<Sku>,
    Json(NewQuantity { quantity }): Json<NewQuantity>,
) -> Result<Json<Cart>, Failure> {
    Ok(Json(
        orders
            .put_cart_item(&ctx, user.user_id, &sku, quantity)
            .await?,
    ))
}

/// Takes a product out of the cart.
#[utoipa::path(delete, path = "/api/v1/cart/items/{sku}",
    security(("token" = []), ("cookie" = [])), params(("sku" = Sku, Path)),
    responses((status = 200, body = Cart)))]
async fn remove_cart_item(
    State(orders): Shared,
    Context(ctx): Context,
    AuthUser(user): AuthUser,
    Path(sku): Path<Sku>,
) -> Result<Json<Cart>, Failure> {
    Ok(Json(
        orders.remove_cart_item(&ctx, user.user_id, &sku).await?,
    ))
}

/// Places an order. The same `Idempotency-Key` again: the first answer again.
#[utoipa::path(post, path = "/api/v1/orders",
    security(("token" = []), ("cookie" = [])), request_body = NewOrder,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = Order), (status = 400, body = Problem),
              (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn place(
    State(orders): Shared,
    Context(ctx): Context,
    AuthUser(user): AuthUser,
    Key(key): Key,
    Json(new): Json<NewOrder>,
) -> Result<impl IntoResponse, Failure> {
    let placement = orders
        .place_order(&ctx, &Buyer::from(&user), &key, new)
        .await?;
    let Placement { order, replayed } = placement;
    let location = AppendHeaders([(LOCATION, format!("/api/v1/orders/{}", order.id))]);
    let replayed = AppendHeaders(replayed.then_some(("idempotent-replayed", "true")));
    Ok((StatusCode::CREATED, location, replayed, Json(order)))
}

/// The user's orders, newest first.
#[utoipa::path(get, path = "/api/v1/orders",
    security(("token" = []), ("cookie" = [])), params(PageQuery),
    responses((status = 200, body = Page<Order>), (status = 400, body = Problem)))]
async fn list(
    State(orders): Shared,
    Context(ctx): Context,
    AuthUser(user): AuthUser,
    Query(query): Query<PageQuery>,
) -> Result<(NextLink, Json<Page<Order>>), Failure> {
    let limit = query.limit;
    let page = orders.orders(&ctx, user.user_id, query).await?;
    Ok((
        next_link("/api/v1/orders", page.next.as_ref(), limit),
        Json(page),
    ))
}

/// Everybody's orders, newest first. For staff.
#[utoipa::path(get, path = "/api/v1/orders/all",
    security(("token" = []), ("cookie" = [])), params(PageQuery),
    responses((status = 200, body = Listing), (status = 400, body = Problem),
              (status = 403, body = Problem)))]
async fn list_all(
    State(orders): Shared,
    Context(ctx): Context,
    Staff(_): Staff,
    Query(query): Query<PageQuery>,
) -> Result<(NextLink, Json<Listing>), Failure> {
    let limit = query.limit;
    let listing = orders.all_orders(&ctx, query).await?;
    Ok((
        next_link("/api/v1/orders/all", listing.next.as_ref(), limit),
        Json(listing),
    ))
}

/// One of the user's orders.
#[utoipa::path(get, path = "/api/v1/orders/{id}",
    security(("token" = []), ("cookie" = [])), params(("id" = OrderId, Path)),
    responses((status = 200, body = Order), (status = 404, body = Problem)))]
async fn order(
    State(orders): Shared,
    Context(ctx): Context,
    AuthUser(user): AuthUser,
    Path(id): Path<OrderId>,
) -> Result<Json<Order>, Failure> {
    let order = orders.order(&ctx, user.user_id, id).await?;
    Ok(Json(order.ok_or(OrdersError::NoSuchOrder)?))
}

/// Cancels a placed order; its stock goes back.
#[utoipa::path(post, path = "/api/v1/orders/{id}/cancel",
    security(("token" = []), ("cookie" = [])), params(("id" = OrderId, Path)),
    responses((status = 200, body = Order), (status = 404, body = Problem),
              (status = 409, body = Problem)))]
async fn cancel(
    State(orders): Shared,
    Context(ctx): Context,
    AuthUser(user): AuthUser,
    Path(id): Path<OrderId>,
) -> Result<Json<Order>, Failure> {
    Ok(Json(orders.cancel_order(&ctx, user.user_id, id).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReportQuery {
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 365)]
    days: ReportDays,
}

/// What was sold in the last days, today included (UTC). For staff.
#[utoipa::path(get, path = "/api/v1/reports/sales",
    security(("token" = []), ("cookie" = [])), params(ReportQuery),
    responses((status = 200, body = SalesReport), (status = 403, body = Problem)))]
async fn sales_report(
    State(orders): Shared,
    Context(ctx): Context,
    Staff(_): Staff,
    Query(ReportQuery { days }): Query<ReportQuery>,
) -> Result<Json<SalesReport>, Failure> {
    Ok(Json(orders.sales_report(&ctx, days).await?))
}

type NextLink = AppendHeaders<Option<(HeaderName, String)>>;

/// `Link: <..>; rel="next"` (RFC 8288), if there is a next page. Cursors are base64url.
fn next_link(path: &str, next: Option<&Cursor>, limit: Limit) -> NextLink {
    AppendHeaders(next.map(|next| {
        let (cursor, limit) = (next.as_str(), limit.get());
        (
            LINK,
            format!("<{path}?cursor={cursor}&limit={limit}>; rel=\"next\""),
        )
    }))
}

/// The other domains' way in, when this one runs by itself: [`contract::remote::HttpOrders`].
pub fn internal(orders: Arc<dyn Orders>) -> Router {
    let o = || orders.clone();
    let r = Router::new();
    let r = rpc::serve(r, o(), |o, ctx, call: calls::GetCart| async move {
        o.cart(&ctx, call.user).await
    });
    let r = rpc::serve(r, o(), |o, ctx, call: calls::PutCartItem| async move {
        o.put_cart_item(&ctx, call.user, &call.sku, call.quantity)
            .await
    });
    let r = rpc::serve(r, o(), |o, ctx, call: calls::AddCartItem| async move {
        o.add_cart_item(&ctx, call.user, &call.sku, call.quantity)
            .await
    });
    let r = rpc::serve(r, o(), |o, ctx, call: calls::RemoveCartItem| async move {
        o.remove_cart_item(&ctx, call.user, &call.sku).await
    });
    let r = rpc::serve(r, o(), |o, ctx, call: calls::PlaceOrder| async move {
        o.place_order(&ctx, &call.buyer, &call.key, call.new).await
    });
    let r = rpc::serve(r, o(), |o, ctx, call: calls::ListOrders| async move {
        o.orders(&ctx, call.user, call.page).await
    });
    let r = rpc::serve(r, o(), |o, ctx, call: calls::GetOrder| async move {
        o.order(&ctx, call.user, call.id).await
    });
    let r = rpc::serve(r, o(), |o, ctx, call: calls::CancelOrder| async move {
        o.cancel_order(&ctx, call.user, call.id).await
    });
    let r = rpc::serve(r, o(), |o, ctx, call: calls::AllOrders| async move {
        o.all_orders(&ctx, call.page).await
    });
    rpc::serve(r, o(), |o, ctx, call: calls::GetSalesReport| async move {
        o.sales_report(&ctx, call.days).await
    })
}
