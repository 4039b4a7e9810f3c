//! Small stand-ins for the three domains, in memory: enough of a shop to look at its pages.
//!
//! They count what they are asked, and fail when told to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Days, Utc};
use contract::inventory::*;
use contract::orders::*;
use contract::problem::Short;
use contract::text::PersonName;
use contract::users::*;
use contract::*;

pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const SHOPPER: &str = "shopper-00001@example.test";
pub(crate) const STAFF: &str = "staff@example.test";

/// The whole little world behind the pages.
#[derive(Default)]
pub(crate) struct World {
    products: Mutex<Vec<Product>>,
    users: Mutex<Vec<User>>,
    sessions: Mutex<HashMap<String, UserId>>,
    carts: Mutex<HashMap<UserId, Vec<(Sku, Quantity)>>>,
    orders: Mutex<Vec<Order>>,
    restocks: Mutex<Vec<RestockId>>,
    /// Calls of any kind, session look-ups included.
    pub(crate) calls: AtomicU32,
    pub(crate) attempts_left: AtomicU32,
    pub(crate) users_are_away: AtomicBool,
    pub(crate) inventory_is_away: AtomicBool,
}

impl World {
    /// With these products, one shopper and one member of staff.
    pub(crate) fn new(products: Vec<Product>) -> Arc<World> {
        let world = World {
            products: Mutex::new(products),
            attempts_left: AtomicU32::new(1_000),
            ..World::default()
        };
        for (email, name, staff) in [
            (SHOPPER, "Ada Lovelace", false),
            (STAFF, "Mary Shelley", true),
        ] {
            lock(&world.users).push(User {
                id: UserId::new(),
                email: email.parse().unwrap(),
                name: name.parse().unwrap(),
                staff,
                created_at: Utc::now(),
            });
        }
        Arc::new(world)
    }

    /// The first `count` products of the seeded catalogue; some are scarce, some sold out.
    pub(crate) fn seeded(count: u32) -> Arc<World> {
        let product = |p: catalogue::Product| Product {
            available: match p.index % 11 {
                3 => 0,
                7 => 4,
                _ => p.initial_stock,
            },
            sku: p.sku.parse().unwrap(),
            name: p.name,
            description: p.description,
            category: p.category.parse().unwrap(),
            price_cents: p.price_cents,
        };
        let mut products: Vec<Product> = catalogue::products(count).map(product).collect();
        products.sort_by(|a, b| a.sku.cmp(&b.sku));
        World::new(products)
    }

    /// Starts a session without asking for a password.
    pub(crate) fn session_of(&self, email: &str) -> SessionToken {
        let user = lock(&self.users)
            .iter()
            .find(|user| user.email.as_str() == email)
            .unwrap()
            .id;
        let token = format!("token-{user}");
        lock(&self.sessions).insert(token.clone(), user);
        SessionToken::new(token)
    }

    pub(crate) fn orders_placed(&self) -> usize {
        lock(&self.orders).len()
    }

    pub(crate) fn available(&self, sku: &str) -> i32 {
        let products = lock(&self.products);
        products
            .iter()
            .find(|product| product.sku.as_str() == sku)
            .unwrap()
            .available
    }

    pub(crate) fn set_available(&self, sku: &str, available: i32) {
        let mut products = lock(&self.products);
        let product = products
            .iter_mut()
            .find(|product| product.sku.as_str() == sku);
        product.unwrap().available = available;
    }

    /// Notes one call, and that it took a little while.
    fn asked(&self, ctx: &Ctx, what: &str, micros: u64) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        ctx.record("db", format!("db {what}"), Duration::from_micros(micros));
    }

    fn users(&self, ctx: &Ctx, what: &str, micros: u64) -> Result<(), Fault> {
        self.asked(ctx, what, micros);
        is_there(&self.users_are_away)
    }

    fn inventory(&self, ctx: &Ctx, what: &str, micros: u64) -> Result<(), Fault> {
        self.asked(ctx, what, micros);
        is_there(&self.inventory_is_away)
    }

    fn cart_of(&self, user: UserId) -> Cart {
        let products = lock(&self.products);
        let mut items = Vec::new();
        for (sku, quantity) in lock(&self.carts).entry(user).or_default() {
            let product = products.iter().find(|product| product.sku == *sku);
            items.extend(product.map(|product| CartItem {
                sku: sku.clone(),
                name: product.name.clone(),
                quantity: *quantity,
                price_cents: product.price_cents,
                available: product.available,
            }));
        }
        let total = |item: &CartItem| item.price_cents * i64::from(item.quantity.get());
        Cart {
            total_cents: items.iter().map(total).sum(),
            items,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn is_there(away: &AtomicBool) -> Result<(), Fault> {
    if away.load(Ordering::Relaxed) {
        Err(Fault::Unavailable("told to be away".into()))
    } else {
        Ok(())
    }
}

#[async_trait]
impl Users for World {
    async fn register(&self, ctx: &Ctx, id: UserId, new: NewUser) -> Result<User, UsersError> {
        self.users(ctx, "users.insert", 2_100)?;
        let mut users = lock(&self.users);
        if users.iter().any(|user| user.email == new.email) {
            return Err(UsersError::EmailTaken);
        }
        if new.password.expose().chars().count() < text::Password::MIN_CHARS {
            return Err(UsersError::PasswordTooShort);
        }
        let user = User {
            id,
            email: new.email,
            name: new.name,
            staff: false,
            created_at: Utc::now(),
        };
        users.push(user.clone());
        Ok(user)
    }

    async fn log_in(
        &self,
        ctx: &Ctx,
        credentials: Credentials,
        _: IpAddr,
    ) -> Result<LoggedIn, UsersError> {
        self.users(ctx, "users.by_email", 900)?;
        if self.attempts_left.load(Ordering::Relaxed) == 0 {
            return Err(UsersError::TooManyAttempts { retry_after: 30 });
        }
        let users = lock(&self.users);
        let user = users.iter().find(|user| user.email == credentials.email);
        let user = user.filter(|_| credentials.password.expose() == PASSWORD);
        let user = user.cloned().ok_or(UsersError::WrongCredentials)?;
        drop(users);
        Ok(LoggedIn {
            token: self.session_of(user.email.as_str()),
            expires_at: Utc::now() + Days::new(30),
            user,
        })
    }

    async fn log_out(&self, ctx: &Ctx, token: &SessionToken) -> Result<(), UsersError> {
        self.users(ctx, "sessions.delete", 700)?;
        lock(&self.sessions).remove(token.expose());
        Ok(())
    }

    async fn authenticate(
        &self,
        ctx: &Ctx,
        token: &SessionToken,
    ) -> Result<Option<Identity>, UsersError> {
        self.users(ctx, "sessions.find", 310)?;
        let Some(id) = lock(&self.sessions).get(token.expose()).copied() else {
            return Ok(None);
        };
        let user = self
            .user(&Ctx::background("test", Duration::from_secs(1)), id)
            .await?;
        Ok(user.map(|user| Identity {
            user_id: user.id,
            email: user.email,
            name: user.name,
            staff: user.staff,
        }))
    }

    async fn user(&self, _: &Ctx, id: UserId) -> Result<Option<User>, UsersError> {
        Ok(lock(&self.users).iter().find(|user| user.id == id).cloned())
    }

    async fn rename(&self, _: &Ctx, _: UserId, _: PersonName) -> Result<User, UsersError> {
        Err(UsersError::NoSuchUser)
    }
}

#[async_trait]
impl Inventory for World {
    async fn categories(&self, ctx: &Ctx) -> Result<Vec<Category>, InventoryError> {
        self.inventory(ctx, "categories.all", 800)?;
        let products = lock(&self.products);
        let category = |category: &catalogue::Category| Category {
            slug: category.slug.parse().unwrap(),
            name: category.name.to_owned(),
            products: products
                .iter()
                .filter(|p| p.category.as_str() == category.slug)
                .count() as i64,
        };
        Ok(catalogue::categories().iter().map(category).collect())
    }

    async fn products(
        &self,
        ctx: &Ctx,
        query: ProductQuery,
    ) -> Result<Page<Product>, InventoryError> {
        self.inventory(ctx, "products.page", 1_240)?;
        let after: Option<Sku> = query.cursor.map(|cursor| cursor.decode()).transpose()?;
        let fits = |product: &&Product| {
            query
                .category
                .as_ref()
                .is_none_or(|slug| product.category == *slug)
                && query
                    .q
                    .as_ref()
                    .is_none_or(|q| product.name.contains(q.as_str()))
                && after.as_ref().is_none_or(|after| product.sku > *after)
        };
        let products = lock(&self.products).iter().filter(fits).cloned().collect();
        Ok(Page::from_rows(products, query.limit, |product| {
            product.sku.clone()
        }))
    }

    async fn product(&self, ctx: &Ctx, sku: &Sku) -> Result<Option<Product>, InventoryError> {
        self.inventory(ctx, "products.by_sku", 420)?;
        Ok(lock(&self.products)
            .iter()
            .find(|product| product.sku == *sku)
            .cloned())
    }

    async fn products_by_sku(
        &self,
        ctx: &Ctx,
        skus: &[Sku],
    ) -> Result<Vec<Product>, InventoryError> {
        self.inventory(ctx, "products.by_skus", 560)?;
        let products = lock(&self.products);
        Ok(products
            .iter()
            .filter(|product| skus.contains(&product.sku))
            .cloned()
            .collect())
    }

    async fn restock(
        &self,
        ctx: &Ctx,
        id: RestockId,
        sku: &Sku,
        delta: StockDelta,
    ) -> Result<StockLevel, InventoryError> {
        self.inventory(ctx, "stock.add", 1_800)?;
        let known = lock(&self.restocks).contains(&id);
        lock(&self.restocks).push(id);
        let mut products = lock(&self.products);
        let product = products.iter_mut().find(|product| product.sku == *sku);
        let product = product.ok_or_else(|| InventoryError::NoSuchProduct(sku.clone()))?;
        product.available += if known { 0 } else { delta.get() };
        Ok(StockLevel {
            sku: sku.clone(),
            available: product.available,
        })
    }

    async fn reserve(
        &self,
        _: &Ctx,
        _: OrderId,
        _: &[Line],
    ) -> Result<Vec<PricedLine>, InventoryError> {
        unreachable!("pages do not reserve")
    }

    async fn confirm(&self, _: &Ctx, _: &[OrderId]) -> Result<(), InventoryError> {
        unreachable!("pages do not confirm")
    }

    async fn release(&self, _: &Ctx, _: OrderId) -> Result<(), InventoryError> {
        unreachable!("pages do not release")
    }

    async fn overdue(&self, _: &Ctx, _: u32) -> Result<Vec<OrderId>, InventoryError> {
        unreachable!("pages have no jobs")
    }
}

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
