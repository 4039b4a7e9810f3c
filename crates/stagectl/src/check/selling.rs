//! What a customer does: cart, checkout, cancel; and what staff does.

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Report;
use crate::shopper::Shopper;

const SHOPPER: &str = "shopper-00002@example.test";
const STAFF: &str = "staff@example.test";

pub(super) async fn check(report: &mut Report, base: &str) {
    let people = async {
        let shopper = Shopper::logged_in(base, SHOPPER).await?;
        let staff = Shopper::logged_in(base, STAFF).await?;
        let sku = some_product(&shopper).await?;
        anyhow::Ok((shopper, staff, sku))
    };
    let (shopper, staff, sku) = match people.await {
        Ok(people) => people,
        Err(error) => {
            return report
                .check("a shopper and staff log in", async { Err(error) })
                .await;
        }
    };
    report
        .check("a cart keeps what is put into it", cart(&shopper, &sku))
        .await;
    report
        .check(
            "a purchase takes stock, its cancelling gives it back",
            purchase(&shopper, &sku),
        )
        .await;
    report
        .check("the same key is the same order", same_key(&shopper, &sku))
        .await;
    report
        .check(
            "the same key 20 times at once is one order",
            at_once(&shopper, &sku),
        )
        .await;
    report
        .check("nothing is sold that is not there", short(&shopper))
        .await;
    report
        .check("staff alone restocks", restocking(&shopper, &staff, &sku))
        .await;
    report
        .check(
            "staff alone sees the sales report",
            sales_report(&shopper, &staff),
        )
        .await;
}

/// A product of which there is plenty.
async fn some_product(shopper: &Shopper) -> anyhow::Result<String> {
    let page = shopper
        .get("/products?limit=100")
        .await?
        .expect(200)?
        .json()?;
    let items = page["items"].as_array().context("no items")?;
    let plenty = items
        .iter()
        .max_by_key(|item| item["available"].as_i64())
        .context("no products")?;
    Ok(plenty["sku"].as_str().context("no sku")?.to_owned())
}

fn new_key() -> String {
    format!("check-{}", Uuid::new_v4())
}

async fn cart(shopper: &Shopper, sku: &str) -> anyhow::Result<String> {
    let path = format!("/cart/items/{sku}");
    let cart = shopper
        .put(&path, json!({ "quantity": 3 }))
        .await?
        .expect(200)?
        .json()?;
    let item = &cart["items"]
        .as_array()
        .context("no items")?
        .iter()
        .find(|i| i["sku"] == sku)
        .context("not in it")?;
    ensure!(
        item["quantity"] == 3,
        "expected 3, got {}",
        item["quantity"]
    );
    let total = cart["total_cents"].as_i64().unwrap_or_default();
    let cart = shopper.delete(&path).await?.expect(200)?.json()?;
    ensure!(!cart.to_string().contains(sku), "{sku} is still in it");
    Ok(format!("3 of {sku} for {total} cents, then gone"))
}

async fn purchase(shopper: &Shopper, sku: &str) -> anyhow::Result<String> {
    let before = shopper.available(sku).await?;
    let order = shopper
        .order(&new_key(), sku, 2)
        .await?
        .expect(201)?
        .json()?;
    let id = order["id"].as_str().context("no id")?;
    let during = shopper.available(sku).await?;
    ensure!(
        during == before - 2,
        "stock {before}, after buying 2: {during}"
    );

    let orders = shopper.get("/orders?limit=1").await?.expect(200)?.json()?;
    ensure!(
        orders["items"][0]["id"] == id,
        "the newest order is {}",
        orders["items"][0]["id"]
    );
    let page = shopper.page(&format!("/orders/{id}")).await?;
    ensure!(
        page.expect(200)?.text.contains(sku),
        "the order's page does not name {sku}"
    );

    shopper
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await?
        .expect(200)?;
    let after = shopper.available(sku).await?;
    ensure!(after == before, "stock {before}, after cancelling: {after}");
    Ok(format!("{sku}: {before}, {during}, {after}"))
}

async fn same_key(shopper: &Shopper, sku: &str) -> anyhow::Result<String> {
    let key = new_key();
    let body = json!({ "lines": [{ "sku": sku, "quantity": 1 }] });
    shopper
        .post("/orders", body)
        .await?
        .expect_problem(400, "no-idempotency-key")?;
    let first = shopper.order(&key, sku, 1).await?.expect(201)?.json()?;
    let again = shopper.order(&key, sku, 1).await?.expect(201)?.json()?;
    ensure!(first == again, "the answers differ");
    shopper
        .order(&key, sku, 2)
        .await?
        .expect_problem(422, "key-reused")?;
    Ok("no key 400, again 201 and equal, another body 422".to_owned())
}

async fn at_once(shopper: &Shopper, sku: &str) -> anyhow::Result<String> {
    let (key, before) = (new_key(), shopper.available(sku).await?);
    let answers = try_join_all((0..20).map(|_| shopper.order(&key, sku, 1))).await?;
    let mut ids = Vec::new();
    let mut told_to_wait = 0;
    for answer in &answers {
        if answer.status == 409 {
            answer.expect_problem(409, "in-progress")?;
            told_to_wait += 1;
        } else {
            ids.push(answer.expect(201)?.json()?["id"].to_string());
        }
    }
    ids.sort();
    ids.dedup();
    ensure!(ids.len() == 1, "{} orders", ids.len());
    let after = shopper.available(sku).await?;
    ensure!(after == before - 1, "stock {before}, then {after}");
    Ok(format!(
        "{} times 201 with one id, {told_to_wait} times 409, stock less 1",
        20 - told_to_wait
    ))
}

/// Touches no stock, so that nobody else who buys meets less than there is.
async fn short(shopper: &Shopper) -> anyhow::Result<String> {
    let page = shopper
        .get("/products?limit=100")
        .await?
        .expect(200)?
        .json()?;
    let items = page["items"].as_array().context("no items")?;
    // What is bought meanwhile only makes it shorter.
    let sku = scarce(items).context("of everything there are 99 or more")?;
    let refused = shopper.order(&new_key(), sku, MOST).await?;
    let problem = refused.expect_problem(409, "out-of-stock")?.json()?;
    let told = problem["short"]["available"]
        .as_i64()
        .with_context(|| format!("told {}", problem["short"]))?;
    ensure!(told < MOST, "refused with {told} there");
    Ok(format!("{MOST} wanted, {told} there: 409, and told so"))
}

/// The most of one product that an order may ask for.
const MOST: i64 = 99;

/// The product with the least of what is left, if an order could ask for more.
fn scarce(items: &[Value]) -> Option<&str> {
    let available = |item: &Value| item["available"].as_i64().unwrap_or(i64::MAX);
    let least = items.iter().min_by_key(|item| available(item))?;
    least["sku"].as_str().filter(|_| available(least) < MOST)
}

async fn restocking(shopper: &Shopper, staff: &Shopper, sku: &str) -> anyhow::Result<String> {
    let path = format!("/products/{sku}/stock");
    let one_more = json!({ "delta": 1 });
    shopper.post(&path, one_more.clone()).await?.expect(403)?;
    let before = shopper.available(sku).await?;
    let level = staff.post(&path, one_more).await?.expect(200)?.json()?;
    let after = level["available"].as_i64().context("no level")?;
    ensure!(after == before + 1, "stock {before}, then {after}");
    let level = staff.post(&path, json!({ "delta": -1 })).await?;
    level.expect(200)?;
    Ok(format!("{before}, one more {after}, and one less again"))
}

async fn sales_report(shopper: &Shopper, staff: &Shopper) -> anyhow::Result<String> {
    shopper.get("/reports/sales?days=30").await?.expect(403)?;
    let report = staff
        .get("/reports/sales?days=30")
        .await?
        .expect(200)?
        .json()?;
    let orders = report["orders"].as_i64().context("no orders")?;
    ensure!(report["partial"] == false, "it is partial");
    ensure!(orders > 0, "no orders in 30 days");
    Ok(format!(
        "{orders} orders in 30 days, {} cents",
        report["revenue_cents"]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_less_of_than_an_order_may_ask_for_is_scarce() {
        let item = |sku: &str, available: i64| json!({ "sku": sku, "available": available });
        let items = [item("MUG", 400), item("POT", 98), item("RUG", 99)];
        assert_eq!(scarce(&items), Some("POT"));
        assert_eq!(scarce(&items[2..]), None);
        assert_eq!(scarce(&[]), None);
    }
}
