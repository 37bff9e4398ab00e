//! Owns what the sequencer knows between two writes: the tables that were asked for, the next numbers of counters, the last
//! moment, and what is left to chance. Plain data, which only who has the turn to write changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use super::determine::Table;

/// So many tables are kept; far more than a database has that is written to.
const MOST_TABLES: usize = 4096;

/// What is known.
#[derive(Debug)]
pub(super) struct Memory {
    tables: BTreeMap<String, Table>,
    counters: BTreeMap<String, i64>,
    /// Those that a node was asked for since tables have changed: what goes by a name then may be another table.
    begun: BTreeSet<String>,
    moment: i64,
    chance: fastrand::Rng,
}

impl Memory {
    pub(super) fn new(counters: BTreeMap<String, i64>, seed: u64) -> Self {
        let (tables, begun) = (BTreeMap::new(), BTreeSet::new());
        Self { tables, counters, begun, moment: 0, chance: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    pub(super) fn learn(&mut self, name: String, table: Table) {
        if self.tables.len() >= MOST_TABLES {
            self.tables.clear();
        }
        self.tables.insert(name, table);
    }

    /// What nodes hold may be anything.
    pub(super) fn forget(&mut self) {
        self.forget_tables();
        self.counters.clear();
    }

    /// Tables are about to change.
    pub(super) fn forget_tables(&mut self) {
        self.tables.clear();
        self.begun.clear();
    }

    /// The moment of an entry, in microseconds since 1970: now, but never before that of an earlier one.
    pub(super) fn moment(&mut self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        self.moment = self.moment.max(i64::try_from(now).unwrap_or(i64::MAX));
        self.moment
    }

    /// A source of chance for one write.
    pub(super) fn chance(&mut self) -> fastrand::Rng {
        self.chance.fork()
    }

    /// The next number of a counter; none where a node must be asked.
    pub(super) fn counter(&self, name: &str) -> Option<i64> {
        self.counters.get(name).copied().filter(|_| self.begun.contains(name))
    }

    /// What a node has said is the next number of a counter; answers what is, with those that were given out before.
    pub(super) fn begin(&mut self, name: &str, start: i64) -> i64 {
        self.begun.insert(name.to_owned());
        let known = self.counters.entry(name.to_owned()).or_insert(start);
        *known = (*known).max(start);
        *known
    }

    /// What an entry that was taken has moved.
    pub(super) fn keep(&mut self, ids: &[(String, i64)]) {
        for (name, next) in ids {
            let known = self.counters.entry(name.clone()).or_insert(*next);
            *known = (*known).max(*next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back_and_counters_only_grow() {
        let mut memory = Memory::new(BTreeMap::from([("t".into(), 5)]), 1);
        let first = memory.moment();
        memory.moment = first + 3_600_000_000;
        assert_eq!(memory.moment(), first + 3_600_000_000);
        memory.keep(&[("t".into(), 3), ("u".into(), 2)]);
        assert_eq!((memory.counter("t"), memory.counter("u")), (None, None), "a node is asked first");
        assert_eq!((memory.begin("t", 4), memory.begin("u", 1)), (5, 2));
        assert_eq!((memory.counter("t"), memory.counter("u")), (Some(5), Some(2)));
    }

    #[test]
    fn after_a_change_of_tables_a_counter_is_as_far_as_what_has_its_name_now() {
        let mut memory = Memory::new(BTreeMap::from([("t".into(), 6)]), 1);
        assert_eq!(memory.begin("t", 3), 6, "numbers that were given out are not given again");
        memory.forget_tables();
        assert_eq!(memory.counter("t"), None);
        assert_eq!(memory.begin("t", 1001), 1001);
        assert_eq!(memory.counter("t"), Some(1001));
    }
}
