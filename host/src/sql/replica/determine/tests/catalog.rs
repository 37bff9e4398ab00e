//! What is read from SQLite's catalog.

use super::sqlite::{opened, tables_of};
use super::*;

fn found(name: &str) -> Option<Table> {
    let connection = opened();
    let tables = tables_of(&connection, &format!("SELECT * FROM {name}"));
    let parsed = read(Dialect::Sqlite, &format!("DELETE FROM {name}"));
    let sqlparser::ast::Statement::Delete(delete) = parsed.statement else { panic!("no DELETE") };
    let sqlparser::ast::FromTable::WithFromKeyword(from) = delete.from else { panic!("no FROM") };
    let sqlparser::ast::TableFactor::Table { name, .. } = &from[0].relation else { panic!("no table") };
    tables.get(Dialect::Sqlite, name).cloned()
}

fn shown(column: &TableColumn) -> String {
    let auto = match &column.auto {
        Auto::No => "",
        Auto::Rowid { is_kept: true } => " kept",
        Auto::Rowid { is_kept: false } => " rowid",
        other => panic!("{other:?}"),
    };
    let generated = if column.is_generated { " generated" } else { "" };
    let unique = if column.is_unique { " unique" } else { "" };
    let default = column.default.as_ref().map(|text| format!(" = {text}")).unwrap_or_default();
    format!("{} {} {}{unique}{auto}{generated}{default}", column.shape.name, column.shape.declared, column.key)
}

#[test]
fn columns_are_told_with_their_counters_keys_and_defaults() {
    let columns = |name: &str| found(name).unwrap().columns.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(columns("t")[..2], ["id INTEGER 1 unique rowid", "a INTEGER 0"]);
    assert_eq!(columns("kept"), ["id INTEGER 1 unique kept", "a INTEGER 0"]);
    assert_eq!(columns("keyed"), ["k TEXT 1 unique", "n INTEGER 2 unique", "v  0", "u INTEGER 0 unique"]);
    assert_eq!(
        columns("born"),
        [
            "id INTEGER 1 unique rowid",
            "a  0",
            "at TEXT 0 = CURRENT_TIMESTAMP",
            "on_day TEXT 0 = date('now')",
            "token TEXT 0 = hex(randomblob(4))",
            "state TEXT 0 = 'new'",
            "half  0 generated",
        ]
    );
}

#[test]
fn a_key_that_compares_otherwise_than_its_column_is_none() {
    let keys = |name: &str| found(name).unwrap().columns.iter().map(|column| column.key).collect::<Vec<_>>();
    assert_eq!(keys("folded"), [1, 0]);
    assert_eq!(keys("mixed"), [0, 0]);
    for (key, is_one) in [
        ("k TEXT PRIMARY KEY COLLATE NOCASE", true),
        ("k TEXT COLLATE NOCASE, PRIMARY KEY(k)", true),
        ("k TEXT, u TEXT, PRIMARY KEY (k), UNIQUE (u COLLATE NOCASE)", true),
        ("k TEXT COLLATE NOCASE, PRIMARY KEY (\"k\" COLLATE RTRIM)", false),
        ("k TEXT COLLATE NOCASE, PRIMARY KEY\n(k COLLATE RTRIM)", false),
        ("k TEXT COLLATE NOCASE, PRIMARY KEY /**/ (k COLLATE RTRIM)", false),
        ("k TEXT COLLATE NOCASE, PRIMARY  KEY (k COLLATE RTRIM)", false),
        ("k TEXT COLLATE NOCASE /* PRIMARY KEY */, PRIMARY KEY (k COLLATE RTRIM)", false),
    ] {
        let connection = opened();
        connection.execute_batch(&format!("CREATE TABLE one ({key})")).unwrap();
        let tables = tables_of(&connection, "SELECT * FROM one");
        let name = sqlparser::ast::ObjectName::from(vec![sqlparser::ast::Ident::new("one")]);
        let found = tables.get(Dialect::Sqlite, &name).unwrap();
        assert_eq!(found.columns[0].key == 1, is_one, "{key}");
    }
}

#[test]
fn triggers_are_told_also_of_tables_that_a_change_reaches() {
    assert_eq!(found("t").unwrap().triggers, Vec::<String>::new());
    assert_eq!(found("watched").unwrap().triggers, ["trigger watch"]);
    assert_eq!(found("child").unwrap().triggers, ["trigger orphan"]);
    assert_eq!(found("parent").unwrap().triggers, ["trigger orphan"]);
}

#[test]
fn what_is_no_plain_table_is_not_known() {
    assert_eq!(found("v"), None);
    assert_eq!(found("words"), None);
    assert_eq!(found("nothing"), None);
    assert_eq!(found("T").unwrap().name, "\"t\"");
}
