//! On which shard a key lies: ranges, lists, hashes and split scans, and the order of values that they rest on.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

use proptest::prelude::*;

use super::*;
use crate::sql::value::Value;

fn range(from: Bound<i64>, to: Bound<i64>, shard: u16) -> KeyRange {
    KeyRange { from: from.map(Key::Int), to: to.map(Key::Int), shard: Shard(shard) }
}

fn nodes(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

#[test]
fn a_total_is_divided_and_the_last_takes_the_rest() {
    let slices = Split::new("users", "id", 10_000).unwrap().over(nodes(6));
    let bounds: Vec<_> = slices.iter().map(|slice| (slice.from, slice.below)).collect();
    assert_eq!(
        bounds,
        [
            (None, Some(1667)),
            (Some(1667), Some(3333)),
            (Some(3333), Some(4999)),
            (Some(4999), Some(6665)),
            (Some(6665), Some(8331)),
            (Some(8331), None),
        ]
    );
    assert_eq!(
        slices.iter().map(|slice| slice.takes_null).collect::<Vec<_>>(),
        [false, false, false, false, false, true]
    );
}

#[test]
fn a_split_of_one_node_or_of_too_many_misses_nothing() {
    let one = Split::new("t", "id", 5).unwrap().over(nodes(1));
    assert_eq!(one, [Slice { from: None, below: None, takes_null: true }]);
    let many = Split::new("t", "id", 2).unwrap().over(nodes(4));
    assert_eq!(many.last().unwrap(), &Slice { from: Some(4), below: None, takes_null: true });
    let huge = Split::new("t", "id", i64::MAX as u64).unwrap();
    assert!(huge.over(nodes(u16::MAX)).windows(2).all(|pair| pair[0].below == pair[1].from));
    assert_eq!(Split::new("t", "id", 0), Err(BadTotal(0)));
    assert_eq!(Split::new("t", "id", u64::MAX), Err(BadTotal(u64::MAX)));
}

#[test]
fn ranges_that_overlap_or_hold_nothing_are_refused_by_name() {
    let new = |ranges| Placement::ranges(KeyKind::Integer, ranges).map(|_| ());
    let overlap = new(vec![range(Included(10), Excluded(20), 1), range(Included(1), Included(10), 0)]).unwrap_err();
    assert_eq!(overlap.to_string(), "the ranges [1, 10] of shard 0 and [10, 20) of shard 1 overlap");
    assert_eq!(new(vec![range(Included(1), Excluded(10), 0), range(Included(10), Excluded(20), 1)]), Ok(()));
    let empty = new(vec![range(Excluded(1), Excluded(2), 0)]).unwrap_err();
    assert_eq!(empty.to_string(), "the range (1, 2) of shard 0 holds no key");
    assert!(matches!(new(vec![range(Excluded(i64::MAX), Unbounded, 0)]), Err(PlacementError::EmptyRange(_))));
    assert_eq!(new(vec![]), Err(PlacementError::Empty));
    let text = KeyRange { from: Included(Key::Text("a".into())), to: Unbounded, shard: Shard(0) };
    assert!(matches!(new(vec![text]), Err(PlacementError::WrongKind(_))));
}

#[test]
fn a_key_in_a_gap_lies_nowhere() {
    let placement =
        Placement::ranges(KeyKind::Integer, vec![range(Unbounded, Excluded(10), 0), range(Included(20), Unbounded, 1)])
            .unwrap();
    assert_eq!(placement.shard_of(&Key::Int(i64::MIN)), Ok(Shard(0)));
    assert_eq!(placement.shard_of(&Key::Int(9)), Ok(Shard(0)));
    assert_eq!(placement.shard_of(&Key::Int(10)), Err(OutOfRange(Key::Int(10))));
    assert_eq!(placement.shard_of(&Key::Int(i64::MAX)), Ok(Shard(1)));
    let gap = KeySet::between(Cut::before(Key::Int(10)), Cut::before(Key::Int(20)));
    assert_eq!(placement.shards_of(&gap), Ok(BTreeSet::new()));
    assert_eq!(placement.shards_of(&KeySet::point(Key::Int(12))), Err(OutOfRange(Key::Int(12))));
}

#[test]
fn a_list_places_what_it_names() {
    let keys = [("de", 0), ("fr", 0), ("us", 1)].map(|(key, shard)| (Key::Text(key.into()), Shard(shard)));
    let kind = KeyKind::Text(Collation::Bytes);
    let placement = Placement::listed(kind, keys.clone()).unwrap();
    assert_eq!(placement.shard_of(&Key::Text("us".into())), Ok(Shard(1)));
    assert!(placement.shard_of(&Key::Text("jp".into())).is_err());
    let after = KeySet::between(Cut::after(Key::Text("fr".into())), Cut::Highest);
    assert_eq!(placement.shards_of(&after), Ok(BTreeSet::from([Shard(1)])));
    let twice = Placement::listed(kind, keys.into_iter().chain([(Key::Text("de".into()), Shard(1))])).unwrap_err();
    assert_eq!(twice.to_string(), "the key 'de' is listed for shard 0 and again for shard 1");
}

/// Rows lie where these say: a change of the hash loses them.
#[test]
fn the_hash_is_the_same_for_ever() {
    assert_eq!([0, 1, -1, i64::MAX].map(|key| hash(&Key::Int(key))), HASHES_OF_INTEGERS);
    assert_eq!(["", "a", "Zürich"].map(|key| hash(&Key::Text(key.into()))), HASHES_OF_TEXTS);
}

/// Reckoned by another program from the description of the function.
const HASHES_OF_INTEGERS: [u64; 4] =
    [9_313_164_154_874_788_883, 6_676_229_981_160_887_125, 10_922_763_448_914_652_373, 12_207_119_089_816_846_955];
const HASHES_OF_TEXTS: [u64; 3] = [17_665_956_581_633_026_203, 198_367_012_849_983_736, 14_294_024_177_641_339_485];

#[test]
fn the_hash_spreads_evenly() {
    let shards: Vec<Shard> = (0..7).map(Shard).collect();
    let placement = Placement::hashed(shards).unwrap();
    let mut counts = [0_u32; 7];
    for key in 0..70_000 {
        counts[usize::from(placement.shard_of(&Key::Int(key)).unwrap().0)] += 1;
    }
    assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
}

#[test]
fn values_stand_where_all_dialects_put_them() {
    let at = |key| Standing::At(Key::Int(key));
    let cases = [
        (Value::Integer(i64::MAX), at(i64::MAX)),
        (Value::Real(5.0), at(5)),
        (Value::Real(-0.5), Standing::Above(-1)),
        (Value::Real(9_007_199_254_740_992.0), Standing::Unclear),
        (Value::Real(f64::NAN), Standing::Unclear),
        (Value::Decimal("5.50".into()), Standing::Above(5)),
        (Value::Decimal("5.0000000000000000001".into()), Standing::Unclear),
        (Value::Decimal("9223372036854775808".into()), Standing::Unclear),
        (Value::Text("5".into()), at(5)),
        (Value::Text("05".into()), Standing::Unclear),
        (Value::Text("5x".into()), Standing::Unclear),
        (Value::Text("9007199254740993".into()), Standing::Unclear),
        (Value::Bool(true), Standing::Unclear),
        (Value::Blob(vec![53]), Standing::Unclear),
        (Value::Null, Standing::Null),
    ];
    for (value, standing) in cases {
        assert_eq!(KeyKind::Integer.standing(&value), standing, "{value:?}");
    }
    let other = KeyKind::Text(Collation::Other);
    assert_eq!(other.standing(&Value::Text("a".into())), Standing::Unclear);
    assert_eq!(other.stored(&Value::Text("a".into())), Some(Key::Text("a".into())));
    assert_eq!(KeyKind::Text(Collation::Bytes).standing(&Value::Integer(5)), Standing::Unclear);
}

#[test]
fn a_topology_tells_all_its_errors() {
    let users = |shard| {
        let placement = Placement::hashed(vec![Shard(shard)]).unwrap();
        Holding::Partitioned(Partition { key: "id".into(), kind: KeyKind::Integer, placement })
    };
    let given = [("users".to_owned(), users(3)), ("Users".to_owned(), users(0))];
    let errors = Topology::partitioned(Dialect::Sqlite, nodes(2), given.clone()).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(Topology::partitioned(Dialect::Postgres, nodes(4), given).is_ok());
}

fn key() -> impl Strategy<Value = i64> {
    let far = prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]);
    prop_oneof![5 => -6_i64..6, 1 => far]
}

fn set() -> impl Strategy<Value = KeySet> {
    let cut = prop_oneof![
        Just(Cut::Lowest),
        Just(Cut::Highest),
        key().prop_map(|key| Cut::before(Key::Int(key))),
        key().prop_map(|key| Cut::after(Key::Int(key))),
    ];
    let span = (cut.clone(), cut).prop_map(|(from, to)| KeySet::between(from, to));
    prop::collection::vec(prop_oneof![9 => span, 1 => Just(KeySet::null())], 0..4).prop_map(KeySet::union)
}

fn has(set: &KeySet, key: i64) -> bool {
    let (before, after) = (Cut::before(Key::Int(key)), Cut::after(Key::Int(key)));
    set.spans().iter().any(|span| span.from <= before && after <= span.to)
}

proptest! {
    #[test]
    fn sets_obey_their_laws(one in set(), other in set(), at in key()) {
        prop_assert_eq!(&one.complement().complement(), &one);
        prop_assert_ne!(has(&one, at), has(&one.complement(), at));
        let (union, both) =
            (KeySet::union([one.clone(), other.clone()]), KeySet::intersection([one.clone(), other.clone()]));
        prop_assert_eq!(has(&union, at), has(&one, at) || has(&other, at));
        prop_assert_eq!(has(&both, at), has(&one, at) && has(&other, at));
        prop_assert_eq!(both.has_null(), one.has_null() && other.has_null());
        prop_assert_eq!(KeySet::intersection([one.clone(), one.complement()]), KeySet::nothing());
    }

    #[test]
    fn slices_hold_every_key_once(total in 1_u64..50_000, count in 1_u16..40, at in key()) {
        let slices = Split::new("t", "id", total).unwrap().over(nodes(count));
        prop_assert_eq!(slices.len(), usize::from(count));
        let takers = slices.iter().filter(|slice| {
            slice.from.is_none_or(|from| from <= at) && slice.below.is_none_or(|below| at < below)
        });
        prop_assert_eq!(takers.count(), 1);
        prop_assert_eq!(slices.iter().filter(|slice| slice.takes_null).count(), 1);
    }
}
