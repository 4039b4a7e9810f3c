use contract::Inventory;
use sqlx::PgPool;

use super::{Shop, sku};
use crate::{MIGRATOR, audit, seed};
use db::Db;

#[sqlx::test]
async fn fills_an_empty_catalogue_and_no_other(pool: PgPool) {
    let db = Db::from_pool(pool.clone());
    let mut told = Vec::new();
    assert!(
        seed(&db, 2_500, |written| told.push(written))
            .await
            .unwrap()
    );
    assert_eq!(told, [1_000, 2_000, 2_500]);
    assert!(!seed(&db, 9_000, |_| unreachable!()).await.unwrap());
    assert_eq!(audit(&db).await.unwrap(), [""; 0]);

    let service = crate::Service::new(db, None, crate::Config::default());
    let ctx = contract::Ctx::background("test", std::time::Duration::from_secs(60));
    let counts = service.categories(&ctx).await.unwrap();
    assert_eq!(
        counts.iter().map(|category| category.products).sum::<i64>(),
        2_500
    );
    assert_eq!(counts.len(), catalogue::categories().len());

    let expected = catalogue::product(2_500);
    let seeded = service
        .product(&ctx, &sku(&expected.sku))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seeded.name, expected.name);
    assert_eq!(seeded.description, expected.description);
    assert_eq!(seeded.category.as_str(), expected.category);
    assert_eq!(seeded.price_cents, expected.price_cents);
    assert_eq!(seeded.available, expected.initial_stock);
}

#[sqlx::test]
async fn two_at_once_seed_once(pool: PgPool) {
    let db = Db::from_pool(pool);
    let (one, other) = tokio::join!(seed(&db, 100, |_| ()), seed(&db, 100, |_| ()));
    assert_ne!(one.unwrap(), other.unwrap());
}

#[sqlx::test(migrations = false)]
async fn the_schema_comes_with_the_first_start(pool: PgPool) {
    let db = Db::from_pool(pool.clone());
    db.migrate(&MIGRATOR).await.unwrap();
    db.migrate(&MIGRATOR).await.unwrap();
    let shop = Shop::with(pool, &[("MUG", 3)]).await;
    assert_eq!(shop.available("MUG").await, 3);
}
