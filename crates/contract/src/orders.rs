//! The domain of buying: carts, checkout, orders, the sales report.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::context::Ctx;
use crate::fault::Fault;
use crate::ids::{IdempotencyKey, Malformed, OrderId, Sku, UserId};
use crate::inventory::{InventoryError, Line, PricedLine, Quantity};
use crate::page::{BadCursor, Cursor, Page, PageQuery};
use crate::problem::{Problem, Short};
use crate::text::Email;
use crate::users::Identity;

#[async_trait::async_trait]
pub trait Orders: Send + Sync {
    async fn cart(&self, ctx: &Ctx, user: UserId) -> Result<Cart, OrdersError>;

    async fn put_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<Cart, OrdersError>;

    /// Adds to what is there already, at most up to the largest [`Quantity`]. Not to be repeated:
    /// each time counts.
    async fn add_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<Cart, OrdersError>;

    async fn remove_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
    ) -> Result<Cart, OrdersError>;

    /// Places the one order of this buyer and key. Once this returns `Ok` the order is never lost;
    /// however often it is called, the order is never doubled and stock never oversold.
    async fn place_order(
        &self,
        ctx: &Ctx,
        buyer: &Buyer,
        key: &IdempotencyKey,
        new: NewOrder,
    ) -> Result<Placement, OrdersError>;

    /// This user's orders, newest first.
    async fn orders(
        &self,
        ctx: &Ctx,
        user: UserId,
        page: PageQuery,
    ) -> Result<Page<Order>, OrdersError>;

    async fn order(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Option<Order>, OrdersError>;

    /// Cancels a placed order; its stock goes back. Cancelling it again changes nothing.
    async fn cancel_order(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Order, OrdersError>;

    /// Everybody's orders, newest first, from all shards that answer in time.
    async fn all_orders(&self, ctx: &Ctx, page: PageQuery) -> Result<Listing, OrdersError>;

    /// Sales of the last `days`, from all shards that answer in time. A deliberately heavy read.
    async fn sales_report(&self, ctx: &Ctx, days: ReportDays) -> Result<SalesReport, OrdersError>;
}

/// Who buys, and where the confirmation goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buyer {
    pub user_id: UserId,
    pub email: Email,
}

impl From<&Identity> for Buyer {
    fn from(identity: &Identity) -> Buyer {
        Buyer {
            user_id: identity.user_id,
            email: identity.email.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    pub lines: Lines,
}

/// 1 to 50 lines, each of another product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "Vec<Line>", into = "Vec<Line>")]
#[schema(value_type = Vec<Line>, min_items = 1, max_items = 50)]
pub struct Lines(Vec<Line>);

impl Lines {
    pub fn as_slice(&self) -> &[Line] {
        &self.0
    }
}

impl TryFrom<Vec<Line>> for Lines {
    type Error = Malformed;

    /// Keeps them in the order of SKUs: the order in which stock rows are locked, and a fixed form
    /// for telling whether two requests say the same.
    fn try_from(mut lines: Vec<Line>) -> Result<Lines, Malformed> {
        if lines.is_empty() || lines.len() > 50 {
            return Err(Malformed("expected 1 to 50 lines"));
        }
        lines.sort_by(|a, b| a.sku.cmp(&b.sku));
        if lines.windows(2).any(|pair| pair[0].sku == pair[1].sku) {
            return Err(Malformed("expected each sku once"));
        }
        Ok(Lines(lines))
    }
}

impl From<Lines> for Vec<Line> {
    fn from(lines: Lines) -> Vec<Line> {
        lines.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    pub id: OrderId,
    pub user_id: UserId,
    pub status: OrderStatus,
    pub lines: Vec<PricedLine>,
    pub total_cents: i64,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    Placed,
    Cancelled,
    /// Long done; its stock has left the books. Past orders are seeded like this.
    Delivered,
}

impl OrderStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            OrderStatus::Placed => "placed",
            OrderStatus::Cancelled => "cancelled",
            OrderStatus::Delivered => "delivered",
        }
    }
}

/// The answer to a checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    pub order: Order,
    /// True when the order was there already: this is the first answer again.
    pub replayed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cart {
    pub items: Vec<CartItem>,
    pub total_cents: i64,
}

/// Something in a cart, at today's price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CartItem {
    pub sku: Sku,
    pub name: String,
    pub quantity: Quantity,
    pub price_cents: i64,
    pub available: i32,
}

/// A page across shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listing {
    pub items: Vec<Order>,
    pub next: Option<Cursor>,
    /// True when a shard did not answer in time: its orders are missing here.
    pub partial: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalesReport {
    pub days: ReportDays,
    pub orders: i64,
    pub revenue_cents: i64,
    pub top_products: Vec<ProductSales>,
    /// A row for each day with a sale, oldest first.
    pub per_day: Vec<DaySales>,
    /// True when a shard did not answer in time: its sales are missing here.
    pub partial: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductSales {
    pub sku: Sku,
    pub name: String,
    pub quantity: i64,
    pub revenue_cents: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DaySales {
    pub day: NaiveDate,
    pub orders: i64,
    pub revenue_cents: i64,
}

/// 1 to 365 days; 30 unless told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u32", into = "u32")]
#[schema(value_type = u32, minimum = 1, maximum = 365)]
pub struct ReportDays(u32);

impl ReportDays {
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for ReportDays {
    fn default() -> ReportDays {
        ReportDays(30)
    }
}

impl TryFrom<u32> for ReportDays {
    type Error = Malformed;

    fn try_from(days: u32) -> Result<ReportDays, Malformed> {
        match days {
            1..=365 => Ok(ReportDays(days)),
            _ => Err(Malformed("expected 1 to 365")),
        }
    }
}

impl From<ReportDays> for u32 {
    fn from(days: ReportDays) -> u32 {
        days.0
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OrdersError {
    #[error("there is no product {0}")]
    NoSuchProduct(Sku),
    #[error("the cart is full: it holds 50 products")]
    CartFull,
    #[error("only {} of {} left", .0.available, .0.sku)]
    OutOfStock(Short),
    #[error("this Idempotency-Key came before with another order")]
    KeyReused,
    #[error("the first request with this Idempotency-Key is still at work")]
    InProgress,
    /// It took so long that its reservation was given up; a new key starts afresh.
    #[error("this order was given up before it was placed: order again with a new Idempotency-Key")]
    GivenUp,
    #[error("there is no such order")]
    NoSuchOrder,
    #[error("a {} order cannot be cancelled", .0.as_str())]
    NotCancellable(OrderStatus),
    #[error(transparent)]
    BadCursor(#[from] BadCursor),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<&OrdersError> for Problem {
    fn from(error: &OrdersError) -> Problem {
        let detail = error.to_string();
        match error {
            // The product is named in the body, not in the address: not a 404.
            OrdersError::NoSuchProduct(sku) => Problem {
                short: Some(Short {
                    sku: sku.clone(),
                    available: 0,
                }),
                ..Problem::new(422, "no-such-product", "No such product").detail(detail)
            },
            OrdersError::CartFull => Problem::new(422, "cart-full", "Cart full").detail(detail),
            OrdersError::OutOfStock(short) => Problem {
                short: Some(short.clone()),
                ..Problem::new(409, "out-of-stock", "Not enough in stock").detail(detail)
            },
            OrdersError::KeyReused => {
                Problem::new(422, "key-reused", "Idempotency-Key used for another order")
                    .detail(detail)
            }
            OrdersError::InProgress => Problem::new(409, "in-progress", "Still at work")
                .detail(detail)
                .retry_after(1),
            OrdersError::GivenUp => Problem::new(409, "given-up", "Given up").detail(detail),
            OrdersError::NoSuchOrder => Problem::not_found("order"),
            OrdersError::NotCancellable(_) => {
                Problem::new(409, "not-cancellable", "Cannot be cancelled").detail(detail)
            }
            OrdersError::BadCursor(_) => Problem::bad_cursor(),
            OrdersError::Fault(fault) => fault.into(),
        }
    }
}

impl From<Problem> for OrdersError {
    fn from(problem: Problem) -> OrdersError {
        match (problem.slug(), problem.short.clone()) {
            ("no-such-product", Some(short)) => OrdersError::NoSuchProduct(short.sku),
            ("cart-full", _) => OrdersError::CartFull,
            ("out-of-stock", Some(short)) => OrdersError::OutOfStock(short),
            ("key-reused", _) => OrdersError::KeyReused,
            ("in-progress", _) => OrdersError::InProgress,
            ("given-up", _) => OrdersError::GivenUp,
            ("not-found", _) => OrdersError::NoSuchOrder,
            // Only delivered orders refuse.
            ("not-cancellable", _) => OrdersError::NotCancellable(OrderStatus::Delivered),
            ("bad-cursor", _) => OrdersError::BadCursor(BadCursor),
            _ => OrdersError::Fault(problem.into()),
        }
    }
}

/// What a reservation's failure means for an order.
impl From<InventoryError> for OrdersError {
    fn from(error: InventoryError) -> OrdersError {
        match error {
            InventoryError::NoSuchProduct(sku) => OrdersError::NoSuchProduct(sku),
            InventoryError::OutOfStock(short) => OrdersError::OutOfStock(short),
            InventoryError::ReservedOtherwise => OrdersError::KeyReused,
            InventoryError::Released => OrdersError::GivenUp,
            // No answer to a reservation.
            error @ (InventoryError::RestockReused | InventoryError::TooMuchStock(_)) => {
                OrdersError::Fault(Fault::internal(error))
            }
            InventoryError::BadCursor(error) => OrdersError::BadCursor(error),
            InventoryError::Fault(fault) => OrdersError::Fault(fault),
        }
    }
}
