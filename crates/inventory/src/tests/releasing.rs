use futures::future::join_all;
use sqlx::PgPool;

use super::{Shop, order, said};
use crate::{State, reservations_after};

#[sqlx::test]
async fn stock_goes_back_once_from_a_hold_and_from_a_sale(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10), ("BOWL", 5)]).await;
    let (held, sold) = (order(), order());
    shop.reserve(held, &[("MUG", 3), ("BOWL", 1)])
        .await
        .unwrap();
    shop.reserve(sold, &[("MUG", 4)]).await.unwrap();
    shop.confirm(&[sold]).await;
    for id in [held, held, sold, sold] {
        shop.release(id).await;
    }
    assert_eq!(
        (shop.available("MUG").await, shop.available("BOWL").await),
        (10, 5)
    );
    assert_eq!(shop.findings().await, [""; 0]);
}

#[sqlx::test]
async fn many_releases_at_once_give_back_once(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let id = order();
    shop.reserve(id, &[("MUG", 3)]).await.unwrap();
    let calls = (0..20).map(|_| {
        let shop = shop.clone();
        tokio::spawn(async move { shop.release(id).await })
    });
    for call in join_all(calls).await {
        call.unwrap();
    }
    assert_eq!(shop.available("MUG").await, 10);
}

#[sqlx::test]
async fn a_late_reserve_finds_its_id_spent(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let (unseen, seen) = (order(), order());
    shop.reserve(seen, &[("MUG", 1)]).await.unwrap();
    for id in [unseen, seen] {
        shop.release(id).await;
        let answer = shop.reserve(id, &[("MUG", 1)]).await;
        assert_eq!(said(answer), Err("this order was released before".into()));
    }
    assert_eq!(shop.available("MUG").await, 10);
}

#[sqlx::test]
async fn confirming_touches_only_what_is_held(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let (held, released, unknown) = (order(), order(), order());
    shop.reserve(held, &[("MUG", 1)]).await.unwrap();
    shop.reserve(released, &[("MUG", 1)]).await.unwrap();
    shop.release(released).await;
    shop.confirm(&[unknown, released, held, held]).await;
    shop.confirm(&[held]).await;
    shop.confirm(&[]).await;

    let seen = reservations_after(&shop.db, None, 10).await.unwrap();
    let seen: Vec<_> = seen
        .iter()
        .map(|r| (r.order, r.state, r.lines.len()))
        .collect();
    assert_eq!(
        seen,
        [(held, State::Confirmed, 1), (released, State::Released, 1)]
    );
    assert_eq!(shop.available("MUG").await, 9);
}
