//! Values that are bound keep their places, whatever is cut away or put in.

use super::sqlite::{opened, tables_of};
use super::*;
use crate::sql::value::Column;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn sqlite(sql: &str, params: &[Value]) -> Result<Determined, String> {
    let tables = tables_of(&opened(), sql);
    determined(Dialect::Sqlite, &tables, sql, params)
}

fn logged(sql: &str, params: &[Value]) -> (String, Vec<Value>) {
    match sqlite(sql, params) {
        Ok(Determined::Logged(draft)) => {
            (written(&draft), draft.statement(&[101]).map(|statement| statement.params).unwrap_or_default())
        }
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn a_parameter_that_is_replaced_is_not_bound() {
    let (sql, params) = logged(
        "INSERT INTO t (id, a, b) VALUES (?, ?, datetime(?)) RETURNING ?2",
        &[Value::Null, Value::Integer(5), text("now")],
    );
    assert_eq!(sql, "INSERT INTO t (id, a, b) VALUES (101, ?1, datetime('2023-11-14 22:13:20.123')) RETURNING ?1");
    assert_eq!(params, [Value::Integer(5)]);
    let (sql, params) =
        logged("UPDATE t SET b = ?2, a = ?3 WHERE a = ?2", &[Value::Null, text("x"), Value::Integer(1)]);
    assert_eq!(sql, "UPDATE t SET b = ?1, a = ?2 WHERE a = ?1");
    assert_eq!(params, [text("x"), Value::Integer(1)]);
}

#[test]
fn numbers_may_be_bound() {
    let (sql, params) = logged("INSERT INTO t (id, a) VALUES (?, ?)", &[Value::Integer(7), Value::Integer(1)]);
    assert_eq!((sql.as_str(), params.len()), ("INSERT INTO t (id, a) VALUES (?1, ?2)", 2));
    let Ok(Determined::Logged(draft)) = sqlite("INSERT INTO t (id) VALUES (?), (3), (NULL)", &[Value::Integer(7)])
    else {
        panic!("it is refused")
    };
    assert_eq!(draft.raises().iter().map(|raise| raise.given).collect::<Vec<_>>(), [7]);
    assert_eq!(draft.needs()[0].count, 1);
    assert!(sqlite("INSERT INTO t (id) VALUES (?)", &[Value::Real(1.5)]).is_err());
    assert!(sqlite("UPDATE t SET id = ? WHERE id = 1", &[Value::Integer(9)]).is_ok());
    assert!(sqlite("INSERT INTO t (id) VALUES (?)", &[]).is_err());
    assert!(matches!(
        sqlite("UPDATE t SET a = random() WHERE id = ?", &[Value::Integer(1)]),
        Ok(Determined::Logged(_))
    ));
    assert!(matches!(sqlite("UPDATE t SET a = random() WHERE id = ?", &[text("1")]), Ok(Determined::Rows(_))));
}

#[test]
fn time_zones_and_moments_are_seen_in_parameters() {
    assert!(sqlite("UPDATE t SET b = datetime(a, ?)", &[text("localtime")]).is_err());
    assert!(sqlite("UPDATE t SET b = datetime('2024-01-01', ?)", &[text("+1 day")]).is_ok());
    let mut tables = Tables::new();
    tables.insert("t".into(), made(Dialect::Postgres, "t", &["id integer key", "b text", "at timestamptz"]));
    let refused = |sql: &str| determined(Dialect::Postgres, &tables, sql, &[text("now")]).is_err();
    assert!(refused("UPDATE t SET at = $1"));
    assert!(refused("DELETE FROM t WHERE at < $1"));
    assert!(refused("UPDATE t SET at = $1::timestamptz"));
    assert!(!refused("UPDATE t SET b = $1"));
    assert!(!refused("INSERT INTO t (id, b) VALUES (1, $1)"));
    for sql in
        ["UPDATE t SET at = $$now$$", "UPDATE t SET at = E'now'", "UPDATE t SET at = ANY ('{now}'::timestamptz[])"]
    {
        assert!(determined(Dialect::Postgres, &tables, sql, &[]).is_err(), "{sql}");
    }
}

#[test]
fn rows_are_bound_beside_the_parameters_of_the_rest() {
    let Ok(Determined::Rows(plan)) = sqlite(
        "INSERT INTO kept (a) SELECT a + ?1 FROM t WHERE b = ?2 ON CONFLICT (id) DO UPDATE SET a = ?3 RETURNING ?1",
        &[Value::Integer(1), text("x"), Value::Integer(3)],
    ) else {
        panic!("no rows")
    };
    assert_eq!(plan.query(), "SELECT a + ?1 FROM t WHERE b = ?2");
    assert_eq!(plan.params(), [Value::Integer(1), text("x")]);
    let columns = [Column { name: "a".into(), declared: String::new() }];
    let drafts = plan.statements(&columns, vec![vec![Value::Integer(8)], vec![Value::Null]], &mut dice(1)).unwrap();
    let statement = drafts[0].statement(&[101]).unwrap();
    assert_eq!(
        statement.sql,
        "INSERT INTO kept (a, \"id\")\nVALUES\n(?1, 101),\n(?2, 102)\nON CONFLICT (id) DO UPDATE SET a = ?3 RETURNING ?4"
    );
    assert_eq!(statement.params, [Value::Integer(8), Value::Null, Value::Integer(3), Value::Integer(1)]);
    assert!(statement.returns);
    assert_eq!(drafts[0].needs()[0].count, 2);
}

#[test]
fn keys_and_values_are_bound() {
    let Ok(Determined::Rows(plan)) = sqlite(
        "UPDATE keyed AS x SET v = random() + ?2, u = ?1 WHERE n > ?1 RETURNING v, ?2",
        &[Value::Integer(1), Value::Integer(2)],
    ) else {
        panic!("no rows")
    };
    assert_eq!(plan.query(), "SELECT \"x\".\"k\", \"x\".\"n\", (random() + ?1\n) FROM keyed AS x WHERE n > ?2");
    assert_eq!(plan.params(), [Value::Integer(2), Value::Integer(1)]);
    let columns = vec![Column { name: String::new(), declared: String::new() }; 3];
    let row = vec![text("a"), Value::Integer(5), Value::Integer(77)];
    let drafts = plan.statements(&columns, vec![row.clone(), row], &mut dice(1)).unwrap();
    assert_eq!(drafts.len(), 1, "a row that is found twice is changed once");
    let statement = drafts[0].statement(&[]).unwrap();
    assert_eq!(
        statement.sql,
        "UPDATE keyed AS x SET \"v\" = ?1, \"u\" = ?2 WHERE (\"k\" = ?3 AND \"n\" = ?4) RETURNING v, ?5"
    );
    assert_eq!(statement.params.len(), 5);
    let null = vec![Value::Null, Value::Integer(5), Value::Integer(77)];
    assert!(plan.statements(&columns, vec![null], &mut dice(1)).is_err());
    assert_eq!(plan.statements(&columns, Vec::new(), &mut dice(1)).unwrap(), Vec::new());
}

#[test]
fn a_number_that_is_given_by_key_raises_its_counter() {
    let sql = "UPDATE t SET id = 500, b = (SELECT group_concat(b) FROM bare) WHERE id = 5";
    let Ok(Determined::Rows(plan)) = sqlite(sql, &[]) else { panic!("no rows") };
    let columns = vec![Column { name: String::new(), declared: String::new() }; 2];
    let drafts = plan.statements(&columns, vec![vec![Value::Integer(5), text("x")]], &mut dice(1)).unwrap();
    assert_eq!(drafts[0].raises().iter().map(|raise| raise.given).collect::<Vec<_>>(), [500]);
    let statement = drafts[0].statement(&[]).unwrap();
    assert_eq!(statement.sql, "UPDATE t SET \"id\" = 500, \"b\" = ?1 WHERE \"id\" IN (?2)");
}

#[test]
fn many_rows_are_divided() {
    let Ok(Determined::Rows(plan)) = sqlite("DELETE FROM t WHERE random() > 0", &[]) else { panic!("no rows") };
    let columns = [Column { name: "id".into(), declared: String::new() }];
    let rows: Vec<_> = (0..1200).map(|id| vec![Value::Integer(id)]).collect();
    let drafts = plan.statements(&columns, rows, &mut dice(1)).unwrap();
    let sizes: Vec<_> = drafts.iter().map(|draft| draft.statement(&[]).unwrap().params.len()).collect();
    assert_eq!(sizes, [500, 500, 200]);
}

#[test]
fn decimals_are_written_where_mysql_would_compare_them_as_doubles() {
    let mut tables = Tables::new();
    tables.insert("t".into(), made(Dialect::MySql, "t", &["n bigint key", "a int"]));
    let plan = determined(Dialect::MySql, &tables, "UPDATE t SET a = 1 LIMIT ?", &[Value::Integer(3)]);
    let Ok(Determined::Rows(plan)) = plan else { panic!("no rows") };
    let columns = [Column { name: "n".into(), declared: String::new() }];
    let rows = vec![vec![Value::Decimal("18446744073709551615".into())], vec![Value::Integer(5)]];
    let drafts = plan.statements(&columns, rows, &mut dice(1)).unwrap();
    assert_eq!(drafts[0].statement(&[]).unwrap().sql, "UPDATE t SET a = 1 WHERE `n` IN ((18446744073709551615), ?1)");
    let odd = vec![vec![Value::Decimal("1) OR (1".into())]];
    assert!(plan.statements(&columns, odd, &mut dice(1)).is_err());
}

#[test]
fn a_number_that_does_not_fit_makes_no_statement() {
    let Ok(Determined::Logged(draft)) = sqlite("INSERT INTO t (a) VALUES (1), (2)", &[]) else { panic!("refused") };
    assert!(draft.statement(&[]).is_none());
    assert!(draft.statement(&[i64::MAX]).is_none());
    assert_eq!(draft.statement(&[-5]).unwrap().sql, "INSERT INTO t (a, \"id\") VALUES (1, (-5)), (2, (-4))");
}

#[test]
fn postgres_is_told_the_types_of_parameters_that_are_whole_values() {
    let mut tables = Tables::new();
    let columns = ["id integer key", "b varchar(3)", "d numeric(10,2)", "at timestamptz(3)"];
    tables.insert("t".into(), made(Dialect::Postgres, "t", &columns));
    let params = [Value::Integer(1), text("x"), Value::Integer(2)];
    for (sql, wanted) in [
        (
            "INSERT INTO t (id, b, d, at) VALUES ($1, $2, $3, (SELECT at FROM t LIMIT 1))",
            "SELECT $1::integer , $2::varchar , $3::numeric , (SELECT at FROM t LIMIT 1)",
        ),
        ("INSERT INTO t (id, b, d) SELECT $1, $2, d + $3 FROM t", "SELECT $1::integer , $2::varchar , d + $3 FROM t"),
        ("INSERT INTO t (id, d, b) SELECT $1, d + $3, $2 FROM t", "SELECT $1::integer , d + $2, $3 ::varchar FROM t"),
        (
            "UPDATE t SET b = $2, d = random() WHERE id > $1 OR id < $3",
            "SELECT \"t\".\"id\", (random()\n) FROM t WHERE id > $1 OR id < $2",
        ),
    ] {
        let plan = determined(Dialect::Postgres, &tables, sql, &params);
        let Ok(Determined::Rows(plan)) = plan else { panic!("{sql}: {plan:?}") };
        assert_eq!(plan.query(), wanted);
    }
}

#[test]
fn a_text_that_was_found_is_not_bound_as_a_moment() {
    let mut tables = Tables::new();
    tables.insert("ev".into(), made(Dialect::Postgres, "ev", &["id integer key", "at timestamptz", "note text"]));
    tables.insert("raw".into(), made(Dialect::Postgres, "raw", &["id integer key", "raw text"]));
    let column = |name: &str, declared: &str| Column { name: name.into(), declared: declared.into() };
    let columns = [column("id", "integer"), column("raw", "text")];
    for (sql, is_kept) in [
        ("INSERT INTO ev (id, at) SELECT id, raw FROM raw", false),
        ("UPDATE ev SET at = r.raw FROM raw r WHERE r.id = ev.id", false),
        ("INSERT INTO ev (id, note) SELECT id, raw FROM raw", true),
        ("UPDATE ev SET note = r.raw FROM raw r WHERE r.id = ev.id", true),
    ] {
        let Ok(Determined::Rows(plan)) = determined(Dialect::Postgres, &tables, sql, &[]) else { panic!("{sql}") };
        let made_of = |raw: &str| plan.statements(&columns, vec![vec![Value::Integer(1), text(raw)]], &mut dice(1));
        assert_eq!(made_of("now").is_ok(), is_kept, "{sql}");
        assert_eq!(made_of("today EST").is_ok(), is_kept, "{sql}");
        assert!(made_of("2024-01-01").is_ok(), "{sql}");
    }
}
