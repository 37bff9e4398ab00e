//! Sums of rows, and where they differ.

use super::compare::{Range, compare};
use super::digest::{Summed, Summing};
use crate::sql::value::{Row, Value};

fn row(id: i64, text: &str) -> Row {
    vec![Value::Integer(id), Value::Text(text.to_owned())]
}

fn rows(count: i64) -> Vec<Row> {
    (0..count).map(|id| row(id, &format!("row {id}"))).collect()
}

fn summed(key: &[usize], rows: &[Row]) -> Summed {
    let mut summing = Summing::new(key.to_vec());
    rows.iter().for_each(|row| summing.push(row));
    summing.finish()
}

fn differ(key: &[usize], nodes: &[&[Row]]) -> Vec<Range> {
    compare(nodes.iter().map(|rows| summed(key, rows)).collect())
}

fn number(key: &Option<Vec<String>>) -> Option<i64> {
    key.as_ref().map(|key| key[0].parse().unwrap())
}

/// Whether a row with this key lies in a range of rows that are in the order of numbers.
fn has(range: &Range, id: i64) -> bool {
    number(&range.after).is_none_or(|after| id > after) && number(&range.through).is_none_or(|through| id <= through)
}

#[test]
fn the_same_rows_are_equal_and_their_order_does_not_matter() {
    let all = rows(5_000);
    let mut turned = all.clone();
    turned.reverse();
    assert_eq!(differ(&[0], &[&all, &all, &all]), []);
    assert_eq!(differ(&[], &[&all, &turned]), []);
    // Also where servers sort their keys otherwise.
    assert_eq!(differ(&[0], &[&all, &turned]), []);
    assert_eq!(differ(&[0], &[&[], &[]]), []);
}

#[test]
fn what_is_told_apart_is_told_apart_by_kind_and_by_length() {
    let pairs: [(Value, Value); 5] = [
        (Value::Integer(1), Value::Real(1.0)),
        (Value::Null, Value::Text(String::new())),
        (Value::Text("a".into()), Value::Blob(b"a".to_vec())),
        (Value::Real(0.0), Value::Real(-0.0)),
        (Value::Bool(true), Value::Integer(1)),
    ];
    for (one, other) in pairs {
        assert_ne!(summed(&[], &[vec![one]]), summed(&[], &[vec![other]]));
    }
    let split = |one: &str, two: &str| vec![Value::Text(one.into()), Value::Text(two.into())];
    assert_ne!(summed(&[], &[split("ab", "c")]), summed(&[], &[split("a", "bc")]));
    // Twice the same row is not none of it.
    assert_ne!(summed(&[], &[row(1, "a"), row(1, "a")]).whole(), summed(&[], &[]).whole());
}

#[test]
fn a_row_that_differs_is_found_in_a_range_of_few_rows() {
    let all = rows(20_000);
    for id in [0, 1, 777, 10_000, 19_999] {
        let mut other = all.clone();
        other[id as usize] = row(id, "another");
        let found = differ(&[0], &[&all, &other, &all]);
        assert_eq!(found.len(), 1, "{id}: {found:?}");
        assert!(has(&found[0], id) && found[0].found[0].rows < 1_000, "{id}: {found:?}");
        assert!(found[0].found[0] == found[0].found[2] && found[0].found[0] != found[0].found[1]);
    }
}

#[test]
fn rows_that_are_missing_or_too_many_move_no_other_ranges() {
    let all = rows(20_000);
    let mut other = all.clone();
    other.retain(|row| !matches!(row[0], Value::Integer(3_000..3_500)));
    other.push(row(30_000, "more"));
    let found = differ(&[0], &[&all, &other]);
    for id in 0..20_000 {
        let is_in = found.iter().any(|range| has(range, id));
        assert!(is_in || !(3_000..3_500).contains(&id), "{id} is missing there: {found:?}");
    }
    let spread: u64 = found.iter().map(|range| range.found[0].rows).sum();
    assert!(spread < 3_000, "{found:?}");
    assert!(found.iter().any(|range| has(range, 30_000)));
}

#[test]
fn a_long_table_is_kept_in_fewer_and_longer_chunks() {
    let mut summing = Summing::new(vec![0]);
    let mut shorter = Summing::new(vec![0]);
    for id in 0..1_500_000 {
        summing.push(&vec![Value::Integer(id)]);
        if id != 400_000 {
            shorter.push(&vec![Value::Integer(id)]);
        }
    }
    let (whole, shorter) = (summing.finish(), shorter.finish());
    assert!(whole.chunks.len() <= 16_385 && whole.zeros > 6, "{} chunks", whole.chunks.len());
    assert_eq!(whole.whole().rows, 1_500_000);
    let found = compare(vec![whole, shorter]);
    assert!(found.len() == 1 && has(&found[0], 400_000) && found[0].found[0].rows < 20_000, "{found:?}");
}

#[test]
fn tables_whose_ends_were_read_in_coarser_chunks_are_compared_all_the_same() {
    let all = rows(5_000);
    let fine = summed(&[0], &all);
    let mut coarse = summed(&[0], &all);
    coarse.coarsen(9);
    assert!(coarse.chunks.len() < fine.chunks.len() / 4);
    assert_eq!(coarse.whole(), fine.whole());
    let mut other = all;
    other[1_234] = row(1_234, "another");
    let found = compare(vec![coarse, summed(&[0], &other)]);
    assert!(found.len() == 1 && has(&found[0], 1_234), "{found:?}");
}
