//! Which shards there are, who holds them, and that no key is ever left out or asked for twice.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sqlparser::ast::{Ident, ObjectName};

use super::*;
use crate::cluster::{LiveCluster, Rules};
use crate::config::{DatabaseSpec, Secret, SqlLimits, TableSpec};
use crate::model::{Address, ClusterName, EndpointSpec, Events, PanicRule, SqlName};

fn live(endpoints: &[EndpointSpec]) -> LiveCluster {
    let live = LiveCluster::new(ClusterName::new("nodes").unwrap(), Events::nowhere());
    let rules = Rules { panic: PanicRule::default(), wait_for_check: false, drain_timeout: Duration::from_secs(30) };
    live.configure(rules);
    live.update(endpoints, Instant::now());
    live
}

fn endpoint(name: &str, labels: &[(&str, &str)]) -> EndpointSpec {
    let address = Address::parse(&format!("{name}.example:5432")).unwrap();
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    EndpointSpec { labels, ..EndpointSpec::new(EndpointName::new(name).unwrap(), address) }
}

fn entry(topology: TopologySpec) -> SqlEntry {
    let database = DatabaseSpec { database: "shop".into(), user: "reader".into(), password: Some(Secret::new("hush")) };
    SqlEntry {
        name: SqlName::new("shop").unwrap(),
        cluster: ClusterName::new("nodes").unwrap(),
        backend: BackendSpec::Postgres(database),
        topology,
        limits: SqlLimits::default(),
    }
}

fn table(placement: PlacementSpec) -> TableSpec {
    let partition = PartitionSpec { key: "id".into(), kind: KeySpec::Integer, placement };
    TableSpec { name: "users".into(), holding: HoldingSpec::Partitioned(partition) }
}

fn partitioned(shards: &[&str], placement: PlacementSpec) -> SqlEntry {
    let shards = shards.iter().map(|shard| (*shard).to_owned()).collect();
    entry(TopologySpec::Partitioned(PartitionedSpec { shards, tables: vec![table(placement)] }))
}

fn by_ranges(ranges: &[(&str, &str)]) -> PlacementSpec {
    let range =
        |(range, shard): &(&str, &str)| (RangeSpec::parse(range, KeySpec::Integer).unwrap(), (*shard).to_owned());
    PlacementSpec::Ranges(ranges.iter().map(range).collect())
}

fn by_label() -> SqlEntry {
    partitioned(&["a", "b", "c"], PlacementSpec::RangesLabel("keys".into()))
}

fn split(total_records: u64) -> SqlEntry {
    entry(TopologySpec::Split(SplitSpec { table: "users".into(), key: "id".into(), total_records }))
}

fn all(spec: &SqlEntry, endpoints: &[EndpointSpec]) -> Result<Layout, LayoutError> {
    laid_out(spec, &live(endpoints).roster(), |_| true)
}

fn partition_of(layout: &Layout) -> &Partition {
    let name = ObjectName::from(vec![Ident::new("users")]);
    match layout.topology.holding(&name) {
        Some(Holding::Partitioned(partition)) => partition,
        other => panic!("{other:?}"),
    }
}

fn shard_of(layout: &Layout, key: i64) -> Option<String> {
    let shard = partition_of(layout).placement.shard_of(&Key::Int(key)).ok()?;
    Some(layout.shards[usize::from(shard.0)].name.clone())
}

fn members(layout: &Layout) -> Vec<(String, Vec<String>)> {
    let names =
        |shard: &ShardNodes| shard.members.iter().map(|member| member.endpoint().spec.name.to_string()).collect();
    layout.shards.iter().map(|shard| (shard.name.clone(), names(shard))).collect()
}

fn held(shard: &str, by: &[&str]) -> (String, Vec<String>) {
    (shard.to_owned(), by.iter().map(|name| (*name).to_owned()).collect())
}

fn words(layout: &Layout) -> Vec<(&str, &str)> {
    layout.tables[0].shards.iter().map(|(shard, what)| (shard.as_str(), what.as_str())).collect()
}

#[test]
fn a_shard_is_held_by_who_is_called_so_or_says_so() {
    let spec = partitioned(&["a", "b"], by_ranges(&[("..100", "a"), ("100..", "b")]));
    let nodes = [
        endpoint("b", &[]),
        endpoint("west", &[("shard", "a")]),
        endpoint("east", &[("shard", "a")]),
        endpoint("a", &[("shard", "elsewhere")]),
    ];
    let layout = all(&spec, &nodes).unwrap();
    assert_eq!(members(&layout), [held("a", &["east", "west"]), held("b", &["b"])]);
    assert_eq!((shard_of(&layout, 99), shard_of(&layout, 100)), (Some("a".into()), Some("b".into())));
    assert_eq!(words(&layout), [("a", "..100"), ("b", "100..")]);
}

#[test]
fn a_shard_without_anybody_to_ask_keeps_its_place() {
    let spec = partitioned(&["a", "b", "c"], by_ranges(&[("..10", "a"), ("10..20", "b"), ("20..", "c")]));
    let layout = all(&spec, &[endpoint("a", &[]), endpoint("c", &[])]).unwrap();
    assert_eq!(members(&layout), [held("a", &["a"]), held("b", &[]), held("c", &["c"])]);
    assert_eq!(shard_of(&layout, 15), Some("b".into()), "its rows are still its own");

    // One whose circuit is open is as good as away.
    let live = live(&[endpoint("a", &[]), endpoint("b", &[]), endpoint("c", &[])]);
    let roster = live.roster();
    let out = roster.named(&EndpointName::new("c").unwrap()).unwrap().id();
    let layout = laid_out(&spec, &roster, |id| id != out).unwrap();
    assert_eq!(members(&layout), [held("a", &["a"]), held("b", &["b"]), held("c", &[])]);
}

#[test]
fn labels_bring_their_ranges() {
    let nodes = [
        endpoint("n1", &[("shard", "a"), ("keys", "1..1000")]),
        endpoint("n2", &[("shard", "b"), ("keys", "1000..=2000, 5000..")]),
        endpoint("n3", &[("shard", "a"), ("keys", "1..1000")]),
        endpoint("c", &[("keys", "2001..5000")]),
    ];
    let layout = all(&by_label(), &nodes).unwrap();
    assert_eq!(members(&layout), [held("a", &["n1", "n3"]), held("b", &["n2"]), held("c", &["c"])]);
    assert_eq!(words(&layout), [("a", "1..1000"), ("b", "1000..=2000, 5000.."), ("c", "2001..5000")]);
    let shards = [0, 999, 1000, 2000, 2001, 4999, 5000].map(|key| shard_of(&layout, key).unwrap_or_default());
    assert_eq!(shards, ["", "a", "b", "b", "c", "c", "b"]);
}

#[test]
fn what_nobody_says_that_it_holds_is_asked_of_the_shard_that_is_away() {
    let nodes = [endpoint("a", &[("keys", "1..1000")]), endpoint("c", &[("keys", "2000..3000")])];
    let layout = all(&by_label(), &nodes).unwrap();
    assert_eq!(members(&layout), [held("a", &["a"]), held("b", &[]), held("c", &["c"])]);
    for (key, shard) in [(0, "b"), (1, "a"), (1500, "b"), (2999, "c"), (3000, "b"), (i64::MIN, "b"), (i64::MAX, "b")] {
        assert_eq!(shard_of(&layout, key).as_deref(), Some(shard), "{key}");
    }
    assert_eq!(words(&layout)[1], ("b", "not known: it is away"));
}

#[test]
fn what_labels_say_must_be_clear() {
    let refused = |nodes: &[EndpointSpec]| all(&by_label(), nodes).unwrap_err().to_string();
    let (b, c) = (endpoint("b", &[("keys", "10..20")]), endpoint("c", &[("keys", "20..")]));
    assert_eq!(
        refused(&[endpoint("a", &[]), b.clone(), c.clone()]),
        "the endpoint a has no label `keys`, which is to say which keys of users are there"
    );
    assert_eq!(
        refused(&[endpoint("a", &[("keys", "1-9")]), b.clone(), c.clone()]),
        "the label `keys` of the endpoint a: `1-9` is no range: write `1..1000`, without the end, or `1..=1000`, with it; \
         either end may be left out"
    );
    assert_eq!(
        refused(&[endpoint("a", &[("keys", "1..=10")]), b, c]),
        "of users, `1..=10` of the shard a overlaps with `10..20` of b"
    );
    let twins =
        [endpoint("x", &[("shard", "a"), ("keys", "1..10")]), endpoint("y", &[("shard", "a"), ("keys", "1..9")])];
    assert_eq!(refused(&twins), "the endpoints x and y hold the same shard, but their labels `keys` differ");
}

#[test]
fn rows_may_move_while_an_endpoint_leaves() {
    let live = live(&[endpoint("old", &[("shard", "a"), ("keys", "..100")])]);
    let spec = partitioned(&["a"], PlacementSpec::RangesLabel("keys".into()));
    live.update(&[endpoint("new", &[("shard", "a"), ("keys", "..200")])], Instant::now());
    let layout = laid_out(&spec, &live.roster(), |_| true).unwrap();
    assert_eq!((members(&layout), words(&layout)), (vec![held("a", &["new"])], vec![("a", "..200")]));
    // With nobody in its place, what the last one said still holds.
    live.update(&[], Instant::now());
    let layout = laid_out(&spec, &live.roster(), |_| true).unwrap();
    assert_eq!(members(&layout), [held("a", &[])]);
    assert!(shard_of(&layout, 50).is_some());
}

#[test]
fn ten_thousand_records_over_six_nodes() {
    let nodes: Vec<_> = ["f", "e", "d", "c", "b", "a"].iter().map(|name| endpoint(name, &[])).collect();
    let layout = all(&split(10_000), &nodes).unwrap();
    assert_eq!(
        words(&layout),
        [
            ("a", "up to 1666"),
            ("b", "1667-3332"),
            ("c", "3333-4998"),
            ("d", "4999-6664"),
            ("e", "6665-8330"),
            ("f", "from 8331 on, and rows without a key"),
        ]
    );
    assert_eq!(members(&layout)[1], held("b", &["b", "c", "d", "e", "f", "a"]));
    assert!(layout.topology.is_split());
    for (key, node) in [(-5, "a"), (1666, "a"), (1667, "b"), (8331, "f"), (20_000, "f")] {
        assert_eq!(shard_of(&layout, key).as_deref(), Some(node), "{key}");
    }
    // One goes: the others take its part over.
    let layout = all(&split(10_000), &nodes[1..]).unwrap();
    assert_eq!(words(&layout)[0], ("a", "up to 2000"));
    assert_eq!(all(&split(10_000), &[]).unwrap_err(), LayoutError::NoNodes);
    let one = all(&split(10_000), &nodes[5..]).unwrap();
    assert_eq!(words(&one), [("a", "every row")]);
}

#[test]
fn no_password_shows() {
    assert!(!format!("{:?}", split(1)).contains("hush"));
}

#[test]
fn hashes_and_lists_are_told_as_well() {
    let order = ["b".to_owned(), "a".to_owned(), "b".to_owned()];
    let layout = all(&partitioned(&["a", "b"], PlacementSpec::Hash(order.to_vec())), &[endpoint("a", &[])]).unwrap();
    assert_eq!(words(&layout), [("a", "remainder 1 of 3"), ("b", "remainder 0 of 3, remainder 2 of 3")]);
    let values = vec![(KeyValue::Integer(1), "a".to_owned()), (KeyValue::Integer(3), "a".to_owned())];
    let layout = all(&partitioned(&["a", "b"], PlacementSpec::List(values)), &[]).unwrap();
    assert_eq!(words(&layout), [("a", "1, 3"), ("b", "nothing")]);
    assert_eq!((shard_of(&layout, 3), shard_of(&layout, 2)), (Some("a".into()), None));
}

/// Keys at which something may begin or end, and any.
fn keys() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -5_i64..12_000, Just(i64::MIN), Just(i64::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_split_scan_reads_every_key_exactly_once_whoever_is_there(
        nodes in 1_usize..20, away in proptest::collection::btree_set(0_u32..20, 0..20), total in 1_u64..12_000, key in keys(),
    ) {
        let nodes: Vec<_> = (0..nodes).map(|nth| endpoint(&format!("n{nth}"), &[])).collect();
        let live = live(&nodes);
        let laid = laid_out(&split(total), &live.roster(), |id| !away.contains(&id.0));
        let left = (0..nodes.len()).filter(|nth| !away.contains(&u32::try_from(*nth).unwrap())).count();
        match laid {
            Err(error) => prop_assert!(left == 0 && error == LayoutError::NoNodes),
            Ok(layout) => {
                prop_assert_eq!(layout.shards.len(), left);
                let scan = Split::new("users", "id", total).unwrap();
                let slices = scan.over(NonZeroU16::new(u16::try_from(left).unwrap()).unwrap());
                let readers: Vec<usize> = slices.iter().enumerate()
                    .filter(|(_, slice)| slice.from.is_none_or(|from| from <= key) && slice.below.is_none_or(|below| key < below))
                    .map(|(nth, _)| nth)
                    .collect();
                prop_assert_eq!(readers.len(), 1);
                let routed = partition_of(&layout).placement.shard_of(&Key::Int(key)).unwrap();
                prop_assert_eq!(usize::from(routed.0), readers[0]);
                prop_assert_eq!(slices.iter().filter(|slice| slice.takes_null).count(), 1);
            }
        }
    }

    #[test]
    fn a_key_stays_on_its_shard_whoever_is_there(
        cuts in proptest::collection::btree_set(-1000_i64..12_000, 2..12),
        present in proptest::collection::btree_set(0_usize..12, 0..12),
        by_label in any::<bool>(),
        key in keys(),
    ) {
        let cuts: Vec<i64> = cuts.into_iter().collect();
        let mut ends: Vec<(Option<i64>, Option<i64>)> = vec![(None, Some(cuts[0]))];
        ends.extend(cuts.windows(2).map(|pair| (Some(pair[0]), Some(pair[1]))));
        ends.push((cuts.last().copied(), None));
        let shown = |(from, to): &(Option<i64>, Option<i64>)| {
            let text = |end: &Option<i64>| end.map(|end| end.to_string()).unwrap_or_default();
            format!("{}..{}", text(from), text(to))
        };
        let names: Vec<String> = (0..ends.len()).map(|nth| format!("n{nth}")).collect();
        let refs: Vec<&str> = names.iter().map(String::as_str).collect();
        let owner = ends.iter().position(|(from, to)| from.is_none_or(|from| from <= key) && to.is_none_or(|to| key < to)).unwrap();
        let nodes: Vec<_> = (0..ends.len()).filter(|nth| present.contains(nth))
            .map(|nth| endpoint(&names[nth], &[("keys", &shown(&ends[nth]))])).collect();
        let placement = if by_label {
            PlacementSpec::RangesLabel("keys".into())
        } else {
            let texts: Vec<String> = ends.iter().map(shown).collect();
            by_ranges(&texts.iter().map(String::as_str).zip(refs.iter().copied()).collect::<Vec<_>>())
        };
        let layout = all(&partitioned(&refs, placement), &nodes).unwrap();
        prop_assert_eq!(layout.shards.len(), names.len());
        let shard = partition_of(&layout).placement.shard_of(&Key::Int(key)).unwrap();
        let asked = &layout.shards[usize::from(shard.0)];
        if present.contains(&owner) || !by_label {
            prop_assert_eq!(&asked.name, &names[owner]);
        }
        // Whoever is asked is the owner, or nobody: never another.
        let by: BTreeSet<String> = asked.members.iter().map(|member| member.endpoint().spec.name.to_string()).collect();
        let right = if present.contains(&owner) { BTreeSet::from([names[owner].clone()]) } else { BTreeSet::new() };
        prop_assert_eq!(by, right);
    }
}
