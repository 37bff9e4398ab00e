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
fn unique_keys_are_counted_with_those_that_number_rows() {
    let keys = |name: &str| found(name).map(|table| (table.traits.keys, table.traits.numbered_keys));
    assert_eq!(keys("bare"), Some((0, 0)));
    assert_eq!(keys("t"), Some((1, 1)));
    assert_eq!(keys("loose"), Some((1, 0)));
    assert_eq!(keys("keyed"), Some((2, 0)));
    assert_eq!(keys("partly"), Some((2, 1)));
}

#[test]
fn a_rule_for_conflicts_in_a_definition_is_told() {
    assert!(found("ruled").unwrap().traits.settles_conflicts);
    assert!(!found("keyed").unwrap().traits.settles_conflicts);
}

#[test]
fn that_rows_refer_to_others_of_their_table_is_told() {
    assert!(found("tree").unwrap().traits.refers_to_itself);
    assert!(!found("child").unwrap().traits.refers_to_itself);
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
