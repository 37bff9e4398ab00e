//! The roster: the members of a cluster at one moment, and who of them may be chosen. Pure: the next roster is computed
//! from the last one and what changed. Who keeps name and address keeps id and figures; ids are never used again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::member::Member;
use super::ready::{choose, weights};
use super::standing::Standing;
use crate::model::{Address, Endpoint, EndpointId, EndpointName, EndpointSpec, PanicRule};

/// The members, ordered by id.
#[derive(Debug, Default)]
pub struct Roster {
    generation: u64,
    next_id: u32,
    members: Vec<Arc<Member>>,
    ready: Vec<Arc<Member>>,
    share: (usize, usize),
    panics: bool,
}

impl Roster {
    /// Counts the rosters of a cluster that look different to those who choose: 0 for the empty first one.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// All members, ordered by id; those that are leaving too.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Those that may be chosen, ordered by id.
    pub fn ready(&self) -> &[Arc<Member>] {
        &self.ready
    }

    /// Whether so few are ready that the cluster's panic rule says who may be chosen.
    pub fn panics(&self) -> bool {
        self.panics
    }

    /// How many are ready by themselves, of how many in service that are known to have been sound once: a panic goes by
    /// that.
    pub fn share(&self) -> (usize, usize) {
        self.share
    }

    /// The member with this id.
    pub fn get(&self, id: EndpointId) -> Option<&Arc<Member>> {
        self.members.get(self.members.binary_search_by_key(&id, |member| member.id()).ok()?)
    }

    /// The member with this name. One that is leaving may share it with one that moved to another address: the latter.
    pub fn named(&self, name: &EndpointName) -> Option<&Arc<Member>> {
        let named = self.members.iter().filter(|member| member.endpoint().spec.name == *name);
        named.min_by_key(|member| member.standing().leaving)
    }

    /// The members after the catalog changed: who it does not name any more leaves, and who is new stands as `newcomer`
    /// says.
    pub(super) fn catalogued(
        &self,
        specs: &[EndpointSpec],
        newcomer: impl Fn(&EndpointSpec) -> Standing,
        now: Instant,
    ) -> Vec<Arc<Member>> {
        // Of several with one identity the first counts: it is the last to be put in.
        let named: BTreeMap<_, _> = specs.iter().rev().map(|spec| (identity(spec), spec)).collect();
        let known: BTreeSet<_> = self.members.iter().map(|member| identity(&member.endpoint().spec)).collect();
        let staying = self.members.iter().map(|member| match named.get(&identity(&member.endpoint().spec)) {
            Some(spec) => staying(member, spec),
            None if member.standing().leaving => Arc::clone(member),
            None => Arc::new(member.standing_as(Standing { leaving: true, ..member.standing().clone() })),
        });
        let new = specs.iter().filter(|spec| !known.contains(&identity(spec)));
        let joining = (self.next_id..)
            .map(EndpointId)
            .zip(new)
            .map(|(id, spec)| Arc::new(Member::joining(Endpoint { id, spec: spec.clone() }, newcomer(spec), now)));
        staying.chain(joining).collect()
    }

    /// The roster of these members, ordered by id; none when it would be the same. What only operators see (a score, a
    /// reason) makes a new roster of the same generation.
    pub(super) fn followed_by(
        &self,
        members: Vec<Arc<Member>>,
        rule: PanicRule,
        last_good: &[EndpointId],
    ) -> Option<Self> {
        let standings: Vec<_> = members.iter().map(|member| (member.id(), member.standing())).collect();
        let choice = choose(&standings, rule, last_good);
        let weighed: Vec<_> = members.iter().map(|member| (member.given_weight(), member.standing())).collect();
        let weights = weights(&weighed);
        let members: Vec<_> = members
            .iter()
            .zip(weights)
            .map(|(member, weight)| match member.weight() == weight {
                true => Arc::clone(member),
                false => Arc::new(member.weighing(weight)),
            })
            .collect();
        let chosen = members.iter().zip(&choice.chosen).filter(|(_, chosen)| **chosen);
        let ready: Vec<_> = chosen.map(|(member, _)| Arc::clone(member)).collect();
        let looks_same = self.panics == choice.panics
            && alike(&self.members, &members, |old, new| old.looks_like(new))
            && alike(&self.ready, &ready, |old, new| old.id() == new.id());
        if looks_same && alike(&self.members, &members, Arc::ptr_eq) {
            return None;
        }
        Some(Self {
            generation: if looks_same { self.generation } else { self.generation + 1 },
            next_id: members.last().map_or(self.next_id, |last| self.next_id.max(last.id().0 + 1)),
            members,
            ready,
            share: choice.ready,
            panics: choice.panics,
        })
    }
}

/// A member that the catalog names, as it names it now.
fn staying(member: &Arc<Member>, spec: &EndpointSpec) -> Arc<Member> {
    let back = member.standing().leaving;
    if !back && member.endpoint().spec == *spec {
        return Arc::clone(member);
    }
    let standing = Standing { leaving: false, reported: spec.reported, ..member.standing().clone() };
    Arc::new(member.described(spec.clone()).standing_as(standing))
}

/// What makes an endpoint the same one in the next catalog.
fn identity(spec: &EndpointSpec) -> (&EndpointName, &Address) {
    (&spec.name, &spec.address)
}

fn alike(
    one: &[Arc<Member>],
    other: &[Arc<Member>],
    mut is_alike: impl FnMut(&Arc<Member>, &Arc<Member>) -> bool,
) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_alike(one, other))
}
