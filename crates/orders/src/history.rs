//! Lists of orders, newest first, by keyset: a page costs the same however deep it lies.

use chrono::{DateTime, Datelike, Utc};
use contract::orders::{Listing, Order};
use contract::page::BadCursor;
use contract::{Ctx, Cursor, OrderId, OrdersError, Page, PageQuery, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Service;
use crate::{scatter, store};

/// Where a list goes on: below this time and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position(pub(crate) DateTime<Utc>, pub(crate) OrderId);

impl Position {
    fn of(order: &Order) -> Position {
        Position(order.created_at, order.id)
    }

    fn parse(cursor: Option<&Cursor>) -> Result<Position, BadCursor> {
        let Some(cursor) = cursor else {
            return Ok(Position::newest());
        };
        let position: Position = cursor.decode()?;
        // Postgres ends where chrono goes on.
        match position.0.year() {
            1970..=9999 => Ok(position),
            _ => Err(BadCursor),
        }
    }

    /// Above every order: the last second of the year 9999.
    fn newest() -> Position {
        let end = DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::UNIX_EPOCH);
        Position(end, OrderId(Uuid::max()))
    }
}

impl Service {
    pub(crate) async fn orders_of(
        &self,
        ctx: &Ctx,
        user: UserId,
        page: PageQuery,
    ) -> Result<Page<Order>, OrdersError> {
        let before = Position::parse(page.cursor.as_ref())?;
        let mut conn = self.db.shard(user.bucket()).read(ctx, "orders").await?;
        let rows = i64::from(page.limit.get()) + 1;
        let mut orders = store::orders::of_user(&mut conn, user, before, rows).await?;
        store::lines::fill(&mut conn, &mut orders).await?;
        Ok(Page::from_rows(orders, page.limit, Position::of))
    }

    pub(crate) async fn order_of(
        &self,
        ctx: &Ctx,
        user: UserId,
        id: OrderId,
    ) -> Result<Option<Order>, OrdersError> {
        let mut conn = self.db.shard(user.bucket()).read(ctx, "order").await?;
        let mut order = store::orders::find(&mut conn, user, id).await?;
        if let Some(order) = &mut order {
            store::lines::fill(&mut conn, std::slice::from_mut(order)).await?;
        }
        Ok(order)
    }

    /// Asks every shard for a whole page, since all of it may lie on one of them.
    pub(crate) async fn everybodys_orders(
        &self,
        ctx: &Ctx,
        page: PageQuery,
    ) -> Result<Listing, OrdersError> {
        let before = Position::parse(page.cursor.as_ref())?;
        let rows = i64::from(page.limit.get()) + 1;
        let gathered = scatter::ask_all(self, ctx, |ctx, shard| async move {
            let mut conn = shard.read(&ctx, "all_orders").await?;
            let mut orders = store::orders::newest(&mut conn, before, rows).await?;
            store::lines::fill(&mut conn, &mut orders).await?;
            Ok(orders)
        })
        .await?;
        let mut orders: Vec<Order> = gathered.answers.into_iter().flatten().collect();
        orders.sort_by_key(|order| std::cmp::Reverse(Position::of(order)));
        let Page { items, next } = Page::from_rows(orders, page.limit, Position::of);
        Ok(Listing {
            items,
            next,
            partial: gathered.partial,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_beyond_what_postgres_can_say_is_refused() {
        for (date, good) in [
            ("2026-01-01T00:00:00Z", true),
            ("-200000-01-01T00:00:00Z", false),
            ("+200000-01-01T00:00:00Z", false),
        ] {
            let cursor = Cursor::encode(&(date, Uuid::nil()));
            assert_eq!(Position::parse(Some(&cursor)).is_ok(), good, "{date}");
        }
    }

    #[test]
    fn a_list_begins_above_everything() {
        assert_eq!(
            Position::newest().0.to_rfc3339(),
            "9999-12-31T23:59:59+00:00"
        );
    }
}
