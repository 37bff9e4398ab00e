//! Requests as they are read, answers as they are written, problems as they are told.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::problem::Problem;
use super::request::{self, Asked, Format};
use super::{document, lines, param, write};
use crate::model::{RequestHead, SqlName};
use crate::sql::backend::{Fault, FaultKind};
use crate::sql::dialect::Dialect;
use crate::sql::error::{Cap, Error, Unlike, Unready};
use crate::sql::figures::{Figures, Outcome};
use crate::sql::parse::SyntaxError;
use crate::sql::plan::Refusal;
use crate::sql::replica::Effect;
use crate::sql::replica::log::{LogError, Position};
use crate::sql::run::{Course, Logged, NodeReport, NodeStatus, Report, Rows, Step, Summary};
use crate::sql::value::{Column, Row, Value};

fn head(method: Method, headers: &[(&'static str, &'static str)]) -> RequestHead {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let client = IpAddr::from([127, 0, 0, 1]);
    RequestHead { method, uri: "/query".parse().unwrap(), headers: map, host: None, client, statement: None }
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

fn asked(body: &str) -> Result<Asked, Problem> {
    request::read(Dialect::Postgres, &head(Method::POST, &[JSON]), body.as_bytes())
}

fn refused(body: &str) -> String {
    let document = asked(body).expect_err(body).document(&SqlName::new("people").unwrap());
    let document: Json = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["status"], &document["cause"]["reason"]), (&json!(400), &json!("bad-request")), "{document}");
    document["detail"].as_str().unwrap().to_owned()
}

fn params(list: &str) -> Result<Vec<Value>, String> {
    let body = format!(r#"{{"sql": "a \" ] }} params", "params" : {list}, "explain":true}}"#);
    serde_json::from_str::<serde::de::IgnoredAny>(&body).unwrap();
    param::all(Dialect::Postgres, &body)
}

#[test]
fn a_request_is_read_with_everything_that_it_may_say() {
    let body = r#"{"explain": true, "sql": "SELECT 1", "timeout_ms": 250, "allow_partial": true, "params": [1]}"#;
    let Asked { query, format } = asked(body).unwrap();
    assert_eq!((query.sql.as_str(), query.params), ("SELECT 1", vec![Value::Integer(1)]));
    assert_eq!((query.timeout, query.allow_partial, query.explain), (Some(Duration::from_millis(250)), true, true));
    assert_eq!(format, Format::Document);
    let plain = asked(r#"{"sql": "SELECT 1", "params": null}"#).unwrap().query;
    assert_eq!((plain.params.len(), plain.timeout, plain.allow_partial, plain.explain), (0, None, false, false));
}

#[test]
fn several_statements_have_parameters_of_their_own_and_a_read_may_name_a_position() {
    let body = r#"{"statements": [{"params": [1, "params"], "sql": "A"}, {"sql": "B"}, {"sql": "C", "params": [1.50]}],
                   "position": 7}"#;
    let Asked { query, .. } = asked(body).unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    let decimal = vec![Value::Decimal("1.50".to_owned())];
    let wanted = vec![
        ("A".to_owned(), vec![Value::Integer(1), text("params")]),
        ("B".to_owned(), Vec::new()),
        ("C".to_owned(), decimal),
    ];
    assert_eq!((query.statements, query.position), (Some(wanted), Some(Position(7))));
    let positioned = |given: &'static str, body: &str| {
        let head = head(Method::POST, &[JSON, ("x-leverframe-position", given)]);
        request::read(Dialect::Sqlite, &head, body.as_bytes()).map(|asked| asked.query.position)
    };
    assert_eq!(positioned("12", r#"{"sql": "A"}"#).unwrap(), Some(Position(12)));
    assert_eq!(positioned("12", r#"{"sql": "A", "position": 3}"#).unwrap(), Some(Position(3)), "the body says more");
    assert!(positioned("twelve", r#"{"sql": "A"}"#).is_err());
    let mut head = head(Method::POST, &[JSON]);
    head.headers.append("x-leverframe-position", HeaderValue::from_bytes(b"12\xff").unwrap());
    assert!(request::read(Dialect::Sqlite, &head, br#"{"sql": "A"}"#).is_err(), "what is no text is no position");
}

#[test]
fn what_is_no_request_is_refused_with_the_reason() {
    for (body, why) in [
        ("", "EOF"),
        ("[]", "sql"),
        ("{}", "missing field `sql`"),
        (r#"{"sql": 1}"#, "invalid type"),
        (r#"{"sql": "SELECT 1", "parameters": []}"#, "unknown field `parameters`"),
        (r#"{"sql": "SELECT 1", "sql": "SELECT 2"}"#, "duplicate field `sql`"),
        (r#"{"sql": "SELECT 1", "timeout_ms": 0}"#, "timeout_ms"),
        (r#"{"sql": "SELECT 1", "timeout_ms": -1}"#, "invalid value"),
        (r#"{"sql": "SELECT 1", "params": {}}"#, "invalid type"),
        (r#"{"sql": "SELECT 1", "params": [1, [2]]}"#, "params[1]: a list is no parameter"),
        (r#"{"sql": "SELECT 1", "params": [{"date": "x"}]}"#, "params[0]: an object is"),
        (r#"{"sql": "SELECT 1"} x"#, "trailing characters"),
        (r#"{"sql": "SELECT 1", "statements": [{"sql": "SELECT 1"}]}"#, "not both"),
        (r#"{"statements": []}"#, "there is none in it"),
        (r#"{"statements": [{"sql": "A"}], "params": [1]}"#, "of its own"),
        (r#"{"statements": [{"sql": "A"}, {"sql": "B", "params": [[1]]}]}"#, "statements[1]: params[0]: a list"),
        (r#"{"sql": "A", "position": -1}"#, "invalid value"),
    ] {
        let said = refused(body);
        assert!(said.contains(why), "{body}: {said}");
    }
}

#[test]
fn only_json_that_is_posted_is_read() {
    let status = |head: &RequestHead| {
        let response =
            request::read(Dialect::Postgres, head, b"{}").unwrap_err().response(&SqlName::new("people").unwrap());
        (response.status().as_u16(), response.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned()))
    };
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(status(&head(method, &[JSON])), (405, Some("POST".to_owned())));
    }
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/jsonx", "multipart/form-data"] {
        assert_eq!(status(&head(Method::POST, &[("content-type", kind)])), (415, None), "{kind}");
    }
    assert_eq!(status(&head(Method::POST, &[])), (415, None));
    assert_eq!(status(&head(Method::POST, &[JSON, JSON])), (415, None));
}

#[test]
fn lines_are_sent_to_those_who_ask_for_them() {
    for (accept, lines) in [
        ("application/x-ndjson", true),
        ("application/X-NDJSON; q=0.5, text/html", true),
        ("application/json, application/x-ndjson", true),
        ("application/json, application/x-ndjson;q=0.9", false),
        ("application/x-ndjson;q=0", false),
        ("*/*", false),
        ("application/json", false),
    ] {
        let head = head(Method::POST, &[JSON, ("accept", accept)]);
        let asked = request::read(Dialect::Postgres, &head, br#"{"sql": "SELECT 1"}"#).unwrap();
        assert_eq!(asked.format == Format::Lines, lines, "{accept}");
    }
}

#[test]
fn a_number_that_sqlite_has_no_other_form_for_is_the_double_of_its_value() {
    let one = |text: &str| param::all(Dialect::Sqlite, &format!(r#"{{"params": [{text}]}}"#)).unwrap().remove(0);
    for (text, double) in [("1.10", 1.1), ("1.50", 1.5), ("-0.250", -0.25), ("100.000", 100.0), ("1.0", 1.0)] {
        assert_eq!(one(text), Value::Real(double), "{text}");
    }
    // What no double is, and what is said to be a decimal, stays one.
    for (text, digits) in [("0.10000000000000000555", "0.10000000000000000555"), (r#"{"decimal": "1.50"}"#, "1.50")] {
        assert_eq!(one(text), Value::Decimal(digits.to_owned()), "{text}");
    }
}

#[test]
fn parameters_are_read_exactly() {
    let decimal = |digits: &str| Value::Decimal(digits.to_owned());
    for (text, value) in [
        ("null", Value::Null),
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("0", Value::Integer(0)),
        ("-9223372036854775808", Value::Integer(i64::MIN)),
        ("9223372036854775807", Value::Integer(i64::MAX)),
        ("9223372036854775808", decimal("9223372036854775808")),
        ("123456789012345678901234567890", decimal("123456789012345678901234567890")),
        ("1.5", Value::Real(1.5)),
        ("-0.0", Value::Real(-0.0)),
        ("1.0", Value::Real(1.0)),
        ("0.1", Value::Real(0.1)),
        ("1.50", decimal("1.50")),
        ("0.10000000000000000555", decimal("0.10000000000000000555")),
        ("12345678901234567.25", decimal("12345678901234567.25")),
        ("1e3", Value::Real(1000.0)),
        ("1.7976931348623157e308", Value::Real(f64::MAX)),
        ("5e-324", Value::Real(5e-324)),
        ("1E-7", Value::Real(1e-7)),
        ("-2.5e+1", Value::Real(-25.0)),
        ("1.23456789012345678e2", decimal("123.456789012345678")),
        ("1e309", decimal(&format!("1{}", "0".repeat(309)))),
        (r#""a\"],}\u00e9""#, Value::Text("a\"],}é".to_owned())),
        (r#"{ "decimal" : "-1.50" }"#, decimal("-1.50")),
        (r#"{"blob": "AP8="}"#, Value::Blob(vec![0, 255])),
    ] {
        assert_eq!(params(&format!("[{text}]")), Ok(vec![value.clone()]), "{text}");
        assert_eq!(params(&format!("[ null ,{text} , {text}]")), Ok(vec![Value::Null, value.clone(), value]), "{text}");
    }
    assert_eq!(params("[]"), Ok(Vec::new()));
    for (text, why) in [
        ("1e401", "exponent"),
        ("1e99999999999999999999", "exponent"),
        (r#"{"decimal": "1e5"}"#, "no decimal"),
        (r#"{"decimal": "."}"#, "no decimal"),
        (r#"{"decimal": "1.5; DROP TABLE x"}"#, "no decimal"),
        (r#"{"blob": "!"}"#, "no base64"),
        (r#"{"decimal": "1", "blob": ""}"#, "an object is"),
    ] {
        let said = params(&format!("[{text}]")).unwrap_err();
        assert!(said.starts_with("params[0]: ") && said.contains(why), "{text}: {said}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        ".{0,20}".prop_map(Value::Text),
        "-?[0-9]{1,25}\\.[0-9]{1,25}".prop_map(Value::Decimal),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
    ]
}

fn written(value: &Value) -> String {
    let mut out = Vec::new();
    write::value(&mut out, value);
    String::from_utf8(out).unwrap()
}

proptest! {
    #[test]
    fn every_value_is_sound_json_that_loses_nothing(value in any_value()) {
        let json: Json = serde_json::from_str(&written(&value)).unwrap();
        let read = match (&value, &json) {
            (Value::Null, Json::Null) => Value::Null,
            (Value::Bool(_), Json::Bool(read)) => Value::Bool(*read),
            (Value::Integer(_), Json::Number(read)) => Value::Integer(read.as_i64().unwrap()),
            (Value::Integer(_), Json::String(read)) => Value::Integer(read.parse().unwrap()),
            (Value::Real(_), Json::Number(read)) => Value::Real(read.as_f64().unwrap()),
            (Value::Real(_), Json::String(read)) => Value::Real(read.parse().unwrap()),
            (Value::Text(_), Json::String(read)) => Value::Text(read.clone()),
            (Value::Decimal(_), Json::String(read)) => Value::Decimal(read.clone()),
            (Value::Blob(_), Json::String(_)) => {
                let body = json!({ "params": [{ "blob": json }] }).to_string();
                param::all(Dialect::Sqlite, &body).unwrap().remove(0)
            }
            _ => panic!("{value:?} became {json}"),
        };
        match (&value, &read) {
            (Value::Real(given), Value::Real(read)) => prop_assert!(given.to_bits() == read.to_bits() || given.is_nan() && read.is_nan()),
            _ => prop_assert_eq!(&read, &value),
        }
    }

    #[test]
    fn a_double_comes_back_as_the_parameter_that_it_was(number in any::<f64>().prop_filter("JSON has it", |number| number.is_finite())) {
        let read = params(&format!("[{}]", written(&Value::Real(number)))).unwrap().remove(0);
        prop_assert!(matches!(read, Value::Real(read) if read.to_bits() == number.to_bits()), "{} became {:?}", number, read);
    }
}

#[test]
fn integers_are_numbers_where_every_reader_of_json_has_them() {
    for (integer, text) in [
        (9_007_199_254_740_991, "9007199254740991"),
        (-9_007_199_254_740_991, "-9007199254740991"),
        (9_007_199_254_740_992, "\"9007199254740992\""),
        (i64::MIN, "\"-9223372036854775808\""),
    ] {
        assert_eq!(written(&Value::Integer(integer)), text);
    }
    assert_eq!(written(&Value::Real(f64::NEG_INFINITY)), "\"-Infinity\"");
    assert_eq!(written(&Value::Real(f64::NAN)), "\"NaN\"");
    assert_eq!(written(&Value::Real(100.0)), "100.0");
    assert_eq!(written(&Value::Decimal("1.50".to_owned())), "\"1.50\"");
}

fn summary() -> Summary {
    let course = Course { class: "full", tier: "merge", why: String::new(), merge: vec!["concat".to_owned()] };
    let node = |name: &str, status| NodeReport {
        name: name.to_owned(),
        sql: "SELECT \"id\"".to_owned(),
        rows: 2,
        elapsed: Duration::from_micros(1500),
        status,
    };
    let failed = NodeStatus::Failed(Fault::new(FaultKind::Lost, "gone"));
    let steps = vec![(Step::Merge, Duration::from_millis(1))];
    Summary {
        course,
        nodes: vec![node("a", NodeStatus::Done), node("b", failed)],
        partial: true,
        steps,
        position: None,
    }
}

fn columns() -> Vec<Column> {
    [("id", "INTEGER"), ("n\"ame", "")].map(|(name, kind)| Column { name: name.into(), declared: kind.into() }).into()
}

fn later(seconds: u64) -> Instant {
    (tokio::time::Instant::now() + Duration::from_secs(seconds)).into_std()
}

fn rows(batches: Vec<Result<Vec<Row>, Error>>) -> Rows {
    Rows {
        columns: columns(),
        batches: stream::iter(batches).boxed(),
        due: later(60),
        report: Arc::new(Report::new(summary())),
    }
}

fn some_rows(count: i64) -> Vec<Row> {
    (0..count).map(|id| vec![Value::Integer(id), Value::Text(format!("name {id}"))]).collect()
}

fn outcome() -> (Arc<Figures>, Outcome) {
    let figures = Arc::new(Figures::default());
    (Arc::clone(&figures), Outcome::begin(figures, Instant::now()))
}

#[tokio::test]
async fn a_document_has_columns_rows_and_how_it_came_about() {
    let (text, count) =
        document::rows(rows(vec![Ok(some_rows(1)), Ok(some_rows(1))]), Dialect::Sqlite, 10_000, Instant::now())
            .await
            .unwrap();
    assert_eq!(count, 2);
    let mut json: Json = serde_json::from_slice(&text).unwrap();
    assert!(json["elapsed_ms"].as_f64().unwrap() >= 0.0);
    json.as_object_mut().unwrap().remove("elapsed_ms");
    let node = json!({ "name": "a", "sql": "SELECT \"id\"", "rows": 2, "elapsed_ms": 1.5, "status": "ok" });
    let mut failed = node.clone();
    failed["name"] = json!("b");
    failed["status"] = json!("failed");
    failed["error"] = json!("gone");
    let expected = json!({
        "columns": [{ "name": "id", "type": "INTEGER" }, { "name": "n\"ame", "type": "" }],
        "rows": [[0, "name 0"], [0, "name 0"]],
        "row_count": 2,
        "plan": { "class": "full", "tier": "merge", "merge": ["concat"] },
        "nodes": [node, failed],
        "partial": true,
    });
    assert_eq!(json, expected);
}

#[tokio::test]
async fn a_document_over_its_bound_or_with_an_error_is_none() {
    let over = document::rows(rows(vec![Ok(some_rows(1000))]), Dialect::Sqlite, 1000, Instant::now()).await;
    assert_eq!(over, Err(Error::Cap(Cap::AnswerBytes(1000))));
    let broken = Error::Internal("x".to_owned());
    let failed =
        document::rows(rows(vec![Ok(some_rows(1)), Err(broken.clone())]), Dialect::Sqlite, 1000, Instant::now()).await;
    assert_eq!(failed, Err(broken));
}

/// The text of all pieces, and whether they came to their end.
async fn received(mut pieces: tokio::sync::mpsc::Receiver<Option<Bytes>>) -> (String, bool) {
    let mut text = Vec::new();
    while let Some(piece) = pieces.recv().await {
        match piece {
            Some(piece) => text.extend_from_slice(&piece),
            None => return (String::from_utf8(text).unwrap(), true),
        }
    }
    (String::from_utf8(text).unwrap(), false)
}

#[tokio::test]
async fn lines_are_the_columns_the_rows_and_the_rest() {
    let (figures, outcome) = outcome();
    let batches = (0..20).map(|_| Ok(some_rows(500))).collect();
    let (text, ended) =
        received(lines::start(rows(batches), Dialect::Sqlite, SqlName::new("people").unwrap(), outcome)).await;
    assert!(ended);
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10_002);
    assert_eq!(lines[0], json!({ "columns": [{ "name": "id", "type": "INTEGER" }, { "name": "n\"ame", "type": "" }] }));
    assert_eq!(lines[10_000], json!([499, "name 499"]));
    assert_eq!((&lines[10_001]["row_count"], &lines[10_001]["partial"]), (&json!(10_000), &json!(true)));
    let reading = figures.read();
    assert_eq!((reading.answered[&("merge", "full")].count(), reading.partial, reading.under_way), (1, 1, 0));
    assert_eq!((reading.nodes["a"].rows, reading.nodes["b"].failures, reading.steps[&Step::Merge].count()), (2, 1, 1));
}

#[tokio::test]
async fn lines_that_fail_say_why_and_have_no_end() {
    let (figures, outcome) = outcome();
    let error = Error::Nodes(vec![("b".to_owned(), Fault::new(FaultKind::Lost, "gone"))]);
    let pieces = lines::start(
        rows(vec![Ok(some_rows(1)), Err(error)]),
        Dialect::Sqlite,
        SqlName::new("people").unwrap(),
        outcome,
    );
    let (text, ended) = received(pieces).await;
    assert!(!ended);
    let last: Json = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["error"]["status"], &last["error"]["nodes"][0]["name"]), (&json!(502), &json!("b")));
    assert_eq!(figures.read().failed["nodes-failed"], 1);
}

#[tokio::test]
async fn lines_go_no_faster_than_the_client_and_end_when_it_leaves() {
    let (figures, outcome) = outcome();
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let endless = stream::repeat_with(move || {
        counted.fetch_add(1, Relaxed);
        Ok(some_rows(256))
    });
    let rows = Rows { batches: endless.boxed(), ..rows(Vec::new()) };
    let mut pieces = lines::start(rows, Dialect::Sqlite, SqlName::new("people").unwrap(), outcome);
    assert!(pieces.recv().await.unwrap().is_some());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(taken.load(Relaxed) < 100, "{} batches for a client that takes none", taken.load(Relaxed));
    drop(pieces);
    while figures.read().under_way > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(figures.read().failed["client-gone"], 1);
}

#[tokio::test]
async fn a_client_that_leaves_a_silent_answer_ends_it() {
    let (figures, outcome) = outcome();
    let rows = Rows { batches: stream::pending().boxed(), ..rows(Vec::new()) };
    let mut pieces = lines::start(rows, Dialect::Sqlite, SqlName::new("people").unwrap(), outcome);
    assert!(pieces.recv().await.unwrap().is_some(), "the columns are sent at once");
    drop(pieces);
    while figures.read().under_way > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(figures.read().failed["client-gone"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_lines_holds_the_nodes_no_longer_than_the_deadline() {
    let (figures, outcome) = outcome();
    let held = Arc::new(());
    let holds = Arc::clone(&held);
    let endless = stream::repeat_with(move || {
        let _ = &holds;
        Ok(some_rows(256))
    });
    let rows = Rows { batches: endless.boxed(), due: later(3), ..rows(Vec::new()) };
    let pieces = lines::start(rows, Dialect::Sqlite, SqlName::new("people").unwrap(), outcome);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(Arc::strong_count(&held), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(Arc::strong_count(&held), 1);
    let (text, ended) = received(pieces).await;
    assert!(!ended);
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["error"]["status"], 504);
    assert!((1..lines.len() - 1).all(|at| lines[at][0] == (at - 1) % 256), "none is missing in the middle");
    assert_eq!(figures.read().failed["deadline"], 1);
}

#[test]
fn floats_of_32_bits_have_the_digits_of_their_own() {
    let shown = |dialect, declared: &str, number: f64| {
        let column = Column { name: "x".to_owned(), declared: declared.to_owned() };
        let mut out = Vec::new();
        write::row(&mut out, &vec![Value::Real(number)], &write::Singles::of(dialect, &[column]));
        String::from_utf8(out).unwrap()
    };
    let tenth = f64::from(0.1_f32);
    assert_eq!(shown(Dialect::Postgres, "real", tenth), "[0.1]");
    assert_eq!(shown(Dialect::MySql, "float", tenth), "[0.1]");
    assert_eq!(shown(Dialect::Postgres, "double precision", tenth), "[0.10000000149011612]");
    assert_eq!(shown(Dialect::Sqlite, "real", tenth), "[0.10000000149011612]");
    assert_eq!(shown(Dialect::Postgres, "real", 0.1), "[0.1]", "what is no float of 32 bits is not made one");
    assert_eq!(shown(Dialect::Postgres, "real", f64::NAN), "[\"NaN\"]");
}

fn half(committed: &[&str], missing: Vec<(String, Fault)>, unknown: Vec<(String, Fault)>) -> Error {
    Error::HalfCommitted { committed: committed.iter().copied().map(str::to_owned).collect(), missing, unknown }
}

#[test]
fn every_error_has_its_status_and_members() {
    let named = |name: &str, kind| vec![(name.to_owned(), Fault::new(kind, "why"))];
    let syntax = SyntaxError { line: 2, column: 7, message: "what".to_owned() };
    let refusal = Refusal { construct: "random()".to_owned(), why: "it differs".to_owned() };
    let one = || "a".to_owned();
    let unlike = Unlike { what: one(), one: one(), this: "x".to_owned(), other: "b".to_owned(), that: "y".to_owned() };
    let nodes = |name: &str, kind: &str| json!([{ "name": name, "kind": kind, "message": "why" }]);
    for (error, status, members) in [
        (Error::Syntax(syntax), 400, json!({ "line": 2, "column": 7 })),
        (Error::BadParameter("p".to_owned()), 400, json!({})),
        (Error::Refused(refusal), 422, json!({ "construct": "random()", "why": "it differs" })),
        (Error::Cap(Cap::GatherRows(7)), 413, json!({ "cap": "gather_rows", "limit": 7 })),
        (Error::Cap(Cap::AnswerBytes(8)), 413, json!({ "cap": "answer_bytes", "limit": 8 })),
        (Error::Statement(named("a", FaultKind::Statement)), 422, json!({ "nodes": nodes("a", "statement") })),
        (Error::Nodes(named("b", FaultKind::Lost)), 502, json!({ "nodes": nodes("b", "lost") })),
        (Error::Nodes(named("b", FaultKind::Failed)), 502, json!({ "nodes": nodes("b", "failed") })),
        (Error::Nodes(named("b", FaultKind::Busy)), 503, json!({ "nodes": nodes("b", "busy") })),
        (Error::Unlike(unlike), 502, json!({ "nodes": [{ "name": "a", "has": "x" }, { "name": "b", "has": "y" }] })),
        (Error::Deadline { late: vec![one()] }, 504, json!({ "nodes": ["a"] })),
        (
            half(&["a"], named("b", FaultKind::Statement), named("c", FaultKind::Lost)),
            409,
            json!({ "committed": ["a"], "missing": nodes("b", "statement"), "unknown": nodes("c", "lost") }),
        ),
        (
            half(&[], Vec::new(), named("c", FaultKind::TimedOut)),
            504,
            json!({ "committed": [], "unknown": nodes("c", "timeout") }),
        ),
        (half(&[], Vec::new(), named("c", FaultKind::Lost)), 409, json!({ "unknown": nodes("c", "lost") })),
        (
            half(&[], named("b", FaultKind::Statement), named("c", FaultKind::TimedOut)),
            409,
            json!({ "unknown": nodes("c", "timeout") }),
        ),
        (Error::Unready("no shard b".to_owned()), 503, json!({})),
        (Error::Internal("x".to_owned()), 500, json!({})),
    ] {
        let response = Problem::of(&error).response(&SqlName::new("people").unwrap());
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers().contains_key("retry-after"), status == 503);
        let document: Json = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), &document["status"]), (status, &json!(status)), "{document}");
        assert_eq!(document["cause"]["entry"], "people");
        let reason = document["cause"]["reason"].as_str().unwrap();
        assert_eq!(document["type"], format!("urn:leverframe:problem:{reason}"));
        for (name, value) in members.as_object().unwrap() {
            assert_eq!(&document[name], value, "{document}");
        }
    }
    let over = Problem::of(&Error::Cap(Cap::AnswerBytes(8))).document(&SqlName::new("people").unwrap());
    assert!(over.contains("x-ndjson"), "{over}");
}

#[test]
fn a_write_of_the_log_tells_its_position() {
    let returned = crate::sql::write::Returned { columns: Vec::new(), rows: vec![vec![Value::Integer(4)]] };
    let effects =
        vec![Effect { affected: Some(2), returned: None }, Effect { affected: None, returned: Some(returned) }];
    let told = |effects: &[Effect], is_list| -> Json {
        let logged = Logged { position: Position(9), effects: effects.to_vec(), is_list, nodes: Vec::new() };
        serde_json::from_slice(&document::logged(&logged, Dialect::Sqlite, Instant::now())).unwrap()
    };
    let one = told(&effects[..1], false);
    assert_eq!((&one["affected"], &one["position"], one.get("results")), (&json!(2), &json!(9), None));
    let both = told(&effects, true);
    let second = json!({ "affected": null, "columns": [], "rows": [[4]], "row_count": 1 });
    assert_eq!((&both["results"], &both["position"]), (&json!([{ "affected": 2 }, second]), &json!(9)));
}

#[test]
fn what_goes_wrong_with_the_log_says_whether_anything_was_done() {
    let told = |error: Error| {
        let response = Problem::of(&error).response(&SqlName::new("people").unwrap());
        let document: Json = serde_json::from_slice(response.body()).unwrap();
        let header = response.headers().get("x-leverframe-position").map(|at| at.to_str().unwrap().to_owned());
        let reason = document["cause"]["reason"].as_str().unwrap().to_owned();
        (response.status().as_u16(), reason, document, header)
    };
    let (status, reason, document, header) = told(Error::Unacknowledged { position: Some(Position(7)) });
    assert_eq!((status, reason.as_str(), &document["position"]), (504, "not-acknowledged", &json!(7)));
    assert!(document["detail"].as_str().unwrap().contains("will be applied"), "{document}");
    assert_eq!(header.as_deref(), Some("7"));
    let (status, _, document, header) = told(Error::Unacknowledged { position: None });
    assert_eq!((status, document.get("position"), header), (504, None, None));
    let declined = Error::Declined { position: Position(3), message: "UNIQUE constraint failed".into() };
    let (status, reason, document, _) = told(declined);
    assert_eq!((status, reason.as_str(), &document["position"]), (422, "statement-failed", &json!(3)));
    let nodes = vec![("a".to_owned(), "INCONSISTENT (at 4, it changed 1 rows)".to_owned())];
    let (status, reason, document, _) = told(Error::Nobody(Unready { why: "0 of 1 nodes are up".into(), nodes }));
    assert_eq!((status, reason.as_str()), (503, "no-node"));
    assert_eq!(document["nodes"], json!([{ "name": "a", "state": "INCONSISTENT (at 4, it changed 1 rows)" }]));
    assert_eq!(told(Error::Log(LogError::Ended)).0, 503);
    assert_eq!(told(Error::Log(LogError::InDoubt("x".into()))).1, "log-in-doubt");
}
