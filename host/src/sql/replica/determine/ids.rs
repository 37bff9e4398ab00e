//! Owns which numbers statements get: counters stand somewhere, and each statement moves them on. Pure; where a counter begins
//! is for others to find out, and to keep for the entries that come after.

use std::collections::BTreeMap;

use super::tables::Counter;
use super::text::Draft;
use crate::sql::replica::log::Statement;
use crate::sql::value::{Row, Value};

impl Counter {
    /// The number that a node has answered with where [`Counter::start`] was asked.
    pub fn begun(answer: &[Row]) -> Option<i64> {
        match answer.first()?.first()? {
            Value::Integer(number) => Some(*number),
            Value::Decimal(digits) | Value::Text(digits) => digits.parse().ok(),
            _ => None,
        }
    }
}

/// The counters that an entry in the making moves.
#[derive(Clone, Debug, Default)]
pub struct Ids(BTreeMap<String, i64>);

impl Ids {
    /// Whether it has this counter.
    pub fn knows(&self, counter: &Counter) -> bool {
        self.0.contains_key(&counter.name)
    }

    /// The next number of a counter is this, or a greater one.
    pub fn begin(&mut self, counter: &Counter, next: i64) {
        let known = self.0.entry(counter.name.clone()).or_insert(next);
        *known = (*known).max(next);
    }

    /// The statement with its numbers, which are nobody else's from now on; none where a counter has none left. All that are
    /// in [`Draft::counters`] have begun.
    pub fn take(&mut self, draft: &Draft) -> Option<Statement> {
        let mut first = Vec::with_capacity(draft.needs().len());
        for need in draft.needs() {
            let next = self.0.get_mut(&need.counter.name)?;
            first.push(*next);
            *next = next.checked_add(i64::try_from(need.count).ok()?)?;
        }
        for raise in draft.raises() {
            let next = self.0.get_mut(&raise.counter.name)?;
            *next = (*next).max(raise.given.saturating_add(1));
        }
        draft.statement(&first)
    }

    /// What the next number of each is.
    pub fn into_list(self) -> Vec<(String, i64)> {
        self.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::{Need, Part, Raise};
    use super::*;

    fn counter(name: &str) -> Counter {
        Counter { name: name.into(), start: String::new() }
    }

    fn draft(count: usize, given: i64) -> Draft {
        Draft {
            parts: (0..count).map(|nth| Part::Id { need: 0, nth }).collect(),
            params: Vec::new(),
            returns: false,
            needs: vec![Need { counter: counter("t"), count }],
            raises: vec![Raise { counter: counter("u"), given }],
            named: None,
        }
    }

    #[test]
    fn numbers_follow_each_other_and_counters_only_grow() {
        let mut ids = Ids::default();
        assert_eq!(ids.take(&draft(1, 1)), None, "where it begins is not known");
        ids.begin(&counter("t"), 5);
        ids.begin(&counter("t"), 3);
        ids.begin(&counter("u"), 2);
        assert!(ids.knows(&counter("t")) && !ids.knows(&counter("v")));
        assert_eq!(ids.take(&draft(2, 8)).unwrap().sql, "56");
        assert_eq!(ids.take(&draft(1, 1)).unwrap().sql, "7");
        assert_eq!(ids.clone().into_list(), [("t".to_owned(), 8), ("u".to_owned(), 9)]);
        ids.begin(&counter("t"), i64::MAX);
        assert_eq!(ids.take(&draft(2, 1)), None, "none are left");
    }
}
