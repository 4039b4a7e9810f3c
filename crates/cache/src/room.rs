//! How many questions the database gets at once, and how many may wait.

use std::time::Duration;

use contract::{Ctx, Fault};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A place, and one in the queue for it.
pub type Place<'a> = (SemaphorePermit<'a>, SemaphorePermit<'a>);

/// Longest wait for a place. Whoever has not got one by then is told to come back.
const PATIENCE: Duration = Duration::from_secs(1);
/// Waiting for a place. What this many questions of a millisecond each take is within `PATIENCE`.
const WAITING: usize = 256;

/// Places at the database for what the cache does not have. Without it, a cache that is gone would be
/// a database that is gone: all of its connections taken by reads, none left for a checkout.
#[derive(Debug)]
pub struct Room {
    places: Semaphore,
    queue: Semaphore,
}

impl Room {
    /// Two thirds of as many connections as the pool has: checkouts and log-ins have the others.
    pub fn of(connections: usize) -> Room {
        let places = (connections * 2 / 3).max(1);
        Room {
            places: Semaphore::new(places),
            queue: Semaphore::new(places + WAITING),
        }
    }

    /// For as long as the place is held.
    pub async fn enter(&self, ctx: &Ctx) -> Result<Place<'_>, Fault> {
        let full = || Fault::Unavailable("no place at the database".to_owned());
        let queued = self.queue.try_acquire().map_err(|_| full())?;
        let left = ctx.remaining()?;
        match tokio::time::timeout(left.min(PATIENCE), self.places.acquire()).await {
            Ok(Ok(place)) => Ok((place, queued)),
            // It says nothing of the database that somebody had no time left.
            Err(_) if left < PATIENCE => Err(Fault::DeadlineExceeded),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_is_told_so_in_time() {
        let room = Room::of(1);
        let ctx = Ctx::background("test", Duration::from_secs(60));
        let place = room.enter(&ctx).await.unwrap();
        let started = tokio::time::Instant::now();
        assert!(matches!(room.enter(&ctx).await, Err(Fault::Unavailable(_))));
        assert_eq!(started.elapsed(), PATIENCE);
        drop(place);
        assert!(room.enter(&ctx).await.is_ok());
    }

    #[tokio::test]
    async fn who_has_no_time_left_blames_nobody_else() {
        let room = Room::of(1);
        let _place = room
            .enter(&Ctx::background("test", Duration::from_secs(60)))
            .await;
        let hurried = Ctx::background("test", Duration::from_millis(20));
        let refused = room.enter(&hurried).await;
        assert!(matches!(refused, Err(Fault::DeadlineExceeded)));
    }

    #[test]
    fn some_connections_are_left_for_others() {
        let places = |connections| Room::of(connections).places.available_permits();
        assert_eq!([6, 3, 1].map(places), [4, 2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_has_an_end() {
        let room = Room::of(1);
        let ctx = Ctx::background("test", Duration::from_secs(60));
        let all = (0..WAITING + 10).map(|_| room.enter(&ctx));
        let started = tokio::time::Instant::now();
        let all = futures::future::join_all(all).await;
        assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1);
        assert_eq!(started.elapsed(), PATIENCE);
    }
}
