//! What counts as the same statement, and which plans are kept and found again.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::*;
use crate::sql::plan::{Class, FinalStage, NodeStatement, Tier};
use crate::sql::topology::Shard;

const DIALECTS: [Dialect; 3] = [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql];

fn cache() -> PlanCache {
    PlanCache::new(Dialect::Sqlite, 100)
}

fn a_plan(sql: &str) -> Arc<Plan> {
    let node = NodeStatement { shard: Shard(0), load: 0, sql: sql.into() };
    let (class, tier) = (Class::Single, Tier::PassThrough);
    Arc::new(Plan { class, tier, why: String::new(), nodes: vec![node], last: FinalStage::PassThrough })
}

#[test]
fn white_space_and_comments_make_no_difference() {
    let cache = cache();
    let one = cache.parsed("SELECT  name -- the name\nFROM users\tWHERE id = 'a  b' ;").unwrap();
    let other = cache.parsed("  SELECT name FROM /* all */ users WHERE\r\nid = 'a  b' ;  ").unwrap();
    assert!(Arc::ptr_eq(&one, &other));
    assert_eq!(one.text, "SELECT name FROM users WHERE id = 'a  b'");
    let figures = cache.figures();
    assert_eq!((figures.text_hits, figures.text_misses), (1, 1));
}

#[test]
fn what_differs_within_quotes_differs() {
    let texts = [
        "'a  b'",
        "'a b'",
        "'a -- b'",
        "'a /* x */ b'",
        "\"a  b\"",
        "\"a b\"",
        "`a  b`",
        "[a  b]",
        "[a b]",
        "'a''  b'",
    ];
    let cache = cache();
    let read: BTreeSet<String> =
        texts.iter().map(|text| cache.parsed(&format!("SELECT {text}")).unwrap().text.clone()).collect();
    assert_eq!(read.len(), texts.len());
    assert_eq!(cache.figures().text_hits, 0);
}

#[test]
fn what_is_not_plain_is_left_as_it_is() {
    for (dialect, sql) in [
        (Dialect::Postgres, "SELECT  $$a  b$$"),
        (Dialect::Postgres, "SELECT  E'a\\'  b'"),
        (Dialect::Postgres, "SELECT  $x$a  b$x$"),
        (Dialect::Postgres, "SELECT  'a'\n'b'"),
        (Dialect::Postgres, "SELECT  `a  b`"),
        (Dialect::Postgres, "SELECT  1 +-- a\n 2"),
        (Dialect::Postgres, "SELECT  1 /* a /* b */ c */"),
        (Dialect::MySql, "SELECT  'a\\'  b'"),
        (Dialect::MySql, "SELECT  1 # a  b"),
        (Dialect::MySql, "SELECT  1 /*! + 1 */"),
        (Dialect::MySql, "SELECT  /*+ NO_INDEX */ 1"),
        (Dialect::MySql, "SELECT  1 --1"),
        (Dialect::Sqlite, "SELECT  'open"),
        (Dialect::Sqlite, "SELECT  1 /* open"),
    ] {
        assert_eq!(normal(dialect, sql), sql, "{dialect:?}");
    }
    assert_eq!(normal(Dialect::Postgres, "SELECT  $1"), "SELECT $1");
    assert_eq!(normal(Dialect::Sqlite, "SELECT  'a\\'  , 1"), "SELECT 'a\\' , 1");
}

#[test]
fn an_error_names_the_place_in_the_text_as_it_came() {
    let cache = cache();
    let error = cache.parsed("SELECT -- all\n\n   FROM FROM users").unwrap_err();
    let ParseError::Syntax(error) = error else { panic!("{error}") };
    assert_eq!((error.line, error.column), (3, 9), "{error}");
}

#[test]
fn a_plan_is_found_for_the_same_parameters_and_version_only() {
    let cache = cache();
    let parsed = cache.parsed("SELECT * FROM users WHERE id = ? OR id = ?").unwrap();
    let lists = [
        vec![Value::Integer(1), Value::Integer(2)],
        vec![Value::Integer(2), Value::Integer(1)],
        vec![Value::Text("1".into()), Value::Integer(2)],
        vec![Value::Decimal("1".into()), Value::Integer(2)],
        vec![Value::Blob(b"1".to_vec()), Value::Integer(2)],
        vec![Value::Real(1.0), Value::Integer(2)],
        vec![Value::Bool(true), Value::Null],
        vec![Value::Null, Value::Bool(true)],
        vec![Value::Text("a".into()), Value::Text("bc".into())],
        vec![Value::Text("ab".into()), Value::Text("c".into())],
    ];
    for (nth, params) in lists.iter().enumerate() {
        for version in [1, 2] {
            let key = cache.key(&parsed, params, version);
            assert!(cache.plan(&key).is_none());
            cache.keep(key, &a_plan(&format!("{nth} {version}")));
        }
    }
    for (nth, params) in lists.iter().enumerate() {
        let found = cache.plan(&cache.key(&parsed, params, 2)).unwrap();
        assert_eq!(found.nodes[0].sql, format!("{nth} 2"));
    }
    let figures = cache.figures();
    assert_eq!((figures.plan_hits, figures.plan_misses, figures.plans), (10, 20, 20));
}

#[test]
fn long_texts_and_long_parameters_are_not_kept() {
    let cache = cache();
    let long = format!("SELECT '{}'", "x".repeat(LONGEST));
    let parsed = cache.parsed(&long).unwrap();
    assert!(!Arc::ptr_eq(&parsed, &cache.parsed(&long).unwrap()));
    let parsed = cache.parsed("SELECT ?").unwrap();
    let params = [Value::Blob(vec![0; 3 * LONGEST])];
    cache.keep(cache.key(&parsed, &params, 1), &a_plan("x"));
    assert!(cache.plan(&cache.key(&parsed, &params, 1)).is_none());
    let none = PlanCache::new(Dialect::Sqlite, 0);
    none.parsed("SELECT 1").unwrap();
    none.parsed("SELECT 1").unwrap();
    assert_eq!(none.figures().text_hits, 0);
}

fn tokens(dialect: Dialect, sql: &str) -> Option<Vec<Token>> {
    let tokens = Tokenizer::new(dialect.grammar(), sql).tokenize().ok()?;
    Some(tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect())
}

fn any_piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "SELECT", "a", "1", "'", "''", "\"", "`", "[", "]", "--", "-", "/*", "*/", "/", "*", "#", "$", "$1", "$$",
        "\\", "?", "?1", "(", ")", ",", " ", "  ", "\n", "\r\n", "\r", "\t", "\u{b}", "é", "\u{a0}", "!", "+", ";",
        "E'", "N'", "x'", "||",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_normal_form_has_the_tokens_of_its_text_and_is_its_own(
        pieces in prop::collection::vec(any_piece(), 0..30),
        dialect in prop::sample::select(DIALECTS.to_vec()),
    ) {
        let sql = pieces.concat();
        let text = normal(dialect, &sql);
        if let Some(wanted) = tokens(dialect, &sql) {
            prop_assert_eq!(tokens(dialect, &text), Some(wanted), "{:?} {:?}", sql, text);
        }
        prop_assert_eq!(normal(dialect, &text), text.clone());
    }
}
