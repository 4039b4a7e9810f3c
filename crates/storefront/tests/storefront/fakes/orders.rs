use async_trait::async_trait;
use chrono::{DateTime, Days, Utc};
use contract::inventory::{Line, PricedLine, Product, Quantity};
use contract::orders::{
    Buyer, Cart, DaySales, Listing, NewOrder, Order, OrderStatus, Placement, ProductSales,
    ReportDays, SalesReport,
};
use contract::problem::Short;
use contract::{Ctx, IdempotencyKey, OrderId, Orders, OrdersError, Page, PageQuery, Sku, UserId};

use super::{World, lock};

#[async_trait]
impl Orders for World {
    async fn cart(&self, ctx: &Ctx, user: UserId) -> Result<Cart, OrdersError> {
        self.asked(ctx, "carts.items", 610);
        Ok(self.cart_of(user))
    }

    async fn put_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<Cart, OrdersError> {
        self.asked(ctx, "carts.put", 1_500);
        let known = lock(&self.products)
            .iter()
            .any(|product| product.sku == *sku);
        if !known {
            return Err(OrdersError::NoSuchProduct(sku.clone()));
        }
        let mut carts = lock(&self.carts);
        let cart = carts.entry(user).or_default();
        match cart.iter_mut().find(|(there, _)| there == sku) {
            Some(item) => item.1 = quantity,
            None => cart.push((sku.clone(), quantity)),
        }
        drop(carts);
        Ok(self.cart_of(user))
    }

    async fn add_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<Cart, OrdersError> {
        let there = self.cart_of(user).items.into_iter();
        let there = there.filter(|item| item.sku == *sku);
        let sum = there.map(|item| item.quantity.get()).sum::<i32>() + quantity.get();
        let sum = Quantity::try_from(i64::from(sum.min(99))).unwrap();
        self.put_cart_item(ctx, user, sku, sum).await
    }

    async fn remove_cart_item(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
    ) -> Result<Cart, OrdersError> {
        self.asked(ctx, "carts.remove", 1_300);
        lock(&self.carts)
            .entry(user)
            .or_default()
            .retain(|(there, _)| there != sku);
        Ok(self.cart_of(user))
    }

    async fn place_order(
        &self,
        ctx: &Ctx,
        buyer: &Buyer,
        key: &IdempotencyKey,
        new: NewOrder,
    ) -> Result<Placement, OrdersError> {
        self.asked(ctx, "orders.place", 3_900);
        let id = OrderId::derive(buyer.user_id, key);
        if let Some(order) = lock(&self.orders).iter().find(|order| order.id == id) {
            return Ok(Placement {
                order: order.clone(),
                replayed: true,
            });
        }
        let mut products = lock(&self.products);
        let mut lines = Vec::new();
        for Line { sku, quantity } in new.lines.as_slice() {
            let product = products.iter_mut().find(|product| product.sku == *sku);
            let product = product.ok_or_else(|| OrdersError::NoSuchProduct(sku.clone()))?;
            if product.available < quantity.get() {
                return Err(OrdersError::OutOfStock(Short {
                    sku: sku.clone(),
                    available: product.available,
                }));
            }
            product.available -= quantity.get();
            lines.push(PricedLine {
                sku: sku.clone(),
                name: product.name.clone(),
                quantity: *quantity,
                price_cents: product.price_cents,
            });
        }
        let total = |line: &PricedLine| line.price_cents * i64::from(line.quantity.get());
        let order = Order {
            id,
            user_id: buyer.user_id,
            status: OrderStatus::Placed,
            total_cents: lines.iter().map(total).sum(),
            lines,
            created_at: DateTime::from_timestamp(1_794_000_000, 0).unwrap(),
        };
        lock(&self.orders).push(order.clone());
        lock(&self.carts).remove(&buyer.user_id);
        Ok(Placement {
            order,
            replayed: false,
        })
    }

    async fn orders(
        &self,
        ctx: &Ctx,
        user: UserId,
        page: PageQuery,
    ) -> Result<Page<Order>, OrdersError> {
        self.asked(ctx, "orders.page", 980);
        let orders = lock(&self.orders);
        let own = orders
            .iter()
            .rev()
            .filter(|order| order.user_id == user)
            .cloned()
            .collect();
        Ok(Page::from_rows(own, page.limit, |order| order.id))
    }

    async fn order(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Option<Order>, OrdersError> {
        self.asked(ctx, "orders.by_id", 540);
        let orders = lock(&self.orders);
        Ok(orders
            .iter()
            .find(|order| order.id == id && order.user_id == user)
            .cloned())
    }

    async fn cancel_order(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Order, OrdersError> {
        self.asked(ctx, "orders.cancel", 2_200);
        let mut orders = lock(&self.orders);
        let own = orders
            .iter_mut()
            .find(|order| order.id == id && order.user_id == user);
        let order = own.ok_or(OrdersError::NoSuchOrder)?;
        order.status = OrderStatus::Cancelled;
        Ok(order.clone())
    }

    async fn all_orders(&self, _: &Ctx, _: PageQuery) -> Result<Listing, OrdersError> {
        unreachable!("no page lists everybody's orders")
    }

    async fn sales_report(&self, ctx: &Ctx, days: ReportDays) -> Result<SalesReport, OrdersError> {
        self.asked(ctx, "orders.sales_report", 187_000);
        let today = Utc::now().date_naive();
        let day = |ago: u32| {
            let orders = i64::from(40 + (ago * 37) % 61);
            DaySales {
                day: today - Days::new(ago.into()),
                orders,
                revenue_cents: orders * 6_450,
            }
        };
        let per_day: Vec<DaySales> = (0..days.get()).rev().map(day).collect();
        let top = |(place, product): (usize, &Product)| ProductSales {
            sku: product.sku.clone(),
            name: product.name.clone(),
            quantity: 90 - 7 * place as i64,
            revenue_cents: (90 - 7 * place as i64) * product.price_cents,
        };
        Ok(SalesReport {
            days,
            orders: per_day.iter().map(|day| day.orders).sum(),
            revenue_cents: per_day.iter().map(|day| day.revenue_cents).sum(),
            top_products: lock(&self.products)
                .iter()
                .take(10)
                .enumerate()
                .map(top)
                .collect(),
            per_day,
            partial: false,
        })
    }
}
