use std::sync::Arc;

use axum::Extension;
use contract::inventory::{ProductQuery, StockDelta};
use contract::remote::HttpInventory;
use contract::{Cursor, Inventory, RestockId};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Shop, lines, order, sku};
use crate::http;

/// All calls with all their answers, as text.
async fn story(inventory: &dyn Inventory, shop: &Shop) -> Vec<String> {
    let ctx = &shop.ctx;
    let [bought, given_up, held] = [1, 2, 3].map(|id| contract::OrderId(Uuid::from_u128(id)));
    let (mug, soup) = (sku("MUG"), sku("SOUP"));
    let delivery = RestockId(Uuid::from_u128(9));
    let delta = |n| StockDelta::try_from(n).unwrap();
    let elsewhere = ProductQuery {
        cursor: Some(Cursor::encode(&7)),
        ..ProductQuery::default()
    };
    let some = lines(&[("BOWL", 1), ("MUG", 2)]);
    let many = lines(&[("MUG", 99)]);
    let unknown = lines(&[("SOUP", 1)]);
    vec![
        format!("{:?}", inventory.categories(ctx).await),
        format!(
            "{:?}",
            inventory.products(ctx, ProductQuery::default()).await
        ),
        format!("{:?}", inventory.products(ctx, elsewhere).await),
        format!("{:?}", inventory.product(ctx, &mug).await),
        format!("{:?}", inventory.product(ctx, &soup).await),
        format!(
            "{:?}",
            inventory
                .products_by_sku(ctx, &[mug.clone(), soup.clone()])
                .await
        ),
        format!(
            "{:?}",
            inventory.restock(ctx, delivery, &mug, delta(5)).await
        ),
        format!(
            "{:?}",
            inventory.restock(ctx, delivery, &mug, delta(5)).await
        ),
        format!(
            "{:?}",
            inventory.restock(ctx, delivery, &mug, delta(6)).await
        ),
        format!(
            "{:?}",
            inventory
                .restock(ctx, RestockId::new(), &mug, delta(-99))
                .await
        ),
        format!(
            "{:?}",
            inventory
                .restock(ctx, RestockId::new(), &soup, delta(5))
                .await
        ),
        format!("{:?}", inventory.reserve(ctx, bought, &some).await),
        format!("{:?}", inventory.reserve(ctx, bought, &many).await),
        format!("{:?}", inventory.reserve(ctx, held, &many).await),
        format!("{:?}", inventory.reserve(ctx, held, &unknown).await),
        format!("{:?}", inventory.reserve(ctx, held, &some).await),
        format!("{:?}", inventory.confirm(ctx, &[bought, order()]).await),
        format!("{:?}", inventory.release(ctx, given_up).await),
        format!("{:?}", inventory.reserve(ctx, given_up, &some).await),
        format!("{:?}", inventory.overdue(ctx, 10).await),
    ]
}

#[sqlx::test]
async fn a_remote_inventory_answers_like_a_local_one(pool: PgPool) {
    let stock = [("MUG", 10), ("BOWL", 5)];
    let shop = Shop::with(pool, &stock).await;
    let local: Arc<dyn Inventory> = Arc::new(shop.service.clone());
    let router = http::internal(local.clone()).layer(Extension(shop.ctx.clone()));
    let remote = HttpInventory::new(router, "http://inventory");

    let told = story(&*local, &shop).await;
    shop.open(&stock).await;
    assert_eq!(story(&remote, &shop).await, told);
}
