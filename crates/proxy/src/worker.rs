//! One thread of a proxy, with what it needs at hand: its own connections to upstreams, its own walk
//! over what waits. Workers share what is known of the upstreams, and nothing else that changes.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::access::AccessLog;
use crate::body::{BodyError, Gathered, Progress, RequestBody};
use crate::cluster::Cluster;
use crate::config::ProxyConfig;
use crate::figures::Figures;
use crate::passage::Passages;
use crate::patrol::Patrol;
use crate::pool::Pool;
use crate::refusal::Refusal;

/// What all workers of a proxy share.
#[derive(Debug)]
pub struct Shared {
    pub config: ArcSwap<ProxyConfig>,
    pub cluster: Arc<Cluster>,
    pub figures: Arc<Figures>,
    pub access: AccessLog,
    /// Our entry in `Server-Timing` where no upstream was asked, up to its duration.
    pub own_timing: String,
    /// Workers there are: each has its part of what is bounded.
    pub workers: usize,
}

#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    pool: Pool,
    patrol: Patrol,
    passages: Passages,
    gathered: Gathered,
    in_flight: Rc<Cell<usize>>,
}

/// One of the requests that may be at work at once.
#[derive(Debug)]
pub(crate) struct Slot(Rc<Cell<usize>>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Worker {
    /// # Panics
    /// Where local tasks cannot be spawned.
    pub(crate) fn start(shared: Arc<Shared>) -> Rc<Worker> {
        let worker = Rc::new(Worker {
            passages: Passages::new(shared.cluster.clone()),
            shared,
            pool: Pool::default(),
            patrol: Patrol::default(),
            gathered: Gathered::default(),
            in_flight: Rc::default(),
        });
        tokio::task::spawn_local(worker.patrol.clone().walk());
        tokio::task::spawn_local(worker.clone().tidy());
        worker
    }

    /// Forgets upstreams that are no more, gives up answers that do not move.
    async fn tidy(self: Rc<Worker>) {
        let mut rounds = tokio::time::interval(Duration::from_secs(1));
        loop {
            rounds.tick().await;
            let there: Vec<u64> = self.cluster().upstreams().iter().map(|u| u.id).collect();
            self.pool.keep_only(|id| there.contains(&id));
            self.passages.look_over(&self.config().http);
        }
    }

    pub fn config(&self) -> Arc<ProxyConfig> {
        self.shared.config.load_full()
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.shared.cluster
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    pub(crate) fn access(&self) -> &AccessLog {
        &self.shared.access
    }

    pub(crate) fn own_timing(&self) -> &String {
        &self.shared.own_timing
    }

    pub(crate) fn workers(&self) -> usize {
        self.shared.workers
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn passages(&self) -> &Passages {
        &self.passages
    }

    pub(crate) fn patrol(&self) -> &Patrol {
        &self.patrol
    }

    /// A place to work in, if there is one: of `most`, each worker has its part.
    pub(crate) fn slot(&self, most: usize) -> Option<Slot> {
        let taken = self.in_flight.get();
        (taken < most.div_ceil(self.workers()) && self.passages.has_room()).then(|| {
            self.in_flight.set(taken + 1);
            Slot(self.in_flight.clone())
        })
    }

    /// A request's body, or its beginning.
    pub(crate) async fn gather(
        &self,
        incoming: Incoming,
        patience: Duration,
        progress: &Progress,
    ) -> Result<RequestBody, Refusal> {
        if hyper::body::Body::is_end_stream(&incoming) {
            return Ok(RequestBody::Empty);
        }
        match timeout(
            patience,
            RequestBody::gather(incoming, progress, &self.gathered),
        )
        .await
        {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(BodyError::TooLarge)) => Err(Refusal::TooLarge),
            Ok(Err(BodyError::NoRoom)) => Err(Refusal::Overloaded),
            Ok(Err(BodyError::Client(_))) => Err(Refusal::Broken),
            Err(_) => Err(Refusal::SlowBody),
        }
    }
}
