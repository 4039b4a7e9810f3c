use async_trait::async_trait;
use contract::inventory::{
    Category, Line, PricedLine, Product, ProductQuery, StockDelta, StockLevel,
};
use contract::{Ctx, Inventory, InventoryError, OrderId, Page, RestockId, Sku};

use super::{World, lock};

#[async_trait]
impl Inventory for World {
    async fn categories(&self, ctx: &Ctx) -> Result<Vec<Category>, InventoryError> {
        self.inventory(ctx, "categories.all", 800)?;
        let products = lock(&self.products);
        let category = |category: &catalogue::Category| Category {
            slug: category.slug.parse().unwrap(),
            name: category.name.to_owned(),
            products: products
                .iter()
                .filter(|p| p.category.as_str() == category.slug)
                .count() as i64,
        };
        Ok(catalogue::categories().iter().map(category).collect())
    }

    async fn products(
        &self,
        ctx: &Ctx,
        query: ProductQuery,
    ) -> Result<Page<Product>, InventoryError> {
        self.inventory(ctx, "products.page", 1_240)?;
        let after: Option<Sku> = query.cursor.map(|cursor| cursor.decode()).transpose()?;
        let fits = |product: &&Product| {
            query
                .category
                .as_ref()
                .is_none_or(|slug| product.category == *slug)
                && query
                    .q
                    .as_ref()
                    .is_none_or(|q| product.name.contains(q.as_str()))
                && after.as_ref().is_none_or(|after| product.sku > *after)
        };
        let products = lock(&self.products).iter().filter(fits).cloned().collect();
        Ok(Page::from_rows(products, query.limit, |product| {
            product.sku.clone()
        }))
    }

    async fn product(&self, ctx: &Ctx, sku: &Sku) -> Result<Option<Product>, InventoryError> {
        self.inventory(ctx, "products.by_sku", 420)?;
        Ok(lock(&self.products)
            .iter()
            .find(|product| product.sku == *sku)
            .cloned())
    }

    async fn products_by_sku(
        &self,
        ctx: &Ctx,
        skus: &[Sku],
    ) -> Result<Vec<Product>, InventoryError> {
        self.inventory(ctx, "products.by_skus", 560)?;
        let products = lock(&self.products);
        Ok(products
            .iter()
            .filter(|product| skus.contains(&product.sku))
            .cloned()
            .collect())
    }

    async fn restock(
        &self,
        ctx: &Ctx,
        id: RestockId,
        sku: &Sku,
        delta: StockDelta,
    ) -> Result<StockLevel, InventoryError> {
        self.inventory(ctx, "stock.add", 1_800)?;
        let known = lock(&self.restocks).contains(&id);
        lock(&self.restocks).push(id);
        let mut products = lock(&self.products);
        let product = products.iter_mut().find(|product| product.sku == *sku);
        let product = product.ok_or_else(|| InventoryError::NoSuchProduct(sku.clone()))?;
        product.available += if known { 0 } else { delta.get() };
        Ok(StockLevel {
            sku: sku.clone(),
            available: product.available,
        })
    }

    async fn reserve(
        &self,
        _: &Ctx,
        _: OrderId,
        _: &[Line],
    ) -> Result<Vec<PricedLine>, InventoryError> {
        unreachable!("pages do not reserve")
    }

    async fn confirm(&self, _: &Ctx, _: &[OrderId]) -> Result<(), InventoryError> {
        unreachable!("pages do not confirm")
    }

    async fn release(&self, _: &Ctx, _: OrderId) -> Result<(), InventoryError> {
        unreachable!("pages do not release")
    }

    async fn overdue(&self, _: &Ctx, _: u32) -> Result<Vec<OrderId>, InventoryError> {
        unreachable!("pages have no jobs")
    }
}
