//! The pages on a world in memory: no database, nothing to set up.
//!
//! `cargo run -p storefront --example preview [-- ASSETS_FOLDER]`, then <http://127.0.0.1:8079>.
//! Log in as `shopper-00001@example.test` or `staff@example.test`, password `correct horse`.

#[path = "../tests/storefront/fakes/mod.rs"]
#[expect(dead_code, reason = "what only tests look at")]
mod fakes;

use std::path::PathBuf;

use runtime::layers::LayerConfig;
use storefront::{Assets, Storefront};

const ADDRESS: &str = "127.0.0.1:8079";
const INSTANCE: &str = "web-1";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let assets = Assets::load(folder.as_deref(), "")?;
    let world = fakes::World::seeded(60);
    let storefront = Storefront::new(world.clone(), world.clone(), world, assets, INSTANCE);
    tokio::spawn(storefront.clone().keep_departments_fresh());

    let config = LayerConfig {
        instance: INSTANCE.to_owned(),
        ..LayerConfig::default()
    };
    let app = runtime::layers::public(storefront.routes(), &config);
    let listener = tokio::net::TcpListener::bind(ADDRESS).await?;
    println!("http://{ADDRESS}");
    axum::serve(listener, app).await?;
    Ok(())
}
