//! The differential harness: queries at random over tables at random, each asked of one plain database and through the
//! entry over 1, 2, 3 and 7 shards of the same rows, and over as many nodes that all hold every row. An answer is right, or
//! it is refused; a wrong one fails the test. So does a column that is named otherwise than one database names it, or that
//! has another type than the same entry over one shard gives it. `writes` does the same with statements that change rows.
//!
//! `LEVERFRAME_NIGHTLY=1` asks 20,000 queries of each kind of database instead of a few hundred, another number so many. What
//! fails is printed with its seed; `LEVERFRAME_SEED=12.34` asks that one query again (of schema 12 the 34th), and prints all there is to know.

mod changes;
mod compare;
mod config;
mod data;
mod expressions;
mod generator;
mod joins;
mod plain;
mod report;
mod schema;
mod servers;
mod through;
mod traps;
mod writes;

use leverframe::sql::dialect::Dialect;

use self::compare::{Answer, Texts, is_right, same_names, same_types};
use self::data::{Rows, insert};
use self::generator::{Check, Query, query};
use self::plain::Plain;
use self::report::{Outcome, Report};
use self::schema::Schema;
use self::servers::Servers;
use self::through::{Spread, Told};

/// Queries of one schema: making the tables anew costs as much as asking some of them.
const PER_SCHEMA: u64 = 50;
const SHARDS: [u16; 4] = [1, 2, 3, 7];
/// Failures that are told in full.
const TOLD: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_over_sqlite_shards_is_answered_as_by_one_database_or_refused() {
    run(Dialect::Sqlite, Way::Partitioned).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_over_postgresql_shards_is_answered_as_by_one_database_or_refused() {
    run(Dialect::Postgres, Way::Partitioned).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_over_mariadb_shards_is_answered_as_by_one_database_or_refused() {
    run(Dialect::MySql, Way::Partitioned).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_whose_scan_is_split_over_sqlite_nodes_is_answered_as_by_one_database_or_refused() {
    run(Dialect::Sqlite, Way::Split).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_whose_scan_is_split_over_postgresql_nodes_is_answered_as_by_one_database_or_refused() {
    run(Dialect::Postgres, Way::Split).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_whose_scan_is_split_over_mariadb_nodes_is_answered_as_by_one_database_or_refused() {
    run(Dialect::MySql, Way::Split).await;
}

/// Which rows the nodes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Each its own.
    Partitioned,
    /// All of them all rows.
    Split,
}

/// What is asked: schemas from, schemas to, and one query only.
fn extent() -> (std::ops::Range<u64>, Option<u64>) {
    let variable = |name| std::env::var(name).ok();
    if let Some(seed) = variable("LEVERFRAME_SEED") {
        let (schema, query) = seed.split_once('.').unwrap_or((&seed, ""));
        let schema: u64 = schema.parse().expect("LEVERFRAME_SEED is like 12.34");
        return (schema..schema + 1, query.parse().ok());
    }
    let queries = match variable("LEVERFRAME_NIGHTLY").map(|number| number.parse()) {
        None => 300,
        Some(Ok(number)) if number > 1 => number,
        Some(_) => 20_000,
    };
    (0..queries / PER_SCHEMA, None)
}

/// One database and its name.
struct Node {
    name: String,
    plain: Plain,
}

/// All databases of a run.
struct Databases {
    servers: Servers,
    one: Plain,
    worlds: Vec<(u16, Vec<Node>)>,
}

impl Databases {
    async fn start(dialect: Dialect, counts: &[u16]) -> Self {
        let servers = Servers::start(dialect).await;
        let one = servers.database("plain").await;
        let mut worlds = Vec::new();
        for shards in counts.iter().copied() {
            let mut nodes = Vec::new();
            for shard in 0..shards {
                let name = format!("of{shards}_{shard}");
                let plain = servers.database(&name).await;
                nodes.push(Node { name, plain });
            }
            worlds.push((shards, nodes));
        }
        Self { servers, one, worlds }
    }

    /// Puts the rows where they belong, and opens the entries.
    async fn fill(&mut self, schema: &Schema, rows: &Rows) -> Vec<(u16, Spread)> {
        put(&mut self.one, schema, |_, _| true, rows).await;
        let mut spreads = Vec::new();
        for (shards, nodes) in &mut self.worlds {
            let topology = schema.topology(*shards);
            for (shard, node) in (0..).zip(nodes.iter_mut()) {
                let belongs = |table: usize, row: &Vec<_>| {
                    schema.shards_of(&schema.tables[table], row, &topology).contains(&shard)
                };
                put(&mut node.plain, schema, belongs, rows).await;
            }
            let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
            spreads.push((*shards, Spread::new(schema, topology, self.servers.backend(&names)).await));
        }
        spreads
    }
}

/// Makes the tables of one database anew, with the rows that belong there.
async fn put(
    plain: &mut Plain,
    schema: &Schema,
    belongs: impl Fn(usize, &Vec<leverframe::sql::value::Value>) -> bool,
    rows: &Rows,
) {
    for (at, (table, statement)) in schema.tables.iter().zip(schema.statements()).enumerate() {
        plain.execute(&format!("DROP TABLE IF EXISTS {}", table.name)).await;
        plain.execute(&statement).await;
        let own = rows.0.iter().filter(|(of, row)| *of == at && belongs(at, row)).map(|(_, row)| row);
        if let Some(statement) = insert(schema.dialect, table, own) {
            plain.execute(&statement).await;
        }
    }
}

async fn run(dialect: Dialect, way: Way) {
    let (schemas, only) = extent();
    let mut databases = Databases::start(dialect, &SHARDS).await;
    let mut report = Report::default();
    for seed in schemas {
        let mut random = fastrand::Rng::with_seed(seed);
        let schema = Schema::random(&mut random, dialect);
        let schema = if way == Way::Split { schema.divided(&mut random) } else { schema };
        let rows = Rows::random(&mut random, &schema);
        let spreads = databases.fill(&schema, &rows).await;
        for number in only.map_or(0..PER_SCHEMA, |number| number..number + 1) {
            let query = query(seed << 20 | number, &schema);
            let seed = format!("{seed}.{number}");
            try_query(&mut databases.one, &spreads, &schema, (&seed, &query), &mut report).await;
            // What was kept of it the first time must serve other values as well.
            if let Some(again) = query.again(number) {
                try_query(&mut databases.one, &spreads, &schema, (&seed, &again), &mut report).await;
            }
        }
    }
    report.is_sound(&format!("{dialect:?}, {way:?}"));
}

async fn try_query(
    one: &mut Plain,
    spreads: &[(u16, Spread)],
    schema: &Schema,
    (seed, query): (&str, &Query),
    report: &mut Report,
) {
    let want = one.ask(&query.sql, &query.params).await;
    let whole = match &query.check {
        Check::PartOf(all, params) => one.ask(all, params).await.ok(),
        Check::Ordered | Check::Bag | Check::OfOneNode => None,
    };
    let mut types = None;
    for (shards, spread) in spreads {
        let told = spread.ask(&query.sql, &query.params).await;
        if let (1, Told::Answer { answer, .. }) = (*shards, &told) {
            types = Some(answer.types.clone());
        }
        let (outcome, tier) = judge((schema.dialect, query), &want, &told, (whole.as_ref(), types.as_deref()));
        report.count(query.construct, *shards, tier, outcome);
        match &told {
            Told::Refused(why) if *shards > 1 => report.refused(format!("{}: {why}", query.construct)),
            Told::Answer { why, .. } if !why.is_empty() => report.gathered(why),
            _ => {}
        }
        let is_bad = outcome.is_bad();
        if is_bad || std::env::var("LEVERFRAME_SEED").is_ok_and(|seed| seed.contains('.')) {
            let got = match &told {
                Told::Answer { answer, .. } => format!("{answer:?}"),
                Told::Refused(why) => format!("refused: {why}"),
                Told::Failed { message, .. } => format!("failed: {message}"),
            };
            let failure = format!(
                "{outcome:?} ({}), {shards} shards, LEVERFRAME_SEED={seed}\n{}\n{} {:?}\none database: {want:?}, types {types:?}\nthe entry:    {got}\n{}\n",
                query.construct,
                schema.statements().join(";\n"),
                query.sql,
                query.params,
                spread.explain(&query.sql, &query.params).await,
            );
            if report.told < TOLD {
                println!("{failure}");
            }
            report.told += 1;
        }
    }
}

fn judge<'a>(
    (dialect, query): (Dialect, &Query),
    want: &Result<Answer, String>,
    told: &'a Told,
    (whole, types): (Option<&Answer>, Option<&[String]>),
) -> (Outcome, &'a str) {
    let texts = Texts { fold: query.folds };
    let out_of_range = |message: &str| message.contains("overflow") || message.contains("out of range");
    match (want, told) {
        (_, Told::Refused(_)) => (Outcome::Refused, "refused"),
        (Err(_), Told::Failed { .. }) => (Outcome::RightlyFailed, "failed"),
        (Err(message), Told::Answer { tier, .. }) if out_of_range(message) => (Outcome::Overflowed, tier),
        (Err(_), Told::Answer { tier, .. }) => (Outcome::Wrong, tier),
        (Ok(_), Told::Failed { overflow: true, .. }) => (Outcome::Overflowed, "failed"),
        (Ok(_), Told::Failed { .. }) => (Outcome::Failed, "failed"),
        (Ok(want), Told::Answer { answer, tier, .. }) => {
            let is_alone = !matches!(query.check, Check::OfOneNode) || *tier == "pass-through";
            let outcome = match is_alone && is_right(&query.check, texts, want, answer, whole) {
                false => Outcome::Wrong,
                true if !same_names(dialect, &want.names, &answer.names) => Outcome::Renamed,
                true if types.is_some_and(|types| !same_types(dialect, tier, types, &answer.types)) => Outcome::Retyped,
                true => Outcome::Right,
            };
            (outcome, tier)
        }
    }
}
