//! Statements that change rows, at random, one after the other: on one plain database and through the entry over shards.
//! After each, the rows of all shards together are those of the one database, and each is on the shard of its key. What is
//! refused, or fails, has changed nothing.

use leverframe::sql::dialect::Dialect;
use leverframe::sql::value::Value;

use super::changes::{Change, change, rows, schema};
use super::compare::{Answer, Texts, is_right};
use super::generator::Check;
use super::plain::Plain;
use super::report::{Outcome, Report};
use super::schema::{Schema, Spread as Held};
use super::through::{Spread, Told};
use super::{Databases, Node, PER_SCHEMA, TOLD, extent};

const COUNTS: [u16; 2] = [2, 3];
const EXACT: Texts = Texts { fold: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_over_sqlite_shards_leaves_the_rows_of_one_database_or_changes_nothing() {
    run(Dialect::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_over_postgresql_shards_leaves_the_rows_of_one_database_or_changes_nothing() {
    run(Dialect::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_over_mariadb_shards_leaves_the_rows_of_one_database_or_changes_nothing() {
    run(Dialect::MySql).await;
}

async fn run(dialect: Dialect) {
    let (schemas, only) = extent();
    let mut report = Report::default();
    for shards in COUNTS {
        let mut databases = Databases::start(dialect, &[shards]).await;
        for seed in schemas.clone() {
            let mut random = fastrand::Rng::with_seed(seed);
            let schema = schema(&mut random, dialect);
            let rows = rows(&mut random);
            let (_, spread) = databases.fill(&schema, &rows).await.remove(0);
            let Databases { one, worlds, .. } = &mut databases;
            let mut world = World { shards, schema: &schema, one, nodes: &mut worlds[0].1, spread };
            // Each meets what those before it have left.
            for number in 0..only.map_or(PER_SCHEMA, |number| number + 1) {
                let change = change(seed << 20 | number, &schema);
                let (outcome, why) = world.try_change(&change).await;
                report.count(change.construct, shards, "written", outcome);
                if outcome == Outcome::Refused {
                    report.refused(format!("{}: {why}", change.construct));
                }
                if outcome.is_bad() {
                    if report.told < TOLD {
                        let made = schema.statements().join(";\n");
                        let Change { construct, sql, params } = &change;
                        println!("{outcome:?} ({construct}), {shards} shards, LEVERFRAME_SEED={seed}.{number}\n{made}");
                        println!("{sql} {params:?}\n{why}\n{}\n", world.spread.explain(sql, params).await);
                    }
                    report.told += 1;
                    break;
                }
            }
        }
    }
    report.is_sound(&format!("{dialect:?}, writes"));
}

/// One database and as many shards.
struct World<'a> {
    shards: u16,
    schema: &'a Schema,
    one: &'a mut Plain,
    nodes: &'a mut [Node],
    spread: Spread,
}

impl World<'_> {
    async fn try_change(&mut self, change: &Change) -> (Outcome, String) {
        self.one.execute("BEGIN").await;
        let want = self.one.ask(&change.sql, &change.params).await;
        let told = self.spread.ask(&change.sql, &change.params).await;
        let is_done = want.is_ok() && matches!(told, Told::Answer { .. });
        self.one.execute(if is_done { "COMMIT" } else { "ROLLBACK" }).await;
        let (outcome, why) = match (want, told) {
            (Err(_), Told::Refused(_) | Told::Failed { .. }) => (Outcome::RightlyFailed, String::new()),
            (Ok(_), Told::Refused(why)) => (Outcome::Refused, why),
            (Ok(_), Told::Failed { message, .. }) => (Outcome::Failed, message),
            (Err(message), Told::Answer { answer, .. }) => {
                (Outcome::Wrong, format!("one database: {message}\nthe entry:    {answer:?}"))
            }
            (Ok(want), Told::Answer { answer, .. }) => self.compared(&want, &answer),
        };
        if outcome.is_bad() {
            return (outcome, why);
        }
        match self.difference().await {
            Some(difference) => (Outcome::Wrong, format!("{outcome:?} {why}, but {difference}")),
            None => (outcome, why),
        }
    }

    fn compared(&self, want: &Answer, got: &Answer) -> (Outcome, String) {
        let is_same = is_right(&Check::Bag, EXACT, want, got, None) && want.affected == got.affected;
        let shown = || format!("one database: {want:?}\nthe entry:    {got:?}");
        match is_same {
            // An INSERT for which its query finds no row asks no shard, so that nobody says what it would return.
            true if want.names != got.names && !(got.names.is_empty() && want.rows.is_empty()) => {
                (Outcome::Renamed, shown())
            }
            true => (Outcome::Right, String::new()),
            false => (Outcome::Wrong, shown()),
        }
    }

    /// What the shards have that the one database has not, or not there.
    async fn difference(&mut self) -> Option<String> {
        let topology = self.schema.topology(self.shards);
        for table in &self.schema.tables {
            let all = format!("SELECT * FROM {}", table.name);
            let want = self.one.ask(&all, &[]).await.expect("its rows");
            let mut found = Answer::default();
            for (shard, node) in (0..).zip(self.nodes.iter_mut()) {
                let here = node.plain.ask(&all, &[]).await.expect("its rows");
                if matches!(table.spread, Held::Whole) {
                    if !is_right(&Check::Bag, EXACT, &want, &here, None) {
                        return Some(format!("{} of shard {shard} has {here:?}, not {want:?}", table.name));
                    }
                    found = here;
                    continue;
                }
                let is_elsewhere = |row: &&Vec<Value>| !self.schema.may_be_on(table, row, &topology, shard);
                if let Some(row) = here.rows.iter().find(is_elsewhere) {
                    return Some(format!("the row {row:?} of {} is on shard {shard}", table.name));
                }
                found.rows.extend(here.rows);
            }
            if !is_right(&Check::Bag, EXACT, &want, &found, None) {
                return Some(format!("{} has {:?}, not {:?}", table.name, found.rows, want.rows));
            }
        }
        None
    }
}
