//! Where `hash = "mixed"` puts requests and virtual nodes: on slots as if drawn by lot, whatever their numbers and names.
//! Pure; the walk from one to the other is the ring's.
//!
//! Where a node is depends on its endpoint's name and its own number, and on nobody else. Nodes that meet on one slot
//! share it: the one with the smallest hash has it, the others wait behind it. So one that comes or goes pushes nobody
//! aside, and takes or leaves only keys of its own.

use leverframe_sdk::draw::below;
use leverframe_sdk::hash::{fnv1a, mix};
use leverframe_sdk::{Endpoint, EndpointId};

use crate::policy::Size;

pub(crate) fn request_slot(size: Size, number: u64) -> u64 {
    slot_of(size, mix(number))
}

/// Every node with its slot, in the order of the hashes, and so of the slots.
pub(crate) fn place(size: Size, candidates: &[Endpoint]) -> Vec<(u64, EndpointId)> {
    let nodes_of = |one: &Endpoint| {
        // Mixed before the node's number is added, so that names that are almost the same do not have nodes in common.
        let (first, id) = (mix(fnv1a(one.name.as_bytes())), one.id);
        (0..size.virtual_nodes).map(move |node| (mix(first.wrapping_add(u64::from(node))), id))
    };
    let mut nodes: Vec<_> = candidates.iter().flat_map(nodes_of).collect();
    nodes.sort_unstable();
    nodes.into_iter().map(|(hash, id)| (slot_of(size, hash), id)).collect()
}

/// Rises with the hash.
fn slot_of(size: Size, hash: u64) -> u64 {
    below(hash, u64::from(size.slots))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::policy::{Hash, Ring};
    use leverframe_sdk::testing::endpoint;
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    fn endpoints(ids: impl IntoIterator<Item = EndpointId>) -> Vec<Endpoint> {
        ids.into_iter().map(|id| endpoint(id, &format!("node-{id}"), 1)).collect()
    }

    fn ring(size: Size, candidates: &[Endpoint]) -> Ring {
        let mut ring = Ring::new(Hash::Mixed, size);
        ring.replace(candidates);
        ring
    }

    /// Who has each key, all others being excluded in turn: first, second, ...
    fn order_of(ring: &Ring, number: u64, servers: usize) -> Vec<EndpointId> {
        let mut order = Vec::new();
        (0..servers).for_each(|_| order.extend(ring.find(number, &order)));
        order
    }

    /// The variance of the endpoints' shares of the slots, in squares of the mean share.
    fn squared_variation(size: Size, candidates: &[Endpoint]) -> f64 {
        let nodes = place(size, candidates);
        let last = nodes.last().map_or(0, |(slot, _)| *slot);
        let mut before = last as f64 - f64::from(size.slots);
        let mut shares = BTreeMap::new();
        for (slot, id) in nodes {
            *shares.entry(id).or_insert(0.0) += slot as f64 - before;
            before = slot as f64;
        }
        let mean = f64::from(size.slots) / candidates.len() as f64;
        shares.values().map(|share| (share / mean - 1.0).powi(2)).sum::<f64>() / candidates.len() as f64
    }

    /// Gaps between places drawn by lot have a flat Dirichlet distribution, so the share of one of N endpoints with v
    /// nodes each has the distribution Beta(v, (N - 1)·v), whose coefficient of variation is √((N - 1) / (N·v + 1)):
    /// about 1/√v. Lamping and Veach, "A fast, minimal memory, consistent hash algorithm", 2014, measure the same.
    #[test]
    fn the_spread_is_as_even_as_so_many_nodes_promise() {
        const CLUSTERS: u32 = 200;
        for (servers, nodes) in [(3, 150), (10, 10), (10, 40), (10, 150)] {
            let size = Size::new(65_536, nodes).expect("it is allowed");
            let clusters = (0..CLUSTERS).map(|nth| endpoints(nth * servers..(nth + 1) * servers));
            let measured = clusters.map(|one| squared_variation(size, &one)).sum::<f64>() / f64::from(CLUSTERS);
            let promised = f64::from(servers - 1) / f64::from(servers * nodes + 1);
            // The variance of so many samples is itself uncertain by a tenth.
            let ratio = measured / promised;
            assert!((0.8..1.2).contains(&ratio), "{servers} servers, {nodes} nodes: {ratio:.2} of what is promised");
        }
    }

    #[test]
    fn keys_spread_like_slots() {
        let ring = ring(Hash::Mixed.usual_size(), &endpoints(0..3));
        let mut loads = BTreeMap::new();
        (0..10_000).filter_map(|number| ring.find(number, &[])).for_each(|id| *loads.entry(id).or_insert(0) += 1);
        // Three times 1/√150 is a quarter of 3,333.
        assert!(loads.len() == 3 && loads.values().all(|load| (2_500..=4_166).contains(load)), "{loads:?}");
    }

    #[test]
    fn another_id_for_the_same_name_changes_nothing() {
        let usual = Hash::Mixed.usual_size();
        let slots = |id| place(usual, &[endpoint(id, "a", 1)]).into_iter().map(|(slot, _)| slot).collect::<Vec<_>>();
        assert_eq!(slots(1), slots(900));
    }

    proptest! {
        /// Small rings too, in which most slots are shared.
        #[test]
        fn a_leave_moves_only_the_keys_of_the_one_that_leaves(
            ids in btree_set(any::<EndpointId>(), 2..12), pick in any::<prop::sample::Index>(), slots in 1..600_u32,
        ) {
            let size = Size::new(slots, slots.min(9)).expect("it is allowed");
            let gone = *pick.get(&ids.iter().copied().collect::<Vec<_>>());
            let rest: BTreeSet<_> = ids.iter().copied().filter(|id| *id != gone).collect();
            let (all, left) = (ring(size, &endpoints(ids.clone())), ring(size, &endpoints(rest)));
            for number in 0..200 {
                let mut expected = order_of(&all, number, ids.len());
                prop_assert_eq!(expected.len(), ids.len());
                expected.retain(|id| *id != gone);
                prop_assert_eq!(order_of(&left, number, ids.len()), expected);
            }
        }

        #[test]
        fn the_order_of_the_candidates_does_not_matter(
            shuffled in btree_set(any::<EndpointId>(), 1..12).prop_map(Vec::from_iter).prop_shuffle(),
            slots in 1..600_u32,
        ) {
            let size = Size::new(slots, slots.min(9)).expect("it is allowed");
            let mut sorted = shuffled.clone();
            sorted.sort_unstable();
            prop_assert_eq!(place(size, &endpoints(shuffled)), place(size, &endpoints(sorted)));
        }
    }
}
