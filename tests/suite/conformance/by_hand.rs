//! Decisions that were worked out by hand, asked of the components from outside. Ids are given out from 0.

use leverframe::model::{Attempt, EndpointId};
use leverframe::routing::{Choice, Strategy};

use super::cluster::{TestCluster, request};
use super::subjects::{Form, subject};

/// Smooth weighted round robin: each gains its weight, the richest is chosen and pays the total.
#[test]
fn smooth_weighted_round_robin_is_the_sequence_of_nginx() {
    // Before each payment: 5 1 1, 3 2 2, 1 3 3, 6 -3 4, 4 -2 5, 9 -1 -1, 7 0 0; of equals the first.
    assert_eq!(weighted(&[("a", 5), ("b", 1), ("c", 1)], 14), "a a b a c a a a a b a c a a");
    // 4 2 1, 1 4 2, 5 -1 3, 2 1 4, 6 3 -2, 3 5 -1, 7 0 0.
    assert_eq!(weighted(&[("a", 4), ("b", 2), ("c", 1)], 14), "a b a c a b a a b a c a b a");
}

/// The names that the component picks, one after the other.
fn weighted(members: &[(&str, u16)], picks: usize) -> String {
    let cluster = TestCluster::of(members);
    let mut strategy = subject("weighted-round-robin", "{}").start(Form::Wasm);
    strategy.candidates_changed(cluster.candidates()).unwrap();
    let names: Vec<_> = (0..picks).map(|_| members[picked(&mut *strategy, 0, &[]) as usize].0).collect();
    names.join(" ")
}

/// The slots of the usual ring.
const SLOTS: u64 = 512;

/// Where the virtual nodes j = 0 to 8 of three servers are: Φ(i, j) = i² + j² + 2j + 25, where j² + 2j is 0, 3, 8, 15,
/// 24, 35, 48, 63, 80. Server 2 finds 29 taken by server 1 and moves on to 30.
const RING_OF_0_1_2: [(u32, [u64; 9]); 3] = [
    (0, [25, 28, 33, 40, 49, 60, 73, 88, 105]),
    (1, [26, 29, 34, 41, 50, 61, 74, 89, 106]),
    (2, [30, 32, 37, 44, 53, 64, 77, 92, 109]),
];

/// As above, with server 4 in the place of 2. It finds 41 taken by server 1 and moves on to 42; 49 by 0 and 50 by 1, on
/// to 51; 89 by 1, on to 90.
const RING_OF_0_1_4: [(u32, [u64; 9]); 3] = [
    (0, [25, 28, 33, 40, 49, 60, 73, 88, 105]),
    (1, [26, 29, 34, 41, 50, 61, 74, 89, 106]),
    (4, [42, 44, 51, 56, 65, 76, 90, 104, 121]),
];

/// Request number, its slot H(i) = i² + 2i + 17 modulo 512, and the server of the next node from there.
const REQUESTS_TO_0_1_2: [(u64, u64, u32); 13] = [
    (0, 17, 0),   // on to 25
    (1, 20, 0),   // on to 25
    (2, 25, 0),   // exactly on a node
    (3, 32, 2),   // exactly
    (4, 41, 1),   // exactly
    (5, 52, 2),   // on to 53
    (6, 65, 0),   // on to 73
    (7, 80, 0),   // on to 88
    (8, 97, 0),   // on to 105
    (9, 116, 0),  // past 109, around to 25
    (50, 57, 0),  // 2617 - 5 × 512, on to 60
    (67, 32, 2),  // 4640 - 9 × 512, exactly
    (511, 16, 0), // 511 is -1: 1 - 2 + 17, on to 25
];

const REQUESTS_TO_0_1_4: [(u64, u64, u32); 9] = [
    (2, 25, 0),   // exactly
    (3, 32, 0),   // on to 33
    (4, 41, 1),   // exactly: who came first has the slot
    (5, 52, 4),   // on to 56
    (6, 65, 4),   // exactly
    (7, 80, 0),   // on to 88
    (8, 97, 4),   // on to 104
    (9, 116, 4),  // on to 121
    (10, 137, 0), // past 121, around to 25
];

#[test]
fn consistent_hash_has_the_ring_that_was_drawn_by_hand() {
    let mut cluster = TestCluster::of(&[("a", 1), ("b", 1), ("c", 1)]);
    let mut strategy = subject("consistent-hash", r#"{"key": {"header": "x-number"}}"#).start(Form::Wasm);
    strategy.candidates_changed(cluster.candidates()).unwrap();
    holds(&mut *strategy, &RING_OF_0_1_2, &REQUESTS_TO_0_1_2);

    // The next id is 3, and then 4; only 0, 1 and 4 stay.
    cluster.change(&[("a", 1), ("b", 1), ("d", 1), ("e", 1)]);
    cluster.change(&[("a", 1), ("b", 1), ("e", 1)]);
    assert_eq!(cluster.ids(), [0, 1, 4].map(EndpointId));
    strategy.candidates_changed(cluster.candidates()).unwrap();
    holds(&mut *strategy, &RING_OF_0_1_4, &REQUESTS_TO_0_1_4);
}

#[test]
fn consistent_hash_walks_on_past_who_was_tried() {
    let cluster = TestCluster::of(&[("a", 1), ("b", 1), ("c", 1)]);
    let mut strategy = subject("consistent-hash", r#"{"key": {"header": "x-number"}}"#).start(Form::Wasm);
    strategy.candidates_changed(cluster.candidates()).unwrap();
    // From slot 52: 53 is of server 2, 60 of 0, 61 of 1.
    assert_eq!(picked(&mut *strategy, 5, &[2]), 0);
    assert_eq!(picked(&mut *strategy, 5, &[2, 0]), 1);
    // From slot 116 around: 25 is of 0, 26 of 1, 30 of 2.
    assert_eq!(picked(&mut *strategy, 9, &[0]), 1);
    assert_eq!(picked(&mut *strategy, 9, &[0, 1]), 2);
}

/// The component chooses as the tables say: for the requests that were worked out one by one, and for every request
/// number up to two times around, by reading the ring off the table.
fn holds(strategy: &mut dyn Strategy, ring: &[(u32, [u64; 9])], requests: &[(u64, u64, u32)]) {
    for (number, slot, server) in requests {
        assert_eq!((number * number + 2 * number + 17) % SLOTS, *slot, "the slot of request {number}");
        assert_eq!(picked(strategy, *number, &[]), *server, "the server of request {number}");
    }
    for number in 0..2 * SLOTS {
        let slot = (number * number + 2 * number + 17) % SLOTS;
        let clockwise = |node: u64| (node + SLOTS - slot) % SLOTS;
        let nodes = ring.iter().flat_map(|(server, nodes)| nodes.iter().map(move |node| (clockwise(*node), *server)));
        let (_, nearest) = nodes.min().expect("the ring has nodes");
        assert_eq!(picked(strategy, number, &[]), nearest, "the server of request {number}, from slot {slot}");
    }
}

/// The id of the endpoint of a request with this number in its header.
fn picked(strategy: &mut dyn Strategy, number: u64, tried: &[u32]) -> u32 {
    let request = request("/", &[("x-number", &number.to_string())], 1);
    let excluded: Vec<_> = tried.iter().copied().map(EndpointId).collect();
    match strategy.pick(&request, Attempt { number: tried.len() as u32, excluded: &excluded }).unwrap() {
        Choice::Endpoint(EndpointId(id)) => id,
        other => panic!("{other:?}"),
    }
}
