//! What of the catalogue is kept in the cache, how long, and where it comes from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache::{Cache, Change, Changes, Feed, Place, Redis, Room, Source, Spec, Versioned};
use contract::inventory::{Category, Product};
use contract::text::Slug;
use contract::{Ctx, Fault, Sku};
use db::Db;

use crate::store::{outbox, products};

/// Stock changes with each sale, and is read with each page.
const PRODUCTS: Spec = Spec {
    name: "products",
    prefix: "product",
    // Only bounds memory: what changes is told by the feed.
    good_for: Duration::from_secs(600),
    absent_for: Duration::from_secs(30),
    bound: Some(Duration::from_millis(100)),
};

/// Which products a page of the list has. A new product may be late here; whatever is shown of those
/// that are listed is not.
const LISTS: Spec = Spec {
    name: "product-lists",
    prefix: "list",
    good_for: Duration::from_secs(60),
    absent_for: Duration::from_secs(10),
    bound: None,
};

const DEPARTMENTS: Spec = Spec {
    name: "departments",
    prefix: "departments",
    good_for: Duration::from_secs(60),
    absent_for: Duration::from_secs(10),
    bound: None,
};

/// The caches of the domain. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Copies {
    redis: Option<Redis>,
    room: Arc<Room>,
    pub(crate) products: Cache<Sku, Product>,
    pub(crate) lists: Cache<ListKey, Vec<Sku>>,
    pub(crate) departments: Cache<AllDepartments, Vec<Category>>,
}

impl Copies {
    pub(crate) fn new(db: &Db, redis: Option<Redis>) -> Copies {
        let room = Arc::new(Room::of(db.connections()));
        let database = || Database(db.clone());
        Copies {
            products: Cache::new(PRODUCTS, redis.clone(), room.clone(), database()),
            lists: Cache::new(LISTS, redis.clone(), room.clone(), database()),
            departments: Cache::new(DEPARTMENTS, redis.clone(), room.clone(), database()),
            redis,
            room,
        }
    }

    /// Whether to look here first. Without Redis a list is one query, not two.
    pub(crate) fn are_there(&self) -> bool {
        self.redis.as_ref().is_some_and(Redis::answers)
    }

    /// For a list that is read past the cache. Where there is none, nobody has to stand back for those whom it
    /// does not answer.
    pub(crate) async fn place(&self, ctx: &Ctx) -> Result<Option<Place<'_>>, Fault> {
        match self.redis {
            Some(_) => Ok(Some(self.room.enter(ctx).await?)),
            None => Ok(None),
        }
    }

    pub(crate) fn feed(&self, db: &Db) -> Feed<Sku, Product> {
        Feed::new(self.products.clone(), Arc::new(Database(db.clone())))
    }
}

/// A page of a list: its first `rows` rows, of one department or of all, after one product or from the
/// start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ListKey {
    pub(crate) category: Option<Slug>,
    pub(crate) after: Option<Sku>,
    pub(crate) rows: i64,
}

/// No SKU and no slug has a colon or a star.
impl fmt::Display for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let category = self.category.as_ref().map_or("*", Slug::as_str);
        let after = self.after.as_ref().map_or("", Sku::as_str);
        write!(f, "{category}:{after}:{}", self.rows)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AllDepartments;

impl fmt::Display for AllDepartments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all")
    }
}

/// What has no versions of its own: it grows old, and nobody replaces it.
fn unversioned<V>(value: V) -> Versioned<V> {
    Versioned { version: 1, value }
}

struct Database(Db);

#[async_trait::async_trait]
impl Source<Sku, Product> for Database {
    async fn load(&self, ctx: &Ctx, skus: &[Sku]) -> Result<Vec<(Sku, Versioned<Product>)>, Fault> {
        let query = match skus {
            [_] => "product",
            _ => "products_by_sku",
        };
        let mut conn = self.0.read(ctx, query).await?;
        let found = products::by_sku(&mut conn, skus).await?;
        Ok(found
            .into_iter()
            .map(|one| (one.value.sku.clone(), one))
            .collect())
    }
}

#[async_trait::async_trait]
impl Source<ListKey, Vec<Sku>> for Database {
    async fn load(
        &self,
        ctx: &Ctx,
        lists: &[ListKey],
    ) -> Result<Vec<(ListKey, Versioned<Vec<Sku>>)>, Fault> {
        let mut conn = self.0.read(ctx, "products").await?;
        let mut found = Vec::with_capacity(lists.len());
        for list in lists {
            let (category, after) = (list.category.as_ref(), list.after.as_ref());
            let products = products::list(&mut conn, category, after, list.rows).await?;
            let skus = products.into_iter().map(|product| product.sku).collect();
            found.push((list.clone(), unversioned(skus)));
        }
        Ok(found)
    }
}

#[async_trait::async_trait]
impl Source<AllDepartments, Vec<Category>> for Database {
    async fn load(
        &self,
        ctx: &Ctx,
        _: &[AllDepartments],
    ) -> Result<Vec<(AllDepartments, Versioned<Vec<Category>>)>, Fault> {
        let mut conn = self.0.read(ctx, "categories").await?;
        let categories = products::categories(&mut conn).await?;
        Ok(vec![(AllDepartments, unversioned(categories))])
    }
}

#[async_trait::async_trait]
impl Changes<Sku> for Database {
    async fn waiting(&self, ctx: &Ctx, limit: u32) -> Result<Vec<Change<Sku>>, Fault> {
        let mut conn = self.0.read_primary(ctx, "changes").await?;
        Ok(outbox::waiting(&mut conn, limit).await?)
    }

    async fn put_away(&self, ctx: &Ctx, ids: &[i64]) -> Result<(), Fault> {
        let mut tx = self.0.write(ctx, "put_away_changes").await?;
        outbox::delete(&mut tx, ids).await?;
        Ok(tx.commit().await?)
    }

    async fn put_away_older(&self, ctx: &Ctx, than: Duration) -> Result<(), Fault> {
        let mut tx = self.0.write(ctx, "put_away_changes").await?;
        outbox::delete_older(&mut tx, than).await?;
        Ok(tx.commit().await?)
    }
}
