//! Filling an empty database with the seeded world, one domain after the other.

use contract::Sku;
use tracing::info;

use crate::app::AppDatabases;
use crate::config::SeedConfig;
use crate::starting::Starting;

/// Each domain fills its own schema if that is empty, all or nothing; a second start changes nothing.
/// Past orders name users and products by what the seeded world makes of their numbers, so that no
/// domain reads another's tables.
pub(crate) async fn seed(
    databases: &AppDatabases,
    sizes: &SeedConfig,
    starting: &Starting,
) -> anyhow::Result<()> {
    let AppDatabases {
        users,
        inventory,
        orders,
    } = databases;
    let progress = |what: &'static str| {
        let starting = starting.clone();
        move |done: u64, total: u64| {
            let percent = 100 * done / total.max(1);
            starting.tell(format!("filling the database: {what} {percent} %"));
        }
    };
    starting.tell("filling the database");
    let filling_products = progress("products");
    let products = u64::from(sizes.products);
    if inventory::seed(inventory, sizes.products, |done| {
        filling_products(done.into(), products)
    })
    .await?
    {
        info!(products = sizes.products, "filled the catalogue");
    }
    if users::seed(users, sizes.users, progress("users")).await? {
        info!(users = sizes.users, "opened the seeded accounts");
    }
    let sold: Vec<(Sku, String, i64)> = catalogue::products(sizes.products)
        .map(|product| Ok((product.sku.parse()?, product.name, product.price_cents)))
        .collect::<Result<_, contract::ids::Malformed>>()?;
    let filling_orders = progress("orders");
    if orders::seed(
        orders,
        sizes.orders,
        sizes.users,
        users::seed::user_id,
        &sold,
        filling_orders,
    )
    .await?
    {
        info!(orders = sizes.orders, "wrote the past orders");
    }
    Ok(())
}
