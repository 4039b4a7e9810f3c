use contract::inventory::Quantity;
use contract::orders::Cart;
use contract::{Orders, OrdersError, UserId};
use futures::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::support::{FakeInventory, Shop, ctx, shop};

async fn put(shop: &Shop, user: UserId, sku: &str, quantity: i64) -> Result<Cart, OrdersError> {
    let quantity = Quantity::try_from(quantity).unwrap();
    shop.orders
        .put_cart_item(&ctx(), user, &sku.parse().unwrap(), quantity)
        .await
}

#[sqlx::test]
async fn a_cart_shows_todays_prices_and_stock(pool: PgPool) {
    let (shop, user) = (shop(pool), UserId::new());
    put(&shop, user, "POT", 2).await.unwrap();
    put(&shop, user, "MUG", 1).await.unwrap();
    let cart = put(&shop, user, "POT", 3).await.unwrap();
    assert_eq!(
        json!(cart),
        json!({
            "items": [
                { "sku": "POT", "name": "pot", "quantity": 3, "price_cents": 2000, "available": 5 },
                { "sku": "MUG", "name": "mug", "quantity": 1, "price_cents": 500, "available": 10 },
            ],
            "total_cents": 6500,
        })
    );
    assert_eq!(shop.orders.cart(&ctx(), user).await.unwrap(), cart);
    assert_eq!(
        shop.orders.cart(&ctx(), UserId::new()).await.unwrap().items,
        []
    );

    for _ in 0..2 {
        let cart = shop
            .orders
            .remove_cart_item(&ctx(), user, &"POT".parse().unwrap())
            .await
            .unwrap();
        assert_eq!((cart.items.len(), cart.total_cents), (1, 500));
    }
}

#[sqlx::test]
async fn no_addition_is_lost_until_the_line_is_full(pool: PgPool) {
    let (shop, user) = (shop(pool), UserId::new());
    let (ctx, mug) = (ctx(), "MUG".parse().unwrap());
    let ten = Quantity::try_from(10).unwrap();
    let adds = (0..9).map(|_| shop.orders.add_cart_item(&ctx, user, &mug, ten));
    for added in join_all(adds).await {
        added.unwrap();
    }
    let quantity = async || {
        let cart = shop.orders.cart(&ctx, user).await.unwrap();
        cart.items[0].quantity.get()
    };
    assert_eq!(quantity().await, 90);
    for _ in 0..2 {
        let full = shop.orders.add_cart_item(&ctx, user, &mug, ten).await;
        assert_eq!(full.unwrap().items[0].quantity.get(), 99);
    }
    let unicorn = "UNICORN".parse().unwrap();
    let refused = shop.orders.add_cart_item(&ctx, user, &unicorn, ten).await;
    assert!(matches!(refused, Err(OrdersError::NoSuchProduct(_))));
}

#[sqlx::test]
async fn products_that_vanished_are_left_out(pool: PgPool) {
    let (shop, user) = (shop(pool), UserId::new());
    put(&shop, user, "POT", 2).await.unwrap();
    put(&shop, user, "MUG", 1).await.unwrap();
    shop.inventory.forget_product("POT");
    let cart = shop.orders.cart(&ctx(), user).await.unwrap();
    assert_eq!((cart.items.len(), cart.total_cents), (1, 500));
}

#[sqlx::test]
async fn what_does_not_exist_does_not_go_into_a_cart(pool: PgPool) {
    let refused = put(&shop(pool), UserId::new(), "UNICORN", 1).await;
    assert!(matches!(refused, Err(OrdersError::NoSuchProduct(sku)) if sku.as_str() == "UNICORN"));
}

#[sqlx::test]
async fn a_cart_holds_fifty_products(pool: PgPool) {
    let skus: Vec<String> = (0..51).map(|n| format!("P-{n}")).collect();
    let stock: Vec<_> = skus.iter().map(|sku| (sku.as_str(), 1, 1)).collect();
    let inventory = std::sync::Arc::new(FakeInventory::new(&stock));
    let orders = orders::Service::new(db::Db::from_pool(pool.clone()), inventory.clone());
    let (shop, user) = (
        Shop {
            pool,
            inventory,
            orders,
        },
        UserId::new(),
    );
    for sku in &skus[..50] {
        put(&shop, user, sku, 1).await.unwrap();
    }
    let full = put(&shop, user, "P-50", 1).await;
    assert!(matches!(full, Err(OrdersError::CartFull)), "{full:?}");
    let more_of_the_same = put(&shop, user, "P-0", 2).await.unwrap();
    assert_eq!(more_of_the_same.items.len(), 50);
}
