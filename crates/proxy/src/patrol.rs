//! The time-outs of one worker's requests: a walk over all that wait, every 50 ms, instead of a timer
//! for each. A request that is answered sooner, as nearly all are, costs no timer at all.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use crate::upstream::Upstream;

/// How late a time-out may be.
const ROUND: Duration = Duration::from_millis(50);

/// Why a wait was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    Late,
    /// The upstream went down: nothing is to be expected of it.
    Down,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Patrol(Rc<RefCell<Slab<Waiting>>>);

#[derive(Debug)]
struct Waiting {
    upstream: Arc<Upstream>,
    until: Instant,
    waker: Waker,
    interrupt: Option<Interrupt>,
}

impl Patrol {
    /// Walks for ever.
    pub(crate) async fn walk(self) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = rounds.tick().await;
            for (_, waiting) in self.0.borrow_mut().iter_mut() {
                let interrupt = match () {
                    () if waiting.upstream.is_down() => Interrupt::Down,
                    () if waiting.until <= now => Interrupt::Late,
                    () => continue,
                };
                waiting.interrupt = Some(interrupt);
                waiting.waker.wake_by_ref();
            }
        }
    }

    /// Waits for this as long as it makes sense.
    pub(crate) async fn watch<F: Future>(
        &self,
        upstream: &Arc<Upstream>,
        until: Instant,
        wait: F,
    ) -> Result<F::Output, Interrupt> {
        let mut watched = Watched {
            patrol: self,
            upstream,
            until,
            place: None,
        };
        let mut wait = pin!(wait);
        std::future::poll_fn(|cx| match wait.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => watched.poll(cx).map(Err),
        })
        .await
    }
}

struct Watched<'a> {
    patrol: &'a Patrol,
    upstream: &'a Arc<Upstream>,
    until: Instant,
    place: Option<usize>,
}

impl Watched<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Interrupt> {
        let mut all = self.patrol.0.borrow_mut();
        let Some(place) = self.place else {
            self.place = Some(all.insert(Waiting {
                upstream: self.upstream.clone(),
                until: self.until,
                waker: cx.waker().clone(),
                interrupt: None,
            }));
            return Poll::Pending;
        };
        let waiting = &mut all[place];
        if let Some(interrupt) = waiting.interrupt {
            return Poll::Ready(interrupt);
        }
        waiting.waker.clone_from(cx.waker());
        Poll::Pending
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.patrol.0.borrow_mut().remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn upstream() -> Arc<Upstream> {
        Arc::new(Upstream::new(([10, 0, 0, 1], 80).into(), "lb"))
    }

    /// What ends a wait for ever, of one second at most, and after how long.
    async fn interrupted(upstream: &Arc<Upstream>) -> (Interrupt, Duration) {
        let patrol = Patrol::default();
        let begin = Instant::now();
        let wait = patrol.watch(upstream, begin + Duration::from_secs(1), pending::<()>());
        let interrupt = tokio::select! {
            interrupt = wait => interrupt.unwrap_err(),
            () = patrol.clone().walk() => unreachable!(),
        };
        assert!(patrol.0.borrow().is_empty());
        (interrupt, begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_its_time() {
        let (interrupt, took) = interrupted(&upstream()).await;
        assert_eq!(interrupt, Interrupt::Late);
        assert!(
            took >= Duration::from_secs(1) && took <= Duration::from_secs(1) + ROUND,
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_the_upstream_goes_down() {
        let upstream = upstream();
        let falls = upstream.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(120)).await;
            falls.set_down(true);
        });
        let (interrupt, took) = interrupted(&upstream).await;
        assert_eq!(interrupt, Interrupt::Down);
        assert!(took <= Duration::from_millis(200), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_handed_on() {
        let patrol = Patrol::default();
        let until = Instant::now() + Duration::from_secs(1);
        let work = tokio::time::sleep(Duration::from_millis(900));
        let upstream = upstream();
        let wait = patrol.watch(&upstream, until, work);
        tokio::select! {
            output = wait => assert_eq!(output, Ok(())),
            () = patrol.clone().walk() => unreachable!(),
        }
    }
}
