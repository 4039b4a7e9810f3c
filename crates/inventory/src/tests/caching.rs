//! With a cache in front: the same answers, by fewer queries, and changes that nobody announces.

use super::*;

use contract::inventory::{Product, ProductQuery};
use contract::page::{Limit, Page};

impl Shop {
    /// Another box on the same data, with a Redis that all of its kind share.
    fn with_redis(&self, redis: &cache::Redises) -> Shop {
        let redis = Some(redis.cache.clone());
        Shop {
            service: Service::new(self.db.clone(), redis, Config::default()),
            ..self.clone()
        }
    }

    async fn vouch(&self) {
        while !self.service.feed().pass().await.unwrap().is_complete {}
    }

    async fn page(&self, query: &ProductQuery) -> Page<Product> {
        let page = self.service.products(&self.ctx, query.clone()).await;
        page.unwrap()
    }

    async fn sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    async fn waiting(&self) -> i64 {
        sqlx::query_scalar("select count(*) from inventory.outbox")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

async fn shop(pool: PgPool) -> Shop {
    Shop::with(pool, &[("BOWL", 7), ("JUG", 3), ("MUG", 5)]).await
}

#[sqlx::test]
async fn a_page_from_the_cache_is_the_page(pool: PgPool) {
    let plain = shop(pool).await;
    let cached = plain.with_redis(&testkit::redis());
    let limit = Limit::try_from(2).unwrap();
    let mut query = ProductQuery {
        limit,
        ..ProductQuery::default()
    };
    for category in [None, Some("tableware"), Some("nothing")] {
        query.category = category.map(|slug| slug.parse().unwrap());
        query.cursor = None;
        for _ in 0..2 {
            let expected = plain.page(&query).await;
            for _ in 0..2 {
                cached.vouch().await;
                assert_eq!(cached.page(&query).await, expected);
            }
            query.cursor = expected.next;
        }
    }
    assert_eq!(
        cached.service.categories(&cached.ctx).await.unwrap(),
        plain.service.categories(&plain.ctx).await.unwrap()
    );
}

#[sqlx::test]
async fn a_page_that_lost_a_product_still_has_a_next_one(pool: PgPool) {
    let plain = shop(pool).await;
    let cached = plain.with_redis(&testkit::redis());
    let query = ProductQuery {
        limit: Limit::try_from(2).unwrap(),
        ..ProductQuery::default()
    };
    cached.vouch().await;
    assert_eq!(cached.page(&query).await.items.len(), 2);
    plain
        .sql("delete from inventory.restocks where sku = 'BOWL'; delete from inventory.stock where sku = 'BOWL'; delete from inventory.products where sku = 'BOWL'")
        .await;
    cached.vouch().await;
    let page = cached.page(&query).await;
    let skus: Vec<_> = page.items.iter().map(|one| one.sku.as_str()).collect();
    assert_eq!(skus, ["JUG"]);
    assert!(page.next.is_some(), "there is a mug");
}

#[sqlx::test]
async fn whoever_sells_is_seen_at_once_by_all_boxes(pool: PgPool) {
    let redis = testkit::redis();
    let here = shop(pool).await.with_redis(&redis);
    let there = here.with_redis(&redis);
    let order = order();
    here.vouch().await;
    assert_eq!(there.available("MUG").await, 5);
    here.reserve(order, &[("MUG", 2)]).await.unwrap();
    assert_eq!(there.available("MUG").await, 3);
    here.release(order).await;
    assert_eq!(there.available("MUG").await, 5);
    here.restock("MUG", 4).await.unwrap();
    assert_eq!(there.available("MUG").await, 9);
}

/// By an older program, or with psql: the triggers leave word, and the feed tells.
#[sqlx::test]
async fn whoever_says_nothing_is_told_by_the_feed(pool: PgPool) {
    let plain = shop(pool).await;
    let cached = plain.with_redis(&testkit::redis());
    cached.vouch().await;
    assert_eq!(cached.available("MUG").await, 5);

    plain.restock("MUG", 1).await.unwrap();
    cached.vouch().await;
    assert_eq!(cached.available("MUG").await, 6);

    plain
        .sql("update inventory.products set price_cents = 4711 where sku = 'MUG'")
        .await;
    cached.vouch().await;
    let mug = cached.service.product(&cached.ctx, &sku("MUG")).await;
    assert_eq!(mug.unwrap().unwrap().price_cents, 4711);

    let lid = cached.service.product(&cached.ctx, &sku("LID")).await;
    assert_eq!(lid.unwrap(), None);
    plain.product("LID", "Lid", "", "tableware").await;
    cached.vouch().await;
    assert_eq!(cached.available("LID").await, 0);
    assert_eq!(plain.waiting().await, 0);
}

#[sqlx::test]
async fn each_change_has_a_version_of_its_own_and_a_row_in_the_outbox(pool: PgPool) {
    let shop = shop(pool).await;
    shop.vouch().await;
    let version = async || -> i64 {
        sqlx::query_scalar("select version from inventory.stock where sku = 'MUG'")
            .fetch_one(&shop.pool)
            .await
            .unwrap()
    };
    let before = version().await;
    shop.restock("MUG", 1).await.unwrap();
    shop.reserve(order(), &[("MUG", 1)]).await.unwrap();
    shop.sql("update inventory.products set name = 'Cup' where sku = 'MUG'")
        .await;
    assert_eq!((version().await, shop.waiting().await), (before + 3, 3));
    // What was rolled back never was.
    shop.reserve(order(), &[("MUG", 99)]).await.unwrap_err();
    assert_eq!((version().await, shop.waiting().await), (before + 3, 3));
}

/// Without a cache there is nobody to tell, but boxes of another stage may have one.
#[sqlx::test]
async fn without_redis_changes_are_kept_for_a_while(pool: PgPool) {
    let shop = shop(pool).await;
    let all = shop.waiting().await;
    shop.sql(
        "update inventory.outbox set created_at = now() - interval '1 hour' where sku = 'MUG'",
    )
    .await;
    let feed = shop.service.feed();
    let feeding = tokio::spawn(async move { feed.run().await });
    let started = std::time::Instant::now();
    while shop.waiting().await == all {
        assert!(started.elapsed() < Duration::from_secs(10), "all is kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    feeding.abort();
    let mugs: i64 = sqlx::query_scalar("select count(*) from inventory.outbox where sku = 'MUG'")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(mugs, 0);
    assert!(shop.waiting().await > 0, "what is new is gone, too");
}
