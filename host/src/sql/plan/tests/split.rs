//! Plans where every node has all rows and a scan is divided among them.

use super::*;

const USERS: Columns = &[("id", "INTEGER", "BINARY"), ("dept", "TEXT", "BINARY"), ("age", "INTEGER", "BINARY")];
const REGIONS: Columns = &[("rdept", "TEXT", "BINARY"), ("region", "TEXT", "BINARY")];

fn world() -> World {
    World::split(Dialect::Sqlite, 3, &[("users", USERS), ("regions", REGIONS)])
}

fn texts(sql: &str) -> Vec<String> {
    world().plan(sql).nodes.iter().map(|node| flat(&node.sql)).collect()
}

#[test]
fn each_node_reads_its_range_and_the_last_one_also_rows_without_a_key() {
    let texts = texts("SELECT dept, COUNT(*) FROM users WHERE age > 3 OR age < 1 -- x\n GROUP BY dept");
    let select = r#"SELECT (dept ) AS lf_g0, (COUNT(*) ) AS lf_p0 FROM users WHERE (age > 3 OR age < 1 ) AND"#;
    assert_eq!(
        texts,
        [
            format!(r#"{select} ("users"."id" < 3001) GROUP BY 1"#),
            format!(r#"{select} ("users"."id" >= 3001 AND "users"."id" < 6001) GROUP BY 1"#),
            format!(r#"{select} ("users"."id" >= 6001 OR "users"."id" IS NULL) GROUP BY 1"#),
        ]
    );
}

#[test]
fn a_scan_without_a_predicate_is_divided_under_its_alias() {
    let texts = texts("SELECT u.id FROM users u LEFT JOIN regions r ON r.rdept = u.dept ORDER BY u.id LIMIT 2");
    assert!(texts[1].contains(r#"WHERE ("u"."id" >= 3001 AND "u"."id" < 6001) ORDER BY u.id LIMIT 2"#), "{texts:?}");
}

#[test]
fn groups_of_the_key_are_whole_and_their_limit_is_pushed_down() {
    let texts = texts("SELECT id, COUNT(*) FROM users GROUP BY id ORDER BY 2 DESC LIMIT 4");
    assert!(texts[0].ends_with("GROUP BY id ORDER BY 2 DESC LIMIT 4"), "{texts:?}");
}

#[test]
fn what_cannot_be_divided_goes_whole_to_one_node() {
    for sql in [
        "SELECT COUNT(*) FROM users a JOIN users b ON a.age = b.age",
        "SELECT id FROM users WHERE age > (SELECT AVG(age) FROM users)",
        "SELECT group_concat(dept), random() FROM users",
        "WITH x AS (SELECT * FROM users) SELECT COUNT(*) FROM x",
        "SELECT dept, rank() OVER (ORDER BY age) FROM users",
        "SELECT region, COUNT(users.id) FROM regions LEFT JOIN users ON rdept = dept GROUP BY region",
        "SELECT region FROM regions",
        "SELECT rowid, id FROM users",
    ] {
        let plan = world().plan(sql);
        assert_eq!((plan.tier, plan.nodes.len()), (Tier::PassThrough, 1), "{sql}");
        assert_eq!(plan.nodes[0].sql, sql);
    }
}

#[test]
fn a_key_that_is_given_asks_only_who_reads_it() {
    let plan = world().plan("SELECT COUNT(*) FROM users WHERE id BETWEEN 2990 AND 3010");
    assert_eq!((plan.class, plan.nodes.len()), (Class::Partial, 2));
    assert_eq!(world().plan("SELECT age FROM users WHERE id = 5").tier, Tier::PassThrough);
}
