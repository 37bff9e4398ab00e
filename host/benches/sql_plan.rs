//! What planning costs, cold and from the cache: `cargo bench --bench sql_plan`. The bars: 100 µs cold, 5 µs cached.
#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a bench speaks to whoever runs it, and one that cannot go on stops"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::num::NonZeroU16;
use std::sync::Arc;

use criterion::{BatchSize, Criterion};
use leverframe::sql::cache::PlanCache;
use leverframe::sql::catalog::Catalog;
use leverframe::sql::dialect::Dialect;
use leverframe::sql::parse::{Parsed, parse};
use leverframe::sql::plan::{Options, Plan, plan};
use leverframe::sql::route::{Parameters, Route, route};
use leverframe::sql::shape::ColumnShape;
use leverframe::sql::topology::{Holding, KeyKind, Partition, Placement, Shard, Topology};
use leverframe::sql::value::Value;
use leverframe::sql::write;

const POINT: &str = "SELECT id, name, age FROM users WHERE id = ?";
const AGGREGATE: &str =
    "SELECT department, AVG(salary) FROM users WHERE age > 30 GROUP BY department ORDER BY 2 DESC LIMIT 5";
const JOIN: &str = "SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id \
                    WHERE u.age > ? ORDER BY o.total DESC LIMIT 10";

struct Scene {
    topology: Topology,
    shapes: BTreeMap<String, Vec<ColumnShape>>,
}

impl Scene {
    fn new() -> Self {
        let placement = Placement::hashed((0..4).map(Shard).collect()).expect("four shards");
        let by = |key: &str| {
            Holding::Partitioned(Partition { key: key.into(), kind: KeyKind::Integer, placement: placement.clone() })
        };
        let tables = [("users".to_owned(), by("id")), ("orders".to_owned(), by("user_id"))];
        let shards = NonZeroU16::new(4).expect("four");
        let topology = Topology::partitioned(Dialect::Sqlite, shards, tables).expect("a topology");
        let column = |(name, declared): &(&str, &str)| ColumnShape {
            name: (*name).into(),
            declared: (*declared).into(),
            collation: "BINARY".into(),
        };
        let table = |columns: &[(&str, &str)]| columns.iter().map(column).collect();
        let whole = |name| (name, "INTEGER");
        let users = table(&[whole("id"), ("name", "TEXT"), whole("age"), ("department", "TEXT"), whole("salary")]);
        let orders = table(&[whole("user_id"), whole("total")]);
        Self { topology, shapes: BTreeMap::from([("users".to_owned(), users), ("orders".to_owned(), orders)]) }
    }

    fn catalog(&self) -> Catalog<'_> {
        Catalog { topology: &self.topology, shapes: &self.shapes }
    }

    fn route(&self, parsed: &Parsed, params: &[Value]) -> Route {
        let parameters = Parameters { positional: params };
        route(&parsed.statement, parameters, &self.topology).expect("a way")
    }

    fn plan(&self, parsed: &Parsed, params: &[Value]) -> Arc<Plan> {
        let Route::Read(reads) = self.route(parsed, params) else { panic!("no SELECT") };
        Arc::new(plan(parsed, params, &reads, &self.catalog(), Options::default()).expect("a plan"))
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let scene = Scene::new();
    let statements = [
        ("point", POINT, vec![Value::Integer(7)]),
        ("aggregate", AGGREGATE, vec![]),
        ("join", JOIN, vec![Value::Integer(30)]),
    ];
    for (name, sql, params) in statements {
        let mut group = criterion.benchmark_group(name);
        let cold = |cache: PlanCache| {
            let parsed = cache.parsed(sql).expect("a statement");
            let plan = scene.plan(&parsed, &params);
            cache.keep(cache.key(&parsed, &params, 1), &plan);
            cache
        };
        let empty = || PlanCache::new(Dialect::Sqlite, 100);
        group.bench_function("cold", |bencher| bencher.iter_batched(empty, cold, BatchSize::SmallInput));
        let cache = cold(empty());
        group.bench_function("cached", |bencher| {
            bencher.iter(|| {
                let parsed = cache.parsed(black_box(sql)).expect("a statement");
                cache.plan(&cache.key(&parsed, &params, 1)).expect("a plan")
            });
        });
        group.bench_function("other parameters", |bencher| {
            bencher.iter(|| scene.plan(&cache.parsed(black_box(sql)).expect("a statement"), &params));
        });
    }
    insert(&mut criterion, &scene);
    criterion.final_summary();
}

/// A thousand rows over four shards.
fn insert(criterion: &mut Criterion, scene: &Scene) {
    let rows: Vec<String> = (0..1000).map(|id| format!("({id}, 'name {id}', {})", id % 90)).collect();
    let sql = format!("INSERT INTO users (id, name, age) VALUES {}", rows.join(", "));
    criterion.bench_function("insert of 1000 rows", |bencher| {
        bencher.iter(|| {
            let parsed = parse(Dialect::Sqlite, black_box(&sql)).expect("a statement");
            let route = scene.route(&parsed, &[]);
            write::plan(&parsed, &route, &[], &scene.catalog()).expect("a plan")
        });
    });
}
