//! What is logged, done on two databases, leaves equal rows: although one of them reads rows in the other direction, has them in
//! another order, and is asked later.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;

use super::sqlite::{opened, rows, tables_of};
use super::*;
use crate::sql::value::Column;

/// Statements with `{}` for small numbers.
const TEMPLATES: &[&str] = &[
    "INSERT INTO t (a, b, c) VALUES ({}, 'x{}', {} / 10.0)",
    "INSERT INTO t (a, b) VALUES ({}, 'y'), (random() % 10, datetime('now')), ({}, hex(randomblob(2)))",
    "INSERT INTO t VALUES (NULL, {}, 'z', {})",
    "INSERT INTO t (id, a) VALUES ({}, {})",
    "INSERT OR REPLACE INTO t (id, a) VALUES ({}, {})",
    "INSERT OR IGNORE INTO t (id, a, c) VALUES ({}, {}, {} / 7.0)",
    "INSERT INTO t (id, a) VALUES ({}, {}) ON CONFLICT (id) DO UPDATE SET a = t.a + excluded.a, b = CURRENT_TIMESTAMP",
    "INSERT INTO t DEFAULT VALUES",
    "INSERT INTO kept (a) VALUES ({}), ({})",
    "INSERT INTO kept (a) SELECT a FROM t WHERE a > {} LIMIT 3",
    "INSERT INTO born (a) VALUES ({}), ({})",
    "INSERT INTO born (a) SELECT a FROM t ORDER BY c LIMIT 2",
    "INSERT INTO bare (a, b) SELECT a, b FROM t WHERE random() % 2 = 0",
    "INSERT INTO bare (a, b) VALUES ({}, (SELECT b FROM t WHERE id = {}))",
    "INSERT INTO bare (a) VALUES ((SELECT max(a) FROM kept))",
    "INSERT OR IGNORE INTO keyed SELECT b, a, c, a FROM t WHERE b IS NOT NULL AND a IS NOT NULL",
    "INSERT INTO keyed (k, n, u) VALUES ('k{}', {}, {})",
    "UPDATE t SET a = a + {} WHERE a > {}",
    "UPDATE t SET c = (SELECT sum(c) FROM t), b = 'u' WHERE a = {}",
    "UPDATE t SET b = (SELECT group_concat(b) FROM bare) WHERE id % 5 = {}",
    "UPDATE t SET c = random() % 100 WHERE a > {}",
    "UPDATE t SET id = 5{}, b = (SELECT group_concat(b) FROM bare) WHERE id = {}",
    "UPDATE t SET a = random() % 100 WHERE id = {}",
    "UPDATE t SET a = bare.a FROM bare WHERE bare.b = t.b",
    "UPDATE t SET b = (SELECT b FROM bare LIMIT 1) WHERE a < {}",
    "UPDATE keyed SET u = u + 1",
    "UPDATE OR IGNORE keyed SET u = {} WHERE n > {}",
    "UPDATE OR REPLACE keyed SET u = {} WHERE n > {}",
    "DELETE FROM tree WHERE a > {}",
    "DELETE FROM tree WHERE id IN (SELECT id FROM tree LIMIT {})",
    "INSERT INTO tree (a, p) VALUES ({}, (SELECT min(id) FROM tree WHERE a < {}))",
    "UPDATE ruled SET u = {} WHERE id > {}",
    "UPDATE ruled SET s = 'y' WHERE u > {}",
    "UPDATE OR IGNORE ruled SET u = u + 1, a = 'z' WHERE id > {}",
    "INSERT INTO ruled (a, u, s) VALUES ('x', {}, 's{}'), ('y', {}, 't{}')",
    "UPDATE keyed SET v = strftime('%f', 'now') WHERE n < {} RETURNING v",
    "DELETE FROM t WHERE id IN (SELECT id FROM t LIMIT {})",
    "DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id DESC LIMIT {})",
    "DELETE FROM t WHERE random() % 5 = 0",
    "DELETE FROM keyed WHERE n IN (SELECT a FROM bare ORDER BY b LIMIT 2)",
    "DELETE FROM bare WHERE a = {}",
    "DELETE FROM kept WHERE a < {}",
    "INSERT INTO t (a, b) VALUES ({}, (SELECT b FROM bare LIMIT 1))",
    "INSERT INTO t (id, a) VALUES (NULL, (SELECT a FROM bare WHERE b = 'x1')) ON CONFLICT DO NOTHING",
    "INSERT INTO born (a) VALUES ((SELECT random()))",
    "UPDATE t SET a = (SELECT max(x.a) FROM t AS x WHERE x.id <> t.id) + 1 WHERE a > {}",
    "WITH x AS (SELECT a FROM bare LIMIT 2) UPDATE t SET a = a + 1 WHERE a IN (SELECT a FROM x)",
    "WITH x AS (SELECT a FROM bare LIMIT 2) INSERT INTO kept (a) SELECT a FROM x",
];

/// A host with two nodes.
struct Pair {
    one: Connection,
    other: Connection,
    counters: BTreeMap<String, i64>,
    seed: u64,
}

impl Pair {
    fn new() -> Self {
        let (one, other) = (opened(), opened());
        other
            .execute_batch(
                "PRAGMA reverse_unordered_selects = ON; CREATE INDEX more ON t (c, a); CREATE INDEX m ON bare (b)",
            )
            .unwrap();
        let seeds: Vec<String> = (1..=8)
            .map(|n| {
                format!(
                    "INSERT INTO bare VALUES ({n}, 'x{}'); INSERT INTO t VALUES ({n}, {n}, 'x{n}', 0.{n}); \
                     INSERT INTO ruled VALUES ({n}, 'a', {n}, 's{n}'); INSERT INTO tree VALUES ({n}, {n}, {});",
                    n % 3,
                    n / 2 + n % 2
                )
            })
            .collect();
        let fill = |node: &Connection, seeds: String| {
            node.execute_batch(&format!("BEGIN; PRAGMA defer_foreign_keys = ON; {seeds} COMMIT")).unwrap();
        };
        fill(&one, seeds.concat());
        fill(&other, seeds.iter().rev().cloned().collect());
        Self { one, other, counters: BTreeMap::new(), seed: 1 }
    }

    /// Determines a statement and does on both what it is logged as; what came of it, or why it was refused.
    fn run(&mut self, sql: &str) -> Result<(), String> {
        let tables = tables_of(&self.one, sql);
        let parsed = read(Dialect::Sqlite, sql);
        self.seed += 1;
        let moment = Moment(MOMENT.0 + 1_234_567 * self.seed as i64);
        let mut dice = dice(self.seed);
        let drafts = match determine(&parsed, &[], &tables, moment, &mut dice).map_err(|refusal| refusal.to_string())? {
            Determined::Logged(draft) => vec![draft],
            Determined::Rows(plan) => {
                let found = rows(&self.one, plan.query(), plan.params()).map_err(|error| error.to_string())?;
                let width = self.one.prepare(plan.query()).unwrap().column_count();
                let columns = vec![Column { name: String::new(), declared: String::new() }; width];
                plan.statements(&columns, found, &mut dice).map_err(|refusal| refusal.to_string())?
            }
        };
        let statements: Vec<_> = drafts.iter().map(|draft| draft.statement(&self.first(draft)).unwrap()).collect();
        let outcomes = [&self.one, &self.other].map(|node| {
            node.execute_batch("BEGIN").unwrap();
            let done: Result<Vec<(usize, u64)>, String> = statements
                .iter()
                .map(|statement| {
                    let found = rows(node, &statement.sql, &statement.params).map_err(|error| error.to_string())?;
                    // An entry that touches another number of rows than it names is declined.
                    let named = statement.named.filter(|named| *named != node.changes());
                    assert_eq!(named, None, "{statement:?} touches {}", node.changes());
                    Ok((found.len(), node.changes()))
                })
                .collect();
            node.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).unwrap();
            done
        });
        assert_eq!(outcomes[0], outcomes[1], "{sql}: {statements:?}");
        Ok(())
    }

    fn first(&mut self, draft: &Draft) -> Vec<i64> {
        let (one, counters) = (&self.one, &mut self.counters);
        let mut next = |counter: &super::super::Counter| -> i64 {
            *counters.entry(counter.name.clone()).or_insert_with(|| {
                match &rows(one, &counter.start, &[]).unwrap()[0][0] {
                    Value::Integer(next) => *next,
                    other => panic!("{other:?}"),
                }
            })
        };
        let first: Vec<i64> = draft.needs().iter().map(|need| next(&need.counter)).collect();
        draft.raises().iter().for_each(|raise| {
            next(&raise.counter);
        });
        for (need, first) in draft.needs().iter().zip(&first) {
            counters.insert(need.counter.name.clone(), first + need.count as i64);
        }
        for raise in draft.raises() {
            let next = counters.get_mut(&raise.counter.name).unwrap();
            *next = (*next).max(raise.given.saturating_add(1));
        }
        first
    }

    fn hold_equal(&self) {
        for table in ["t", "kept", "keyed", "bare", "born", "ruled", "tree"] {
            let width = self.one.prepare(&format!("SELECT * FROM {table}")).unwrap().column_count();
            let order: Vec<String> = (1..=width).map(|at| at.to_string()).collect();
            let sql = format!("SELECT * FROM {table} ORDER BY {}", order.join(", "));
            assert_eq!(rows(&self.one, &sql, &[]).unwrap(), rows(&self.other, &sql, &[]).unwrap(), "{table}");
        }
    }
}

fn filled(template: &str, numbers: &[u8]) -> String {
    let mut numbers = numbers.iter().cycle();
    template
        .split("{}")
        .map(str::to_owned)
        .reduce(|text, part| text + &numbers.next().unwrap().to_string() + &part)
        .unwrap()
}

#[test]
fn each_statement_alone_leaves_equal_rows() {
    for template in TEMPLATES {
        let mut pair = Pair::new();
        let sql = filled(template, &[4, 2, 7]);
        pair.run(&sql).unwrap_or_else(|refused| panic!("{sql}: {refused}"));
        pair.hold_equal();
    }
}

#[test]
fn the_same_statements_as_they_came_would_not() {
    let mut differ = 0;
    for template in TEMPLATES {
        let pair = Pair::new();
        let sql = filled(template, &[4, 2, 7]);
        let outcomes = [&pair.one, &pair.other].map(|node| rows(node, &sql, &[]).map_err(|error| error.to_string()));
        let all = "SELECT (SELECT json_group_array(json_array(id, a, b, c)) FROM (SELECT * FROM t ORDER BY id)), \
                   (SELECT json_group_array(json_array(id, a)) FROM (SELECT * FROM kept ORDER BY id)), \
                   (SELECT json_group_array(json_array(k, n, v, u)) FROM (SELECT * FROM keyed ORDER BY k, n)), \
                   (SELECT json_group_array(json_array(id, a, p)) FROM (SELECT * FROM tree ORDER BY id)), \
                   (SELECT json_group_array(json_array(id, a, u, s)) FROM (SELECT * FROM ruled ORDER BY id)), \
                   (SELECT json_group_array(json_array(a, b)) FROM (SELECT * FROM bare ORDER BY a, b)), \
                   (SELECT json_group_array(json_array(id, a, token)) FROM (SELECT * FROM born ORDER BY id))";
        let states = [&pair.one, &pair.other].map(|node| rows(node, all, &[]).unwrap());
        differ += usize::from(states[0] != states[1] || outcomes[0].is_ok() != outcomes[1].is_ok());
    }
    assert!(differ > 8, "the two nodes are too much alike: only {differ} statements tell them apart");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_statements_in_a_row_leave_equal_rows(
        steps in prop::collection::vec((0..TEMPLATES.len(), prop::array::uniform3(0_u8..12)), 1..25),
    ) {
        let mut pair = Pair::new();
        for (at, numbers) in steps {
            let sql = filled(TEMPLATES[at], &numbers);
            if let Err(refused) = pair.run(&sql) {
                // It leaves both as they are, and nothing else of these statements is refused.
                prop_assert!(refused.contains("NULL"), "{sql}: {refused}");
            }
        }
        pair.hold_equal();
    }
}
