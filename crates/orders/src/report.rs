//! The sales report: summed up by each shard, added up here. Heavy on purpose: it is the read that
//! asks for replicas.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Days, NaiveTime, Utc};
use contract::orders::{DaySales, ProductSales, ReportDays, SalesReport};
use contract::{Ctx, OrdersError};

use crate::Service;
use crate::{scatter, store};

const TOP: usize = 10;

impl Service {
    pub(crate) async fn report(
        &self,
        ctx: &Ctx,
        days: ReportDays,
    ) -> Result<SalesReport, OrdersError> {
        let since = first_day(Utc::now(), days);
        let gathered = scatter::ask_all(self, ctx, |ctx, shard| async move {
            let mut conn = shard.read(&ctx, "sales_report").await?;
            let days = store::report::days(&mut conn, since).await?;
            let products = store::report::products(&mut conn, since).await?;
            Ok((days, products))
        })
        .await?;
        let (day_sales, product_sales): (Vec<_>, Vec<_>) = gathered.answers.into_iter().unzip();
        let per_day = add_days(day_sales.into_iter().flatten());
        Ok(SalesReport {
            days,
            orders: per_day.iter().map(|day| day.orders).sum(),
            revenue_cents: per_day.iter().map(|day| day.revenue_cents).sum(),
            top_products: top(product_sales.into_iter().flatten()),
            per_day,
            partial: gathered.partial,
        })
    }
}

/// The beginning of the first of these days, the last of which is today (UTC).
fn first_day(now: DateTime<Utc>, days: ReportDays) -> DateTime<Utc> {
    let today = now.date_naive();
    let before = Days::new(u64::from(days.get()) - 1);
    let first = today.checked_sub_days(before).unwrap_or(today);
    first.and_time(NaiveTime::MIN).and_utc()
}

fn add_days(shards: impl Iterator<Item = DaySales>) -> Vec<DaySales> {
    let mut days = BTreeMap::new();
    for sales in shards {
        let day = days.entry(sales.day).or_insert(DaySales {
            day: sales.day,
            orders: 0,
            revenue_cents: 0,
        });
        day.orders += sales.orders;
        day.revenue_cents += sales.revenue_cents;
    }
    days.into_values().collect()
}

/// By revenue, then by SKU, so that equals do not change places.
fn top(shards: impl Iterator<Item = ProductSales>) -> Vec<ProductSales> {
    let mut products: HashMap<_, ProductSales> = HashMap::new();
    for sales in shards {
        match products.get_mut(&sales.sku) {
            Some(product) => {
                product.quantity += sales.quantity;
                product.revenue_cents += sales.revenue_cents;
            }
            None => {
                products.insert(sales.sku.clone(), sales);
            }
        }
    }
    let mut products: Vec<_> = products.into_values().collect();
    products.sort_by(|a, b| {
        b.revenue_cents
            .cmp(&a.revenue_cents)
            .then_with(|| a.sku.cmp(&b.sku))
    });
    products.truncate(TOP);
    products
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sales(sku: &str, quantity: i64, revenue_cents: i64) -> ProductSales {
        ProductSales {
            sku: sku.parse().unwrap(),
            name: sku.to_lowercase(),
            quantity,
            revenue_cents,
        }
    }

    #[test]
    fn the_first_of_one_day_is_today() {
        let now = "2026-03-01T17:30:00Z".parse().unwrap();
        let first = |days: u32| first_day(now, days.try_into().unwrap()).to_rfc3339();
        assert_eq!(first(1), "2026-03-01T00:00:00+00:00");
        assert_eq!(first(30), "2026-01-31T00:00:00+00:00");
    }

    #[test]
    fn a_product_that_is_second_everywhere_can_be_the_best() {
        let shards = [
            [sales("CUP", 9, 900), sales("MUG", 8, 800)],
            [sales("POT", 1, 900), sales("MUG", 7, 700)],
        ];
        let top = top(shards.into_iter().flatten());
        assert_eq!(
            top,
            [
                sales("MUG", 15, 1500),
                sales("CUP", 9, 900),
                sales("POT", 1, 900)
            ]
        );
    }

    #[test]
    fn days_of_all_shards_are_added_up_oldest_first() {
        let day = |day: &str, orders| DaySales {
            day: day.parse().unwrap(),
            orders,
            revenue_cents: orders * 100,
        };
        let shards = [
            day("2026-03-02", 1),
            day("2026-03-01", 2),
            day("2026-03-02", 3),
        ];
        assert_eq!(
            add_days(shards.into_iter()),
            [day("2026-03-01", 2), day("2026-03-02", 4)]
        );
    }
}
