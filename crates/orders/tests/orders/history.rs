use chrono::{DateTime, Days, Utc};
use contract::orders::ReportDays;
use contract::{Fault, OrderId, Orders, OrdersError, PageQuery};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Shop, ada, ctx, shop};

async fn backdate(shop: &Shop, id: OrderId, at: DateTime<Utc>) {
    sqlx::query("update orders.orders set created_at = $1 where id = $2")
        .bind(at)
        .bind(id.0)
        .execute(&shop.pool)
        .await
        .unwrap();
}

fn page_of(limit: u32) -> PageQuery {
    PageQuery {
        limit: limit.try_into().unwrap(),
        cursor: None,
    }
}

#[sqlx::test]
async fn lists_turn_pages_newest_first_even_within_one_instant(pool: PgPool) {
    let (shop, ada, bob) = (shop(pool), ada(), ada());
    let now = Utc::now();
    for key in ["1", "2", "3", "4", "5"] {
        for buyer in [&ada, &bob] {
            let order = shop.placed(buyer, key, &[("MUG", 1)]).await;
            backdate(&shop, order.id, now).await;
        }
    }
    let mut of_ada = Vec::new();
    let mut query = page_of(2);
    loop {
        let page = shop
            .orders
            .orders(&ctx(), ada.user_id, query.clone())
            .await
            .unwrap();
        of_ada.extend(page.items);
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(of_ada.len(), 5);
    assert!(of_ada.is_sorted_by(|a, b| a.id > b.id));
    assert!(
        of_ada
            .iter()
            .all(|o| o.user_id == ada.user_id && o.lines.len() == 1)
    );

    let mut all = Vec::new();
    let mut query = page_of(3);
    loop {
        let listing = shop.orders.all_orders(&ctx(), query.clone()).await.unwrap();
        assert!(!listing.partial);
        all.extend(listing.items);
        query.cursor = listing.next;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(all.len(), 10);
    assert!(all.is_sorted_by(|a, b| a.id > b.id));
}

#[sqlx::test]
async fn the_report_counts_what_was_sold_in_its_days(pool: PgPool) {
    let (shop, ada) = (shop(pool), ada());
    let now = Utc::now();
    let yesterday = now - Days::new(1);
    let long_ago = now - Days::new(30);
    shop.placed(&ada, "today", &[("MUG", 2), ("POT", 1)]).await;
    let order = shop.placed(&ada, "yesterday", &[("MUG", 1)]).await;
    backdate(&shop, order.id, yesterday).await;
    let order = shop.placed(&ada, "long-ago", &[("RUG", 1)]).await;
    backdate(&shop, order.id, long_ago).await;
    let cancelled = shop.placed(&ada, "cancelled", &[("POT", 3)]).await;
    shop.orders
        .cancel_order(&ctx(), ada.user_id, cancelled.id)
        .await
        .unwrap();

    let report = shop
        .orders
        .sales_report(&ctx(), ReportDays::default())
        .await
        .unwrap();
    assert_eq!(
        json!(report),
        json!({
            "days": 30,
            "orders": 2,
            "revenue_cents": 3500,
            "top_products": [
                { "sku": "POT", "name": "pot", "quantity": 1, "revenue_cents": 2000 },
                { "sku": "MUG", "name": "mug", "quantity": 3, "revenue_cents": 1500 },
            ],
            "per_day": [
                { "day": yesterday.date_naive(), "orders": 1, "revenue_cents": 500 },
                { "day": now.date_naive(), "orders": 1, "revenue_cents": 3000 },
            ],
            "partial": false,
        })
    );
    let days = ReportDays::try_from(1).unwrap();
    let today = shop.orders.sales_report(&ctx(), days).await.unwrap();
    assert_eq!((today.orders, today.revenue_cents), (1, 3000));
}

/// Reports share the pool with checkouts.
#[sqlx::test]
async fn the_third_heavy_read_at_once_is_sent_away(pool: PgPool) {
    let shop = shop(pool);
    let mut jam = shop.pool.begin().await.unwrap();
    sqlx::raw_sql("lock table orders.orders")
        .execute(&mut *jam)
        .await
        .unwrap();
    let ask = |shop: Shop| async move {
        let days = ReportDays::default();
        shop.orders.sales_report(&ctx(), days).await
    };
    let reports = [1, 2].map(|_| tokio::spawn(ask(shop.clone())));
    let waiting = "select count(*) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waiting)
        .fetch_one(&shop.pool)
        .await
        .unwrap()
        < 2
    {
        tokio::task::yield_now().await;
    }

    let report = tokio::time::timeout(PATIENCE, ask(shop.clone())).await;
    let report = report.expect("an answer at once");
    assert!(is_unavailable(&report), "{report:?}");
    let ctx = ctx();
    let all = tokio::time::timeout(PATIENCE, shop.orders.all_orders(&ctx, page_of(1))).await;
    let all = all.expect("an answer at once");
    assert!(is_unavailable(&all), "{all:?}");

    jam.rollback().await.unwrap();
    for report in reports {
        report.await.unwrap().unwrap();
    }
    ask(shop).await.unwrap();
}

/// Less than the jam lasts, more than a slow machine needs to say no.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

fn is_unavailable<T>(answer: &Result<T, OrdersError>) -> bool {
    matches!(answer, Err(OrdersError::Fault(Fault::Unavailable(_))))
}
