//! The other side of the trait: a stock in memory that keeps the promises of
//! [`contract::Inventory`], and breaks down on request.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use contract::inventory::{
    Category, Inventory, InventoryError, Line, PricedLine, Product, ProductQuery, StockDelta,
    StockLevel,
};
use contract::problem::Short;
use contract::{Ctx, Fault, OrderId, Page, RestockId, Sku};
use tokio::sync::Semaphore;

/// What happens to calls that change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    None,
    /// Nothing is done, the call fails.
    Away,
    /// All is done, and the caller does not hear of it.
    AnswerLost,
    /// All is done, and the answer comes when [`FakeInventory::answer`] is called.
    AnswerLate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HoldState {
    Held,
    Confirmed,
    Released,
}

pub(crate) struct FakeInventory {
    state: Mutex<State>,
    gate: Semaphore,
}

struct State {
    products: BTreeMap<Sku, Product>,
    holds: HashMap<OrderId, (HoldState, Vec<PricedLine>)>,
    mishap: Mishap,
    /// Never released.
    stuck: Option<OrderId>,
}

impl FakeInventory {
    /// Products by SKU, price in cents, and how many there are; `MUG` is called `mug`.
    pub(crate) fn new(products: &[(&str, i64, i32)]) -> FakeInventory {
        let products = products
            .iter()
            .map(|&(sku, price_cents, available)| Product {
                sku: sku.parse().unwrap(),
                name: sku.to_lowercase(),
                description: String::new(),
                category: "things".parse().unwrap(),
                price_cents,
                available,
            });
        FakeInventory {
            state: Mutex::new(State {
                products: products.map(|p| (p.sku.clone(), p)).collect(),
                holds: HashMap::new(),
                mishap: Mishap::None,
                stuck: None,
            }),
            gate: Semaphore::new(0),
        }
    }

    pub(crate) fn meets(&self, mishap: Mishap) {
        self.lock().mishap = mishap;
    }

    /// From now on, releasing this order fails.
    pub(crate) fn sticks(&self, order: OrderId) {
        self.lock().stuck = Some(order);
    }

    /// Lets one late answer go.
    pub(crate) fn answer(&self) {
        self.gate.add_permits(1);
    }

    pub(crate) fn available(&self, sku: &str) -> i32 {
        self.lock().products[&sku.parse::<Sku>().unwrap()].available
    }

    pub(crate) fn hold(&self, order: OrderId) -> Option<HoldState> {
        self.lock().holds.get(&order).map(|(state, _)| *state)
    }

    pub(crate) fn holds(&self) -> Vec<(OrderId, HoldState)> {
        self.lock()
            .holds
            .iter()
            .map(|(id, (state, _))| (*id, *state))
            .collect()
    }

    pub(crate) fn forget_product(&self, sku: &str) {
        self.lock().products.remove(&sku.parse::<Sku>().unwrap());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn call<T>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, InventoryError> + Send,
    ) -> Result<T, InventoryError> {
        let away = || Err(Fault::Unavailable("inventory".into()).into());
        let (mishap, result) = {
            let mut state = self.lock();
            let mishap = state.mishap;
            if mishap == Mishap::Away {
                return away();
            }
            (mishap, work(&mut state))
        };
        match mishap {
            Mishap::AnswerLost => away(),
            Mishap::AnswerLate => {
                self.gate.acquire().await.unwrap().forget();
                result
            }
            Mishap::None | Mishap::Away => result,
        }
    }
}

impl State {
    fn reserve(
        &mut self,
        order: OrderId,
        lines: &[Line],
    ) -> Result<Vec<PricedLine>, InventoryError> {
        if let Some((state, held)) = self.holds.get(&order) {
            let same = held.len() == lines.len()
                && lines.iter().all(|line| {
                    held.iter()
                        .any(|h| h.sku == line.sku && h.quantity == line.quantity)
                });
            return match state {
                HoldState::Released => Err(InventoryError::Released),
                _ if !same => Err(InventoryError::ReservedOtherwise),
                _ => Ok(held.clone()),
            };
        }
        let mut priced = Vec::new();
        for line in lines {
            let Some(product) = self.products.get(&line.sku) else {
                return Err(InventoryError::NoSuchProduct(line.sku.clone()));
            };
            if product.available < line.quantity.get() {
                return Err(InventoryError::OutOfStock(Short {
                    sku: line.sku.clone(),
                    available: product.available,
                }));
            }
            // The other way round than asked: the contract states no order.
            priced.insert(
                0,
                PricedLine {
                    sku: line.sku.clone(),
                    name: product.name.clone(),
                    quantity: line.quantity,
                    price_cents: product.price_cents,
                },
            );
        }
        self.add(&priced, -1);
        self.holds.insert(order, (HoldState::Held, priced.clone()));
        Ok(priced)
    }

    fn release(&mut self, order: OrderId) {
        let hold = self
            .holds
            .entry(order)
            .or_insert((HoldState::Released, Vec::new()));
        if hold.0 != HoldState::Released {
            hold.0 = HoldState::Released;
            let lines = hold.1.clone();
            self.add(&lines, 1);
        }
    }

    fn add(&mut self, lines: &[PricedLine], sign: i32) {
        for line in lines {
            if let Some(product) = self.products.get_mut(&line.sku) {
                product.available += sign * line.quantity.get();
            }
        }
    }
}

#[async_trait::async_trait]
impl Inventory for FakeInventory {
    async fn categories(&self, _: &Ctx) -> Result<Vec<Category>, InventoryError> {
        Ok(Vec::new())
    }

    async fn products(&self, _: &Ctx, _: ProductQuery) -> Result<Page<Product>, InventoryError> {
        let items = self.lock().products.values().cloned().collect();
        Ok(Page { items, next: None })
    }

    async fn product(&self, _: &Ctx, sku: &Sku) -> Result<Option<Product>, InventoryError> {
        Ok(self.lock().products.get(sku).cloned())
    }

    async fn products_by_sku(&self, _: &Ctx, skus: &[Sku]) -> Result<Vec<Product>, InventoryError> {
        let state = self.lock();
        Ok(skus
            .iter()
            .filter_map(|sku| state.products.get(sku).cloned())
            .collect())
    }

    async fn restock(
        &self,
        _: &Ctx,
        _: RestockId,
        sku: &Sku,
        _: StockDelta,
    ) -> Result<StockLevel, InventoryError> {
        Err(InventoryError::NoSuchProduct(sku.clone()))
    }

    async fn reserve(
        &self,
        _: &Ctx,
        order: OrderId,
        lines: &[Line],
    ) -> Result<Vec<PricedLine>, InventoryError> {
        self.call(|state| state.reserve(order, lines)).await
    }

    async fn confirm(&self, _: &Ctx, orders: &[OrderId]) -> Result<(), InventoryError> {
        self.call(|state| {
            for order in orders {
                if let Some((hold @ HoldState::Held, _)) = state.holds.get_mut(order) {
                    *hold = HoldState::Confirmed;
                }
            }
            Ok(())
        })
        .await
    }

    async fn release(&self, _: &Ctx, order: OrderId) -> Result<(), InventoryError> {
        self.call(|state| {
            if state.stuck == Some(order) {
                return Err(Fault::internal("this hold is stuck").into());
            }
            state.release(order);
            Ok(())
        })
        .await
    }

    /// Every hold is overdue at once: the worst of timings.
    async fn overdue(&self, _: &Ctx, limit: u32) -> Result<Vec<OrderId>, InventoryError> {
        let held = |(id, state)| (state == HoldState::Held).then_some(id);
        Ok(self
            .holds()
            .into_iter()
            .filter_map(held)
            .take(limit as usize)
            .collect())
    }
}
