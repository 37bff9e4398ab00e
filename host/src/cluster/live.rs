//! A cluster that is live: a name and an atomic pointer to its roster. Whoever changes it (the catalog, the judgement of
//! its policies, an operator) does so under one lock, which readers never take; each change is told as events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};

use super::capacity::Capacity;
use super::changes::changes;
use super::member::Member;
use super::roster::Roster;
use super::standing::{Judged, Standing};
use crate::model::{
    Address, AdminState, ClusterName, EndpointId, EndpointName, EndpointSpec, Events, PanicRule, Weight,
};

/// How a cluster treats its members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Who may be chosen when most are out.
    pub panic: PanicRule,
    /// A new endpoint waits for its first good check.
    pub wait_for_check: bool,
    /// How long an endpoint that left may finish what it has.
    pub drain_timeout: Duration,
}

/// A cluster's roster over time.
#[derive(Debug)]
pub struct LiveCluster {
    name: ClusterName,
    roster: ArcSwap<Roster>,
    ledger: Mutex<Ledger>,
    events: Events,
    capacity: Arc<Capacity>,
}

/// What only those who change the roster need.
#[derive(Debug, Default)]
struct Ledger {
    rules: Rules,
    /// What operators asked for, of those for whom it is not the usual.
    asked: BTreeMap<(EndpointName, Address), Asked>,
    left_at: BTreeMap<EndpointId, Instant>,
    /// Who was ready when no panic was on, ordered by id.
    last_good: Vec<EndpointId>,
}

/// What an operator asked for of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    admin: AdminState,
    weight: Option<Weight>,
}

impl LiveCluster {
    /// A cluster without members. The listener behind `events` must not come back to the cluster.
    pub fn new(name: ClusterName, events: Events) -> Self {
        Self { name, roster: ArcSwap::default(), ledger: Mutex::default(), events, capacity: Arc::default() }
    }

    /// Its name.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// How many requests it may have under way.
    pub fn capacity(&self) -> &Arc<Capacity> {
        &self.capacity
    }

    /// How long an endpoint that left may finish what it has.
    pub fn drain_timeout(&self) -> Duration {
        self.ledger().rules.drain_timeout
    }

    /// The roster of this moment.
    pub fn roster(&self) -> Guard<Arc<Roster>> {
        self.roster.load()
    }

    /// Takes over rules. Who serves already goes on serving, and without checks nobody waits for one.
    pub fn configure(&self, rules: Rules) {
        self.change(|roster, ledger| {
            ledger.rules = rules;
            let checked = |member: &Arc<Member>| match rules.wait_for_check || member.standing().checked {
                true => Arc::clone(member),
                false => Arc::new(member.standing_as(Standing { checked: true, ..member.standing().clone() })),
            };
            roster.members().iter().map(checked).collect()
        });
    }

    /// Takes over what the catalog says; tells whether anything changed. Who is named no more goes on as `leaving`.
    pub fn update(&self, specs: &[EndpointSpec], now: Instant) -> bool {
        self.change(|roster, ledger| {
            let newcomer = |spec: &EndpointSpec| {
                let asked = ledger.asked.get(&(spec.name.clone(), spec.address.clone())).copied();
                let Asked { admin, weight } = asked.unwrap_or_default();
                let standing = Standing::new(!ledger.rules.wait_for_check, now);
                Standing { admin, weight, reported: spec.reported, ..standing }
            };
            let members = roster.catalogued(specs, newcomer, now);
            let left = members.iter().filter(|member| member.standing().leaving).map(|member| member.id());
            ledger.left_at = left.map(|id| (id, ledger.left_at.get(&id).copied().unwrap_or(now))).collect();
            members
        })
    }

    /// Takes over what was found out about members; those that are not named, or gone, stay as they are.
    pub fn judge(&self, now: Instant, judged: &[(EndpointId, Judged)]) {
        self.change(|roster, _| {
            let mut members = roster.members().to_vec();
            for (id, judged) in judged {
                let Ok(at) = members.binary_search_by_key(id, |member| member.id()) else { continue };
                let Some(member) = members.get_mut(at) else { continue };
                member.figures().set_health_score(judged.verdict.score);
                let standing = member.standing().judged(judged, now);
                if standing != *member.standing() {
                    *member = Arc::new(member.standing_as(standing));
                }
            }
            members
        });
    }

    /// Takes an endpoint out, or puts it back, as an operator asks; false when there is none of that id. It holds until the
    /// operator takes it back, also when the endpoint leaves and comes again, as another member of the same name and
    /// address.
    pub fn command(&self, id: EndpointId, admin: AdminState) -> bool {
        self.ask(id, |asked| asked.admin = admin)
    }

    /// Gives an endpoint a weight in place of its source's, or takes that back; false when there is none of that id. It
    /// holds for as long as a command does.
    pub fn weigh(&self, id: EndpointId, weight: Option<Weight>) -> bool {
        self.ask(id, |asked| asked.weight = weight)
    }

    fn ask(&self, id: EndpointId, ask: impl Fn(&mut Asked)) -> bool {
        let mut found = false;
        self.change(|roster, ledger| {
            let mut members = roster.members().to_vec();
            for member in members.iter_mut().filter(|member| member.id() == id) {
                found = true;
                let (spec, standing) = (&member.endpoint().spec, member.standing());
                let before = Asked { admin: standing.admin, weight: standing.weight };
                let mut asked = before;
                ask(&mut asked);
                let identity = (spec.name.clone(), spec.address.clone());
                match asked == Asked::default() {
                    true => ledger.asked.remove(&identity),
                    false => ledger.asked.insert(identity, asked),
                };
                if asked != before {
                    let Asked { admin, weight } = asked;
                    *member = Arc::new(member.standing_as(Standing { admin, weight, ..standing.clone() }));
                }
            }
            members
        });
        found
    }

    /// Lets go of those that left and have finished what they had, or had the time to; tells whether anybody went. Costs
    /// next to nothing when nobody is leaving.
    pub fn reap(&self, now: Instant) -> bool {
        if self.ledger().left_at.is_empty() {
            return false;
        }
        self.change(|roster, ledger| {
            let timeout = ledger.rules.drain_timeout;
            let may_go = |member: &Member| match ledger.left_at.get(&member.id()) {
                Some(left) => member.figures().in_flight() == 0 || now.saturating_duration_since(*left) >= timeout,
                None => false,
            };
            let members: Vec<_> = roster.members().iter().filter(|member| !may_go(member)).cloned().collect();
            ledger.left_at.retain(|id, _| members.binary_search_by_key(id, |member| member.id()).is_ok());
            members
        })
    }

    /// One change of the members, from the roster of this moment to the next; tells whether there was one.
    fn change(&self, edit: impl FnOnce(&Roster, &mut Ledger) -> Vec<Arc<Member>>) -> bool {
        let mut ledger = self.ledger();
        let before = self.roster.load_full();
        let members = edit(&before, &mut ledger);
        let Some(after) = before.followed_by(members, ledger.rules.panic, &ledger.last_good) else { return false };
        if !after.panics() {
            ledger.last_good = after.ready().iter().map(|member| member.id()).collect();
        }
        let after = Arc::new(after);
        self.roster.store(Arc::clone(&after));
        // Still under the lock, so that events come in the order of the changes.
        for (endpoint, change, cause) in changes(&before, &after) {
            self.events.tell(&self.name, endpoint.as_ref(), change, cause);
        }
        true
    }

    /// Each edit leaves the ledger sound, so one that panicked does not close it to the others.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
