//! All upstreams of a proxy, and what is thought of them. Whatever changes ends in a new [`View`],
//! which is all that a request looks at.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::{HealthConfig, OutliersConfig, RetriesConfig, UpstreamsConfig};
use crate::health::{self, Probe, Status};
use crate::member::{Member, Report};
use crate::outlier;
use crate::retry::RetryBudget;
use crate::upstream::{Outcome, Upstream};

/// How often the cluster is looked over: ejections end, averages fade, silences are noticed.
pub(crate) const TICK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Cluster {
    hop: &'static str,
    rules: ArcSwap<Rules>,
    view: ArcSwap<View>,
    members: Mutex<Vec<Member>>,
    pub(crate) budget: RetryBudget,
    ejections: Mutex<Ejections>,
    /// Rung when there may be boxes whose names nobody has asked for.
    pub(crate) nameless: Notify,
}

/// By the upstream's name, since the beginning.
pub(crate) type Ejections = BTreeMap<String, Ejected>;

/// How often one was ejected, and when it was last: it outlives the ejection, as people look later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ejected {
    pub(crate) times: u64,
    pub(crate) last: SystemTime,
}

/// What [`Cluster`] goes by; can be changed while it runs.
#[derive(Debug, Clone)]
pub struct Rules {
    pub upstreams: UpstreamsConfig,
    pub health: HealthConfig,
    pub outliers: OutliersConfig,
    pub retries: RetriesConfig,
}

/// What requests know of the upstreams.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Those that may get requests now.
    pub(crate) usable: Vec<Arc<Upstream>>,
    /// All there are, whatever is thought of them.
    pub(crate) listed: Vec<Arc<Upstream>>,
    /// Ejections are ignored, as there are too many.
    pub(crate) is_panic: bool,
}

impl Cluster {
    /// `hop` is the proxy's name in `Server-Timing`.
    pub fn new(hop: &'static str, rules: Rules) -> Arc<Cluster> {
        Arc::new(Cluster {
            hop,
            rules: ArcSwap::from_pointee(rules),
            view: ArcSwap::default(),
            members: Mutex::default(),
            budget: RetryBudget::new(),
            ejections: Mutex::default(),
            nameless: Notify::new(),
        })
    }

    pub(crate) fn rules(&self) -> Guard<Arc<Rules>> {
        self.rules.load()
    }

    pub fn set_rules(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
        self.look_over(Instant::now());
    }

    pub(crate) fn health_config(&self) -> HealthConfig {
        self.rules.load().health.clone()
    }

    pub(crate) fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    /// Whether anybody could answer a request now.
    pub fn is_usable(&self) -> bool {
        !self.view.load().usable.is_empty()
    }

    /// These are the upstreams from now on. Who is not among them gets no more requests, and is
    /// watched until it has finished those that it has.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn set_addresses(self: &Arc<Cluster>, addresses: &[SocketAddr]) {
        let mut members = self.lock();
        let mut is_changed = false;
        for member in members.iter_mut() {
            let is_listed = addresses.contains(&member.upstream.address);
            is_changed |= member.is_listed != is_listed;
            member.is_listed = is_listed;
        }
        for address in addresses {
            if members
                .iter()
                .any(|member| member.upstream.address == *address)
            {
                continue;
            }
            let upstream = Arc::new(Upstream::new(*address, self.hop));
            let prober = tokio::spawn(health::watch(self.clone(), upstream.clone()));
            let mut member = Member::new(upstream, Some(prober.abort_handle()));
            member.set_limit(Instant::now(), &self.rules.load().upstreams);
            members.push(member);
            is_changed = true;
        }
        if is_changed {
            tracing::info!(?addresses, "upstreams");
            self.nameless.notify_one();
            self.publish(&mut members);
        }
    }

    pub(crate) fn note_probe(&self, upstream: &Arc<Upstream>, probe: Probe, is_stalled: bool) {
        let rules = self.rules.load();
        let mut members = self.lock();
        // Where this one carries the load of others that are out, silence is likely to be that load, and
        // to take it out at once would bring the rest down: it has the time that all have.
        let listed = members.iter().filter(|member| member.is_listed).count();
        let others = members
            .iter()
            .filter(|member| member.is_ready() && member.upstream.id != upstream.id);
        let is_stalled = is_stalled && 2 * others.count() >= listed;
        let Some(member) = members
            .iter_mut()
            .find(|member| member.upstream.id == upstream.id)
        else {
            return;
        };
        let before = member.probation.status;
        member.probation.note(probe, is_stalled, &rules.health);
        let status = member.probation.status;
        if status == before {
            return;
        }
        let name = upstream.name();
        tracing::info!(upstream = name.name, address = %upstream.address, ?status, "health");
        upstream.set_down(status == Status::Down);
        if status != Status::Down {
            self.nameless.notify_one();
        }
        if status == Status::Ready {
            member.upstream.forget_failures();
        }
        self.publish(&mut members);
    }

    /// Notes how an attempt ended.
    pub(crate) fn note(&self, upstream: &Upstream, outcome: Outcome) {
        let failures = upstream.note(outcome) as usize;
        if failures == 0 {
            return;
        }
        if outcome == Outcome::Refused {
            upstream.suspect.notify_one();
        }
        if failures == self.rules.load().outliers.consecutive {
            self.look_over(Instant::now());
        }
    }

    /// Looks over the cluster for ever.
    pub async fn keep(self: Arc<Cluster>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            self.budget.accrue(TICK, &self.rules.load().retries);
            self.fade_latencies();
            self.look_over(now);
        }
    }

    /// Not where failures have it looked over besides: fading goes by time alone.
    fn fade_latencies(&self) {
        for member in self.lock().iter() {
            member.upstream.fade_latency();
        }
    }

    /// Ejects, releases, notices silence; publishes what changed.
    fn look_over(&self, now: Instant) {
        let rules = self.rules.load();
        let mut members = self.lock();
        members.retain(|member| member.is_listed || member.upstream.in_flight() > 0);
        for member in members.iter_mut() {
            member.notice_silence(now, rules.health.stall);
            member.set_limit(now, &rules.upstreams);
            if member.outlier.release(now, &rules.outliers) {
                member.upstream.forget_failures();
                member.since = None;
                let name = member.upstream.name();
                tracing::info!(upstream = name.name, "its ejection ends");
            }
        }
        let ready = members.iter().filter(|member| member.is_ready());
        let (ready, out) = ready.fold((0, 0), |(ready, out), member| {
            (ready + 1, out + usize::from(member.outlier.is_out()))
        });
        let mut room = outlier::room(ready, out, &rules.outliers);
        for member in members.iter_mut().filter(|member| member.is_ready()) {
            let tally = member.tally();
            if member.outlier.is_suspicious(now, tally, &rules.outliers) && room > 0 {
                room -= 1;
                let time_out = member.outlier.eject(now, &rules.outliers);
                let name = member.upstream.name();
                tracing::warn!(
                    upstream = name.name,
                    ?time_out,
                    "ejected: its answers are bad"
                );
                self.note_ejection(&name.name);
            }
        }
        self.publish_at(&mut members, now);
    }

    fn note_ejection(&self, name: &str) {
        let last = SystemTime::now();
        let mut ejections = self.lock_ejections();
        let ejected = ejections
            .entry(name.to_owned())
            .or_insert(Ejected { times: 0, last });
        *ejected = Ejected {
            times: ejected.times + 1,
            last,
        };
    }

    fn publish(&self, members: &mut [Member]) {
        self.publish_at(members, Instant::now());
    }

    fn publish_at(&self, members: &mut [Member], now: Instant) {
        let slow_start = self.rules.load().upstreams.slow_start;
        let view = view_of(members);
        let is_first = self.view.load().usable.is_empty();
        for member in members.iter_mut() {
            let is_used = view.usable.iter().any(|used| used.id == member.upstream.id);
            // When nobody else was there, there is nobody to start behind.
            let begin = if is_first {
                now.checked_sub(slow_start).unwrap_or(now)
            } else {
                now
            };
            member.since = is_used.then(|| member.since.unwrap_or(begin));
            member.upstream.set_weight(member.warmth(now, slow_start));
        }
        let current = self.view.load();
        let ids = |some: &[Arc<Upstream>]| some.iter().map(|u| u.id).collect::<Vec<_>>();
        if ids(&current.usable) != ids(&view.usable)
            || ids(&current.listed) != ids(&view.listed)
            || current.is_panic != view.is_panic
        {
            if view.is_panic && !current.is_panic {
                tracing::warn!("most upstreams are ejected: ejections are ignored");
            }
            self.view.store(Arc::new(view));
        }
    }

    /// All upstreams, by name.
    pub fn report(&self) -> Vec<Report> {
        let now = Instant::now();
        let slow_start = self.rules.load().upstreams.slow_start;
        let ejections = self.ejections();
        let members = self.lock();
        let mut reports: Vec<Report> = members
            .iter()
            .filter(|member| member.is_listed)
            .map(|member| member.report(&ejections, now, slow_start))
            .collect();
        reports.sort_by(|a, b| a.name.cmp(&b.name));
        reports
    }

    pub fn is_panic(&self) -> bool {
        self.view.load().is_panic
    }

    pub(crate) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.lock()
            .iter()
            .map(|member| member.upstream.clone())
            .collect()
    }

    pub(crate) fn ejections(&self) -> Ejections {
        self.lock_ejections().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_ejections(&self) -> MutexGuard<'_, Ejections> {
        self.ejections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that are ready and not ejected; all that are ready, if most are ejected; if none is ready,
/// those that at least answer, as they know better than we do what to tell their callers.
fn view_of(members: &[Member]) -> View {
    let with = |status: Status| {
        let some = members
            .iter()
            .filter(|m| m.is_listed && m.probation.status == status);
        some.collect::<Vec<_>>()
    };
    let ready = with(Status::Ready);
    let out = ready
        .iter()
        .filter(|member| member.outlier.is_out())
        .count();
    let is_panic = outlier::is_panic(ready.len(), out);
    let mut usable = ready;
    if !is_panic {
        usable.retain(|member| !member.outlier.is_out());
    }
    if usable.is_empty() {
        usable = with(Status::Unready);
    }
    let upstreams = |some: &[&Member]| some.iter().map(|m| m.upstream.clone()).collect();
    let listed: Vec<&Member> = members.iter().filter(|m| m.is_listed).collect();
    View {
        usable: upstreams(&usable),
        listed: upstreams(&listed),
        is_panic,
    }
}

#[cfg(test)]
mod tests;
