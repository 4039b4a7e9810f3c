//! The domain of things: the catalogue, how many there are, and who has some reserved.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::context::Ctx;
use crate::fault::Fault;
use crate::ids::{Malformed, OrderId, RestockId, Sku};
use crate::page::{BadCursor, Cursor, Limit, Page};
use crate::problem::{Problem, Short};
use crate::text::{SearchText, Slug};

#[async_trait::async_trait]
pub trait Inventory: Send + Sync {
    async fn categories(&self, ctx: &Ctx) -> Result<Vec<Category>, InventoryError>;

    /// A page of the catalogue, in the order of SKUs.
    async fn products(
        &self,
        ctx: &Ctx,
        query: ProductQuery,
    ) -> Result<Page<Product>, InventoryError>;

    async fn product(&self, ctx: &Ctx, sku: &Sku) -> Result<Option<Product>, InventoryError>;

    /// The products that exist among these, in no particular order.
    async fn products_by_sku(
        &self,
        ctx: &Ctx,
        skus: &[Sku],
    ) -> Result<Vec<Product>, InventoryError>;

    /// Adds to (or takes from) the stock, once for each id. The same again answers today's level.
    async fn restock(
        &self,
        ctx: &Ctx,
        id: RestockId,
        sku: &Sku,
        delta: StockDelta,
    ) -> Result<StockLevel, InventoryError>;

    /// Takes all lines out of the stock for this order, or nothing. Repeating it with the same lines
    /// gives the same answer, prices included. The hold lasts until `confirm` or `release`; see
    /// [`Inventory::overdue`].
    async fn reserve(
        &self,
        ctx: &Ctx,
        order: OrderId,
        lines: &[Line],
    ) -> Result<Vec<PricedLine>, InventoryError>;

    /// These orders are recorded: their holds are sales. Unknown, confirmed or released ones are left
    /// as they are.
    async fn confirm(&self, ctx: &Ctx, orders: &[OrderId]) -> Result<(), InventoryError>;

    /// Gives back what this order holds or bought; for good: no later `reserve` under this id.
    async fn release(&self, ctx: &Ctx, order: OrderId) -> Result<(), InventoryError>;

    /// Holds that have outlived a checkout, oldest first: whoever records orders must now decide
    /// about them, by `confirm` or `release`. (Inventory alone cannot know: the order may be recorded.)
    async fn overdue(&self, ctx: &Ctx, limit: u32) -> Result<Vec<OrderId>, InventoryError>;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Category {
    pub slug: Slug,
    pub name: String,
    pub products: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    pub sku: Sku,
    pub name: String,
    pub description: String,
    pub category: Slug,
    pub price_cents: i64,
    /// How many can be bought now.
    pub available: i32,
}

/// `?category=&q=&cursor=&limit=`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProductQuery {
    #[param(value_type = Option<String>)]
    pub category: Option<Slug>,
    /// Words to find in name and description.
    #[param(value_type = Option<String>)]
    pub q: Option<SearchText>,
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    pub limit: Limit,
}

/// How many of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub sku: Sku,
    pub quantity: Quantity,
}

/// A line at the price of the moment it was reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PricedLine {
    pub sku: Sku,
    pub name: String,
    pub quantity: Quantity,
    pub price_cents: i64,
}

/// 1 to 99 of one product.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(try_from = "i64", into = "i64")]
#[schema(value_type = i32, minimum = 1, maximum = 99)]
pub struct Quantity(i32);

/// A change of stock: -1,000,000 to 1,000,000, not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "i64", into = "i64")]
#[schema(value_type = i32, minimum = -1_000_000, maximum = 1_000_000)]
pub struct StockDelta(i32);

macro_rules! small_number {
    ($name:ident, $fits:expr, $expected:literal) => {
        impl $name {
            pub fn get(self) -> i32 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = Malformed;

            fn try_from(n: i64) -> Result<Self, Malformed> {
                let fits: fn(i64) -> bool = $fits;
                let small = i32::try_from(n).ok().filter(|_| fits(n));
                small.map($name).ok_or(Malformed($expected))
            }
        }

        impl From<$name> for i64 {
            fn from(n: $name) -> i64 {
                n.0.into()
            }
        }
    };
}

small_number!(Quantity, |n| (1..=99).contains(&n), "expected 1 to 99");
small_number!(
    StockDelta,
    |n| n != 0 && n.abs() <= 1_000_000,
    "expected -1000000 to 1000000, not 0"
);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockLevel {
    pub sku: Sku,
    pub available: i32,
}

impl StockLevel {
    /// No product is stocked beyond this: half of what the number can hold, so that orders can
    /// always be given back.
    pub const MOST: i32 = 1_000_000_000;
}

#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error("there is no product {0}")]
    NoSuchProduct(Sku),
    #[error("only {} of {} left", .0.available, .0.sku)]
    OutOfStock(Short),
    /// The same order id was reserved with other lines.
    #[error("this order reserved other lines before")]
    ReservedOtherwise,
    /// The order was given up or cancelled: its id is spent.
    #[error("this order was released before")]
    Released,
    /// The same id was used for another delivery.
    #[error("this delivery came before with another product or quantity")]
    RestockReused,
    #[error("{available} of {sku} are the most there can be", available = StockLevel::MOST, sku = .0)]
    TooMuchStock(Sku),
    #[error(transparent)]
    BadCursor(#[from] BadCursor),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<&InventoryError> for Problem {
    fn from(error: &InventoryError) -> Problem {
        let detail = error.to_string();
        match error {
            InventoryError::NoSuchProduct(sku) => Problem {
                short: Some(Short {
                    sku: sku.clone(),
                    available: 0,
                }),
                ..Problem::new(404, "no-such-product", "No such product").detail(detail)
            },
            InventoryError::OutOfStock(short) => Problem {
                short: Some(short.clone()),
                ..Problem::new(409, "out-of-stock", "Not enough in stock").detail(detail)
            },
            InventoryError::ReservedOtherwise => {
                Problem::new(409, "reserved-otherwise", "Reserved with other lines").detail(detail)
            }
            InventoryError::Released => {
                Problem::new(409, "released", "Released before").detail(detail)
            }
            InventoryError::RestockReused => {
                Problem::new(409, "restock-reused", "Delivery came before").detail(detail)
            }
            InventoryError::TooMuchStock(sku) => Problem {
                short: Some(Short {
                    sku: sku.clone(),
                    available: StockLevel::MOST,
                }),
                ..Problem::new(409, "too-much-stock", "Too much in stock").detail(detail)
            },
            InventoryError::BadCursor(_) => Problem::bad_cursor(),
            InventoryError::Fault(fault) => fault.into(),
        }
    }
}

impl From<Problem> for InventoryError {
    fn from(problem: Problem) -> InventoryError {
        match (problem.slug(), problem.short.clone()) {
            ("no-such-product", Some(short)) => InventoryError::NoSuchProduct(short.sku),
            ("out-of-stock", Some(short)) => InventoryError::OutOfStock(short),
            ("reserved-otherwise", _) => InventoryError::ReservedOtherwise,
            ("released", _) => InventoryError::Released,
            ("restock-reused", _) => InventoryError::RestockReused,
            ("too-much-stock", Some(short)) => InventoryError::TooMuchStock(short.sku),
            ("bad-cursor", _) => InventoryError::BadCursor(BadCursor),
            _ => InventoryError::Fault(problem.into()),
        }
    }
}
