use std::time::Duration;

use catalogue::{Category, Product};
use contract::{Ctx, RestockId};
use db::{Db, bulk};

use crate::store::seeding;

/// Fills an empty catalogue with products 1 to `products` of the seeded world; false, and nothing
/// done, when there is a product already. All or nothing, and safe from several processes at once.
/// `progress` is told how many products are written.
pub async fn seed(
    db: &Db,
    products: u32,
    mut progress: impl FnMut(u32) + Send,
) -> db::Result<bool> {
    // Longest wait for another process that is seeding just now, and far beyond what seeding takes.
    let ctx = Ctx::background("seed", Duration::from_secs(600));
    let mut tx = db.write(&ctx, "seed").await?;
    if !bulk::claim(&mut tx, "inventory.products").await? {
        return Ok(false);
    }
    let categories: String = (1..).zip(catalogue::categories()).map(category).collect();
    seeding::copy_categories(&mut tx, categories).await?;

    const BATCH: u32 = 1_000;
    for first in (1..=products).step_by(BATCH as usize) {
        let last = products.min(first + BATCH - 1);
        let batch: Vec<Product> = (first..=last).map(catalogue::product).collect();
        seeding::copy_products(&mut tx, batch.iter().map(product).collect()).await?;
        seeding::copy_restocks(&mut tx, batch.iter().map(opening_balance).collect()).await?;
        progress(last);
    }
    seeding::open_stock(&mut tx).await?;
    tx.commit().await?;
    Ok(true)
}

fn category((position, category): (u32, &Category)) -> String {
    let Category { slug, name, .. } = category;
    format!("{slug},{},{position}\n", quoted(name))
}

fn product(product: &Product) -> String {
    let Product {
        sku,
        name,
        description,
        category,
        price_cents,
        ..
    } = product;
    let (name, description) = (quoted(name), quoted(description));
    format!("{sku},{name},{description},{category},{price_cents}\n")
}

fn opening_balance(product: &Product) -> String {
    format!(
        "{},{},{}\n",
        RestockId::new(),
        product.sku,
        product.initial_stock
    )
}

/// As a CSV field (RFC 4180).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
