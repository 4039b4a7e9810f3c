use std::sync::Mutex;

use contract::orders::ReportDays;
use contract::{Orders, Sku, UserId};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{ctx, shop};

fn products() -> Vec<(Sku, String, i64)> {
    let product = |n: i64| {
        (
            format!("P-{n}").parse().unwrap(),
            format!("a \"P\", {n}"),
            100 * n,
        )
    };
    (1..=20).map(product).collect()
}

fn user_id(n: u32) -> UserId {
    UserId(Uuid::from_u128(n.into()))
}

#[sqlx::test]
async fn past_orders_fill_an_empty_database_once(pool: PgPool) {
    let shop = shop(pool);
    let db = db::Db::from_pool(shop.pool.clone());
    let heard = Mutex::new(Vec::new());
    let progress = |done, total| heard.lock().unwrap().push((done, total));
    assert!(
        orders::seed(&db, 500, 10, user_id, &products(), progress)
            .await
            .unwrap()
    );
    assert_eq!(*heard.lock().unwrap(), [(500, 500)]);
    assert_eq!(shop.count("orders").await, 500);
    assert_eq!(orders::audit(&db).await.unwrap(), [""; 0]);

    let page = shop
        .orders
        .orders(&ctx(), user_id(7), Default::default())
        .await
        .unwrap();
    assert_eq!(page.items.len(), 24);
    assert!(page.items[0].lines[0].name.starts_with("a \"P\", "));
    let report = shop
        .orders
        .sales_report(&ctx(), ReportDays::default())
        .await
        .unwrap();
    assert_eq!(report.top_products.len(), 10);
    assert!(report.per_day.len() >= 28, "{}", report.per_day.len());

    assert!(
        !orders::seed(&db, 500, 10, user_id, &products(), |_, _| ())
            .await
            .unwrap()
    );
    assert_eq!(shop.count("orders").await, 500);
}

#[sqlx::test]
async fn the_same_orders_come_every_time(pool: PgPool) {
    let shop = shop(pool);
    let db = db::Db::from_pool(shop.pool.clone());
    let mut sums: Vec<String> = Vec::new();
    for _ in 0..2 {
        assert!(
            orders::seed(&db, 100, 10, user_id, &products(), |_, _| ())
                .await
                .unwrap()
        );
        let sum = "select md5(string_agg(o::text || l::text, ',' order by id, sku))
                   from orders.orders o join orders.order_lines l on l.order_id = o.id";
        sums.push(sqlx::query_scalar(sum).fetch_one(&shop.pool).await.unwrap());
        sqlx::raw_sql("truncate orders.orders, orders.order_lines")
            .execute(&shop.pool)
            .await
            .unwrap();
    }
    assert_eq!(sums[0], sums[1]);
}
