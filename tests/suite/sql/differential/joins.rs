//! Queries over several tables: joins, set operations, subqueries, WITH, window functions.

use leverframe::sql::dialect::Dialect;

use super::expressions::{Scope, Words};
use super::generator::{Check, Draft};

pub(super) fn draft(words: &mut Words<'_>) -> Draft {
    match words.below(13) {
        0 => union_all(words),
        1 => union(words),
        2..=4 => on_the_key(words),
        5 | 6 => with_reference(words),
        7 => across(words),
        8 | 9 => subquery(words),
        10 => with(words),
        11 => window(words),
        _ => set_operation(words),
    }
}

fn union_all(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let scope: &Scope<'_> = &[("", schema.table("users"))];
    let (filter, note) = (words.filter(scope), words.one_of(&["note", "upper(note)"]));
    let text =
        format!("SELECT id AS n, age, hired FROM users{filter} UNION ALL SELECT oid, amount, placed FROM orders");
    match words.below(4) {
        0 => Draft::bag("UNION ALL", text),
        1 => {
            let text = format!(
                "SELECT age FROM users{filter} UNION ALL SELECT amount FROM orders ORDER BY 1{}",
                words.limit()
            );
            Draft::ordered("UNION ALL", text)
        }
        2 => Draft::bag("UNION ALL", format!("SELECT {note}, oid FROM orders UNION ALL SELECT region, w FROM regions")),
        _ => {
            let by = format!("{}, 2{}, 3{}{}", words.direction(), words.direction(), words.direction(), words.limit());
            Draft::ordered("UNION ALL", format!("{text} ORDER BY n{by}"))
        }
    }
}

fn union(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let scope: &Scope<'_> = &[("", schema.table("users"))];
    let (filter, int) = (words.filter(scope), words.int(scope, 1));
    let text = match words.below(3) {
        0 => format!("SELECT {int} AS x, hired FROM users{filter} UNION SELECT amount, placed FROM orders"),
        1 => format!("SELECT dept AS x, age FROM users{filter} UNION SELECT note, amount FROM orders"),
        // SQLite has no word for what it does anyway.
        _ => {
            let word = if words.dialect() == Dialect::Sqlite { "" } else { " DISTINCT" };
            format!("SELECT age AS x, id FROM users{filter} UNION{word} SELECT w, rid FROM regions")
        }
    };
    if words.random.bool() {
        return Draft::bag("UNION", text).grouped();
    }
    let text = format!("{text} ORDER BY 2{}, x{}{}", words.direction(), words.direction(), words.limit());
    Draft::ordered("UNION", text).grouped()
}

fn on_the_key(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let scope: &Scope<'_> = &[("u.", schema.table("users")), ("o.", schema.table("orders"))];
    let join = words.one_of(&["JOIN", "LEFT JOIN", "INNER JOIN", "LEFT OUTER JOIN"]);
    let more = if words.random.bool() { "" } else { " AND o.amount > 3" };
    let filter = words.filter(scope);
    let also = if filter.is_empty() { " WHERE".to_owned() } else { format!("{filter} AND") };
    let condition =
        words.one_of(&["u.id IS NULL", "u.age > 3", "u.id = 4", "o.amount > 2", "u.id = 4 OR u.id IS NULL"]);
    let (a, b) = (words.aggregate(scope), words.any(scope));
    let text = match words.below(6) {
        0 => format!(
            "SELECT u.dept, COUNT(o.oid), {a} FROM users u {join} orders o ON u.id = o.user_id{more}{filter} GROUP BY u.dept"
        ),
        1 => format!("SELECT u.name, o.note, {b} FROM users u, orders o{also} u.id = o.user_id"),
        2 => {
            let by = format!("o.placed{}, u.id, o.oid{}", words.direction(), words.limit());
            let text = format!(
                "SELECT u.*, o.amount FROM users u {join} orders o ON o.user_id = u.id{more}{filter} ORDER BY {by}"
            );
            return Draft::ordered("a join on the key", text);
        }
        3 => format!(
            "SELECT COUNT(*), COUNT(o.oid) FROM orders o LEFT JOIN users u ON u.id = o.user_id WHERE {condition}"
        ),
        4 => format!("SELECT a.name, b.name FROM users a {join} users b ON a.id = b.id AND b.age > 9"),
        _ => format!("SELECT u.id, o.oid FROM users u {join} orders o ON u.id = o.user_id{more} WHERE {condition}"),
    };
    Draft::bag("a join on the key", text).grouped()
}

fn with_reference(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let scope: &Scope<'_> = &[("u.", schema.table("users")), ("g.", schema.table("regions"))];
    let filter = words.filter(scope);
    let also = if filter.is_empty() { " WHERE".to_owned() } else { format!("{filter} AND") };
    let aggregate = words.aggregate(scope);
    let text = match words.below(6) {
        0 => format!("SELECT u.name, g.region FROM users u JOIN regions g ON g.w = u.age{filter}"),
        1 => format!(
            "SELECT g.region, {aggregate}, SUM(g.w) FROM users u LEFT JOIN regions g ON g.rid = u.age{filter} GROUP BY g.region"
        ),
        2 => "SELECT region, COUNT(*) FROM regions JOIN users ON w < age GROUP BY 1".to_owned(),
        3 => {
            let text =
                format!("SELECT * FROM users u, regions g{also} u.age > g.w ORDER BY u.id, g.rid{}", words.limit());
            return Draft::ordered("a join with a reference table", text);
        }
        4 => {
            let text = format!(
                "SELECT g.region, COUNT(u.id) FROM regions g LEFT JOIN users u ON u.age = g.w{filter} GROUP BY g.region"
            );
            return Draft::bag("a reference table LEFT JOIN", text).grouped();
        }
        _ => format!("SELECT u.id, g.region FROM users u CROSS JOIN regions g{also} g.w = 3"),
    };
    Draft::bag("a join with a reference table", text).grouped()
}

fn across(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let scope: &Scope<'_> = &[("u.", schema.table("users")), ("i.", schema.table("items"))];
    let filter = words.filter(scope);
    let text = match words.below(7) {
        0 => {
            "SELECT u.name, e.v FROM users u JOIN events e ON e.uid = u.id WHERE e.kind = 'a' AND u.age > 5".to_owned()
        }
        1 => "SELECT e.kind, COUNT(*), MAX(u.age) FROM events e LEFT JOIN users u ON e.uid = u.id GROUP BY e.kind"
            .to_owned(),
        2 => "SELECT COUNT(*) FROM users a, users b WHERE a.age = b.age".to_owned(),
        3 => format!("SELECT u.id, i.iid, i.cost FROM users u JOIN items i ON i.owner = u.id{filter}"),
        4 => format!(
            "SELECT u.dept, SUM(i.qty), SUM(i.cost) FROM users u LEFT JOIN items i ON i.owner = u.id{filter} GROUP BY u.dept"
        ),
        5 if words.dialect() != Dialect::MySql => {
            "SELECT u.id, o.oid FROM users u FULL JOIN orders o ON u.id = o.amount".to_owned()
        }
        5 => "SELECT u.id, o.oid FROM users u RIGHT JOIN orders o ON u.id = o.amount".to_owned(),
        _ => {
            let text = format!(
                "SELECT u.id, i.iid FROM users u JOIN items i ON i.qty > u.age{filter} ORDER BY i.iid, u.id DESC{}",
                words.limit()
            );
            return Draft::ordered("a join across shards", text);
        }
    };
    Draft::bag("a join across shards", text).grouped()
}

fn subquery(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let scope: &Scope<'_> = &[("", schema.table("users"))];
    let (filter, more) = (words.filter(scope), words.predicate(scope, 1));
    let number = words.number(0..60);
    let text = match words.below(11) {
        0 => format!("SELECT id, name FROM users WHERE age > (SELECT AVG(age) FROM users) AND {more}"),
        1 => "SELECT name FROM users u WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id AND o.amount > 9)".to_owned(),
        2 => format!("SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE amount < {number})"),
        3 => format!("SELECT d, n FROM (SELECT dept AS d, COUNT(*) AS n FROM users{filter} GROUP BY dept) x WHERE n > 1"),
        4 => "SELECT id, (SELECT COUNT(*) FROM events e WHERE e.uid = users.id) AS c FROM users WHERE id = 4".to_owned(),
        5 => "SELECT id FROM users WHERE age NOT IN (SELECT w FROM regions WHERE w IS NOT NULL)".to_owned(),
        6 => "SELECT u.id, (SELECT SUM(o.amount) FROM orders o WHERE o.user_id = u.id) AS s FROM users u".to_owned(),
        7 => "SELECT dept, AVG(age) FROM users WHERE id NOT IN (SELECT owner FROM items WHERE owner IS NOT NULL) GROUP BY dept".to_owned(),
        8 => format!("SELECT COUNT(*) FROM (SELECT DISTINCT dept, age FROM users{filter}) x"),
        9 => "SELECT id FROM users u WHERE NOT EXISTS (SELECT 1 FROM items i WHERE i.owner = u.id)".to_owned(),
        _ => "SELECT x.id, r.region FROM (SELECT id, age FROM users) x JOIN regions r ON r.w = x.age".to_owned(),
    };
    Draft::bag("subqueries", text).grouped()
}

fn with(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let scope: &Scope<'_> = &[("", schema.table("users"))];
    let filter = words.filter(scope);
    let text = match words.below(3) {
        0 => format!("WITH a AS (SELECT dept, age FROM users{filter}), b AS (SELECT dept, SUM(age) AS s FROM a GROUP BY dept) SELECT * FROM b WHERE s > 10"),
        1 => format!("WITH t AS (SELECT id, age FROM users{filter}) SELECT COUNT(*), MAX(o.amount) FROM t JOIN orders o ON o.user_id = t.id"),
        _ => "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, COUNT(age) FROM n LEFT JOIN users ON age = i GROUP BY i".to_owned(),
    };
    Draft::bag("WITH", text).grouped()
}

fn window(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let scope: &Scope<'_> = &[("", schema.table("users"))];
    let filter = words.filter(scope);
    let text = match words.below(4) {
        0 => format!(
            "SELECT id, rank() OVER (PARTITION BY dept ORDER BY age), SUM(age) OVER (PARTITION BY dept) FROM users{filter}"
        ),
        1 => format!("SELECT id, row_number() OVER (ORDER BY id DESC) AS r FROM users{filter}"),
        2 => format!(
            "SELECT id, SUM(age) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM users{filter}"
        ),
        _ => format!("SELECT id, lag(age) OVER (ORDER BY id) AS before_it, COUNT(*) OVER () AS n FROM users{filter}"),
    };
    Draft::bag("window functions", text)
}

fn set_operation(words: &mut Words<'_>) -> Draft {
    let schema = words.schema;
    let scope: &Scope<'_> = &[("", schema.table("users"))];
    let (filter, operation) = (words.filter(scope), words.one_of(&["INTERSECT", "EXCEPT", "UNION", "UNION ALL"]));
    let mut text = match words.below(2) {
        0 => format!("SELECT age FROM users{filter} {operation} SELECT w FROM regions"),
        _ => format!("SELECT id, age FROM users{filter} {operation} SELECT user_id, amount FROM orders"),
    };
    if words.below(3) == 0 {
        text = format!(
            "SELECT age FROM users{filter} {operation} SELECT w FROM regions UNION ALL SELECT amount FROM orders"
        );
    }
    Draft { construct: "INTERSECT, EXCEPT, mixed", text, check: Check::Bag, groups: true }
}
