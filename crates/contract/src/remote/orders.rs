use super::calls::orders::{
    AddCartItem, AllOrders, CancelOrder, GetCart, GetOrder, GetSalesReport, ListOrders, PlaceOrder,
    PutCartItem, RemoveCartItem,
};
use super::{Remote, Transport};
use crate::context::Ctx;
use crate::ids::{IdempotencyKey, OrderId, Sku, UserId};
use crate::inventory::Quantity;
use crate::orders::{
    Buyer, Cart, Listing, NewOrder, Order, Orders, OrdersError, Placement, ReportDays, SalesReport,
};
use crate::page::{Page, PageQuery};

/// [`Orders`] in another process.
#[derive(Debug, Clone)]
pub struct HttpOrders<S>(Remote<S>);

impl<S: Transport> HttpOrders<S> {
    pub fn new(transport: S, base: impl Into<String>) -> Self {
        HttpOrders(Remote::new(transport, base))
    }
}

#[async_trait::async_trait]
impl<S: Transport> Orders for HttpOrders<S> {
    async fn cart(&self, ctx: &Ctx, user: UserId) -> Result<Cart, OrdersError> {
        self.0.call(ctx, GetCart { user }).await
    }

    async fn put_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<Cart, OrdersError> {
        self.0
            .call(
                ctx,
                PutCartItem {
                    user,
                    sku: sku.clone(),
                    quantity,
                },
            )
            .await
    }

    async fn add_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<Cart, OrdersError> {
        self.0
            .call(
                ctx,
                AddCartItem {
                    user,
                    sku: sku.clone(),
                    quantity,
                },
            )
            .await
    }

    async fn remove_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
    ) -> Result<Cart, OrdersError> {
        self.0
            .call(
                ctx,
                RemoveCartItem {
                    user,
                    sku: sku.clone(),
                },
            )
            .await
    }

    async fn place_order(
        &self,
        ctx: &Ctx,
        buyer: &Buyer,
        key: &IdempotencyKey,
        new: NewOrder,
    ) -> Result<Placement, OrdersError> {
        self.0
            .call(
                ctx,
                PlaceOrder {
                    buyer: buyer.clone(),
                    key: key.clone(),
                    new,
                },
            )
            .await
    }

    async fn orders(
        &self,
        ctx: &Ctx,
        user: UserId,
        page: PageQuery,
    ) -> Result<Page<Order>, OrdersError> {
        self.0.call(ctx, ListOrders { user, page }).await
    }

    async fn order(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Option<Order>, OrdersError> {
        self.0.call(ctx, GetOrder { user, id }).await
    }

    async fn cancel_order(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Order, OrdersError> {
        self.0.call(ctx, CancelOrder { user, id }).await
    }

    async fn all_orders(&self, ctx: &Ctx, page: PageQuery) -> Result<Listing, OrdersError> {
        self.0.call(ctx, AllOrders { page }).await
    }

    async fn sales_report(&self, ctx: &Ctx, days: ReportDays) -> Result<SalesReport, OrdersError> {
        self.0.call(ctx, GetSalesReport { days }).await
    }
}
