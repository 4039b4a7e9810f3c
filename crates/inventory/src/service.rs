use std::collections::HashMap;

use contract::inventory::{
    Category, Line, PricedLine, Product, ProductQuery, StockDelta, StockLevel,
};
use contract::orders::Lines;
use contract::problem::Short;
use contract::{Ctx, Fault, Inventory, InventoryError, OrderId, Page, RestockId, Sku};
use db::Db;

use crate::config::Config;
use crate::store::products;
use crate::store::reservations::{self, Reservation, State};
use crate::store::stock::{self, Shelf};

/// The rules. Every mutation is one transaction, and harmless to repeat.
///
/// Locks are taken in one order, so no two calls ever wait for each other: first reservations by id,
/// then stock by SKU, then restocks.
#[derive(Debug, Clone)]
pub struct Service {
    db: Db,
    config: Config,
}

impl Service {
    pub fn new(db: Db, config: Config) -> Service {
        Service { db, config }
    }
}

#[async_trait::async_trait]
impl Inventory for Service {
    async fn categories(&self, ctx: &Ctx) -> Result<Vec<Category>, InventoryError> {
        let mut conn = self.db.read(ctx, "categories").await?;
        Ok(products::categories(&mut conn).await?)
    }

    async fn products(
        &self,
        ctx: &Ctx,
        query: ProductQuery,
    ) -> Result<Page<Product>, InventoryError> {
        let after: Option<Sku> = query.cursor.map(|cursor| cursor.decode()).transpose()?;
        let (category, after) = (query.category.as_ref(), after.as_ref());
        // One more than shown, to know whether there is a next page.
        let rows = i64::from(query.limit.get()) + 1;
        // A search is another kind of read: no two are alike, so no cache helps.
        let name = if query.q.is_some() {
            "search_products"
        } else {
            "products"
        };
        let mut conn = self.db.read(ctx, name).await?;
        let found = match &query.q {
            None => products::list(&mut conn, category, after, rows).await?,
            Some(words) => products::search(&mut conn, words, category, after, rows).await?,
        };
        Ok(Page::from_rows(found, query.limit, |product| {
            product.sku.clone()
        }))
    }

    async fn product(&self, ctx: &Ctx, sku: &Sku) -> Result<Option<Product>, InventoryError> {
        let mut conn = self.db.read(ctx, "product").await?;
        let found = products::by_sku(&mut conn, std::slice::from_ref(sku)).await?;
        Ok(found.into_iter().next())
    }

    async fn products_by_sku(
        &self,
        ctx: &Ctx,
        skus: &[Sku],
    ) -> Result<Vec<Product>, InventoryError> {
        let mut conn = self.db.read(ctx, "products_by_sku").await?;
        Ok(products::by_sku(&mut conn, skus).await?)
    }

    async fn restock(
        &self,
        ctx: &Ctx,
        id: RestockId,
        sku: &Sku,
        delta: StockDelta,
    ) -> Result<StockLevel, InventoryError> {
        let mut tx = self.db.write(ctx, "restock").await?;
        let shelves = stock::lock(&mut tx, std::slice::from_ref(sku)).await?;
        let Some(Shelf { available, .. }) = shelves.first() else {
            return Err(InventoryError::NoSuchProduct(sku.clone()));
        };
        if !stock::record(&mut tx, id, sku, delta).await? {
            return match stock::is_recorded(&mut tx, id, sku, delta).await? {
                true => Ok(level(sku, *available)),
                false => Err(InventoryError::RestockReused),
            };
        }
        match available.saturating_add(delta.get()) {
            ..0 => return Err(short(sku, *available)),
            0..=StockLevel::MOST => {}
            _ => return Err(InventoryError::TooMuchStock(sku.clone())),
        }
        let available = stock::add(&mut tx, sku, delta).await?;
        tx.commit().await?;
        Ok(level(sku, available))
    }

    async fn reserve(
        &self,
        ctx: &Ctx,
        order: OrderId,
        lines: &[Line],
    ) -> Result<Vec<PricedLine>, InventoryError> {
        // Orders take nothing else, so anything else is a bug of our caller.
        let lines = Lines::try_from(lines.to_vec()).map_err(Fault::internal)?;
        let lines = lines.as_slice();
        let mut tx = self.db.write(ctx, "reserve").await?;
        if !reservations::open(&mut tx, order).await? {
            let first = reservations::find(&mut tx, order).await?;
            return first_answer(first, lines);
        }
        let skus: Vec<Sku> = lines.iter().map(|line| line.sku.clone()).collect();
        let shelves = stock::lock(&mut tx, &skus).await?;
        let priced = price(lines, &shelves)?;
        reservations::take(&mut tx, order, &priced).await?;
        tx.commit().await?;
        Ok(priced)
    }

    async fn confirm(&self, ctx: &Ctx, orders: &[OrderId]) -> Result<(), InventoryError> {
        let mut tx = self.db.write(ctx, "confirm").await?;
        reservations::confirm(&mut tx, orders).await?;
        Ok(tx.commit().await?)
    }

    async fn release(&self, ctx: &Ctx, order: OrderId) -> Result<(), InventoryError> {
        let mut tx = self.db.write(ctx, "release").await?;
        if reservations::release(&mut tx, order).await? {
            reservations::give_back(&mut tx, order).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn overdue(&self, ctx: &Ctx, limit: u32) -> Result<Vec<OrderId>, InventoryError> {
        let mut conn = self.db.read(ctx, "overdue").await?;
        Ok(reservations::overdue(&mut conn, self.config.hold, limit).await?)
    }
}

/// The lines at today's prices, if there is enough of everything; else the first line that is short.
fn price(lines: &[Line], shelves: &[Shelf]) -> Result<Vec<PricedLine>, InventoryError> {
    let shelves: HashMap<&Sku, &Shelf> = shelves.iter().map(|shelf| (&shelf.sku, shelf)).collect();
    let price = |line: &Line| {
        let Some(shelf) = shelves.get(&line.sku) else {
            return Err(InventoryError::NoSuchProduct(line.sku.clone()));
        };
        if shelf.available < line.quantity.get() {
            return Err(short(&line.sku, shelf.available));
        }
        Ok(PricedLine {
            sku: line.sku.clone(),
            name: shelf.name.clone(),
            quantity: line.quantity,
            price_cents: shelf.price_cents,
        })
    };
    lines.iter().map(price).collect()
}

/// What to say to a `reserve` whose id was there before.
fn first_answer(
    first: Option<Reservation>,
    lines: &[Line],
) -> Result<Vec<PricedLine>, InventoryError> {
    let first = first.ok_or_else(|| Fault::internal("a reservation vanished: they never do"))?;
    let same = first.lines.iter().map(|line| (&line.sku, line.quantity));
    let same = same.eq(lines.iter().map(|line| (&line.sku, line.quantity)));
    match first.state {
        State::Released => Err(InventoryError::Released),
        State::Held | State::Confirmed if same => Ok(first.lines),
        State::Held | State::Confirmed => Err(InventoryError::ReservedOtherwise),
    }
}

fn short(sku: &Sku, available: i32) -> InventoryError {
    InventoryError::OutOfStock(Short {
        sku: sku.clone(),
        available,
    })
}

fn level(sku: &Sku, available: i32) -> StockLevel {
    StockLevel {
        sku: sku.clone(),
        available,
    }
}
