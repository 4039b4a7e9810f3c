//! Carts: products and quantities; names, prices and stock are asked of inventory each time.

use std::collections::HashMap;

use contract::inventory::Quantity;
use contract::orders::{Cart, CartItem};
use contract::{Ctx, OrdersError, Sku, UserId};

use crate::Service;
use crate::store;

impl Service {
    /// The cart at today's prices. Products that inventory no longer has are left out.
    pub(crate) async fn priced_cart(&self, ctx: &Ctx, user: UserId) -> Result<Cart, OrdersError> {
        let lines = {
            let mut conn = self.db.shard(user.bucket()).read(ctx, "cart").await?;
            store::cart::items(&mut conn, user).await?
        };
        let skus: Vec<Sku> = lines.iter().map(|line| line.sku.clone()).collect();
        let products = match skus.as_slice() {
            [] => Vec::new(),
            skus => self.inventory.products_by_sku(ctx, skus).await?,
        };
        let mut products: HashMap<_, _> = products
            .into_iter()
            .map(|product| (product.sku.clone(), product))
            .collect();
        let items: Vec<CartItem> = lines
            .into_iter()
            .filter_map(|line| {
                let product = products.remove(&line.sku)?;
                Some(CartItem {
                    sku: line.sku,
                    name: product.name,
                    quantity: line.quantity,
                    price_cents: product.price_cents,
                    available: product.available,
                })
            })
            .collect();
        let total_cents = items
            .iter()
            .map(|item| i64::from(item.quantity.get()) * item.price_cents)
            .sum();
        Ok(Cart { items, total_cents })
    }

    pub(crate) async fn put_into_cart(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<(), OrdersError> {
        self.sells(ctx, sku).await?;
        let mut tx = self
            .db
            .shard(user.bucket())
            .write(ctx, "put_cart_item")
            .await?;
        if !store::cart::put(&mut tx, user, sku, quantity).await? {
            return Err(OrdersError::CartFull);
        }
        Ok(tx.commit().await?)
    }

    pub(crate) async fn add_to_cart(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<(), OrdersError> {
        self.sells(ctx, sku).await?;
        let mut tx = self
            .db
            .shard(user.bucket())
            .write(ctx, "add_cart_item")
            .await?;
        if !store::cart::add(&mut tx, user, sku, quantity).await? {
            return Err(OrdersError::CartFull);
        }
        Ok(tx.commit().await?)
    }

    async fn sells(&self, ctx: &Ctx, sku: &Sku) -> Result<(), OrdersError> {
        let product = self.inventory.product(ctx, sku).await?;
        match product {
            Some(_) => Ok(()),
            None => Err(OrdersError::NoSuchProduct(sku.clone())),
        }
    }

    pub(crate) async fn take_out_of_cart(
        &self,
        ctx: &Ctx,
        user: UserId,
        sku: &Sku,
    ) -> Result<(), OrdersError> {
        let mut tx = self
            .db
            .shard(user.bucket())
            .write(ctx, "remove_cart_item")
            .await?;
        store::cart::remove(&mut tx, user, &[sku.as_str()]).await?;
        Ok(tx.commit().await?)
    }
}
