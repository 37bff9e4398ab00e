//! What planning costs at most: statements of the longest length that is allowed, made to be read as often as possible.

use std::time::{Duration, Instant};

use super::*;

const USERS: Columns = &[("id", "integer", ""), ("name", "text", "C"), ("dept", "text", "C"), ("age", "integer", "")];

/// Many times what it should take, because tests run unoptimized and on busy machines; what is read over and over takes minutes.
const MOST: Duration = Duration::from_secs(10);

fn repeated(unit: &str, separator: &str) -> String {
    vec![unit; 60_000 / (unit.len() + separator.len())].join(separator)
}

fn statements() -> Vec<String> {
    let few = |unit: &str, times: usize| unit.repeat(times);
    vec![
        format!("SELECT SUM(age) FROM users WHERE age IN ({}) AND 1=1", repeated("(1 AND 1)", ",")),
        format!("SELECT DISTINCT name FROM users WHERE age IN ({}) AND age > 1", repeated("1 AND 1", ",")),
        format!("SELECT SUM(age) FROM users WHERE ARRAY[{}] = ARRAY[true] AND 1=1", repeated("1=1 AND 1=1", ",")),
        format!(
            "SELECT SUM(DISTINCT age) FROM users WHERE age IN ({}) AND CASE WHEN {}1=1 THEN 1 END = 1 AND 1=1",
            repeated("1", ","),
            few("1=1 AND ", 80)
        ),
        format!("SELECT age FROM users WHERE {}1=1 ORDER BY name", few("age BETWEEN 1 AND 2 AND ", 60)),
        format!("SELECT {} FROM users", repeated("SUM(age)", ",")),
        format!("SELECT {} FROM users ORDER BY 1", repeated("age", ",")),
        format!("SELECT {} FROM users GROUP BY {}", repeated("age", ",").split_at(30_000).0, "1"),
        format!("SELECT age FROM users GROUP BY {}", repeated("age", ",")),
        format!("SELECT age, COUNT(*) FROM users GROUP BY age ORDER BY {}", repeated("age", ",")),
        format!("SELECT age FROM users ORDER BY {}", repeated("name", ",")),
        format!("SELECT {} FROM users GROUP BY 1 HAVING SUM(age) > 1", repeated("1 AS a", ",")),
        format!("SELECT age FROM users WHERE id IN ({})", repeated("7", ",")),
        format!("SELECT age FROM users WHERE id IN (SELECT id FROM users WHERE id IN ({}))", repeated("7", ",")),
        format!("SELECT COUNT(*) FROM {}", repeated("users u", ",")),
        format!("SELECT age FROM users {}", few("UNION SELECT age FROM users ", 380)),
        format!("WITH {} SELECT * FROM a", repeated("a AS (SELECT 1)", ",")),
        format!("SELECT {}1{}", few("position(", 40), few(")", 40)),
        format!("SELECT {}", few("position(", 40)),
        format!("SELECT * FROM {}users{}", few("(", 300), few(")", 300)),
        format!("SELECT {}1{}", few("f(", 300), few(")", 300)),
        format!("SELECT {}1{}", few("(SELECT ", 300), few(")", 300)),
        format!("SELECT {}1 1{}", few("cast(", 30), few(" AS int)", 30)),
        format!("SELECT COALESCE(SUM(age), {}) FROM users", repeated("SUM(age)", ",")),
        format!("SELECT SUM(age) {} FROM users", few("+ SUM(age)", 350)),
    ]
}

#[test]
fn no_statement_takes_long_to_plan() {
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        let world = World::partitioned(dialect, 3, &[("users", USERS)]);
        for sql in statements() {
            let begun = Instant::now();
            let planned = parse(dialect, &sql).ok().and_then(|parsed| {
                let route = route(&parsed.statement, Parameters::default(), &world.topology).ok()?;
                let Route::Read(reads) = route else { return None };
                let catalog = Catalog { topology: &world.topology, shapes: &world.shapes };
                Some(plan(&parsed, &[], &reads, &catalog, Options::default()).is_ok())
            });
            let taken = begun.elapsed();
            let beginning: String = sql.chars().take(60).collect();
            assert!(taken < MOST, "{dialect:?}: {beginning}… ({planned:?}) took {taken:?}");
        }
    }
}
