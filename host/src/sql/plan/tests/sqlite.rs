//! Plans for SQLite: its affinities, collations and functions.

use super::*;

const USERS: Columns = &[
    ("id", "INTEGER", "BINARY"),
    ("name", "TEXT", "BINARY"),
    ("nick", "TEXT", "NOCASE"),
    ("dept", "TEXT", "BINARY"),
    ("age", "INTEGER", "BINARY"),
    ("salary", "REAL", "BINARY"),
    ("anyc", "", "BINARY"),
];
const ORDERS: Columns =
    &[("oid", "INTEGER", "BINARY"), ("user_id", "INTEGER", "BINARY"), ("amount", "INTEGER", "BINARY")];
const EVENTS: Columns = &[("kind", "TEXT", "BINARY"), ("uid", "INTEGER", "BINARY")];
const REGIONS: Columns = &[("rdept", "TEXT", "BINARY"), ("region", "TEXT", "BINARY")];

fn world() -> World {
    let tables = [("users", USERS), ("orders", ORDERS), ("events", EVENTS), ("regions", REGIONS)];
    World::partitioned(Dialect::Sqlite, 3, &tables)
}

#[test]
fn one_key_goes_to_one_shard_as_it_was_written() {
    let plan = world().plan("SELECT group_concat(name), random() FROM users WHERE id = 7");
    assert_eq!((plan.tier, plan.class, plan.nodes.len()), (Tier::PassThrough, Class::Single, 1));
    assert_eq!(plan.nodes[0].sql, "SELECT group_concat(name), random() FROM users WHERE id = 7");
}

#[test]
fn rows_are_merged_by_what_they_are_sorted_by_and_a_limit_is_pushed_down() {
    let sql = "SELECT name FROM users WHERE age > 3 ORDER BY age DESC, name LIMIT 5 OFFSET 2";
    let plan = world().plan(sql);
    assert_eq!(
        flat(&plan.nodes[0].sql),
        "SELECT name, (age ) AS \"lf_k0\" FROM users WHERE age > 3 ORDER BY age DESC, name LIMIT 7"
    );
    let key = |column, descending, nulls_first| MergeKey { column, descending, nulls_first };
    let keys = vec![key(KeyColumn::Hidden(0), true, false), key(KeyColumn::Visible(0), false, true)];
    let window = Window { limit: Some(5), offset: 2 };
    assert_eq!(plan.last, FinalStage::Merge { keys, hidden: 1, window });
}

#[test]
fn an_order_that_is_not_that_of_bytes_is_made_by_the_engine() {
    let last = world().last("SELECT id, nick FROM users ORDER BY nick, id LIMIT 4");
    assert!(last.contains("ORDER BY lf_c1 COLLATE NOCASE ASC NULLS FIRST, lf_c0 COLLATE BINARY"), "{last}");
}

#[test]
fn an_average_is_made_of_sums_and_counts_and_guarded() {
    let plan = world().plan("SELECT dept, AVG(age) FROM users GROUP BY dept HAVING COUNT(*) > 2");
    let FinalStage::Sql { guards, sql, .. } = &plan.last else { panic!("{plan:?}") };
    assert!(flat(sql).contains("(CAST(SUM(lf_p0) AS REAL) / SUM(lf_p1)) AS \"AVG(age)\""), "{sql}");
    assert!(sql.contains("HAVING COALESCE(SUM(lf_p2), 0) > 2"), "{sql}");
    assert_eq!(guards.len(), 1);
    assert!(flat(&plan.nodes[0].sql).ends_with("FROM users GROUP BY 1"), "{}", plan.nodes[0].sql);
}

#[test]
fn groups_of_the_key_are_answered_whole_where_the_key_cannot_be_null() {
    let sql = "SELECT id, group_concat(name), SUM(salary) FROM users WHERE id > 3 GROUP BY id ORDER BY 1 LIMIT 3";
    assert_eq!(world().refused(sql), "group_concat()");
    let sql = "SELECT id, SUM(salary) s FROM users WHERE id > 3 GROUP BY id HAVING COUNT(*) > 1 ORDER BY 1 LIMIT 3";
    let node = world().node(sql);
    assert!(node.ends_with("GROUP BY id HAVING COUNT(*) > 1 ORDER BY 1 LIMIT 3"), "{node}");
    assert_eq!(world().merge(sql).1, 0);
    // Rows without a key may lie on any shard.
    let sql = "SELECT id, COUNT(*) FROM users GROUP BY id ORDER BY 1 LIMIT 3";
    assert!(world().node(sql).ends_with("GROUP BY 1"));
}

#[test]
fn what_an_arbitrary_row_decides_is_refused_by_name() {
    let world = world();
    assert_eq!(world.refused("SELECT name, COUNT(*) FROM users"), "column name");
    assert_eq!(world.refused("SELECT nick, COUNT(*) FROM users GROUP BY nick"), "GROUP BY nick");
    assert_eq!(world.refused("SELECT MIN(anyc) FROM users"), "MIN(anyc)");
    assert_eq!(world.refused("SELECT DISTINCT anyc FROM users"), "DISTINCT anyc");
    assert_eq!(world.refused("SELECT rowid FROM users"), "rowid");
    assert_eq!(world.refused("SELECT rowid FROM users WHERE id = 3"), "rowid");
    assert_eq!(world.refused("SELECT COUNT(DISTINCT nick), SUM(DISTINCT anyc) FROM users"), "sum(DISTINCT …)");
    assert_eq!(world.refused("SELECT id FROM users ORDER BY random()"), "random()");
    assert_eq!(world.refused("SELECT my_function(id) FROM users"), "my_function()");
    assert_eq!(world.refused("SELECT id FROM users u JOIN generate_series(1, 3)"), "generate_series(1, 3)");
}

#[test]
fn what_cannot_be_merged_is_gathered_with_what_it_needs() {
    let world = world();
    assert_eq!(
        world.gathered("SELECT SUM(salary) FROM users"),
        "a sum of floats, which depends on the order of addition"
    );
    assert_eq!(world.gathered("SELECT id FROM users WHERE age > (SELECT AVG(age) FROM users)"), "subqueries");
    let sql = "SELECT u.name FROM users u JOIN events e ON e.uid = u.id WHERE e.kind = 'a' AND u.age > 5";
    let plan = world.plan(sql);
    assert_eq!(plan.why, "a join that is not on the partition keys");
    let texts: Vec<String> = plan.nodes.iter().map(|node| flat(&node.sql)).collect();
    assert!(
        texts.contains(&r#"SELECT "id", "name", "age" FROM "users" AS "u" WHERE (u.age > 5 )"#.to_owned()),
        "{texts:?}"
    );
    let events = texts.iter().filter(|text| text.contains("\"events\"")).count();
    assert_eq!(events, 1, "a key that is given is asked of its shard only: {texts:?}");
}

#[test]
fn names_of_our_own_give_way_to_those_of_the_statement() {
    let last = world().last("SELECT dept AS lf_g0, COUNT(*) FROM users GROUP BY dept");
    assert!(last.starts_with("SELECT lfx_g0 AS \"lf_g0\""), "{last}");
}

#[test]
fn a_hexadecimal_number_may_be_that_of_a_column() {
    let why = "a number in disguise as a term of GROUP BY or ORDER BY";
    assert_eq!(world().gathered("SELECT -id FROM users ORDER BY 0x1 LIMIT 5"), why);
    assert_eq!(world().gathered("SELECT age, COUNT(*) FROM users GROUP BY 0x1"), why);
}

#[test]
fn a_cast_to_numeric_leaves_equal_numbers_written_differently() {
    assert_eq!(world().refused("SELECT DISTINCT CAST(anyc AS NUMERIC) FROM users"), "DISTINCT CAST(anyc AS NUMERIC)");
    assert_eq!(
        world().refused("SELECT MIN(CAST(anyc AS DECIMAL(9, 2))) FROM users"),
        "MIN(CAST(anyc AS DECIMAL(9, 2)))"
    );
}

#[test]
fn groups_are_not_sorted_by_what_they_do_not_have() {
    let gathered = "FROM users WHERE id IN (SELECT user_id FROM orders) GROUP BY dept";
    let world = world();
    assert_eq!(world.refused(&format!("SELECT dept, COUNT(*) {gathered} ORDER BY name LIMIT 1")), "column name");
    for sorted in ["dept", "2", "COUNT(*)", "c", "MAX(name)"] {
        let sql = format!("SELECT dept, COUNT(*) AS c {gathered} ORDER BY {sorted}");
        assert_eq!(world.plan(&sql).tier, Tier::Gather, "{sql}");
    }
}

#[test]
fn a_parameter_with_a_dollar_is_a_name_and_not_taken() {
    assert!(parse(Dialect::Sqlite, "SELECT $2, COUNT(*) FROM users WHERE age > $1").is_err());
    assert!(parse(Dialect::Sqlite, "SELECT ?2, COUNT(*) FROM users WHERE age > ?1").is_ok());
}

#[test]
fn a_natural_join_in_parentheses_needs_every_column() {
    for sql in ["SELECT COUNT(*) FROM (users NATURAL JOIN orders)", "SELECT COUNT(*) FROM users NATURAL JOIN orders"] {
        let nodes = world().plan(sql).nodes;
        assert!(nodes.iter().any(|node| node.sql.contains("salary")), "{sql}: {nodes:?}");
    }
}

#[test]
fn what_reads_the_clock_is_not_asked_of_several_shards() {
    for call in [
        "unixepoch('subsec')",
        "unixepoch('SubSecond')",
        "julianday()",
        "strftime('%s')",
        "timediff('now', name)",
        "date(coalesce(name, 'now'))",
        "date(\"now\")",
        "datetime(name, 'localtime')",
    ] {
        let planned = world().try_plan(&format!("SELECT {call} FROM users"), &[]);
        assert!(planned.is_err(), "{call}: {planned:?}");
    }
    assert_eq!(world().plan("SELECT date(name, '+1 day') FROM users").tier, Tier::Merge);
}
