//! The catalogue. Every read of a product goes through here.

use cache::Versioned;
use contract::Sku;
use contract::inventory::{Category, Product};
use contract::text::{SearchText, Slug};
use sqlx::PgConnection;

use super::decode;

struct Row {
    sku: String,
    name: String,
    description: String,
    category: String,
    price_cents: i64,
    available: i32,
    version: i64,
}

pub(crate) async fn by_sku(
    conn: &mut PgConnection,
    skus: &[Sku],
) -> db::Result<Vec<Versioned<Product>>> {
    let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    let rows = sqlx::query_as!(
        Row,
        "select sku, name, description, category, price_cents, available, version
         from inventory.products join inventory.stock using (sku)
         where sku = any($1)",
        skus as _,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Versioned {
                version: row.version,
                value: row.try_into()?,
            })
        })
        .collect()
}

/// In the order of SKUs, those after `after`.
pub(crate) async fn list(
    conn: &mut PgConnection,
    category: Option<&Slug>,
    after: Option<&Sku>,
    limit: i64,
) -> db::Result<Vec<Product>> {
    let rows = sqlx::query_as!(
        Row,
        "select sku, name, description, category, price_cents, available, version
         from inventory.products join inventory.stock using (sku)
         where ($1::text is null or category = $1) and sku > $2
         order by sku
         limit $3",
        category.map(Slug::as_str),
        after.map_or("", Sku::as_str),
        limit,
    )
    .fetch_all(conn)
    .await?;
    products(rows)
}

/// [`list`], of products with these words in name or description. The last word may be half typed.
pub(crate) async fn search(
    conn: &mut PgConnection,
    words: &SearchText,
    category: Option<&Slug>,
    after: Option<&Sku>,
    limit: i64,
) -> db::Result<Vec<Product>> {
    // Any text is a query to websearch_to_tsquery; in its canonical form a last word ends with a
    // quote, and ":*" after that makes it a prefix.
    let rows = sqlx::query_as!(
        Row,
        r"select sku, name, description, category, price_cents, available, version
         from inventory.products join inventory.stock using (sku)
         where search @@ regexp_replace(websearch_to_tsquery('english', $1)::text, '''$', ''':*')::tsquery
         and ($2::text is null or category = $2) and sku > $3
         order by sku
         limit $4",
        words.as_str(),
        category.map(Slug::as_str),
        after.map_or("", Sku::as_str),
        limit,
    )
    .fetch_all(conn)
    .await?;
    products(rows)
}

/// In the shop's order, the empty ones too.
pub(crate) async fn categories(conn: &mut PgConnection) -> db::Result<Vec<Category>> {
    let rows = sqlx::query!(
        r#"select slug, name, (select count(*) from inventory.products where category = slug) as "products!"
         from inventory.categories
         order by position"#,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Category {
                slug: decode("slug", row.slug)?,
                name: row.name,
                products: row.products,
            })
        })
        .collect()
}

fn products(rows: Vec<Row>) -> db::Result<Vec<Product>> {
    rows.into_iter().map(Product::try_from).collect()
}

impl TryFrom<Row> for Product {
    type Error = db::Error;

    fn try_from(row: Row) -> db::Result<Product> {
        Ok(Product {
            sku: decode("sku", row.sku)?,
            name: row.name,
            description: row.description,
            category: decode("category", row.category)?,
            price_cents: row.price_cents,
            available: row.available,
        })
    }
}
