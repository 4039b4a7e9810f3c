//! The end of a process: SIGTERM or SIGINT → not ready → grace → drain → gone. A second signal aborts.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// `[shutdown]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownConfig {
    /// How long to go on serving while not ready, for balancers to notice. Without one: none.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// For requests in flight and for tasks. Longer than a request may take.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
}

impl Default for ShutdownConfig {
    fn default() -> ShutdownConfig {
        ShutdownConfig {
            grace: Duration::ZERO,
            drain: Duration::from_secs(15),
        }
    }
}

/// What a process runs until it is told to stop, and how it stops.
///
/// Invariant: a task that ends by itself takes the process along. Half a process looks healthy from
/// outside and is not; a whole one gets started anew.
#[derive(Debug)]
pub struct Lifecycle {
    config: ShutdownConfig,
    phase: Phase,
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    signals: mpsc::Receiver<()>,
}

/// How far a process has come. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Phase {
    started: CancellationToken,
    stopping: CancellationToken,
    draining: CancellationToken,
}

impl Phase {
    /// Whether it may take traffic, were all else well.
    pub fn is_serving(&self) -> bool {
        self.started.is_cancelled() && !self.stopping.is_cancelled()
    }

    /// Cancelled when new work is to be taken no more.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{task} ended: {outcome}")]
pub struct TaskEnded {
    task: &'static str,
    outcome: String,
}

impl Lifecycle {
    /// Listens for signals from now on: the first process of a container dies of none by itself.
    pub fn new(config: &ShutdownConfig) -> std::io::Result<Lifecycle> {
        let phase = Phase::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, signals) = mpsc::channel(2);
        let started = phase.started.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if !started.is_cancelled() {
                    tracing::info!("stopped before it had started: nothing to drain");
                    std::process::exit(0);
                }
                let _ = sender.try_send(());
            }
        });
        Ok(Lifecycle::with_signals(config, phase, signals))
    }

    fn with_signals(
        config: &ShutdownConfig,
        phase: Phase,
        signals: mpsc::Receiver<()>,
    ) -> Lifecycle {
        Lifecycle {
            config: config.clone(),
            phase,
            tasks: JoinSet::new(),
            names: HashMap::new(),
            signals,
        }
    }

    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Runs a task that ends soon after its token is cancelled, and never before.
    pub fn spawn<F>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = task(self.phase.draining.clone());
        let handle = self.tasks.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Runs until a signal comes and all tasks have ended, or their time is over.
    pub async fn run(mut self) -> Result<(), TaskEnded> {
        self.phase.started.cancel();
        let outcome = tokio::select! {
            _ = self.signals.recv() => Ok(()),
            Some(ended) = self.tasks.join_next_with_id() => Err(self.unexpected(ended)),
        };
        tracing::info!(grace = ?self.config.grace, drain = ?self.config.drain, "stopping");
        self.phase.stopping.cancel();
        let grace = tokio::time::sleep(self.config.grace);
        if outcome.is_ok() && second_signal(&mut self.signals, grace).await {
            return outcome;
        }
        self.phase.draining.cancel();
        let tasks = async { while self.tasks.join_next().await.is_some() {} };
        let drained = tokio::time::timeout(self.config.drain, tasks);
        let is_late = async { drained.await.is_err() };
        tokio::select! {
            late = is_late => match late {
                true => tracing::warn!("stopped, though some work had not ended"),
                false => tracing::info!("stopped"),
            },
            _ = self.signals.recv() => tracing::warn!("second signal: aborted"),
        }
        outcome
    }

    fn unexpected(&self, ended: Result<(Id, ()), JoinError>) -> TaskEnded {
        let (id, outcome) = match ended {
            Ok((id, ())) => (id, "it returned before it was told to".to_owned()),
            Err(error) => (error.id(), error.to_string()),
        };
        let task = self.names.get(&id).copied().unwrap_or("a task");
        TaskEnded { task, outcome }
    }
}

/// Whether a signal came before `wait` was over.
async fn second_signal(signals: &mut mpsc::Receiver<()>, wait: impl Future<Output = ()>) -> bool {
    tokio::select! {
        _ = wait => false,
        _ = signals.recv() => {
            tracing::warn!("second signal: aborted");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn lifecycle(grace: u64, drain: u64) -> (Lifecycle, mpsc::Sender<()>) {
        let config = ShutdownConfig {
            grace: Duration::from_secs(grace),
            drain: Duration::from_secs(drain),
        };
        let (sender, signals) = mpsc::channel(2);
        let lifecycle = Lifecycle::with_signals(&config, Phase::default(), signals);
        (lifecycle, sender)
    }

    /// Ends this long after it is told to.
    async fn linger(stop: CancellationToken, seconds: u64) {
        stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_makes_it_unready_then_drains() {
        let (mut lifecycle, signal) = lifecycle(3, 10);
        let phase = lifecycle.phase().clone();
        assert!(!phase.is_serving());
        lifecycle.spawn("job", |stop| linger(stop, 2));
        let begin = Instant::now();
        let run = tokio::spawn(lifecycle.run());
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(phase.is_serving());

        signal.send(()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!phase.is_serving() && !phase.draining().is_cancelled());
        phase.draining().cancelled().await;
        assert_eq!(begin.elapsed().as_secs(), 3);
        run.await.unwrap().unwrap();
        assert_eq!(begin.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_left_behind_at_the_deadline() {
        let (mut lifecycle, signal) = lifecycle(0, 10);
        lifecycle.spawn("stubborn", |stop| linger(stop, 1000));
        signal.send(()).await.unwrap();
        let begin = Instant::now();
        lifecycle.run().await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_aborts() {
        for grace in [0, 1000] {
            let (mut lifecycle, signal) = lifecycle(grace, 1000);
            lifecycle.spawn("stubborn", |stop| linger(stop, 1000));
            let begin = Instant::now();
            let run = tokio::spawn(lifecycle.run());
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                signal.send(()).await.unwrap();
            }
            run.await.unwrap().unwrap();
            assert_eq!(begin.elapsed().as_secs(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_by_itself_takes_the_process_along() {
        let (mut lifecycle, _signal) = lifecycle(1000, 10);
        lifecycle.spawn("job", |stop| linger(stop, 1));
        lifecycle.spawn("broken", async |_| {});
        let error = lifecycle.run().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "broken ended: it returned before it was told to"
        );
    }
}
