//! What a customer does: cart, checkout, cancel; and what staff does.

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use serde_json::json;
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
        .check(
            "nothing is sold that is not there",
            short(&shopper, &staff, &sku),
        )
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

async fn short(shopper: &Shopper, staff: &Shopper, sku: &str) -> anyhow::Result<String> {
    let path = format!("/products/{sku}/stock");
    shopper
        .post(&path, json!({ "delta": 1 }))
        .await?
        .expect(403)?;
    let before = shopper.available(sku).await?;
    ensure!(before > 3, "only {before} of {sku} to try it on");
    let level = staff
        .post(&path, json!({ "delta": 3 - before }))
        .await?
        .expect(200)?
        .json()?;
    ensure!(
        level["available"] == 3,
        "expected 3 left, got {}",
        level["available"]
    );
    let refused = shopper.order(&new_key(), sku, 4).await;
    // Whatever was seen, the stock goes back.
    staff
        .post(&path, json!({ "delta": before - 3 }))
        .await?
        .expect(200)?;
    let problem = refused?.expect_problem(409, "out-of-stock")?.json()?;
    ensure!(
        problem["short"]["available"] == 3,
        "told {}",
        problem["short"]
    );
    Ok("4 wanted, 3 there: 409, and told so".to_owned())
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
