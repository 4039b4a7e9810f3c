//! The rules behind the trait [`Orders`]; each lives in the module of its noun.

use std::sync::Arc;

use contract::inventory::Quantity;
use contract::orders::{Buyer, Cart, Listing, NewOrder, Order, Placement, ReportDays, SalesReport};
use contract::{
    Ctx, IdempotencyKey, Inventory, OrderId, Orders, OrdersError, Page, PageQuery, Sku, UserId,
};
use db::Db;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::doorbell::Doorbell;
use crate::scatter;
use crate::store::cart;

/// The domain, in this process. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub(crate) db: Db,
    pub(crate) inventory: Arc<dyn Inventory>,
    pub(crate) doorbell: Doorbell,
    /// See [`scatter::ask_all`].
    pub(crate) asking: Arc<Semaphore>,
}

impl Service {
    pub fn new(db: Db, inventory: Arc<dyn Inventory>) -> Service {
        Service {
            doorbell: Doorbell::new(db.clone()),
            db,
            inventory,
            asking: Arc::new(Semaphore::new(scatter::AT_ONCE)),
        }
    }

    /// Makes its connections to the database, and the plan on each for what is asked most.
    pub async fn warm_up(&self, ctx: &Ctx) -> db::Result<()> {
        let nobody = UserId(Uuid::nil());
        for mut conn in self.db.warm_up(ctx).await {
            cart::items(&mut conn, nobody).await?;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Orders for Service {
    async fn cart(&self, ctx: &Ctx, user: UserId) -> Result<Cart, OrdersError> {
        self.priced_cart(ctx, user).await
    }

    async fn put_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<Cart, OrdersError> {
        self.put_into_cart(ctx, user, sku, quantity).await?;
        self.priced_cart(ctx, user).await
    }

    async fn add_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<Cart, OrdersError> {
        self.add_to_cart(ctx, user, sku, quantity).await?;
        self.priced_cart(ctx, user).await
    }

    async fn remove_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
    ) -> Result<Cart, OrdersError> {
        self.take_out_of_cart(ctx, user, sku).await?;
        self.priced_cart(ctx, user).await
    }

    async fn place_order(
        &self,
        ctx: &Ctx,
        buyer: &Buyer,
        key: &IdempotencyKey,
        new: NewOrder,
    ) -> Result<Placement, OrdersError> {
        self.check_out(ctx, buyer, key, &new).await
    }

    async fn orders(
        &self,
        ctx: &Ctx,
        user: UserId,
        page: PageQuery,
    ) -> Result<Page<Order>, OrdersError> {
        self.orders_of(ctx, user, page).await
    }

    async fn order(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Option<Order>, OrdersError> {
        self.order_of(ctx, user, id).await
    }

    async fn cancel_order(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Order, OrdersError> {
        self.cancel(ctx, user, id).await
    }

    async fn all_orders(&self, ctx: &Ctx, page: PageQuery) -> Result<Listing, OrdersError> {
        self.everybodys_orders(ctx, page).await
    }

    async fn sales_report(&self, ctx: &Ctx, days: ReportDays) -> Result<SalesReport, OrdersError> {
        self.report(ctx, days).await
    }
}
