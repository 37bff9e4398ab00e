//! The ring: slots, virtual nodes on it, and the walk from a request's slot to the next node. Pure.
//!
//! With the polynomial hash, server `i` (the endpoint's id) puts its virtual node `j` (from 0) on slot
//! `i² + j² + 2j + 25`, or on the first free slot after it; request `i` starts at slot `i² + 2i + 17`; both modulo the
//! number of slots. The mixed hash has a module of its own.

use leverframe_sdk::{Endpoint, EndpointId};
use serde::Deserialize;

use crate::mixed;

/// What puts requests and virtual nodes on their slots.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Hash {
    /// `H(i) = i² + 2i + 17` for request `i`, `Φ(i, j) = i² + j² + 2j + 25` for node `j` of the endpoint with id `i`; a
    /// node whose slot is taken has the next free one.
    #[default]
    Polynomial,
    /// The finaliser of SplitMix64, over the request's number, and over the endpoint's name and the node's number; nodes
    /// of one slot share it.
    Mixed,
}

impl Hash {
    /// The size that is not configured. 150 nodes spread within about 1/√150, 8%, and rarely meet on 65,536 slots.
    pub(crate) const fn usual_size(self) -> Size {
        match self {
            Self::Polynomial => Size { slots: 512, virtual_nodes: 9 },
            Self::Mixed => Size { slots: Size::MAX_SLOTS, virtual_nodes: 150 },
        }
    }
}

/// How large the ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Slots: 1 to 65,536.
    pub(crate) slots: u32,
    /// Virtual nodes of each server: 1 to the number of slots.
    pub(crate) virtual_nodes: u32,
}

impl Size {
    /// The upper limit keeps the ring within a few hundred KiB, and a square of a slot number within 64 bits.
    const MAX_SLOTS: u32 = 65_536;

    pub(crate) fn new(slots: u32, virtual_nodes: u32) -> Result<Self, String> {
        if !(1..=Self::MAX_SLOTS).contains(&slots) {
            return Err(format!("slots is {slots}; it must be from 1 to {}", Self::MAX_SLOTS));
        }
        if !(1..=slots).contains(&virtual_nodes) {
            return Err(format!("virtual_nodes is {virtual_nodes}; it must be from 1 to the {slots} slots"));
        }
        Ok(Self { slots, virtual_nodes })
    }

    /// `H(i) = i² + 2i + 17`. Works on the remainder, so that no square leaves 64 bits.
    pub(crate) fn request_slot(self, number: u64) -> u64 {
        let slots = u64::from(self.slots);
        let i = number % slots;
        (i * i + 2 * i + 17) % slots
    }

    /// `Φ(i, j) = i² + j² + 2j + 25`.
    pub(crate) fn node_slot(self, server: EndpointId, node: u32) -> u64 {
        let slots = u64::from(self.slots);
        let (i, j) = (u64::from(server) % slots, u64::from(node) % slots);
        (i * i + j * j + 2 * j + 25) % slots
    }
}

/// The nodes with their slots, in order.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    hash: Hash,
    size: Size,
    nodes: Vec<(u64, EndpointId)>,
}

impl Ring {
    pub(crate) const fn new(hash: Hash, size: Size) -> Self {
        Self { hash, size, nodes: Vec::new() }
    }

    /// Places all servers anew, so that every worker has the same ring, whatever came and went before.
    pub(crate) fn replace(&mut self, candidates: &[Endpoint]) {
        self.nodes = match self.hash {
            Hash::Polynomial => probed(self.size, candidates),
            Hash::Mixed => mixed::place(self.size, candidates),
        };
    }

    /// The server of the first node at the request's slot or after it, clockwise, that is not excluded.
    pub(crate) fn find(&self, number: u64, excluded: &[EndpointId]) -> Option<EndpointId> {
        let slot = match self.hash {
            Hash::Polynomial => self.size.request_slot(number),
            Hash::Mixed => mixed::request_slot(self.size, number),
        };
        let (before, after) = self.nodes.split_at(self.nodes.partition_point(|(at, _)| *at < slot));
        after.iter().chain(before).map(|(_, id)| *id).find(|id| !excluded.contains(id))
    }
}

/// The nodes on their slots or on the first free ones after them, in the order of the ids. When the slots do not
/// suffice, each server has fewer virtual nodes, but at least one as long as there are as many slots as servers.
fn probed(size: Size, candidates: &[Endpoint]) -> Vec<(u64, EndpointId)> {
    let mut ids: Vec<EndpointId> = candidates.iter().map(|one| one.id).collect();
    ids.sort_unstable();
    let fitting = (size.slots as usize).checked_div(ids.len()).unwrap_or(0);
    let nodes = size.virtual_nodes.min(u32::try_from(fitting).unwrap_or(u32::MAX)).max(1);
    let mut slots: Vec<Option<EndpointId>> = vec![None; size.slots as usize];
    let places = ids.iter().flat_map(|id| (0..nodes).map(move |node| (*id, node)));
    for (id, node) in places.take(slots.len()) {
        let wanted = usize::try_from(size.node_slot(id, node)).unwrap_or(0);
        let (before, after) = slots.split_at_mut(wanted);
        if let Some(free) = after.iter_mut().chain(before).find(|slot| slot.is_none()) {
            *free = Some(id);
        }
    }
    (0..).zip(slots).filter_map(|(slot, id)| Some((slot, id?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::{candidates, endpoint};

    const USUAL: Size = Hash::Polynomial.usual_size();

    fn ring(size: Size, ids: &[EndpointId]) -> Ring {
        let mut ring = Ring::new(Hash::Polynomial, size);
        ring.replace(&ids.iter().map(|id| endpoint(*id, "x", 1)).collect::<Vec<_>>());
        ring
    }

    fn slots_of(ring: &Ring, id: EndpointId) -> Vec<u64> {
        ring.nodes.iter().filter(|(_, owner)| *owner == id).map(|(slot, _)| *slot).collect()
    }

    #[test]
    fn the_nodes_of_servers_1_2_and_3_are_where_they_are_by_hand() {
        let ring = ring(USUAL, &[1, 2, 3]);
        // j² + 2j is 0 3 8 15 24 35 48 63 80; add 1 + 25.
        assert_eq!(slots_of(&ring, 1), [26, 29, 34, 41, 50, 61, 74, 89, 106]);
        // Add 4 + 25; 29 is taken by server 1, so 30.
        assert_eq!(slots_of(&ring, 2), [30, 32, 37, 44, 53, 64, 77, 92, 109]);
        // Add 9 + 25; 34 is taken by server 1 and 37 by server 2, so 35 and 38.
        assert_eq!(slots_of(&ring, 3), [35, 38, 42, 49, 58, 69, 82, 97, 114]);
    }

    #[test]
    fn a_request_goes_clockwise_to_the_next_node() {
        let ring = ring(USUAL, &[1, 2, 3]);
        let cases = [
            (0, 17, 1),   // on to 26
            (2, 25, 1),   // on to 26
            (3, 32, 2),   // exactly on a node
            (5, 52, 2),   // on to 53
            (4, 41, 1),   // exactly
            (6, 65, 3),   // on to 69
            (9, 116, 1),  // past 114, around to 26
            (511, 16, 1), // 511 is -1: 1 - 2 + 17
        ];
        for (number, slot, server) in cases {
            assert_eq!(USUAL.request_slot(number), slot, "slot of request {number}");
            assert_eq!(ring.find(number, &[]), Some(server), "server of request {number}");
        }
    }

    #[test]
    fn the_excluded_are_walked_past() {
        let ring = ring(USUAL, &[1, 2, 3]);
        // From slot 52: 53 is of server 2, 58 of 3, 61 of 1.
        assert_eq!(ring.find(5, &[2]), Some(3));
        assert_eq!(ring.find(5, &[2, 3]), Some(1));
        assert_eq!(ring.find(5, &[1, 2, 3]), None);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        // 2⁶⁴ - 1 is -1 modulo 512.
        assert_eq!(USUAL.request_slot(u64::MAX), 16);
        assert_eq!(USUAL.node_slot(u32::MAX, 0), 26);
        let largest = Size::new(Size::MAX_SLOTS, Size::MAX_SLOTS).expect("it is allowed");
        // Both are -1 modulo 65,536: 1 + 1 - 2 + 25.
        assert_eq!(largest.node_slot(u32::MAX, u32::MAX), 25);
    }

    #[test]
    fn a_server_that_leaves_gives_only_its_own_requests_away() {
        let (before, after) = (ring(USUAL, &[10, 200, 3_000]), ring(USUAL, &[10, 200]));
        for number in 0..512 {
            match before.find(number, &[]) {
                Some(3_000) => assert!(after.find(number, &[]).is_some()),
                kept => assert_eq!(after.find(number, &[]), kept, "request {number}"),
            }
        }
    }

    #[test]
    fn a_full_ring_still_has_everyone() {
        let many: Vec<EndpointId> = (1..=100).collect();
        let ring = ring(USUAL, &many);
        assert!(many.iter().all(|id| slots_of(&ring, *id).len() == 5), "512 slots for 100 servers are 5 for each");
        let few = Size::new(2, 2).expect("it is allowed");
        let mut crowded = Ring::new(Hash::Polynomial, few);
        crowded.replace(&candidates(&[("a", 1), ("b", 1), ("c", 1)]));
        assert_eq!(crowded.nodes.len(), 2);
    }

    #[test]
    fn without_servers_nothing_is_found() {
        assert_eq!(ring(USUAL, &[]).find(7, &[]), None);
    }

    #[test]
    fn a_size_that_makes_no_ring_is_refused() {
        assert!(Size::new(0, 1).is_err());
        assert!(Size::new(512, 0).is_err());
        assert!(Size::new(512, 513).is_err());
        assert!(Size::new(65_537, 9).is_err());
    }
}
