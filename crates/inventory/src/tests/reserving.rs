use contract::Inventory;
use contract::inventory::{PricedLine, Quantity};
use futures::future::join_all;
use sqlx::PgPool;

use super::{Shop, lines, order, said, sku};
use crate::{Config, Service};

fn priced(sku: &str, quantity: i64) -> PricedLine {
    PricedLine {
        sku: super::sku(sku),
        name: format!("Stoneware {}", sku.to_lowercase()),
        quantity: Quantity::try_from(quantity).unwrap(),
        price_cents: 1050,
    }
}

#[sqlx::test]
async fn takes_all_lines_and_answers_their_prices(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10), ("BOWL", 5)]).await;
    let answer = shop.reserve(order(), &[("MUG", 3), ("BOWL", 5)]).await;
    assert_eq!(answer.unwrap(), [priced("BOWL", 5), priced("MUG", 3)]);
    assert_eq!(
        (shop.available("MUG").await, shop.available("BOWL").await),
        (7, 0)
    );
}

#[sqlx::test]
async fn takes_nothing_when_one_line_is_short(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10), ("BOWL", 2), ("PLATE", 1)]).await;
    let id = order();
    let answer = shop
        .reserve(id, &[("PLATE", 2), ("MUG", 1), ("BOWL", 3)])
        .await;
    assert_eq!(said(answer), Err("only 2 of BOWL left".into()));
    assert_eq!(shop.available("MUG").await, 10);

    // The id is not spent: the buyer may come back with less.
    assert!(shop.reserve(id, &[("BOWL", 2)]).await.is_ok());
}

#[sqlx::test]
async fn names_a_product_that_does_not_exist(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let answer = shop.reserve(order(), &[("MUG", 1), ("SOUP", 1)]).await;
    assert_eq!(said(answer), Err("there is no product SOUP".into()));
    assert_eq!(shop.available("MUG").await, 10);
}

#[sqlx::test]
async fn gives_the_first_answer_again_while_held_and_when_sold(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10), ("BOWL", 5)]).await;
    let id = order();
    let first = shop.reserve(id, &[("MUG", 3), ("BOWL", 1)]).await.unwrap();

    sqlx::query!("update inventory.products set price_cents = 9900, name = 'Dear'")
        .execute(&shop.pool)
        .await
        .unwrap();
    assert_eq!(
        shop.reserve(id, &[("BOWL", 1), ("MUG", 3)]).await.unwrap(),
        first
    );
    shop.confirm(&[id]).await;
    assert_eq!(
        shop.reserve(id, &[("MUG", 3), ("BOWL", 1)]).await.unwrap(),
        first
    );
    assert_eq!(shop.available("MUG").await, 7);
}

#[sqlx::test]
async fn refuses_other_lines_under_the_same_id(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10), ("BOWL", 5)]).await;
    let id = order();
    shop.reserve(id, &[("MUG", 3)]).await.unwrap();
    for other in [
        &[("MUG", 2)][..],
        &[("BOWL", 3)],
        &[("MUG", 3), ("BOWL", 1)],
    ] {
        let answer = shop.reserve(id, other).await;
        assert_eq!(
            said(answer),
            Err("this order reserved other lines before".into())
        );
    }
    assert_eq!(
        (shop.available("MUG").await, shop.available("BOWL").await),
        (7, 5)
    );
}

#[sqlx::test]
async fn refuses_what_no_order_can_say(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    for lines in [&[][..], &[("MUG", 1), ("MUG", 1)]] {
        assert!(shop.reserve(order(), lines).await.is_err());
    }
    assert_eq!(shop.available("MUG").await, 10);
}

#[sqlx::test]
async fn fifty_at_once_buy_exactly_the_ten_there_are(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let buyers = (0..50).map(|_| {
        let shop = shop.clone();
        tokio::spawn(async move { said(shop.reserve(order(), &[("MUG", 1)]).await) })
    });
    let answers: Vec<_> = join_all(buyers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let (sold, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((sold.len(), refused.len()), (10, 40));
    for answer in refused {
        assert_eq!(answer, Err("only 0 of MUG left".into()));
    }
    assert_eq!(shop.available("MUG").await, 0);
    assert_eq!(shop.findings().await, [""; 0]);
}

#[sqlx::test]
async fn the_same_id_many_times_at_once_takes_once(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let id = order();
    let calls = (0..20).map(|_| {
        let shop = shop.clone();
        tokio::spawn(async move { shop.reserve(id, &[("MUG", 4)]).await })
    });
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap().unwrap(), [priced("MUG", 4)]);
    }
    assert_eq!(shop.available("MUG").await, 6);
}

#[sqlx::test]
async fn orders_that_cross_never_deadlock(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 1_000), ("BOWL", 1_000)]).await;
    let shoppers = (0..40).map(|n| {
        let shop = shop.clone();
        tokio::spawn(async move {
            let id = order();
            let mut wanted = lines(&[("MUG", 1), ("BOWL", 1)]);
            wanted.rotate_left(n % 2);
            shop.service.reserve(&shop.ctx, id, &wanted).await.unwrap();
            shop.release(id).await;
        })
    });
    for shopper in join_all(shoppers).await {
        shopper.unwrap();
    }
    assert_eq!(
        (shop.available("MUG").await, shop.available("BOWL").await),
        (1_000, 1_000)
    );
    assert_eq!(shop.findings().await, [""; 0]);
}

#[sqlx::test]
async fn a_hold_is_overdue_until_somebody_decides(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let overdue = async |limit| shop.service.overdue(&shop.ctx, limit).await.unwrap();
    let ids = [order(), order(), order(), order()];
    for id in ids {
        shop.reserve(id, &[("MUG", 1)]).await.unwrap();
    }
    assert_eq!(overdue(10).await, []);

    // The third is the oldest; the last is young.
    for (id, seconds) in [
        (ids[2], 90.0),
        (ids[0], 80.0),
        (ids[1], 70.0),
        (ids[3], 50.0),
    ] {
        let age = "update inventory.reservations set created_at = now() - make_interval(secs => $2)
                   where id = $1";
        sqlx::query(age)
            .bind(id.0)
            .bind(seconds)
            .execute(&shop.pool)
            .await
            .unwrap();
    }
    assert_eq!(overdue(10).await, [ids[2], ids[0], ids[1]]);
    assert_eq!(overdue(2).await, [ids[2], ids[0]]);
    assert_eq!(shop.available("MUG").await, 6);

    shop.confirm(&[ids[2]]).await;
    shop.release(ids[0]).await;
    assert_eq!(overdue(10).await, [ids[1]]);
}

#[sqlx::test]
async fn how_long_a_hold_may_last_is_configured(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 10)]).await;
    let id = order();
    shop.reserve(id, &[("MUG", 1)]).await.unwrap();
    let impatient = Service::new(
        shop.db.clone(),
        None,
        Config {
            hold: std::time::Duration::ZERO,
        },
    );
    assert_eq!(impatient.overdue(&shop.ctx, 10).await.unwrap(), [id]);
    assert_eq!(
        impatient
            .product(&shop.ctx, &sku("MUG"))
            .await
            .unwrap()
            .unwrap()
            .available,
        9
    );
}
