use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::LINK;
use axum::http::{HeaderMap, HeaderName};
use axum::response::AppendHeaders;
use axum::routing::{get, post};
use contract::inventory::{Category, Product, ProductQuery, StockDelta, StockLevel};
use contract::remote::calls::inventory as calls;
use contract::{IdempotencyKey, Inventory, InventoryError, Page, Problem, RestockId, Sku};
use runtime::Failure;
use runtime::auth::Staff;
use runtime::extract::{Context, Json, Path, Query};
use runtime::rpc;
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

type Shared = State<Arc<dyn Inventory>>;

/// The public API. Restocking asks who is there: `runtime::auth::layer` goes around it.
pub fn routes(inventory: Arc<dyn Inventory>) -> Router {
    Router::new()
        .route("/api/v1/categories", get(categories))
        .route("/api/v1/products", get(products))
        .route("/api/v1/products/{sku}", get(product))
        .route("/api/v1/products/{sku}/stock", post(restock))
        .with_state(inventory)
}

/// The description of [`routes`].
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(categories, products, product, restock))]
    struct Api;

    Api::openapi()
}

/// Departments of the shop, in its order.
#[utoipa::path(get, path = "/api/v1/categories", responses((status = 200, body = Vec<Category>)))]
async fn categories(
    State(inventory): Shared,
    Context(ctx): Context,
) -> Result<Json<Vec<Category>>, Failure> {
    Ok(Json(inventory.categories(&ctx).await?))
}

/// A page of the catalogue, in the order of SKUs.
#[utoipa::path(get, path = "/api/v1/products", params(ProductQuery), responses(
    (status = 200, body = Page<Product>), (status = 400, body = Problem),
))]
async fn products(
    State(inventory): Shared,
    Context(ctx): Context,
    Query(query): Query<ProductQuery>,
) -> Result<(NextLink, Json<Page<Product>>), Failure> {
    let page = inventory.products(&ctx, query.clone()).await?;
    Ok((next_link(&page, query)?, Json(page)))
}

/// One product, and how many are in stock.
#[utoipa::path(get, path = "/api/v1/products/{sku}", params(("sku" = Sku, Path)), responses(
    (status = 200, body = Product), (status = 404, body = Problem),
))]
async fn product(
    State(inventory): Shared,
    Context(ctx): Context,
    Path(sku): Path<Sku>,
) -> Result<Json<Product>, Failure> {
    let product = inventory.product(&ctx, &sku).await?;
    let product = product.ok_or(InventoryError::NoSuchProduct(sku))?;
    Ok(Json(product))
}

/// Adds goods to the stock, or writes some off. For staff. The same `Idempotency-Key` again counts
/// once; without one, each request counts.
#[utoipa::path(post, path = "/api/v1/products/{sku}/stock",
    security(("token" = []), ("cookie" = [])),
    params(("sku" = Sku, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewDelivery, responses(
    (status = 200, body = StockLevel), (status = 403, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
))]
async fn restock(
    State(inventory): Shared,
    Context(ctx): Context,
    Staff(staff): Staff,
    headers: HeaderMap,
    Path(sku): Path<Sku>,
    Json(NewDelivery { delta }): Json<NewDelivery>,
) -> Result<Json<StockLevel>, Failure> {
    let id = match IdempotencyKey::from_headers(&headers).map_err(|problem| *problem)? {
        Some(key) => RestockId::derive(staff.user_id, &key),
        None => RestockId::new(),
    };
    Ok(Json(inventory.restock(&ctx, id, &sku, delta).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDelivery {
    /// Negative to write off.
    delta: StockDelta,
}

type NextLink = AppendHeaders<Option<(HeaderName, String)>>;

/// `Link: <..>; rel="next"` (RFC 8288), if there is a next page.
fn next_link(page: &Page<Product>, query: ProductQuery) -> Result<NextLink, Failure> {
    let Some(next) = page.next.clone() else {
        return Ok(AppendHeaders(None));
    };
    let query = ProductQuery {
        cursor: Some(next),
        ..query
    };
    let query = serde_urlencoded::to_string(query).map_err(contract::Fault::internal)?;
    let link = format!("</api/v1/products?{query}>; rel=\"next\"");
    Ok(AppendHeaders(Some((LINK, link))))
}

/// The other domains' way in, when this one runs by itself: [`contract::remote::HttpInventory`].
pub fn internal(inventory: Arc<dyn Inventory>) -> Router {
    let i = &inventory;
    let router = Router::new();
    let router = rpc::serve(
        router,
        i.clone(),
        |i, ctx, _: calls::Categories| async move { i.categories(&ctx).await },
    );
    let router = rpc::serve(
        router,
        i.clone(),
        |i, ctx, call: calls::Products| async move { i.products(&ctx, call.query).await },
    );
    let router = rpc::serve(
        router,
        i.clone(),
        |i, ctx, call: calls::GetProduct| async move { i.product(&ctx, &call.sku).await },
    );
    let router = rpc::serve(
        router,
        i.clone(),
        |i, ctx, call: calls::ProductsBySku| async move { i.products_by_sku(&ctx, &call.skus).await },
    );
    let router = rpc::serve(
        router,
        i.clone(),
        |i, ctx, call: calls::Restock| async move {
            i.restock(&ctx, call.id, &call.sku, call.delta).await
        },
    );
    let router = rpc::serve(
        router,
        i.clone(),
        |i, ctx, call: calls::Reserve| async move { i.reserve(&ctx, call.order, &call.lines).await },
    );
    let router = rpc::serve(
        router,
        i.clone(),
        |i, ctx, call: calls::Confirm| async move { i.confirm(&ctx, &call.orders).await },
    );
    let router = rpc::serve(
        router,
        i.clone(),
        |i, ctx, call: calls::Release| async move { i.release(&ctx, call.order).await },
    );
    rpc::serve(
        router,
        i.clone(),
        |i, ctx, call: calls::Overdue| async move { i.overdue(&ctx, call.limit).await },
    )
}
