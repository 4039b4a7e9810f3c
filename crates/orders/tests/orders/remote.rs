use std::sync::Arc;

use axum::Extension;
use contract::orders::{Buyer, ReportDays};
use contract::remote::HttpOrders;
use contract::{Cursor, OrderId, Orders, OrdersError, PageQuery, Sku};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::doorman::user_id;
use crate::support::{Shop, ctx, key, new_order, shop};

/// All calls with most of their answers.
async fn story(orders: &dyn Orders, shop: &Shop) -> Vec<Value> {
    let ctx = &ctx();
    let user = user_id("ada");
    let buyer = Buyer {
        user_id: user,
        email: "ada@example.test".parse().unwrap(),
    };
    let sku = |text: &str| text.parse::<Sku>().unwrap();
    let two = 2.try_into().unwrap();
    let place = async |name, lines| {
        said(
            orders
                .place_order(ctx, &buyer, &key(name), new_order(lines))
                .await,
        )
    };
    let id = OrderId::derive(user, &key("k"));
    let unknown = OrderId::derive(user, &key("unknown"));
    let strange = PageQuery {
        cursor: Some(Cursor::encode(&7)),
        ..PageQuery::default()
    };
    let delivered = OrderId::derive(user, &key("delivered"));
    let mut told = vec![
        said(orders.put_cart_item(ctx, user, &sku("MUG"), two).await),
        said(orders.put_cart_item(ctx, user, &sku("UNICORN"), two).await),
        said(orders.add_cart_item(ctx, user, &sku("MUG"), two).await),
        said(orders.add_cart_item(ctx, user, &sku("UNICORN"), two).await),
        said(orders.cart(ctx, user).await),
        said(orders.remove_cart_item(ctx, user, &sku("MUG")).await),
        place("k", &[("MUG", 2), ("POT", 1)]).await,
        place("k", &[("MUG", 2), ("POT", 1)]).await,
        place("k", &[("MUG", 1)]).await,
        place("short", &[("RUG", 2)]).await,
        place("unicorn", &[("UNICORN", 1)]).await,
        said(orders.order(ctx, user, id).await),
        said(orders.order(ctx, user, unknown).await),
        said(orders.orders(ctx, user, PageQuery::default()).await),
        said(orders.orders(ctx, user, strange.clone()).await),
        said(orders.sales_report(ctx, ReportDays::default()).await),
        said(orders.cancel_order(ctx, user, id).await),
        said(orders.cancel_order(ctx, user, unknown).await),
        said(orders.all_orders(ctx, PageQuery::default()).await),
        said(orders.all_orders(ctx, strange).await),
        place("delivered", &[("MUG", 1)]).await,
    ];
    sqlx::query("update orders.orders set status = 'delivered' where id = $1")
        .bind(delivered.0)
        .execute(&shop.pool)
        .await
        .unwrap();
    told.push(said(orders.cancel_order(ctx, user, delivered).await));
    told
}

/// An answer in a form to compare: errors are sentences, and time goes on.
fn said<T: Serialize>(answer: Result<T, OrdersError>) -> Value {
    let mut said = match answer {
        Ok(answer) => json!(answer),
        Err(error) => json!(error.to_string()),
    };
    forget_times(&mut said);
    said
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        Value::Object(fields) => {
            fields.remove("created_at");
            fields.values_mut().for_each(forget_times);
        }
        _ => {}
    }
}

#[sqlx::test]
async fn the_remote_domain_says_what_the_local_one_says(pool: PgPool) {
    let near = shop(pool.clone());
    let local = story(&near.orders, &near).await;

    let tables = "orders.orders, orders.order_lines, orders.cart_items, orders.outbox";
    let truncate = sqlx::AssertSqlSafe(format!("truncate {tables}"));
    sqlx::raw_sql(truncate).execute(&pool).await.unwrap();
    let far = shop(pool);
    let router = orders::http::internal(Arc::new(far.orders.clone())).layer(Extension(ctx()));
    let client = HttpOrders::new(router, "http://orders");
    assert_eq!(story(&client, &far).await, local);
}
