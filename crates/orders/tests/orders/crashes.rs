//! A crash between any two steps of a checkout; afterwards settling brings the books right.

use std::convert::Infallible;
use std::time::Duration;

use catalogue::Rng;
use contract::{OrderId, Orders, OrdersError};
use futures::future::join_all;
use sqlx::PgPool;

use crate::support::{HoldState, Mishap, Shop, ada, ctx, key, new_order, shop};

/// Every order has its stock, and no stock is held for nothing.
async fn assert_books_balance(shop: &Shop) {
    for (id, hold) in shop.inventory.holds() {
        match shop.status(id).await.as_deref() {
            Some("placed") => assert_eq!(hold, HoldState::Confirmed, "{id}"),
            Some("cancelled" | "abandoned") => assert_eq!(hold, HoldState::Released, "{id}"),
            other => panic!("{id} is {other:?}, its hold {hold:?}"),
        }
    }
}

#[sqlx::test]
async fn dying_after_the_reservation_and_trying_again_places_the_order(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    shop.inventory.meets(Mishap::AnswerLost);
    let lost = shop.place(&ada, "k", &[("RUG", 1)]).await;
    assert!(matches!(lost, Err(OrdersError::Fault(_))), "{lost:?}");
    assert_eq!(shop.inventory.available("RUG"), 0);

    shop.inventory.meets(Mishap::None);
    assert!(!shop.place(&ada, "k", &[("RUG", 1)]).await.unwrap().replayed);
    shop.orders.settle_overdue(&ctx()).await.unwrap();
    assert_books_balance(&shop).await;
    assert_eq!(shop.inventory.available("RUG"), 0);
}

#[sqlx::test]
async fn a_reservation_that_nobody_comes_back_for_is_given_up(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    shop.inventory.meets(Mishap::AnswerLost);
    shop.place(&ada, "k", &[("RUG", 1)]).await.unwrap_err();
    shop.inventory.meets(Mishap::None);

    assert_eq!(shop.orders.settle_overdue(&ctx()).await.unwrap(), 1);
    assert_eq!(shop.inventory.available("RUG"), 1);
    assert_books_balance(&shop).await;

    for lines in [&[("RUG", 1)], &[("MUG", 1)]] {
        let late = shop.place(&ada, "k", lines).await;
        assert!(matches!(late, Err(OrdersError::GivenUp)), "{late:?}");
    }
    shop.placed(&ada, "new-key", &[("RUG", 1)]).await;
}

#[sqlx::test]
async fn a_straggler_finds_the_tombstone(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    shop.inventory.meets(Mishap::AnswerLate);
    let straggler = tokio::spawn({
        let (shop, ada) = (shop.clone(), ada.clone());
        async move { shop.place(&ada, "k", &[("RUG", 1)]).await }
    });
    while shop.inventory.available("RUG") == 1 {
        tokio::task::yield_now().await;
    }
    shop.inventory.meets(Mishap::None);
    shop.orders.settle_overdue(&ctx()).await.unwrap();
    let bob = crate::support::ada();
    shop.placed(&bob, "k", &[("RUG", 1)]).await;

    shop.inventory.answer();
    let placed = straggler.await.unwrap();
    assert!(matches!(placed, Err(OrdersError::GivenUp)), "{placed:?}");
    let orders = shop
        .orders
        .orders(&ctx(), ada.user_id, Default::default())
        .await
        .unwrap();
    assert_eq!(orders.items, []);
    shop.orders.settle_overdue(&ctx()).await.unwrap();
    assert_books_balance(&shop).await;
}

#[sqlx::test]
async fn dying_after_the_commit_leaves_an_order(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let unheard = shop.placed(&ada, "k", &[("RUG", 1)]).await;
    shop.orders.settle_overdue(&ctx()).await.unwrap();
    assert_eq!(shop.inventory.hold(unheard.id), Some(HoldState::Confirmed));
    let again = shop.place(&ada, "k", &[("RUG", 1)]).await.unwrap();
    assert_eq!((again.order, again.replayed), (unheard, true));
}

#[sqlx::test]
async fn dying_between_tombstone_and_release_is_made_up_for(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    shop.inventory.meets(Mishap::AnswerLost);
    shop.place(&ada, "k", &[("RUG", 1)]).await.unwrap_err();
    shop.inventory.meets(Mishap::Away);
    shop.orders.settle_overdue(&ctx()).await.unwrap_err();
    let id = OrderId::derive(ada.user_id, &key("k"));
    assert_eq!(shop.status(id).await.as_deref(), Some("abandoned"));
    assert_eq!(shop.inventory.hold(id), Some(HoldState::Held));

    shop.inventory.meets(Mishap::None);
    shop.orders.settle_overdue(&ctx()).await.unwrap();
    assert_books_balance(&shop).await;
}

/// 200 checkouts, each dropped at a random moment, retried or not, cancelled or not, beside two
/// workers that give up every hold as soon as they see it.
#[sqlx::test]
async fn whatever_dies_when_the_books_balance(pool: PgPool) {
    let shop = shop(pool);
    let checkouts = join_all((0..200).map(|seed| checkout_among_crashes(&shop, seed)));
    let acknowledged = tokio::select! {
        acknowledged = checkouts => acknowledged,
        _ = settle_forever(&shop) => unreachable!(),
        _ = settle_forever(&shop) => unreachable!(),
    };
    shop.orders.settle_overdue(&ctx()).await.unwrap();

    assert_books_balance(&shop).await;
    let acknowledged: Vec<OrderId> = acknowledged.into_iter().flatten().collect();
    assert!(!acknowledged.is_empty());
    for id in acknowledged {
        let status = shop.status(id).await;
        assert!(
            matches!(status.as_deref(), Some("placed" | "cancelled")),
            "{id} is {status:?}"
        );
    }
    let sold: i64 = sqlx::query_scalar(
        "select coalesce(sum(quantity), 0) from orders.orders o
         join orders.order_lines l on l.order_id = o.id where status = 'placed'",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(sold + i64::from(shop.inventory.available("MUG")), 10);
}

async fn settle_forever(shop: &Shop) -> Infallible {
    loop {
        let _ = shop.orders.settle_overdue(&ctx()).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// The order's id if it was acknowledged.
async fn checkout_among_crashes(shop: &Shop, seed: u64) -> Option<OrderId> {
    let mut rng = Rng::new(seed);
    let buyer = ada();
    for _ in 0..rng.below(4) {
        let patience = Duration::from_micros(rng.below(60_000));
        let (ctx, key) = (ctx(), key("k"));
        let placing = shop
            .orders
            .place_order(&ctx, &buyer, &key, new_order(&[("MUG", 1)]));
        // Dropped where it stands: what a dying process leaves behind.
        if let Ok(Ok(placement)) = tokio::time::timeout(patience, placing).await {
            if rng.below(2) == 0 {
                let _ = shop
                    .orders
                    .cancel_order(&ctx, buyer.user_id, placement.order.id)
                    .await;
            }
            return Some(placement.order.id);
        }
    }
    None
}
