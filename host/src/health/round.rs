//! One round of judgement: what was seen of each endpoint goes to the panel, and its verdicts to the live cluster. Takes as
//! long as the policies do, so it has no place on a runtime's own threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use super::keeper::Watched;
use super::results::Probes;
use super::window::Windows;
use crate::cluster::{Judged, LiveCluster, Member};
use crate::model::{AdminState, CircuitState, EndpointId, Observations, Verdict};

/// The circuits of a cluster, as health sees them.
pub trait Breakers: Send + Sync {
    /// The state of an endpoint's circuit.
    fn state(&self, endpoint: EndpointId) -> CircuitState;

    /// Takes over which endpoints there are, after each change of that. Who stays keeps its circuit.
    fn follow(&self, live: &LiveCluster);

    /// Makes open circuits half-open whose time is over.
    fn tick(&self, now: Instant);

    /// Wakes when a circuit changed.
    fn changed(&self) -> &Notify;
}

/// Judges all endpoints of a cluster that are in service or may be again, once.
pub(super) fn judge(watched: &Watched, windows: &mut Windows, probes: &BTreeMap<EndpointId, Probes>, now: Instant) {
    let roster = Arc::clone(&watched.live.roster());
    windows.follow(&roster);
    let probed = |member: &Member| probes.get(&member.id()).copied().unwrap_or_default();
    // Who is disabled is not checked and has no traffic: there is nothing to judge, and for its peers it is not there.
    let (present, absent): (Vec<_>, Vec<_>) = roster.members().iter().partition(|member| is_judged(member));
    let seen: Vec<(Arc<Member>, Observations)> = present
        .into_iter()
        .map(|member| {
            let circuit = watched.breakers.state(member.id());
            (Arc::clone(member), windows.observe(member, probed(member), circuit, now))
        })
        .collect();
    let verdicts = watched.panel.judge(&seen);
    let judged = |member: &Member, verdict: Verdict| {
        // Asked again: a policy may have taken a while.
        let circuit = watched.breakers.state(member.id());
        (member.id(), Judged { verdict, circuit, checked: probed(member).ok > 0 })
    };
    let judgements: Vec<_> = seen
        .iter()
        .zip(verdicts)
        .map(|((member, _), verdict)| judged(member, verdict))
        .chain(absent.into_iter().map(|member| judged(member, member.standing().verdict.clone())))
        .collect();
    watched.live.judge(now, &judgements);
}

/// Whether an endpoint is judged, and checked if there are checks: also one that is drained, or out for its health, since
/// it is to come back.
pub(super) fn is_judged(member: &Member) -> bool {
    member.standing().admin != AdminState::Disabled && !member.standing().leaving
}
