//! How many questions the database gets at once, and how many may wait.

use std::time::Duration;

use contract::{Ctx, Fault};
use tokio::sync::{Semaphore, SemaphorePermit};

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
    /// `places` is less than the pool has connections.
    pub fn new(places: usize) -> Room {
        Room {
            places: Semaphore::new(places),
            queue: Semaphore::new(places + WAITING),
        }
    }

    pub(crate) async fn enter(
        &self,
        ctx: &Ctx,
    ) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), Fault> {
        let full = || Fault::Unavailable("no place at the database".to_owned());
        let queued = self.queue.try_acquire().map_err(|_| full())?;
        let patience = ctx.remaining()?.min(PATIENCE);
        match tokio::time::timeout(patience, self.places.acquire()).await {
            Ok(Ok(place)) => Ok((place, queued)),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_is_told_so_in_time() {
        let room = Room::new(1);
        let ctx = Ctx::background("test", Duration::from_secs(60));
        let place = room.enter(&ctx).await.unwrap();
        let started = tokio::time::Instant::now();
        assert!(matches!(room.enter(&ctx).await, Err(Fault::Unavailable(_))));
        assert_eq!(started.elapsed(), PATIENCE);
        drop(place);
        assert!(room.enter(&ctx).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_has_an_end() {
        let room = Room::new(1);
        let ctx = Ctx::background("test", Duration::from_secs(60));
        let all = (0..WAITING + 10).map(|_| room.enter(&ctx));
        let started = tokio::time::Instant::now();
        let all = futures::future::join_all(all).await;
        assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1);
        assert_eq!(started.elapsed(), PATIENCE);
    }
}
