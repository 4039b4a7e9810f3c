//! The departments in the navigation, the same on every page.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use contract::inventory::Category;
use contract::{Ctx, Inventory};

#[derive(Default)]
pub(crate) struct Departments {
    current: RwLock<Arc<[Category]>>,
}

/// New departments open rarely.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// At start the database may be later than we are.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Departments {
    pub(crate) fn current(&self) -> Arc<[Category]> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) async fn keep_fresh(&self, inventory: &dyn Inventory) {
        loop {
            let ctx = Ctx::background("departments", Duration::from_secs(5));
            let pause = match inventory.categories(&ctx).await {
                Ok(categories) => {
                    let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                    *current = categories.into();
                    FRESH_FOR
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot ask for departments: the navigation keeps the old ones");
                    RETRY_AFTER
                }
            };
            tokio::time::sleep(pause).await;
        }
    }
}
