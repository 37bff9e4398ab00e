//! The panel: the health policies of one cluster, in their order. It holds each to the rules and composes what they say.
//! A policy that fails is dropped and told as lost; until another instance is seated, the built-in threshold judges at its
//! place, so that no endpoint is ever without a verdict.
//!
//! Only the control side comes here: a call may take as long as a policy's deadline, and the lock is held meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc;

use super::figures::PolicyFigures;
use super::policy::{PolicyLost, PolicySeat};
use super::threshold::Threshold;
use crate::cluster::Member;
use crate::model::{
    Carried, Change, ClusterName, Endpoint, Events, Fault, ImportError, Observations, Peers, Verdict, one_line,
};

/// The longest reason taken from a policy, in characters: one line where operators look.
const MAX_REASON: usize = 200;

/// Who judges the endpoints of one cluster.
pub struct Panel {
    cluster: ClusterName,
    chairs: Mutex<Vec<Chair>>,
    lost: mpsc::UnboundedSender<PolicyLost>,
    events: Events,
}

/// One position of a panel.
#[derive(Default)]
struct Chair {
    seated: Option<PolicySeat>,
    /// Where the fallbacks are counted while the policy that failed is away.
    vacated: Option<Arc<PolicyFigures>>,
    /// Who sat here before the last change, if anyone did, until the change is settled.
    aside: Option<Option<PolicySeat>>,
    fallback: Threshold,
}

impl Panel {
    /// A panel without policies, to which everything is healthy. `lost` is told when a policy had to be dropped.
    pub fn new(cluster: ClusterName, lost: mpsc::UnboundedSender<PolicyLost>, events: Events) -> Self {
        Self { cluster, chairs: Mutex::default(), lost, events }
    }

    /// The cluster.
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// Judges all endpoints of the cluster, which come ordered by id: a verdict for each, in their order.
    pub fn judge(&self, endpoints: &[(Arc<Member>, Observations)]) -> Vec<Verdict> {
        let peers: Arc<Peers> = endpoints.iter().map(|(member, window)| (member.id(), *window)).collect();
        let mut chairs = self.chairs();
        let judge = |(member, window): &(Arc<Member>, Observations)| {
            let mut verdict = Verdict::default();
            for (position, chair) in chairs.iter_mut().enumerate() {
                verdict = self.ask((position, chair), member.endpoint(), window, (&peers, verdict));
            }
            verdict
        };
        let verdicts = endpoints.iter().map(judge).collect();
        chairs.iter_mut().for_each(|chair| chair.fallback.forget_all_but(&peers));
        verdicts
    }

    /// Seats other policies for good: for a new cluster, or under a new configuration, where no state goes over.
    pub fn replace(&self, seats: Vec<PolicySeat>) {
        let chairs = seats.into_iter().map(|seat| Chair { seated: Some(seat), ..Chair::default() }).collect();
        let before = std::mem::replace(&mut *self.chairs(), chairs);
        // Not under the lock: giving back the memory of an instance takes a while.
        drop(before);
    }

    /// Seats another version at one position and keeps the one before aside until it is settled. State goes over between
    /// versions of one plugin; on an error the position is as it was. One that the list does not have any more is no
    /// error: there is nothing to seat.
    pub fn install(&self, position: usize, mut seat: PolicySeat) -> Result<Carried, ImportError> {
        let mut chairs = self.chairs();
        let Some(chair) = chairs.get_mut(position) else { return Ok(Carried::Nothing) };
        let carried = chair.carry_into(&mut seat)?;
        chair.aside = Some(chair.seated.replace(seat));
        Ok(carried)
    }

    /// Ends a change: keeps what was installed, or goes back to what sat there before.
    pub fn settle(&self, keep: bool) {
        for chair in self.chairs().iter_mut() {
            match chair.aside.take() {
                Some(before) if !keep => {
                    let lost_since = std::mem::replace(&mut chair.seated, before).is_none();
                    if lost_since && chair.seated.is_some() {
                        self.returned(chair);
                    }
                }
                Some(None) if chair.seated.is_some() => self.returned(chair),
                _ => {}
            }
        }
    }

    /// Seats another instance of the version that was lost, unless somebody sits there by now.
    pub fn refill(&self, position: usize, seat: PolicySeat) {
        if let Some(chair) = self.chairs().get_mut(position).filter(|chair| chair.seated.is_none()) {
            chair.seated = Some(seat);
            self.returned(chair);
        }
    }

    /// What the policy at one position makes of an endpoint; what the built-in one does where nobody sits.
    fn ask(
        &self,
        (position, chair): (usize, &mut Chair),
        endpoint: &Endpoint,
        window: &Observations,
        (peers, before): (&Arc<Peers>, Verdict),
    ) -> Verdict {
        if let Some(seat) = &mut chair.seated {
            let start = Instant::now();
            let answer = seat.policy.judge(endpoint, window, peers, &before);
            seat.figures.judged(start.elapsed());
            match answer.and_then(checked) {
                Ok(verdict) => return verdict,
                Err(fault) => self.unseat(position, chair, fault),
            }
        }
        if let Some(figures) = &chair.vacated {
            figures.fallback();
        }
        chair.fallback.judge(endpoint.id, window, before)
    }

    /// Drops a policy that failed; the control side sends another when its back-off is over.
    fn unseat(&self, position: usize, chair: &mut Chair, fault: Fault) {
        let Some(PolicySeat { holder, figures, .. }) = chair.seated.take() else { return };
        figures.fault(&fault);
        chair.vacated = Some(figures);
        let cause = format!("the built-in threshold judges in its place: {fault}");
        self.events.tell(&self.cluster, None, Change::Policy { plugin: holder.plugin.clone(), judges: false }, cause);
        let cluster = self.cluster.clone();
        // Without a control side there is nobody to tell, and the built-in policy judges on.
        let _ = self.lost.send(PolicyLost { cluster, position, holder, fault });
    }

    /// Somebody sits again where nobody did.
    fn returned(&self, chair: &mut Chair) {
        // The next failure begins with what is seen then, not with what was seen long ago.
        chair.fallback = Threshold::default();
        if let Some(holder) = chair.seated.as_ref().map(|seat| &seat.holder) {
            let change = Change::Policy { plugin: holder.plugin.clone(), judges: true };
            self.events.tell(&self.cluster, None, change, format!("version {} was started", holder.version));
        }
    }

    /// A poisoned lock is taken all the same: every operation leaves the chairs whole.
    fn chairs(&self) -> MutexGuard<'_, Vec<Chair>> {
        self.chairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Panel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Panel").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Chair {
    fn carry_into(&mut self, next: &mut PolicySeat) -> Result<Carried, ImportError> {
        let Some(before) = self.seated.as_mut().filter(|before| next.holder.goes_on_from(&before.holder)) else {
            return Ok(Carried::Nothing);
        };
        // A version that cannot say what it knows is no reason to keep it.
        let state = before.policy.export_state().unwrap_or_default();
        if state.is_empty() {
            return Ok(Carried::Nothing);
        }
        next.policy.import_state(&before.holder.version, &state)?;
        Ok(Carried::Yes)
    }
}

/// A verdict that keeps the rules: its numbers are within their ranges, its reason is one line.
fn checked(verdict: Verdict) -> Result<Verdict, Fault> {
    for (what, value) in [("score", verdict.score), ("effective weight", verdict.effective_weight)] {
        // What is no number is in no range.
        if !(0.0..=1.0).contains(&value) {
            return Err(Fault::Answer(format!("gave the {what} {value}; 0 to 1 can be")));
        }
    }
    let reason = one_line(&verdict.reason, MAX_REASON);
    Ok(Verdict { reason: reason.into(), ..verdict })
}
