//! Plans where it counts which shards have a table, and which tables meet by shard.

use super::*;

const USERS: Columns = &[("id", "INTEGER", "BINARY"), ("name", "TEXT", "BINARY"), ("age", "INTEGER", "BINARY")];
const ORDERS: Columns =
    &[("oid", "INTEGER", "BINARY"), ("user_id", "INTEGER", "BINARY"), ("amount", "INTEGER", "BINARY")];
const REGIONS: Columns = &[("rdept", "TEXT", "BINARY")];
const FEW: Columns = &[("id", "INTEGER", "BINARY"), ("name", "TEXT", "BINARY")];

/// `users` and `orders` on three shards, `few` on the last two only, `fewer` on the first.
fn world(dialect: Dialect) -> World {
    let hashed = |shards: &[u16]| Placement::hashed(shards.iter().copied().map(Shard).collect()).unwrap();
    let by = |key: &str, shards: &[u16]| {
        let (key, placement) = (key.to_owned(), hashed(shards));
        Holding::Partitioned(Partition { key, kind: KeyKind::Integer, placement })
    };
    let given = [
        ("users", by("id", &[0, 1, 2])),
        ("orders", by("user_id", &[0, 1, 2])),
        ("few", by("id", &[1, 2])),
        ("fewer", by("id", &[0])),
        ("regions", Holding::Reference),
    ];
    let given = given.into_iter().map(|(name, holding)| (name.to_owned(), holding));
    let topology = Topology::partitioned(dialect, NonZeroU16::new(3).unwrap(), given).unwrap();
    let tables = [("users", USERS), ("orders", ORDERS), ("few", FEW), ("fewer", FEW), ("regions", REGIONS)];
    World { topology, shapes: shapes(&tables) }
}

fn asked(plan: &Plan) -> Vec<Shard> {
    plan.nodes.iter().map(|node| node.shard).collect()
}

#[test]
fn an_outer_join_does_not_tie_the_tables_that_it_keeps() {
    let world = world(Dialect::Sqlite);
    let why = "a join that is not on the partition keys";
    let apart = "SELECT a.id, b.user_id FROM users a JOIN orders b ON a.age = b.amount LEFT JOIN users c";
    assert_eq!(world.gathered(&format!("{apart} ON c.id = a.id AND c.id = b.user_id")), why);
    assert_eq!(world.gathered(&format!("{apart} ON c.id = a.id")), why);
    for tied in [
        "SELECT a.id FROM users a JOIN orders b ON a.id = b.user_id LEFT JOIN users c ON c.id = b.user_id",
        "SELECT a.id FROM users a LEFT JOIN orders b ON a.id = b.user_id AND b.amount > 3 LEFT JOIN regions r ON r.rdept = a.name",
        "SELECT a.id FROM users a, orders b WHERE (a.id = b.user_id) AND a.age > 3",
        "SELECT id FROM users UNION ALL SELECT a.id FROM users a JOIN orders b ON a.id = b.user_id",
    ] {
        assert_eq!(world.plan(tied).tier, Tier::Merge, "{tied}");
    }
    let sql = "SELECT a.id FROM users a JOIN orders b ON a.id = b.user_id UNION ALL \
               SELECT a.id FROM users a JOIN orders b ON a.id = b.amount";
    assert_eq!(world.gathered(sql), why);
}

#[test]
fn a_statement_without_rows_goes_where_its_tables_are() {
    let world = world(Dialect::Sqlite);
    assert_eq!(asked(&world.plan("SELECT name FROM few WHERE id = 1 AND id = 2")), [Shard(1)]);
    assert_eq!(asked(&world.plan("SELECT name FROM users WHERE id = 1 AND id = 2")), [Shard::ANY]);
    assert_eq!(asked(&world.plan("SELECT rdept FROM regions")), [Shard::ANY]);
    let sql = "SELECT name FROM few WHERE id = 1 AND id = 2 UNION ALL SELECT name FROM fewer WHERE id = 1 AND id = 2";
    let plan = world.plan(sql);
    assert_eq!((plan.tier, asked(&plan)), (Tier::Gather, vec![Shard(1), Shard(0)]));
}

#[test]
fn no_shard_is_asked_for_a_table_that_it_does_not_have() {
    let world = world(Dialect::Sqlite);
    let sql = "SELECT name FROM users UNION ALL SELECT name FROM few";
    assert_eq!(world.gathered(sql), "tables that are not on the same shards");
    assert_eq!(asked(&world.plan(sql)), [Shard(0), Shard(1), Shard(2), Shard(1), Shard(2)]);
    let one =
        (0..).find(|id| world.plan(&format!("SELECT name FROM users WHERE id = {id}")).nodes[0].shard == Shard(0));
    let sql = format!("SELECT name FROM users WHERE id = {} UNION SELECT name FROM few WHERE id = NULL", one.unwrap());
    assert_eq!(asked(&world.plan(&sql)), [Shard(0), Shard(1)]);
}

#[test]
fn a_reference_table_is_gathered_from_any_shard() {
    let plan = world(Dialect::Sqlite).plan("SELECT rdept, (SELECT COUNT(*) FROM few) FROM regions");
    assert_eq!((plan.tier, plan.class), (Tier::Gather, Class::Partial));
    assert_eq!(asked(&plan), [Shard(1), Shard(2), Shard::ANY]);
}

#[test]
fn a_name_of_with_that_may_be_a_tables_is_refused() {
    for dialect in [Dialect::Sqlite, Dialect::MySql] {
        let world = world(dialect);
        assert!(world.refused("WITH Users AS (SELECT 1 AS id) SELECT COUNT(*) FROM users").starts_with("WITH "));
        let sql = "WITH Users AS (SELECT 1 AS id) SELECT COUNT(*) FROM users JOIN orders ON 1 = 1";
        assert!(world.refused(sql).starts_with("WITH "), "{dialect:?}");
    }
}

#[test]
fn a_union_sorted_by_a_name_that_two_columns_have_is_gathered() {
    let world = world(Dialect::Sqlite);
    let sql = "SELECT name, upper(name) AS name FROM users UNION ALL SELECT name, 'M' FROM users ORDER BY name";
    assert_eq!(world.gathered(sql), "a union sorted by an expression");
    assert_eq!(world.merge("SELECT name, age FROM users UNION ALL SELECT name, 1 FROM users ORDER BY name").1, 0);
}

#[test]
fn a_column_that_is_declared_is_not_hidden() {
    let world = world(Dialect::Sqlite);
    assert_eq!(world.plan("SELECT oid FROM orders WHERE user_id = 1").tier, Tier::PassThrough);
    assert_eq!(world.refused("SELECT rowid FROM orders WHERE user_id = 1"), "rowid");
}
