//! Laws of what decides without waiting.

use proptest::prelude::*;

use crate::sql::backend::{Fault, FaultKind};
use crate::sql::error::{Cap, Error};
use crate::sql::merge::compare_rows;
use crate::sql::plan::{KeyColumn, MergeKey, Window};
use crate::sql::run::budget::Budget;
use crate::sql::run::ladder::{Ladder, Unordered};
use crate::sql::run::window::Cut;
use crate::sql::value::{Row, Value};

fn rows(numbers: impl IntoIterator<Item = i64>) -> Vec<Row> {
    numbers.into_iter().map(|number| vec![Value::Integer(number)]).collect()
}

/// Puts whole lists together.
fn merged(keys: &[MergeKey], visible: usize, lists: Vec<Vec<Row>>) -> Result<Vec<Row>, Unordered> {
    let mut ladder = Ladder::new(keys.to_vec(), visible, lists.len());
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    for (source, list) in lists.iter_mut().enumerate() {
        if let Some(row) = list.next() {
            ladder.enter(source, row)?;
        }
    }
    let mut all = Vec::new();
    while let Some(source) = ladder.first() {
        // Every third row comes late, as that of a node whose batch has ended.
        let is_late = all.len() % 3 == 2;
        let next = if is_late { None } else { lists[source].next() };
        all.extend(ladder.advance(next)?);
        if is_late && let Some(row) = lists[source].next() {
            ladder.enter(source, row)?;
        }
    }
    Ok(all)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (-3_i64..3).prop_map(Value::Integer),
        (-3_i32..3).prop_map(|number| Value::Real(f64::from(number) / 2.0)),
        "[aAbé]{0,2}".prop_map(Value::Text),
        proptest::collection::vec(0_u8..3, 0..2).prop_map(Value::Blob),
    ]
}

fn key() -> impl Strategy<Value = MergeKey> {
    let column = prop_oneof![(0_usize..2).prop_map(KeyColumn::Visible), Just(KeyColumn::Hidden(0))];
    (column, any::<bool>(), any::<bool>()).prop_map(|(column, descending, nulls_first)| MergeKey {
        column,
        descending,
        nulls_first,
    })
}

proptest! {
    #[test]
    fn a_merge_of_a_split_is_the_order_of_the_whole(
        all in proptest::collection::vec((proptest::collection::vec(value(), 3), 0_usize..4), 0..40),
        keys in proptest::collection::vec(key(), 1..3),
    ) {
        let mut lists = vec![Vec::new(); 4];
        all.iter().for_each(|(row, source)| lists[*source].push(row.clone()));
        lists.iter_mut().for_each(|list| list.sort_by(|one, other| compare_rows(one, other, &keys, 2)));
        // Equal rows in the order of their sources, those of one source in their own.
        let mut whole: Vec<Row> = lists.iter().flatten().cloned().collect();
        whole.sort_by(|one, other| compare_rows(one, other, &keys, 2));
        prop_assert_eq!(merged(&keys, 2, lists), Ok(whole));
    }

    #[test]
    fn a_window_over_batches_is_the_window_over_the_whole(
        sizes in proptest::collection::vec(0_usize..7, 0..8),
        offset in 0_u64..20,
        limit in proptest::option::of(0_u64..20),
    ) {
        let all: Vec<Row> = rows(0..sizes.iter().sum::<usize>() as i64);
        let most = limit.map_or(usize::MAX, |limit| limit as usize);
        let wanted: Vec<Row> = all.iter().skip(offset as usize).take(most).cloned().collect();
        let (mut by_batch, mut by_row) = (Cut::of(Window { limit, offset }), Cut::of(Window { limit, offset }));
        let (mut kept, mut at) = (Vec::new(), 0);
        for size in sizes {
            kept.extend(by_batch.keeps(all[at..at + size].to_vec()));
            at += size;
        }
        prop_assert_eq!(&kept, &wanted);
        let one_by_one: Vec<Row> = all.into_iter().filter(|_| by_row.keeps_one()).collect();
        prop_assert_eq!(one_by_one, wanted);
        prop_assert_eq!(by_batch, by_row);
    }
}

#[test]
fn a_source_out_of_order_is_an_error() {
    let keys = [MergeKey { column: KeyColumn::Visible(0), descending: false, nulls_first: true }];
    assert_eq!(merged(&keys, 1, vec![rows([1, 5, 9]), rows([2, 8, 7])]), Err(Unordered(1)));
    // Also where the row before it is gone already.
    assert_eq!(merged(&keys, 1, vec![rows([1, 2, 3, 1])]), Err(Unordered(0)));
}

#[test]
fn a_window_of_the_largest_numbers_does_not_overflow() {
    let mut cut = Cut::of(Window { limit: Some(u64::MAX), offset: u64::MAX });
    assert!(cut.keeps(rows(0..5)).is_empty());
    assert!(!cut.keeps_one());
    assert!(!cut.is_over());
    assert!(Cut::of(Window { limit: Some(0), offset: 3 }).is_over());
}

#[test]
fn rows_and_bytes_are_bounded_to_the_last_one() {
    let mut budget = Budget::new(3, 1000);
    assert_eq!(budget.spend(&rows(0..3)), Ok(24));
    assert_eq!(budget.spend(&rows(0..1)), Err(Cap::GatherRows(3)));
    let text = |length: usize| vec![vec![Value::Text("x".repeat(length)), Value::Null]];
    let mut budget = Budget::new(10, 20);
    assert_eq!(budget.spend(&text(19)), Ok(20));
    assert_eq!(budget.spend(&text(0)), Err(Cap::GatherBytes(20)));
}

#[test]
fn nodes_that_all_refuse_the_statement_are_not_the_cause() {
    let failed = |kinds: &[FaultKind]| {
        Error::of_nodes(kinds.iter().map(|kind| ("n".to_owned(), Fault::new(*kind, "x"))).collect())
    };
    assert!(matches!(failed(&[FaultKind::Statement, FaultKind::Overflow]), Error::Statement(_)));
    assert!(matches!(failed(&[FaultKind::Statement, FaultKind::Lost]), Error::Nodes(_)));
    assert!(matches!(failed(&[FaultKind::TimedOut]), Error::Deadline { .. }));
    assert!(matches!(failed(&[FaultKind::TimedOut, FaultKind::Connect]), Error::Nodes(_)));
}

#[test]
#[ignore = "a figure: cargo test --release -- --ignored --nocapture a_merge_costs"]
fn a_merge_costs_less_than_a_microsecond_for_a_row() {
    let keys = [MergeKey { column: KeyColumn::Visible(0), descending: false, nulls_first: true }];
    let wide = |id: i64| vec![Value::Integer(id), Value::Text(format!("name {id}")), Value::Real(0.5), Value::Null];
    let lists: Vec<Vec<Row>> = (0..3).map(|nth| (0..33_334).map(|id| wide(id * 3 + nth)).collect()).collect();
    let mut ladder = Ladder::new(keys.to_vec(), 4, 3);
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    for (source, list) in lists.iter_mut().enumerate() {
        ladder.enter(source, list.next().unwrap()).unwrap();
    }
    let (began, mut count) = (std::time::Instant::now(), 0_u32);
    while let Some(source) = ladder.first() {
        let row = ladder.advance(lists[source].next()).unwrap();
        count += u32::from(std::hint::black_box(row).is_some());
    }
    let each = began.elapsed() / count;
    println!("{count} rows, {each:?} each");
    assert!(each < std::time::Duration::from_micros(1), "{each:?}");
}
