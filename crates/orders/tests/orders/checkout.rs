use std::time::Duration;

use contract::inventory::Quantity;
use contract::orders::{OrderStatus, Placement};
use contract::{OrderId, Orders, OrdersError, UserId};
use futures::future::join_all;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::support::{HoldState, Mishap, ada, ctx, key, shop};

#[sqlx::test]
async fn an_order_is_recorded_with_its_lines_and_leaves_the_cart(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    for sku in ["MUG", "POT", "RUG"] {
        let one = Quantity::try_from(1).unwrap();
        shop.orders
            .put_cart_item(&ctx(), ada.user_id, &sku.parse().unwrap(), one)
            .await
            .unwrap();
    }

    let order = shop.placed(&ada, "first", &[("POT", 2), ("MUG", 1)]).await;

    assert_eq!(
        json!(order),
        json!({
            "id": OrderId::derive(ada.user_id, &key("first")),
            "user_id": ada.user_id,
            "status": "placed",
            "lines": [
                { "sku": "MUG", "name": "mug", "quantity": 1, "price_cents": 500 },
                { "sku": "POT", "name": "pot", "quantity": 2, "price_cents": 2000 },
            ],
            "total_cents": 4500,
            "created_at": order.created_at,
        })
    );
    let read = shop
        .orders
        .order(&ctx(), ada.user_id, order.id)
        .await
        .unwrap();
    assert_eq!(read, Some(order));
    let cart = shop.orders.cart(&ctx(), ada.user_id).await.unwrap();
    assert_eq!(cart.items.len(), 1);
    assert_eq!(cart.items[0].sku.as_str(), "RUG");
    assert_eq!(shop.inventory.available("POT"), 3);
    assert_eq!(shop.count("outbox").await, 1);
}

#[sqlx::test]
async fn the_same_key_fifty_times_at_once_is_one_order(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let attempts = (0..50).map(|_| shop.place(&ada, "double-click", &[("RUG", 1), ("MUG", 2)]));
    let placements: Vec<Placement> = join_all(attempts)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    assert_eq!(placements.iter().filter(|p| !p.replayed).count(), 1);
    assert!(placements.iter().all(|p| p.order == placements[0].order));
    assert_eq!(
        (shop.count("orders").await, shop.count("order_lines").await),
        (1, 2)
    );
    assert_eq!(shop.count("outbox").await, 1);
    assert_eq!(
        (
            shop.inventory.available("RUG"),
            shop.inventory.available("MUG")
        ),
        (0, 8)
    );
}

#[sqlx::test]
async fn a_key_is_good_for_one_set_of_lines(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    shop.placed(&ada, "k", &[("MUG", 1), ("POT", 1)]).await;
    let other = shop.place(&ada, "k", &[("MUG", 2)]).await;
    assert!(matches!(other, Err(OrdersError::KeyReused)), "{other:?}");
    let reordered = shop
        .place(&ada, "k", &[("POT", 1), ("MUG", 1)])
        .await
        .unwrap();
    assert!(reordered.replayed);
}

#[sqlx::test]
async fn keys_of_different_users_are_different_keys(pool: PgPool) {
    let shop = shop(pool);
    for _ in 0..2 {
        assert!(
            !shop
                .place(&ada(), "k", &[("MUG", 1)])
                .await
                .unwrap()
                .replayed
        );
    }
}

#[sqlx::test]
async fn rejects_an_order_when_stock_is_short_and_leaves_nothing(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let short = shop.place(&ada, "k", &[("MUG", 1), ("RUG", 2)]).await;
    let Err(OrdersError::OutOfStock(short)) = short else {
        panic!("{short:?}");
    };
    assert_eq!((short.sku.as_str(), short.available), ("RUG", 1));
    for table in ["orders", "order_lines", "outbox"] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
    assert_eq!(shop.inventory.available("MUG"), 10);
    // The key is not spent: nothing was decided under it.
    shop.placed(&ada, "k", &[("MUG", 1), ("RUG", 1)]).await;
}

#[sqlx::test]
async fn rejects_an_order_for_what_does_not_exist(pool: PgPool) {
    let shop = shop(pool);
    let placed = shop.place(&ada(), "k", &[("MUG", 1), ("UNICORN", 1)]).await;
    assert!(matches!(placed, Err(OrdersError::NoSuchProduct(sku)) if sku.as_str() == "UNICORN"));
}

#[sqlx::test]
async fn a_replay_works_while_inventory_is_away(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let first = shop.placed(&ada, "k", &[("MUG", 1)]).await;
    shop.inventory.meets(Mishap::Away);
    let again = shop.place(&ada, "k", &[("MUG", 1)]).await.unwrap();
    assert_eq!((again.order, again.replayed), (first, true));
    let new = shop.place(&ada, "new", &[("MUG", 1)]).await;
    assert!(matches!(new, Err(OrdersError::Fault(_))), "{new:?}");
}

#[sqlx::test]
async fn a_retry_beside_a_stuck_first_request_is_told_so(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let impatient = options.options([("lock_timeout", "50ms")]);
    let (shop, ada) = (shop(pool.connect_with(impatient).await.unwrap()), ada());
    let id = OrderId::derive(ada.user_id, &key("k"));
    let mut first = shop.pool.begin().await.unwrap();
    sqlx::query(
        "insert into orders.orders (bucket, id, status, total_cents) values ($1, $2, $3, 0)",
    )
    .bind(i16::from(id.bucket()))
    .bind(id.0)
    .bind("abandoned")
    .execute(&mut *first)
    .await
    .unwrap();

    let retry = shop.place(&ada, "k", &[("MUG", 1)]).await;
    assert!(matches!(retry, Err(OrdersError::InProgress)), "{retry:?}");
    assert_eq!(shop.orders.settle_overdue(&ctx()).await.unwrap(), 0);
    assert_eq!(shop.inventory.hold(id), Some(HoldState::Held));

    first.rollback().await.unwrap();
    assert!(!shop.place(&ada, "k", &[("MUG", 1)]).await.unwrap().replayed);
}

#[sqlx::test]
async fn a_cancelled_order_gives_its_stock_back_once(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let order = shop.placed(&ada, "k", &[("RUG", 1), ("MUG", 3)]).await;
    let ctx = ctx();
    let cancels = (0..10).map(|_| shop.orders.cancel_order(&ctx, ada.user_id, order.id));
    for cancelled in join_all(cancels).await {
        let cancelled = cancelled.unwrap();
        assert_eq!(cancelled.status, OrderStatus::Cancelled);
        assert_eq!(cancelled.lines, order.lines);
    }
    assert_eq!(
        (
            shop.inventory.available("RUG"),
            shop.inventory.available("MUG")
        ),
        (1, 10)
    );
    assert_eq!(
        shop.count("outbox").await,
        2,
        "one for the order, one for its end"
    );

    let again = shop
        .place(&ada, "k", &[("RUG", 1), ("MUG", 3)])
        .await
        .unwrap();
    assert_eq!(
        (again.order.status, again.replayed),
        (OrderStatus::Cancelled, true)
    );
    let other = shop.place(&ada, "k", &[("RUG", 1)]).await;
    assert!(matches!(other, Err(OrdersError::KeyReused)), "{other:?}");
}

#[sqlx::test]
async fn a_delivered_order_is_not_cancellable(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let order = shop.placed(&ada, "k", &[("MUG", 1)]).await;
    sqlx::query("update orders.orders set status = 'delivered'")
        .execute(&shop.pool)
        .await
        .unwrap();
    let cancelled = shop
        .orders
        .cancel_order(&ctx(), ada.user_id, order.id)
        .await;
    assert!(matches!(
        cancelled,
        Err(OrdersError::NotCancellable(OrderStatus::Delivered))
    ));
    assert_eq!(shop.inventory.available("MUG"), 9);
}

#[sqlx::test]
async fn orders_of_others_do_not_exist(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let order = shop.placed(&ada, "k", &[("MUG", 1)]).await;
    let bob = UserId::new();
    assert_eq!(
        shop.orders.order(&ctx(), bob, order.id).await.unwrap(),
        None
    );
    let cancelled = shop.orders.cancel_order(&ctx(), bob, order.id).await;
    assert!(
        matches!(cancelled, Err(OrdersError::NoSuchOrder)),
        "{cancelled:?}"
    );
}

#[sqlx::test]
async fn a_request_whose_time_is_over_places_nothing(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let late = contract::Ctx::background("late", Duration::ZERO);
    let new = crate::support::new_order(&[("MUG", 1)]);
    let placed = shop.orders.place_order(&late, &ada, &key("k"), new).await;
    assert!(matches!(placed, Err(OrdersError::Fault(_))), "{placed:?}");
    assert_eq!(shop.count("orders").await, 0);
}
