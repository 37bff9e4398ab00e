//! The roster: the members of a cluster at one moment. Pure: the next roster is computed from the last one and what the
//! catalog says. Who keeps name and address keeps id and figures; ids are never used again.

use std::sync::Arc;
use std::time::Instant;

use super::figures::Figures;
use super::member::Member;
use crate::model::{Endpoint, EndpointId, EndpointSpec};

/// The members, ordered by id.
#[derive(Debug, Default)]
pub struct Roster {
    generation: u64,
    next_id: u32,
    members: Vec<Arc<Member>>,
}

impl Roster {
    /// Counts the rosters of a cluster: 0 for the empty first one.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// All members, ordered by id.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// The roster after the catalog changed; none when nothing did.
    pub fn updated(&self, specs: &[EndpointSpec], now: Instant) -> Option<Self> {
        let mut next = Self { generation: self.generation + 1, next_id: self.next_id, members: Vec::new() };
        for spec in specs {
            let member = match self.holding(spec) {
                Some(kept) if kept.endpoint().spec == *spec => Arc::clone(kept),
                Some(kept) => {
                    let endpoint = Endpoint { id: kept.id(), spec: spec.clone() };
                    Arc::new(Member::new(endpoint, Arc::clone(kept.figures())))
                }
                None => {
                    let endpoint = Endpoint { id: EndpointId(next.next_id), spec: spec.clone() };
                    next.next_id += 1;
                    Arc::new(Member::new(endpoint, Arc::new(Figures::new(now))))
                }
            };
            next.members.push(member);
        }
        next.members.sort_by_key(|member| member.id());
        let same = self.generation > 0
            && self.members.len() == next.members.len()
            && self.members.iter().zip(&next.members).all(|(old, new)| Arc::ptr_eq(old, new));
        (!same).then_some(next)
    }

    fn holding(&self, spec: &EndpointSpec) -> Option<&Arc<Member>> {
        self.members.iter().find(|member| {
            let known = &member.endpoint().spec;
            known.name == spec.name && known.address == spec.address
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, EndpointName, Weight};

    fn spec(name: &str, weight: u16) -> EndpointSpec {
        EndpointSpec {
            name: EndpointName::new(name).unwrap(),
            address: Address::parse(&format!("{name}:80")).unwrap(),
            weight: Weight::new(weight).unwrap(),
            labels: Default::default(),
        }
    }

    fn ids(roster: &Roster) -> Vec<(u32, String)> {
        roster.members().iter().map(|m| (m.id().0, m.endpoint().spec.name.to_string())).collect()
    }

    #[test]
    fn ids_stay_with_their_endpoint_and_are_not_used_again() {
        let now = Instant::now();
        let first = Roster::default().updated(&[spec("a", 1), spec("b", 1)], now).unwrap();
        let second = first.updated(&[spec("c", 1), spec("b", 1)], now).unwrap();
        let third = second.updated(&[spec("a", 1), spec("b", 1)], now).unwrap();
        assert_eq!(ids(&second), [(1, "b".into()), (2, "c".into())]);
        assert_eq!(ids(&third), [(1, "b".into()), (3, "a".into())]);
    }

    #[test]
    fn a_changed_weight_keeps_the_figures() {
        let now = Instant::now();
        let first = Roster::default().updated(&[spec("a", 1)], now).unwrap();
        let under_way = first.members()[0].begin();
        let second = first.updated(&[spec("a", 9)], now).unwrap();
        assert_eq!(second.members()[0].load(now).in_flight, 1);
        drop(under_way);
        assert_eq!(second.members()[0].load(now).in_flight, 0);
    }

    #[test]
    fn the_same_endpoints_in_another_order_are_no_change() {
        let now = Instant::now();
        let first = Roster::default().updated(&[spec("a", 1), spec("b", 1)], now).unwrap();
        assert!(first.updated(&[spec("b", 1), spec("a", 1)], now).is_none());
        assert!(Roster::default().updated(&[], now).is_some(), "an empty cluster differs from an unknown one");
    }
}
