//! Small stand-ins for the three domains, in memory: enough of a shop to look at its pages.
//!
//! They count what they are asked, and fail when told to.

mod inventory;
mod orders;
mod users;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::Utc;
use contract::inventory::{Product, Quantity};
use contract::orders::{Cart, CartItem, Order};
use contract::users::{SessionToken, User};
use contract::{Ctx, Fault, RestockId, Sku, UserId};

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
