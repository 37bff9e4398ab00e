//! The screen, as it is drawn for what came and for the keys that were pressed.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

use super::keys::{Next, press};
use super::link::{Command, News};
use super::model::{Model, Standing, Tab};
use super::view::draw;

/// The lines of the screen, without what is blank at their ends.
fn screen(model: &mut Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

fn key(model: &mut Model, code: KeyCode) -> Next {
    press(model, KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_in(model: &mut Model, keys: &str) {
    for c in keys.chars() {
        assert_eq!(key(model, KeyCode::Char(c)), Next::Stay, "{c}");
    }
}

fn tick(at_ms: u64, requests: [u64; 3]) -> News {
    let flow = |per_second: f64| {
        json!({ "per_second": per_second, "errors_per_second": 0.5, "in_flight": 7, "p50_ms": 1.234,
        "p95_ms": 20.4, "p99_ms": null })
    };
    let mut web = flow(requests[0] as f64);
    web["endpoints"] =
        json!([[1, requests[0], 1, 3, 1500, 1.0], [2, requests[1], 2, 4, 2500, 0.5], [3, requests[2], 0, 0, 0, 0]]);
    let sql = json!({ "shop": { "per_second": 12.5, "failed_per_second": 0, "under_way": 1, "p50_ms": 3.0, "p95_ms": 4.0,
        "p99_ms": 5.0, "nodes": [["db-1", requests[0], 0, 50, 1.5], ["db-2", requests[1], 0, 50, 2.5]] } });
    let total = flow(requests[0] as f64);
    let tick = json!({ "at_ms": at_ms, "total": total, "clusters": { "web": web }, "sql": sql, "scale": {} });
    News::Tick(Box::new(serde_json::from_value(tick).unwrap()))
}

fn overview(access: &str) -> News {
    let endpoint = |id: u64, state: &str, circuit: &str, share: f64| {
        json!({ "id": id, "name": format!("node-{id}"), "address": format!("10.0.0.{id}:80"), "weight": 2, "labels": {},
            "state": state, "reported": "UP", "reason": "", "circuit": circuit, "effective_weight": share })
    };
    let overview = json!({
        "at": "2026-01-02T03:04:05Z", "started_s": 1_000_000.0, "access": access,
        "health": { "status": "ok", "version": "9.8.7", "config": "stale" }, "config": { "generation": 4 },
        "clusters": [{ "name": "web", "strategy": { "plugin": "p2c-ewma", "config": {} }, "policies": [{ "plugin": "threshold",
            "config": {} }], "ready": 2, "panic": false, "endpoints": [endpoint(1, "HEALTHY", "closed", 1.0),
            endpoint(2, "RECOVERING", "half-open", 0.3), endpoint(3, "FAILED", "open", 1.0)] }],
        "plugins": [{ "name": "a-spare", "state": "available", "clusters": [] }, { "name": "p2c-ewma", "world":
            "routing-strategy", "state": "loaded", "clusters": ["web"], "version": "1.0.0", "revision": 3, "refused": null,
            "note": null, "disabled": false }, { "name": "mine", "state": "refused", "clusters": [], "refused": { "reason":
            "no component" } }],
        "sql": [{ "name": "shop", "cluster": "dbs", "backend": "http", "topology": "replicated", "unready": null,
            "replication": { "log": "open", "position": 41, "nodes": [{ "name": "db-1", "state": "UP", "position": 41,
            "lag": 0, "readable": true }, { "name": "db-2", "state": "INCONSISTENT", "position": 40, "lag": 1, "readable":
            false, "why": "at 40" }] } }],
        "scale": [],
    });
    News::Overview(Box::new(serde_json::from_value(overview).unwrap()))
}

fn happened(id: u64, cause: &str) -> News {
    let event = json!({ "id": id, "at": "2026-01-02T03:04:05.678Z", "kind": "state", "cluster": "web", "endpoint": "node-3",
        "plugin": null, "from": "DEGRADED", "to": "FAILED", "cause": cause });
    News::Happened(serde_json::from_value(event).unwrap())
}

/// A Leverframe after two seconds of traffic.
fn model() -> Model {
    let mut model = Model::new("http://127.0.0.1:9900".to_owned(), 1);
    model.take(News::Found);
    model.take(overview("write"));
    model.take(tick(1_007_384_000, [100, 50, 9]));
    model.take(tick(1_007_385_000, [300, 55, 9]));
    model.take(happened(1, "three checks failed"));
    model.take(happened(2, "again"));
    model
}

#[test]
fn the_screen_of_eighty_by_twenty_four() {
    let mut model = model();
    let lines = screen(&mut model, 80, 24);
    assert_eq!(
        lines[..2],
        [
            "Leverframe 9.8.7  http://127.0.0.1:9900  up 2h 03m  OK  config STALE #4",
            "300 req/s  0.5 errors/s  7 under way  p50 1.23ms  p95 20ms  p99 –",
        ]
    );
    assert_eq!(lines[5], " 1 Clusters │ 2 Endpoints │ 3 Plugins │ 4 SQL │ 5 Events");
    assert_eq!(
        lines[6..10],
        [
            "CLUSTER    ENDPOINT▼     STATE        REQ/S  ERR/S  NOW  LATENCY  WEIGHT ADDRESS",
            "web        node-1        HEALTHY      200    0      3    1.50ms   2      10.0.0.",
            "web        node-2        RECOVERING h 5.0    0      4    2.50ms   0.6    10.0.0.",
            "web        node-3        FAILED open  0      0      0    0.00ms   2      10.0.0.",
        ]
    );
    assert_eq!(lines[23], "Tab page  ↑↓ row  s sort  r reverse  d drain  u undrain  ? help  q quit");
}

#[test]
fn throughput_grows_from_the_right() {
    let mut model = model();
    let lines = screen(&mut model, 80, 24);
    assert!(lines[4].ends_with('█') && lines[2].ends_with('█'), "{:?}", &lines[2..5]);
    assert_eq!(lines[2].chars().count(), 80, "the second before was a third of it");
    // A small terminal does without, and draws the rest.
    let lines = screen(&mut model, 60, 8);
    assert_eq!(lines[2], " 1 Clusters │ 2 Endpoints │ 3 Plugins │ 4 SQL │ 5 Events");
    assert!(lines[4].starts_with("web") && lines[4].contains("node-1"), "{lines:?}");
    for (width, height) in [(1, 1), (20, 3), (200, 60)] {
        screen(&mut model, width, height);
    }
}

#[test]
fn every_page_says_in_words_what_is_wrong() {
    let mut model = model();
    type_in(&mut model, "1");
    let lines = screen(&mut model, 100, 24);
    assert!(
        lines[7].starts_with("web          2/3        300     0.5    7    1.23ms  –       p2c-ewma"),
        "{}",
        lines[7]
    );
    type_in(&mut model, "3");
    let lines = screen(&mut model, 120, 24);
    assert!(lines[7].starts_with("p2c-ewma           LOADED    routing-strategy 1.0.0   3   web"), "{}", lines[7]);
    assert!(lines[8].starts_with("mine               REFUSED") && lines[8].ends_with("no component"), "{}", lines[8]);
    assert!(lines[9].starts_with("a-spare            AVAILABLE"), "{}", lines[9]);
    type_in(&mut model, "4");
    let lines = screen(&mut model, 120, 24);
    assert!(lines[7].starts_with("shop     replicated log OPEN       41             12.5   0"), "{}", lines[7]);
    assert!(
        lines[8].starts_with("         db-1       UP             41       0     200    0     1.50ms"),
        "{}",
        lines[8]
    );
    assert!(lines[9].contains("db-2       INCONSISTENT   40       1") && lines[9].ends_with("at 40"), "{}", lines[9]);
    type_in(&mut model, "5");
    let lines = screen(&mut model, 120, 24);
    assert_eq!(lines[7], "03:04:05 web        node-3         state DEGRADED → FAILED    again");
    assert!(lines[8].ends_with("three checks failed"), "{}", lines[8]);
}

#[test]
fn keys_turn_pages_sort_and_travel() {
    let mut model = model();
    screen(&mut model, 80, 24);
    let names =
        |model: &Model| model.endpoints().iter().map(|row| row.endpoint.name.clone()).collect::<Vec<_>>().join(" ");
    let orders: Vec<_> = (0..6)
        .map(|_| {
            type_in(&mut model, "s");
            names(&model)
        })
        .collect();
    let by_figures = "node-1 node-2 node-3";
    assert_eq!(
        orders,
        ["node-3 node-2 node-1", by_figures, by_figures, "node-2 node-1 node-3", "node-2 node-1 node-3", by_figures]
    );
    type_in(&mut model, "sr");
    assert_eq!(names(&model), "node-1 node-2 node-3");
    for (code, chosen) in [
        (KeyCode::Down, 1),
        (KeyCode::End, 2),
        (KeyCode::Down, 2),
        (KeyCode::Up, 1),
        (KeyCode::PageDown, 2),
        (KeyCode::Home, 0),
    ] {
        key(&mut model, code);
        assert_eq!(model.chosen, chosen, "{code:?}");
    }
    for (code, tab) in
        [(KeyCode::Tab, Tab::Plugins), (KeyCode::Left, Tab::Endpoints), (KeyCode::BackTab, Tab::Clusters)]
    {
        key(&mut model, code);
        assert_eq!(model.tab, tab, "{code:?}");
    }
    key(&mut model, KeyCode::Left);
    assert_eq!(model.tab, Tab::Events);
    type_in(&mut model, "?");
    assert!(screen(&mut model, 80, 24).iter().any(|line| line.contains("drain the endpoint")));
    type_in(&mut model, "x");
    assert!(!model.help);
    assert_eq!(key(&mut model, KeyCode::Char('q')), Next::Quit);
    assert_eq!(press(&mut model, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Next::Quit);
}

#[test]
fn an_endpoint_is_drained_only_when_that_is_confirmed_and_allowed() {
    let mut model = model();
    screen(&mut model, 80, 24);
    key(&mut model, KeyCode::Down);
    type_in(&mut model, "d");
    assert_eq!(screen(&mut model, 80, 24)[23], "y/n: drain node-2 of web?");
    type_in(&mut model, "xn");
    assert_eq!(model.asks, None);
    type_in(&mut model, "u");
    let command = Command { cluster: "web".to_owned(), endpoint: "node-2".to_owned(), what: "undrain" };
    assert_eq!(key(&mut model, KeyCode::Char('y')), Next::Command(command));
    model.take(News::Done("undrain node-2 of web: done".to_owned()));
    assert_eq!(screen(&mut model, 80, 24)[23], "undrain node-2 of web: done");
    model.take(overview("read"));
    type_in(&mut model, "d");
    assert_eq!((model.asks.is_none(), model.note.as_str()), (true, "the token only lets one read"));
    type_in(&mut model, "1d");
    assert!(model.asks.is_none() && !model.note.is_empty());
}

#[test]
fn a_connection_that_is_lost_is_said_and_what_came_before_stays() {
    let mut model = Model::new("http://127.0.0.1:9900".to_owned(), 1);
    assert!(screen(&mut model, 80, 24)[0].contains("connecting"));
    model = self::model();
    model.take(News::Lost("it has closed the connection".to_owned()));
    let lines = screen(&mut model, 100, 24);
    assert!(lines[0].ends_with("LOST, looking for it") && lines[7].contains("node-1"), "{lines:?}");
    assert_eq!(lines[23], "it has closed the connection");
    model.take(News::Found);
    assert_eq!(model.standing, Standing::Found);
    // What is sent again is not shown twice; a process that is another one counts anew.
    model.take(happened(2, "again"));
    model.take(past(&[(1, "three checks failed"), (2, "again")]));
    assert_eq!(model.events.len(), 2);
    let News::Overview(mut another) = overview("write") else { panic!("it is one") };
    another.started_s = Some(1_007_386.0);
    model.take(News::Overview(another));
    assert_eq!((model.events.len(), model.throughput.len(), model.tick.at_ms), (0, 0, 0));
    model.take(past(&[(7, "another")]));
    // One that does not say when it began is told by its numbers.
    model.take(past(&[(4, "yet"), (5, "another")]));
    assert_eq!((model.events.len(), model.events[0].cause.as_str()), (2, "another"));
}

fn past(told: &[(u64, &str)]) -> News {
    let told = told.iter().map(|(id, cause)| match happened(*id, cause) {
        News::Happened(happened) => happened,
        _ => panic!("it is one"),
    });
    News::Past(told.collect())
}

#[test]
fn an_endpoint_stays_chosen_wherever_its_row_goes() {
    let mut model = model();
    screen(&mut model, 80, 24);
    key(&mut model, KeyCode::Down);
    screen(&mut model, 80, 24);
    // Another one joins before it.
    let News::Overview(mut more) = overview("write") else { panic!("it is one") };
    let mut first = more.clusters[0].endpoints[0].clone();
    (first.id, first.name) = (9, "node-0".to_owned());
    more.clusters[0].endpoints.insert(0, first);
    model.take(News::Overview(more.clone()));
    type_in(&mut model, "d");
    assert_eq!(screen(&mut model, 80, 24)[23], "y/n: drain node-2 of web?");
    assert_eq!(model.chosen, 2);
    // It goes while it is asked about: nobody else takes its place unseen.
    type_in(&mut model, "n");
    more.clusters[0].endpoints.retain(|endpoint| endpoint.id != 2);
    model.take(News::Overview(more));
    type_in(&mut model, "d");
    assert_eq!(model.asks, None);
}

#[test]
fn what_takes_longer_has_a_line() {
    let mut model = model();
    let work = |total: Option<u64>| {
        let told = json!({ "kind": "rebuild", "subject": "shop/db-2", "done": 20, "total": total, "unit": "rows" });
        serde_json::from_value(told).unwrap()
    };
    model.take(News::Works(vec![work(Some(80)), work(None)]));
    assert_eq!(screen(&mut model, 80, 24)[2], "rebuild shop/db-2: 25 %, 20 of 80 rows  and 1 more");
    model.take(News::Works(vec![work(None)]));
    assert_eq!(screen(&mut model, 80, 24)[2], "rebuild shop/db-2: 20 rows");
    model.take(News::Works(Vec::new()));
    assert!(!screen(&mut model, 80, 24).iter().any(|line| line.contains("rebuild")));
}

#[test]
fn rates_are_taken_over_the_interval() {
    let mut model = Model::new(String::new(), 5);
    model.take(overview("write"));
    for second in 0..11 {
        model.take(tick(1_000_000 + second * 1_000, [second * 10, 0, 0]));
    }
    assert_eq!(model.tick.at_ms, 1_010_000);
    assert_eq!(model.endpoints()[0].rates.0, 10.0);
    assert_eq!((model.throughput.len(), model.now_ms), (11, 1_010_000));
}
