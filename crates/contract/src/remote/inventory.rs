use super::calls::inventory::{
    Categories, Confirm, GetProduct, Overdue, Products, ProductsBySku, Release, Reserve, Restock,
};
use super::{Remote, Transport};
use crate::context::Ctx;
use crate::ids::{OrderId, RestockId, Sku};
use crate::inventory::{
    Category, Inventory, InventoryError, Line, PricedLine, Product, ProductQuery, StockDelta,
    StockLevel,
};
use crate::page::Page;

/// [`Inventory`] in another process.
#[derive(Debug, Clone)]
pub struct HttpInventory<S>(Remote<S>);

impl<S: Transport> HttpInventory<S> {
    pub fn new(transport: S, base: impl Into<String>) -> Self {
        HttpInventory(Remote::new(transport, base))
    }
}

#[async_trait::async_trait]
impl<S: Transport> Inventory for HttpInventory<S> {
    async fn categories(&self, ctx: &Ctx) -> Result<Vec<Category>, InventoryError> {
        self.0.call(ctx, Categories {}).await
    }

    async fn products(
        &self,
        ctx: &Ctx,
        query: ProductQuery,
    ) -> Result<Page<Product>, InventoryError> {
        self.0.call(ctx, Products { query }).await
    }

    async fn product(&self, ctx: &Ctx, sku: &Sku) -> Result<Option<Product>, InventoryError> {
        self.0.call(ctx, GetProduct { sku: sku.clone() }).await
    }

    async fn products_by_sku(
        &self,
        ctx: &Ctx,
        skus: &[Sku],
    ) -> Result<Vec<Product>, InventoryError> {
        self.0
            .call(
                ctx,
                ProductsBySku {
                    skus: skus.to_vec(),
                },
            )
            .await
    }

    async fn restock(
        &self,
        ctx: &Ctx,
        id: RestockId,
        sku: &Sku,
        delta: StockDelta,
    ) -> Result<StockLevel, InventoryError> {
        self.0
            .call(
                ctx,
                Restock {
                    id,
                    sku: sku.clone(),
                    delta,
                },
            )
            .await
    }

    async fn reserve(
        &self,
        ctx: &Ctx,
        order: OrderId,
        lines: &[Line],
    ) -> Result<Vec<PricedLine>, InventoryError> {
        self.0
            .call(
                ctx,
                Reserve {
                    order,
                    lines: lines.to_vec(),
                },
            )
            .await
    }

    async fn confirm(&self, ctx: &Ctx, orders: &[OrderId]) -> Result<(), InventoryError> {
        self.0
            .call(
                ctx,
                Confirm {
                    orders: orders.to_vec(),
                },
            )
            .await
    }

    async fn release(&self, ctx: &Ctx, order: OrderId) -> Result<(), InventoryError> {
        self.0.call(ctx, Release { order }).await
    }

    async fn overdue(&self, ctx: &Ctx, limit: u32) -> Result<Vec<OrderId>, InventoryError> {
        self.0.call(ctx, Overdue { limit }).await
    }
}
