//! Plans for PostgreSQL: the types of its results, its collations and the names that it gives.

use super::*;

const USERS: Columns = &[
    ("id", "bigint", ""),
    ("name", "text", "en_US.UTF-8"),
    ("code", "character varying(10)", "C"),
    ("dept", "text", "en_US.UTF-8"),
    ("age", "integer", ""),
    ("salary", "numeric(10,2)", ""),
    ("free", "numeric", ""),
    ("rate", "double precision", ""),
    ("hired", "date", ""),
    ("Odd", "text", "C"),
];
const ORDERS: Columns = &[("oid", "bigint", ""), ("user_id", "integer", ""), ("amount", "integer", "")];
const EVENTS: Columns = &[("kind", "text", "C"), ("uid", "bigint", "")];
const REGIONS: Columns = &[("rdept", "text", "en_US.UTF-8"), ("region", "text", "C")];

fn world() -> World {
    let tables = [("users", USERS), ("orders", ORDERS), ("events", EVENTS), ("regions", REGIONS)];
    World::partitioned(Dialect::Postgres, 3, &tables)
}

#[test]
fn sums_are_of_the_type_that_one_database_answers() {
    let world = world();
    let last = world.last("SELECT SUM(age), SUM(id), SUM(salary), SUM(rate), COUNT(*) FROM users");
    assert_eq!(
        last,
        "SELECT (SUM(lf_p0)::bigint) AS \"sum\", SUM(lf_p1) AS \"sum\", SUM(lf_p2) AS \"sum\", SUM(lf_p3) AS \"sum\", \
         (COALESCE(SUM(lf_p4), 0)::bigint) AS \"count\" FROM lf_rows"
    );
    let last = world.last("SELECT dept d, AVG(age) + 1 FROM users GROUP BY d");
    let average = "(SUM(lf_p0)::numeric / SUM(lf_p1)::numeric) + 1 AS \"?column?\"";
    assert_eq!(last, format!("SELECT lf_g0 AS \"d\", {average} FROM lf_rows GROUP BY lf_g0"));
}

#[test]
fn sums_of_a_type_that_is_not_certain_are_gathered() {
    let world = world();
    assert_eq!(
        world.gathered("SELECT SUM(extract(epoch FROM hired)) FROM users"),
        "sum() of a type that is not certain"
    );
    assert_eq!(world.gathered("SELECT stddev(rate) FROM users"), "stddev() of a type that is not certain");
    assert_eq!(world.gathered("SELECT corr(age, rate) FROM users"), "an aggregate that needs all rows in one place");
}

#[test]
fn the_host_merges_numbers_and_text_of_c_and_hides_what_it_sorts_by() {
    let world = world();
    let (keys, hidden) = world.merge("SELECT age, code, salary FROM users ORDER BY 1 DESC, code, salary NULLS FIRST");
    assert_eq!(hidden, 0);
    assert_eq!(keys.iter().map(|key| key.nulls_first).collect::<Vec<_>>(), [true, false, true]);
    let node = world.node("SELECT hired FROM users ORDER BY hired");
    assert_eq!(node, "SELECT hired, (EXTRACT(EPOCH FROM (hired )) ) AS \"lf_k0\" FROM users ORDER BY hired");
}

#[test]
fn text_of_another_collation_is_sorted_by_the_engine_under_that_collation() {
    let plan = world().plan("SELECT id, name FROM users ORDER BY name, id");
    let FinalStage::Sql { loads, sql, .. } = &plan.last else { panic!("{plan:?}") };
    let collations: Vec<&str> = loads[0].columns.iter().map(|column| column.collation.as_str()).collect();
    assert_eq!(collations, ["", "en_US.UTF-8"]);
    assert!(flat(sql).ends_with("ORDER BY lf_c1 ASC NULLS LAST, lf_c0 ASC NULLS LAST"), "{sql}");
    let plan = world().plan("SELECT dept, MAX(name), MIN(code) FROM users GROUP BY dept ORDER BY dept");
    let FinalStage::Sql { loads, .. } = &plan.last else { panic!("{plan:?}") };
    let collations: Vec<&str> = loads[0].columns.iter().map(|column| column.collation.as_str()).collect();
    assert_eq!(collations, ["en_US.UTF-8", "en_US.UTF-8", "C"]);
}

#[test]
fn names_are_those_that_the_server_gives_and_fold_as_it_folds_them() {
    let world = world();
    let last =
        world.last("SELECT Count(*), CASE WHEN MAX(age) > 1 THEN 2 END, SUM(age)::text, MAX(age) AS Top FROM USERS");
    for name in ["AS \"count\"", "AS \"case\"", "AS \"sum\"", "AS \"top\""] {
        assert!(last.contains(name), "{last}");
    }
    assert_eq!(world.plan("SELECT \"Odd\" FROM users GROUP BY \"Odd\"").tier, Tier::Merge);
    assert_eq!(world.gathered("SELECT COUNT(*) FROM users GROUP BY odd"), "GROUP BY of an alias or an aggregate");
}

#[test]
fn a_plain_sort_term_may_be_the_name_of_a_column_without_an_alias() {
    let last = world().last("SELECT dept, count(*) FROM users GROUP BY dept ORDER BY count DESC");
    assert!(last.ends_with("ORDER BY 2 DESC NULLS FIRST"), "{last}");
    let why = world().gathered("SELECT age AS x, id AS x FROM users ORDER BY x");
    assert_eq!(why, "a name that several columns of the answer may have");
}

#[test]
fn what_differs_by_shard_or_moment_is_refused_by_name() {
    let world = world();
    for (sql, construct) in [
        ("SELECT now(), id FROM users", "now()"),
        ("SELECT id FROM users WHERE hired > current_date", "current_date()"),
        ("SELECT id FROM users WHERE hired = 'today'", "'today'"),
        ("SELECT ctid FROM users", "ctid"),
        ("SELECT u FROM users u", "u"),
        ("SELECT u.secret FROM users u", "secret"),
        ("SELECT my_schema.f(id) FROM users", "my_schema.f()"),
        ("SELECT id FROM users FOR UPDATE", "FOR UPDATE"),
        ("SELECT id FROM users TABLESAMPLE SYSTEM (10)", "TABLESAMPLE"),
        ("SELECT string_agg(name, ',') FROM users", "string_agg()"),
        ("SELECT free, COUNT(*) FROM users GROUP BY free", "GROUP BY free"),
        ("SELECT MAX(free) FROM users", "MAX(free)"),
        ("SELECT SUM(DISTINCT free) FROM users", "sum(DISTINCT …)"),
        ("SELECT id FROM users, generate_series(1, 2)", "generate_series(1, 2)"),
        ("SELECT id, 'users'::regclass FROM users", "a cast to regclass"),
    ] {
        assert_eq!(world.refused(sql), construct, "{sql}");
    }
    let today = world.try_plan("SELECT id FROM users WHERE hired < $1", &[Value::Text(" Today".into())]);
    assert!(today.is_err(), "{today:?}");
}

#[test]
fn a_parameter_in_two_places_takes_its_type_from_the_first_so_nothing_is_taken_apart() {
    let sql = "SELECT dept, SUM(age + $1) FROM users WHERE id > $1 GROUP BY dept";
    let plan = world().try_plan(sql, &[Value::Integer(3)]).unwrap();
    assert_eq!((plan.tier, plan.why.as_str()), (Tier::Gather, "a parameter that stands in two places"));
    assert!(plan.nodes.iter().all(|node| !node.sql.contains('$')), "{plan:#?}");
}

#[test]
fn a_part_that_would_skip_a_parameter_is_not_sent() {
    let sql = "SELECT $1, SUM(age) FROM users WHERE id > $2 AND dept = $3";
    let params = [Value::Text("x".into()), Value::Integer(3), Value::Text("eng".into())];
    let plan = world().try_plan(sql, &params).unwrap();
    assert_eq!(plan.why, "a parameter that a part of the statement does not use");
    assert!(plan.nodes.iter().all(|node| !node.sql.contains('$')), "{plan:#?}");
    let sql = "SELECT dept, SUM(age) FROM users WHERE id > $1 GROUP BY dept LIMIT $2";
    assert_eq!(world().try_plan(sql, &[Value::Integer(3), Value::Integer(4)]).unwrap().tier, Tier::Merge);
}

#[test]
fn variances_are_computed_by_the_formula_of_the_server() {
    let last = world().last("SELECT var_pop(age) FROM users");
    assert!(last.contains("SUM(lf_p0) * SUM(lf_p2) - SUM(lf_p1) * SUM(lf_p1)"), "{last}");
    assert!(!last.contains("sqrt"), "{last}");
    assert!(world().last("SELECT stddev(salary) FROM users").contains("sqrt"));
}

#[test]
fn only_shapes_that_are_known_for_certain_are_merged() {
    let world = world();
    for (sql, why) in [
        ("SELECT DISTINCT ON (dept) dept, id FROM users ORDER BY dept, id", "DISTINCT ON"),
        ("SELECT dept, COUNT(*) FROM users GROUP BY ROLLUP (dept)", "a text that could not be cut for certain"),
        ("SELECT id FROM users LIMIT -1", "a negative LIMIT or OFFSET"),
        ("SELECT id FROM users, LATERAL (SELECT 1) x", "subqueries"),
        ("WITH RECURSIVE r AS (SELECT 1 AS n) SELECT id FROM users, r", "WITH"),
        ("SELECT id FROM users FETCH FIRST 2 ROWS ONLY", "FETCH or FOR UPDATE"),
        ("SELECT dept, COUNT(*) AS n FROM users GROUP BY dept HAVING n > 1", "a name that is no column"),
    ] {
        assert_eq!(world.gathered(sql), why, "{sql}");
    }
    assert_eq!(world.plan("SELECT u.id FROM users u JOIN orders o ON u.id = o.user_id").tier, Tier::Merge);
}

/// The columns that a gather loads of its first table.
fn loaded(sql: &str) -> usize {
    match world().plan(sql).last {
        FinalStage::Sql { loads, .. } => loads[0].columns.len(),
        other => panic!("{sql} loads nothing: {other:?}"),
    }
}

#[test]
fn what_goes_by_the_places_of_columns_has_all_of_them() {
    assert_eq!(loaded("SELECT a AS age FROM users AS u(a)"), USERS.len());
    assert_eq!(loaded("SELECT concat(u.*) FROM users u WHERE EXISTS (SELECT 1 FROM regions)"), USERS.len());
    assert_eq!(loaded("SELECT u.id FROM users u WHERE u.* IS NULL OR EXISTS (SELECT 1 FROM regions)"), USERS.len());
}

#[test]
fn moments_are_refused_however_they_are_written() {
    for text in ["'now'", "E'now'", "$$now$$", "'today 10:00'", "' Yesterday allballs '"] {
        let sql = format!("SELECT hired < {text} FROM users");
        let refusal = world().try_plan(&sql, &[]).unwrap_err();
        assert!(refusal.why.contains("moment"), "{sql}: {refusal}");
    }
    world().plan("SELECT id FROM users WHERE name = 'buy now'");
    let params = [Value::Integer(1), Value::Text("today".into())];
    let refusal = world().try_plan("SELECT hired < $2 FROM users WHERE age > $1", &params).unwrap_err();
    assert_eq!(refusal.construct, "parameter 2");
    assert_eq!(world().refused("SELECT current_schema FROM users"), "current_schema");
}

#[test]
fn texts_that_the_server_makes_one_are_not_taken() {
    for sql in ["SELECT 'a'\n'b', COUNT(*) FROM users", "SELECT E'a' -- c\n 'b' FROM users"] {
        assert!(parse(Dialect::Postgres, sql).is_err(), "{sql}");
    }
}

#[test]
fn keys_of_a_type_that_is_not_known_do_not_meet_by_shard() {
    const FOLDED: Columns = &[("kind", "citext", "en_US.UTF-8"), ("uid", "bigint", "")];
    let join = "SELECT a.uid FROM events a JOIN events b ON a.kind = b.kind";
    let world = |events| World::partitioned(Dialect::Postgres, 3, &[("events", events)]);
    assert_eq!(world(FOLDED).gathered(join), "a join that is not on the partition keys");
    assert_eq!(world(EVENTS).plan(join).tier, Tier::Merge);
}

#[test]
fn a_row_that_is_counted_is_gathered_for_it_cannot_be_loaded() {
    let why = "a row as the argument of a DISTINCT aggregate";
    assert_eq!(world().gathered("SELECT COUNT(DISTINCT (age, dept)) FROM users"), why);
}
