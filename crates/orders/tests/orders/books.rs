use contract::{OrderId, Orders, UserId};
use orders::{OpenOrder, OrderState};
use sqlx::PgPool;

use crate::support::{Mishap, ada, ctx, key, new_order, shop};

#[sqlx::test]
async fn the_audit_finds_what_is_wrong(pool: PgPool) {
    let shop = shop(pool);
    let db = db::Db::from_pool(shop.pool.clone());
    let [total, lineless, orderless, moved] =
        ["total", "lineless", "orderless", "moved"].map(|name| (name, ada()));
    let mut ids = Vec::new();
    for (name, buyer) in [&total, &lineless, &orderless, &moved] {
        ids.push(shop.placed(buyer, name, &[("MUG", 1)]).await.id);
    }
    assert_eq!(orders::audit(&db).await.unwrap(), [""; 0]);

    let break_with = async |sql: &'static str, id: OrderId| {
        sqlx::query(sql)
            .bind(id.0)
            .execute(&shop.pool)
            .await
            .unwrap();
    };
    break_with(
        "update orders.orders set total_cents = 1 where id = $1",
        ids[0],
    )
    .await;
    break_with("delete from orders.order_lines where order_id = $1", ids[1]).await;
    break_with("delete from orders.orders where id = $1", ids[2]).await;
    break_with(
        "update orders.orders set bucket = 255 - bucket where id = $1",
        ids[3],
    )
    .await;
    break_with(
        "update orders.order_lines set bucket = 255 - bucket where order_id = $1",
        ids[3],
    )
    .await;

    let mut found = orders::audit(&db).await.unwrap();
    let mut expected = [
        format!("order {} has another total than its lines", ids[0]),
        format!("order {} has another total than its lines", ids[1]),
        format!("order {} has lines, but does not exist", ids[2]),
        format!("order {} lies in a bucket that is not its own", ids[3]),
    ];
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[sqlx::test]
async fn open_orders_come_in_the_order_of_ids_with_every_decision(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let db = db::Db::from_pool(shop.pool.clone());
    let placed = shop.placed(&ada, "placed", &[("POT", 1), ("MUG", 2)]).await;
    let cancelled = shop.placed(&ada, "cancelled", &[("MUG", 1)]).await;
    shop.orders
        .cancel_order(&ctx(), ada.user_id, cancelled.id)
        .await
        .unwrap();
    shop.inventory.meets(Mishap::AnswerLost);
    shop.place(&ada, "abandoned", &[("RUG", 1)])
        .await
        .unwrap_err();
    shop.inventory.meets(Mishap::None);
    shop.orders.settle_overdue(&ctx()).await.unwrap();
    let delivered = shop.placed(&ada, "delivered", &[("MUG", 1)]).await;
    sqlx::query("update orders.orders set status = 'delivered' where id = $1")
        .bind(delivered.id.0)
        .execute(&shop.pool)
        .await
        .unwrap();

    let open = |id, state, lines: &[(&str, i64)]| OpenOrder {
        id,
        state,
        lines: match lines {
            [] => Vec::new(),
            lines => new_order(lines).lines.into(),
        },
    };
    let abandoned = OrderId::derive(ada.user_id, &key("abandoned"));
    let mut expected = [
        open(placed.id, OrderState::Placed, &[("MUG", 2), ("POT", 1)]),
        open(cancelled.id, OrderState::Cancelled, &[("MUG", 1)]),
        open(abandoned, OrderState::Abandoned, &[]),
    ];
    expected.sort_by_key(|order| order.id);
    assert_eq!(
        orders::open_orders_after(&db, None, 9).await.unwrap(),
        expected
    );
    let rest = orders::open_orders_after(&db, Some(expected[0].id), 1)
        .await
        .unwrap();
    assert_eq!(rest, expected[1..2]);

    let never = OrderId::derive(UserId::new(), &key("never"));
    let promised = [never, placed.id, abandoned, cancelled.id, delivered.id];
    assert_eq!(
        orders::missing(&db, &promised).await.unwrap(),
        [never, abandoned]
    );
}
