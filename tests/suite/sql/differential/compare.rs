//! Whether two answers are the same: integers, decimals with their scale, text and dates exactly, doubles to 1e-12 of
//! their size, rows in order where the query orders them totally and as a bag otherwise.

use leverframe::sql::cache::normal;
use leverframe::sql::dialect::Dialect;
use leverframe::sql::value::Value;

use super::generator::Check;

/// Doubles may differ by so much of their size: sums of them depend on the order of addition.
const RELATIVE: f64 = 1e-12;
/// Below it, what is left of larger numbers that cancel each other is taken to be nothing.
const SMALL: f64 = 1e-3;

/// What a database answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) names: Vec<String>,
    /// As the backend calls them; empty where it was not asked through a backend.
    pub(super) types: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
    /// Rows that a write touched.
    pub(super) affected: u64,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts {
    /// Any text of those that the collation holds equal is right.
    pub(super) fold: bool,
}

/// Whether `got` is a right answer where one database says `want`; `whole` is all that a LIMIT without a total order may
/// choose from.
pub(super) fn is_right(check: &Check, texts: Texts, want: &Answer, got: &Answer, whole: Option<&Answer>) -> bool {
    match (check, whole) {
        (Check::Ordered, _) => same_rows(texts, &want.rows, &got.rows),
        (Check::Bag, _) => same_rows(texts, &sorted(texts, &want.rows), &sorted(texts, &got.rows)),
        (Check::PartOf(..), Some(whole)) => {
            let mut left = whole.rows.clone();
            let mut is_there = |row: &Vec<Value>| {
                let at = left.iter().position(|other| same_row(texts, other, row));
                at.map(|at| left.swap_remove(at)).is_some()
            };
            want.rows.len() == got.rows.len() && got.rows.iter().all(&mut is_there)
        }
        (Check::PartOf(..), None) => false,
        (Check::OfOneNode, _) => want.rows.len() == got.rows.len(),
    }
}

/// Whether the columns are named as one database names them. An expression without a name of its own is called by its text
/// there; the entry reads and sends the normal form of a text (`sql::cache`), without comments, whose parameters have numbers.
pub(super) fn same_names(dialect: Dialect, want: &[String], got: &[String]) -> bool {
    let plain = |name: &String| {
        let mut text = normal(dialect, name).into_owned();
        while let Some((before, (_, behind))) = text.split_once("/*").and_then(|(a, b)| Some((a, b.split_once("*/")?)))
        {
            text = before.to_owned() + behind;
        }
        let mut parts = text.split('?');
        let first = parts.next().unwrap_or_default().to_owned();
        let numbered = parts.map(|part| part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
        let text = numbered.fold(first, |text, part| text + "?" + part);
        text.split_whitespace().collect::<String>()
    };
    want == got || want.iter().map(plain).eq(got.iter().map(plain))
}

/// Whether the columns have the types of one database. What is put together by a last statement has the types of that one:
/// in SQLite none at all, in MySQL of another width (a sum of sums is a wider decimal than a sum).
pub(super) fn same_types(dialect: Dialect, tier: &str, want: &[String], got: &[String]) -> bool {
    let same = |(want, got): (&String, &String)| {
        want == got
            || match dialect {
                _ if tier == "pass-through" => false,
                Dialect::Postgres => false,
                Dialect::Sqlite => got.is_empty(),
                Dialect::MySql => family(want) == family(got),
            }
    };
    want.len() == got.len() && want.iter().zip(got).all(same)
}

/// A type of MySQL without its width.
fn family(declared: &str) -> &str {
    match declared.split(['(', ' ']).next().unwrap_or_default() {
        "tinyint" | "smallint" | "mediumint" | "bigint" => "int",
        other => other,
    }
}

fn same_rows(texts: Texts, one: &[Vec<Value>], other: &[Vec<Value>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_row(texts, one, other))
}

fn same_row(texts: Texts, one: &[Value], other: &[Value]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(texts, one, other))
}

fn same(texts: Texts, one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Real(one), Value::Real(other)) if one.is_finite() && other.is_finite() => {
            (one - other).abs() <= RELATIVE * one.abs().max(other.abs()).max(SMALL)
        }
        (Value::Real(one), Value::Real(other)) => one == other || (one.is_nan() && other.is_nan()),
        (Value::Text(one), Value::Text(other)) if texts.fold => folded(one) == folded(other),
        _ => one == other,
    }
}

/// Rows in an order that does not depend on the last digits of doubles.
fn sorted(texts: Texts, rows: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let mark = |value: &Value| match value {
        Value::Real(number) if number.abs() < SMALL * SMALL => "r0".to_owned(),
        Value::Real(number) => format!("r{number:.7e}"),
        Value::Text(text) if texts.fold => format!("t{}", folded(text)),
        other => format!("{other:?}"),
    };
    let mut rows: Vec<(Vec<String>, Vec<Value>)> =
        rows.iter().map(|row| (row.iter().map(mark).collect(), row.clone())).collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A text without case, accents and blanks at its end: what the case-insensitive collations hold equal, of the letters
/// that the tests use.
fn folded(text: &str) -> String {
    let plain = |letter: char| match letter {
        'é' | 'É' | 'ë' | 'Ë' => 'e',
        'ü' | 'Ü' => 'u',
        other => other.to_ascii_lowercase(),
    };
    text.trim_end_matches(' ').chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rows: &[&[Value]]) -> Answer {
        Answer { rows: rows.iter().map(|row| row.to_vec()).collect(), ..Answer::default() }
    }

    #[test]
    fn a_double_may_differ_in_its_last_digits_and_nothing_else_may() {
        let exact = Texts { fold: false };
        let right =
            |one: Value, other: Value| is_right(&Check::Bag, exact, &answer(&[&[one]]), &answer(&[&[other]]), None);
        assert!(right(Value::Real(0.1 + 0.2), Value::Real(0.3)));
        assert!(!right(Value::Real(0.300_000_1), Value::Real(0.3)));
        assert!(!right(Value::Decimal("1.50".into()), Value::Decimal("1.5".into())));
        assert!(!right(Value::Integer(1), Value::Decimal("1".into())));
        assert!(!right(Value::Text("a".into()), Value::Text("A".into())));
    }

    #[test]
    fn order_counts_only_where_it_is_total_and_rows_count_always() {
        let exact = Texts { fold: false };
        let one = answer(&[&[Value::Integer(1)], &[Value::Integer(2)]]);
        let other = answer(&[&[Value::Integer(2)], &[Value::Integer(1)]]);
        assert!(is_right(&Check::Bag, exact, &one, &other, None));
        assert!(!is_right(&Check::Ordered, exact, &one, &other, None));
        let twice = answer(&[&[Value::Integer(1)], &[Value::Integer(1)]]);
        assert!(!is_right(&Check::Bag, exact, &one, &twice, None));
        assert!(!is_right(&Check::PartOf(String::new(), Vec::new()), exact, &twice, &twice, Some(&one)));
        assert!(is_right(&Check::PartOf(String::new(), Vec::new()), exact, &one, &other, Some(&one)));
    }

    #[test]
    fn what_a_collation_holds_equal_is_the_same_text_where_any_may_be_shown() {
        let (one, other) = (answer(&[&[Value::Text("Émile ".into())]]), answer(&[&[Value::Text("emile".into())]]));
        assert!(is_right(&Check::Bag, Texts { fold: true }, &one, &other, None));
        assert!(!is_right(&Check::Bag, Texts { fold: false }, &one, &other, None));
    }
}
