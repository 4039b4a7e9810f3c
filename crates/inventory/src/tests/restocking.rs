use contract::RestockId;
use sqlx::PgPool;

use super::{Shop, order, said};

#[sqlx::test]
async fn a_delivery_counts_once(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let id = RestockId::new();
    assert_eq!(said(shop.restock_as(id, "MUG", 5).await), Ok(15));
    shop.reserve(order(), &[("MUG", 2)]).await.unwrap();
    assert_eq!(said(shop.restock_as(id, "MUG", 5).await), Ok(13));
    assert_eq!(shop.findings().await, [""; 0]);
}

#[sqlx::test]
async fn one_id_is_one_delivery(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10), ("POT", 10)]).await;
    let id = RestockId::new();
    assert_eq!(said(shop.restock_as(id, "MUG", 5).await), Ok(15));
    let refused = Err("this delivery came before with another product or quantity".into());
    assert_eq!(said(shop.restock_as(id, "MUG", 6).await), refused);
    assert_eq!(said(shop.restock_as(id, "POT", 5).await), refused);
    assert_eq!(shop.available("MUG").await, 15);
    assert_eq!(shop.findings().await, [""; 0]);
}

#[sqlx::test]
async fn stock_has_an_end(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 1)]).await;
    // As if a thousand deliveries of a million had come.
    sqlx::raw_sql(
        "update inventory.stock set available = 1000000000;
         update inventory.restocks set delta = 1000000000",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    let refused = Err("1000000000 of MUG are the most there can be".into());
    assert_eq!(said(shop.restock("MUG", 1).await), refused);
    assert_eq!(said(shop.restock("MUG", -1).await), Ok(999_999_999));
    assert_eq!(said(shop.restock("MUG", 1).await), Ok(1_000_000_000));
    assert_eq!(shop.findings().await, [""; 0]);
}

#[sqlx::test]
async fn no_more_can_be_written_off_than_there_is(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let id = RestockId::new();
    assert_eq!(
        said(shop.restock_as(id, "MUG", -11).await),
        Err("only 10 of MUG left".into())
    );
    assert_eq!(said(shop.restock_as(id, "MUG", -10).await), Ok(0));
    assert_eq!(shop.findings().await, [""; 0]);
}

#[sqlx::test]
async fn only_what_is_sold_here_can_be_restocked(pool: PgPool) {
    let shop = Shop::with(pool, &[]).await;
    let answer = shop.restock("SOUP", 5).await;
    assert_eq!(said(answer), Err("there is no product SOUP".into()));
}
