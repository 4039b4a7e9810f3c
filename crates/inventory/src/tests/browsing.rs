use contract::Cursor;
use contract::Inventory;
use contract::inventory::{Category, Product, ProductQuery};
use contract::page::Limit;
use sqlx::PgPool;

use super::{Shop, said, sku};

/// The SKUs on a page, and the cursor behind it.
async fn page(shop: &Shop, query: ProductQuery) -> (Vec<String>, Option<Cursor>) {
    let page = shop.service.products(&shop.ctx, query).await.unwrap();
    let skus = page.items.into_iter().map(|product| product.sku.into());
    (skus.collect(), page.next)
}

async fn found(shop: &Shop, words: &str) -> Vec<String> {
    let q = Some(words.parse().unwrap());
    page(
        shop,
        ProductQuery {
            q,
            ..ProductQuery::default()
        },
    )
    .await
    .0
}

#[sqlx::test]
async fn pages_follow_each_other_in_the_order_of_skus(pool: PgPool) {
    let shop = Shop::with(pool, &[("C", 1), ("A-2", 1), ("B", 0), ("A", 1), ("A1", 1)]).await;
    let limit = Limit::try_from(2).unwrap();
    let mut cursor = None;
    let mut pages = Vec::new();
    loop {
        let query = ProductQuery {
            cursor,
            limit,
            ..ProductQuery::default()
        };
        let (skus, next) = page(&shop, query).await;
        pages.push(skus);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec!["A", "A-2"], vec!["A1", "B"], vec!["C"]]);
}

#[sqlx::test]
async fn a_cursor_from_elsewhere_is_refused(pool: PgPool) {
    let shop = Shop::with(pool, &[]).await;
    for cursor in [
        Cursor::encode(&"mug 1\u{0}"),
        Cursor::encode(&7),
        Cursor::encode(&""),
    ] {
        let query = ProductQuery {
            cursor: Some(cursor),
            ..ProductQuery::default()
        };
        let answer = said(shop.service.products(&shop.ctx, query).await);
        assert_eq!(answer, Err("this cursor was not made by this list".into()));
    }
}

#[sqlx::test]
async fn a_category_is_a_part_of_the_catalogue(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 1), ("BOWL", 1)]).await;
    shop.category("garden", "Garden", 0).await;
    shop.category("empty", "Empty", 2).await;
    shop.product("TROWEL", "Trowel", "", "garden").await;
    let of = async |slug: &str| {
        let category = Some(slug.parse().unwrap());
        page(
            &shop,
            ProductQuery {
                category,
                ..ProductQuery::default()
            },
        )
        .await
        .0
    };
    assert_eq!(of("garden").await, ["TROWEL"]);
    assert_eq!(of("tableware").await, ["BOWL", "MUG"]);
    assert_eq!(of("no-such").await, [""; 0]);

    let category = |slug: &str, name: &str, products| Category {
        slug: slug.parse().unwrap(),
        name: name.into(),
        products,
    };
    assert_eq!(
        shop.service.categories(&shop.ctx).await.unwrap(),
        [
            category("garden", "Garden", 1),
            category("tableware", "Tableware", 2),
            category("empty", "Empty", 0)
        ]
    );
}

#[sqlx::test]
async fn search_finds_words_in_any_form_and_a_half_typed_last_one(pool: PgPool) {
    let shop = Shop::with(pool, &[]).await;
    let product =
        async |sku, name, description| shop.product(sku, name, description, "tableware").await;
    product("BOWL", "Walnut bowl in moss", "Turned by hand.").await;
    product(
        "MUG",
        "Speckled stoneware mug in moss",
        "For slow breakfasts.",
    )
    .await;
    product("POT", "Enamel pot", "Holds twelve mugs of soup.").await;

    assert_eq!(found(&shop, "mugs").await, ["MUG", "POT"]);
    assert_eq!(found(&shop, "MOSS stonew").await, ["MUG"]);
    assert_eq!(found(&shop, "mo").await, ["BOWL", "MUG"]);
    assert_eq!(found(&shop, "moss -walnut").await, ["MUG"]);
    assert_eq!(found(&shop, "enamel or walnut").await, ["BOWL", "POT"]);
    assert_eq!(found(&shop, "\"slow breakfasts\"").await, ["MUG"]);
    assert_eq!(found(&shop, "teapot").await, [""; 0]);
}

#[sqlx::test]
async fn search_takes_any_text(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 1)]).await;
    for odd in [
        "'",
        "''",
        "\\",
        "mug'",
        "-\"a b\"",
        "mug -(",
        ":*",
        "a:*&|!<->",
        "the",
        "or",
        "\"",
        "%",
        "o'clock",
        "-",
        "🏺",
        "mug\\'",
    ] {
        found(&shop, odd).await;
    }
}

#[sqlx::test]
async fn a_product_is_found_by_its_sku_alone_and_among_others(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 3), ("BOWL", 0)]).await;
    let mug = Product {
        sku: sku("MUG"),
        name: "Stoneware mug".into(),
        description: String::new(),
        category: "tableware".parse().unwrap(),
        price_cents: 1050,
        available: 3,
    };
    let product = async |text| shop.service.product(&shop.ctx, &sku(text)).await.unwrap();
    assert_eq!(product("MUG").await, Some(mug.clone()));
    assert_eq!(product("SOUP").await, None);
    let some = [sku("SOUP"), sku("MUG"), sku("MUG")];
    assert_eq!(
        shop.service
            .products_by_sku(&shop.ctx, &some)
            .await
            .unwrap(),
        [mug]
    );
}
