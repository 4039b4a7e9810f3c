use std::collections::HashMap;

use cache::{Feed, Redis};
use contract::inventory::{
    Category, Line, PricedLine, Product, ProductQuery, StockDelta, StockLevel,
};
use contract::orders::Lines;
use contract::page::Limit;
use contract::problem::Short;
use contract::{Ctx, Fault, Inventory, InventoryError, OrderId, Page, RestockId, Sku};
use db::Db;

use crate::config::Config;
use crate::copies::{AllDepartments, Copies, ListKey};
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
    copies: Copies,
    config: Config,
}

impl Service {
    /// Without a Redis each read is a query.
    pub fn new(db: Db, redis: Option<Redis>, config: Config) -> Service {
        Service {
            copies: Copies::new(&db, redis),
            db,
            config,
        }
    }

    /// Tells the cache of all changes, whoever makes them. Somebody has to run it.
    pub fn feed(&self) -> Feed<Sku, Product> {
        self.copies.feed(&self.db)
    }

    /// Makes its connections to the database, and the plans on each for what is asked when the cache is gone.
    pub async fn warm_up(&self, ctx: &Ctx) -> db::Result<()> {
        for mut conn in self.db.warm_up(ctx).await {
            products::by_sku(&mut conn, &[]).await?;
            products::list(&mut conn, None, None, 1).await?;
        }
        Ok(())
    }

    /// Page by page from the cache: which products, and then what they are now.
    async fn listed(
        &self,
        ctx: &Ctx,
        list: ListKey,
        limit: Limit,
    ) -> Result<Page<Product>, InventoryError> {
        let skus = self.copies.lists.get(ctx, &list).await?.unwrap_or_default();
        // Whether there are more is told by the list: of its products some may be gone since.
        let Page { items: skus, next } = Page::from_rows(skus, limit, Sku::clone);
        let mut products = self.copies.products.get_many(ctx, &skus).await?;
        Ok(Page {
            items: skus.iter().filter_map(|sku| products.remove(sku)).collect(),
            next,
        })
    }
}

#[async_trait::async_trait]
impl Inventory for Service {
    async fn categories(&self, ctx: &Ctx) -> Result<Vec<Category>, InventoryError> {
        let departments = self.copies.departments.get(ctx, &AllDepartments).await?;
        Ok(departments.unwrap_or_default())
    }

    async fn products(
        &self,
        ctx: &Ctx,
        query: ProductQuery,
    ) -> Result<Page<Product>, InventoryError> {
        let after: Option<Sku> = query.cursor.map(|cursor| cursor.decode()).transpose()?;
        // One more than shown, to know whether there is a next page.
        let rows = i64::from(query.limit.get()) + 1;
        let found = match query.q {
            None if self.copies.are_there() => {
                let list = ListKey {
                    category: query.category,
                    after,
                    rows,
                };
                return self.listed(ctx, list, query.limit).await;
            }
            None => {
                let _place = self.copies.place(ctx).await?;
                let mut conn = self.db.read(ctx, "products").await?;
                let (category, after) = (query.category.as_ref(), after.as_ref());
                products::list(&mut conn, category, after, rows).await?
            }
            // A search is another kind of read: no two are alike, so no cache helps.
            Some(words) => {
                let mut conn = self.db.read(ctx, "search_products").await?;
                let (category, after) = (query.category.as_ref(), after.as_ref());
                products::search(&mut conn, &words, category, after, rows).await?
            }
        };
        Ok(Page::from_rows(found, query.limit, |product| {
            product.sku.clone()
        }))
    }

    async fn product(&self, ctx: &Ctx, sku: &Sku) -> Result<Option<Product>, InventoryError> {
        Ok(self.copies.products.get(ctx, sku).await?)
    }

    async fn products_by_sku(
        &self,
        ctx: &Ctx,
        skus: &[Sku],
    ) -> Result<Vec<Product>, InventoryError> {
        let found = self.copies.products.get_many(ctx, skus).await?;
        Ok(found.into_values().collect())
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
        let (available, version) = stock::add(&mut tx, sku, delta).await?;
        tx.commit().await?;
        self.copies
            .products
            .invalidate(vec![(sku.clone(), version)])
            .await;
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
        let changed = reservations::take(&mut tx, order, &priced).await?;
        tx.commit().await?;
        self.copies.products.invalidate(changed).await;
        Ok(priced)
    }

    async fn confirm(&self, ctx: &Ctx, orders: &[OrderId]) -> Result<(), InventoryError> {
        let mut tx = self.db.write(ctx, "confirm").await?;
        reservations::confirm(&mut tx, orders).await?;
        Ok(tx.commit().await?)
    }

    async fn release(&self, ctx: &Ctx, order: OrderId) -> Result<(), InventoryError> {
        let mut tx = self.db.write(ctx, "release").await?;
        let mut changed = Vec::new();
        if reservations::release(&mut tx, order).await? {
            changed = reservations::give_back(&mut tx, order).await?;
        }
        tx.commit().await?;
        self.copies.products.invalidate(changed).await;
        Ok(())
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
