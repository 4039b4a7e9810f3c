//! The sales report, for staff.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use contract::orders::{ReportDays, SalesReport};
use http::StatusCode;
use runtime::Failure;
use runtime::extract::Query;
use serde::Deserialize;

use crate::Storefront;
use crate::filters;
use crate::frame::Frame;
use crate::visit::StaffMember;

#[derive(Deserialize)]
pub(crate) struct Span {
    #[serde(default)]
    days: ReportDays,
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage<'a> {
    frame: Frame<'a>,
    report: &'a SalesReport,
    bars: &'a [Bar],
}

/// A day in the chart, whose height is 100.
struct Bar {
    x: usize,
    y: i64,
    height: i64,
}

/// Spans to choose from, in days.
const SPANS: [u32; 4] = [7, 30, 90, 365];

pub(crate) async fn show(
    State(storefront): State<Storefront>,
    StaffMember { visit }: StaffMember,
    Query(Span { days }): Query<Span>,
) -> Result<Response, Failure> {
    let report = storefront.orders.sales_report(&visit.ctx, days).await?;
    let bars = bars(&report);
    let page = ReportPage {
        frame: storefront.frame(&visit),
        report: &report,
        bars: &bars,
    };
    storefront.html(&visit, StatusCode::OK, &page)
}

fn bars(report: &SalesReport) -> Vec<Bar> {
    let best = report.per_day.iter().map(|day| day.revenue_cents).max();
    let best = best.unwrap_or_default().max(1);
    let bar = |(x, day): (usize, &contract::orders::DaySales)| {
        let height = (day.revenue_cents * 100 / best).clamp(1, 100);
        Bar {
            x,
            y: 100 - height,
            height,
        }
    };
    report.per_day.iter().enumerate().map(bar).collect()
}

fn average(report: &SalesReport) -> i64 {
    report.revenue_cents / report.orders.max(1)
}
