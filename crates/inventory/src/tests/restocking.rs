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
