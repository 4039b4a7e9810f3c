//! A crash between any two steps of a checkout; afterwards settling brings the books right.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use catalogue::Rng;
use contract::{OrderId, Orders, OrdersError};
use futures::StreamExt;
use futures::stream;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::{
    HoldState, Mishap, Shop, ada, ctx, is_drained, key, new_order, shop, work_until,
};

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
    assert_eq!(shop.orders.settle_overdue(&ctx()).await.unwrap(), 0);
    let id = OrderId::derive(ada.user_id, &key("k"));
    assert_eq!(shop.status(id).await.as_deref(), Some("abandoned"));
    assert_eq!(shop.inventory.hold(id), Some(HoldState::Held));

    shop.inventory.meets(Mishap::None);
    shop.orders.settle_overdue(&ctx()).await.unwrap();
    assert_books_balance(&shop).await;
}

#[sqlx::test]
async fn one_bad_hold_keeps_no_other_from_being_settled(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    shop.inventory.meets(Mishap::AnswerLost);
    for key in ["bad", "good"] {
        shop.place(&ada, key, &[("MUG", 1)]).await.unwrap_err();
    }
    shop.inventory.meets(Mishap::None);
    let sold = shop.placed(&ada, "sold", &[("MUG", 1)]).await.id;
    let [bad, good] = ["bad", "good"].map(|text| OrderId::derive(ada.user_id, &key(text)));
    shop.inventory.sticks(bad);

    assert_eq!(shop.orders.settle_overdue(&ctx()).await.unwrap(), 2);
    assert_eq!(shop.inventory.hold(bad), Some(HoldState::Held));
    assert_eq!(shop.inventory.hold(good), Some(HoldState::Released));
    assert_eq!(shop.inventory.hold(sold), Some(HoldState::Confirmed));
}

/// 300 checkouts, eight at a time, dropped wherever they stand, retried or not, cancelled or not,
/// while others settle every hold as soon as they see it.
#[sqlx::test]
async fn whatever_dies_when_the_books_balance(pool: PgPool) {
    let shop = shop(pool);
    let checkouts = stream::iter((0..300).map(|seed| checkout_among_crashes(&shop, seed)));
    let acknowledged: Vec<Option<OrderId>> = checkouts.buffer_unordered(8).collect().await;
    shop.orders.settle_overdue(&ctx()).await.unwrap();
    let dir = TempDir::new().unwrap();
    work_until(&shop, &dir, async || is_drained(&shop).await).await;

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

/// The order's id if it was acknowledged.
async fn checkout_among_crashes(shop: &Shop, seed: u64) -> Option<OrderId> {
    let mut rng = Rng::new(seed);
    let buyer = ada();
    for _ in 0..1 + rng.below(3) {
        let (ctx, key) = (ctx(), key("k"));
        let placing = shop
            .orders
            .place_order(&ctx, &buyer, &key, new_order(&[("MUG", 1)]));
        let placed = live_for(rng.below(40), placing).await;
        if rng.below(4) == 0 {
            let _ = live_for(rng.below(40), shop.orders.settle_overdue(&ctx)).await;
        }
        if let Some(Ok(placement)) = placed {
            // Most go back, or the stock would soon be sold and nothing happen any more.
            if rng.below(20) > 0 {
                let cancelling = shop
                    .orders
                    .cancel_order(&ctx, buyer.user_id, placement.order.id);
                let _ = live_for(rng.below(40), cancelling).await;
            }
            return Some(placement.order.id);
        }
    }
    None
}

/// Polls this often and then drops it where it stands: what a dying process leaves behind.
async fn live_for<T>(polls: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
