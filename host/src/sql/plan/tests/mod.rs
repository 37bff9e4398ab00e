//! What becomes of statements: tier, texts for the nodes, final statement, or the construct that is refused.

use std::{collections::BTreeMap, num::NonZeroU16};

use super::*;
use crate::sql::{
    dialect::Dialect,
    parse::parse,
    route::{Parameters, Route, route},
    shape::ColumnShape,
    topology::{Collation, Holding, KeyKind, Partition, Placement, Shard, Split, Topology},
};

mod limits;
mod places;
mod postgres;
mod split;
mod sqlite;

/// A topology and the shapes of its tables.
struct World {
    topology: Topology,
    shapes: BTreeMap<String, Vec<ColumnShape>>,
}

type Columns = &'static [(&'static str, &'static str, &'static str)];

fn shapes(tables: &[(&str, Columns)]) -> BTreeMap<String, Vec<ColumnShape>> {
    let shape = |(name, declared, collation): &(&str, &str, &str)| ColumnShape {
        name: (*name).into(),
        declared: (*declared).into(),
        collation: (*collation).into(),
    };
    tables.iter().map(|(name, columns)| ((*name).to_owned(), columns.iter().map(shape).collect())).collect()
}

impl World {
    /// `users` by `id` and `orders` by `user_id`, placed alike, `events` by the text `kind`, `regions` on every shard.
    fn partitioned(dialect: Dialect, shards: u16, tables: &[(&str, Columns)]) -> Self {
        let hashed = || Placement::hashed((0..shards).map(Shard).collect()).unwrap();
        let by = |key: &str, kind| Holding::Partitioned(Partition { key: key.into(), kind, placement: hashed() });
        let given = [
            ("users", by("id", KeyKind::Integer)),
            ("orders", by("user_id", KeyKind::Integer)),
            ("events", by("kind", KeyKind::Text(Collation::Bytes))),
            ("regions", Holding::Reference),
        ];
        let given = given.into_iter().map(|(name, holding)| (name.to_owned(), holding));
        let topology = Topology::partitioned(dialect, NonZeroU16::new(shards).unwrap(), given).unwrap();
        Self { topology, shapes: shapes(tables) }
    }

    fn split(dialect: Dialect, nodes: u16, tables: &[(&str, Columns)]) -> Self {
        let split = Split::new("users", "id", 9_000).unwrap();
        let topology = Topology::split(dialect, &split, NonZeroU16::new(nodes).unwrap()).unwrap();
        Self { topology, shapes: shapes(tables) }
    }

    fn try_plan(&self, sql: &str, params: &[Value]) -> Result<Plan, Refusal> {
        let parsed = parse(self.topology.dialect(), sql).unwrap();
        let route = route(&parsed.statement, Parameters { positional: params }, &self.topology).unwrap();
        let Route::Read(reads) = route else { panic!("{sql} reads nothing") };
        let catalog = Catalog { topology: &self.topology, shapes: &self.shapes };
        plan(&parsed, params, &reads, &catalog, Options::default())
    }

    fn plan(&self, sql: &str) -> Plan {
        self.try_plan(sql, &[]).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"))
    }

    /// The construct that is refused.
    fn refused(&self, sql: &str) -> String {
        match self.try_plan(sql, &[]) {
            Err(refusal) => refusal.construct,
            Ok(plan) => panic!("{sql} is answered: {plan:#?}"),
        }
    }

    /// The text of the first node, on one line.
    fn node(&self, sql: &str) -> String {
        flat(&self.plan(sql).nodes[0].sql)
    }

    /// The final statement, on one line.
    fn last(&self, sql: &str) -> String {
        match self.plan(sql).last {
            FinalStage::Sql { sql, .. } => flat(&sql),
            other => panic!("{sql} has no final statement: {other:?}"),
        }
    }

    /// The keys and the number of hidden columns of a merge in the host.
    fn merge(&self, sql: &str) -> (Vec<MergeKey>, usize) {
        match self.plan(sql).last {
            FinalStage::Merge { keys, hidden, .. } => (keys, hidden),
            other => panic!("{sql} is not merged by the host: {other:?}"),
        }
    }

    /// Why a statement is gathered.
    fn gathered(&self, sql: &str) -> String {
        let plan = self.plan(sql);
        assert_eq!(plan.tier, Tier::Gather, "{sql}");
        plan.why
    }
}

fn flat(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}
