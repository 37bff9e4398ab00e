//! Reads over nodes that behave well, and over nodes that do not.

use std::time::Duration;

use futures_util::stream::StreamExt;

use super::fake::{Manner, World, all, ids, query, rows};
use crate::sql::backend::FaultKind;
use crate::sql::error::{Cap, Error};
use crate::sql::run::{Answer, NodeStatus, Query, Step};

const ALL: [i64; 15] = [0, 1, 2, 3, 4, 1000, 1001, 1002, 1003, 1004, 2000, 2001, 2002, 2003, 2004];

fn partial(sql: &str) -> Query {
    Query { allow_partial: true, ..query(sql) }
}

fn named(error: &Error) -> Vec<&str> {
    match error {
        Error::Nodes(failed) | Error::Statement(failed) => failed.iter().map(|(name, _)| name.as_str()).collect(),
        Error::Deadline { late } => late.iter().map(String::as_str).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_statement_about_one_key_goes_to_one_node_as_it_is() {
    let world = World::new();
    let entry = world.entry();
    let (rows, summary) = all(&entry, query("SELECT * FROM t WHERE id = 1003")).await.unwrap();
    assert_eq!(ids(&rows), [1000, 1001, 1002, 1003, 1004]);
    assert_eq!(world.asked(), ["b"]);
    assert_eq!((summary.course.class, summary.course.tier), ("single", "pass-through"));
    let [node] = summary.nodes.as_slice() else { panic!("{summary:?}") };
    assert_eq!((node.name.as_str(), node.rows, &node.status), ("b", 5, &NodeStatus::Done));
    // One node is asked once whether the key is what it is said to be; then no shape is read for it.
    let opened = || world.backend.seen.opened.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(opened(), 2);
    all(&entry, query("SELECT * FROM t WHERE id = 1004")).await.unwrap();
    assert_eq!(opened(), 3);
}

#[tokio::test(start_paused = true)]
async fn all_rows_of_all_nodes_come_and_in_order_where_one_is_asked_for() {
    let world = World::new();
    let entry = world.entry();
    let (rows, _) = all(&entry, query("SELECT * FROM t")).await.unwrap();
    let mut found = ids(&rows);
    found.sort_unstable();
    assert_eq!(found, ALL);
    let (rows, summary) = all(&entry, query("SELECT * FROM t ORDER BY id")).await.unwrap();
    assert_eq!(ids(&rows), ALL);
    assert_eq!((summary.course.class, summary.course.tier), ("full", "merge"));
    let steps: Vec<Step> = summary.steps.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [Step::Plan, Step::Nodes, Step::Merge]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_kept_and_stops_nodes_that_never_end() {
    let world = World::new().manner("b", Manner::Endless).manner("c", Manner::Endless);
    let entry = world.entry();
    let (rows, _) = all(&entry, query("SELECT * FROM t LIMIT 7 OFFSET 2")).await.unwrap();
    assert_eq!(rows.len(), 7);
    let (rows, _) = all(&entry, query("SELECT * FROM t ORDER BY id LIMIT 8")).await.unwrap();
    assert_eq!(ids(&rows), [0, 1, 2, 3, 4, 1000, 1001, 1002]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_dropped_lets_all_sessions_go() {
    let world = World::new().manner("a", Manner::Endless).manner("b", Manner::Endless);
    let entry = world.entry();
    for sql in ["SELECT * FROM t", "SELECT * FROM t ORDER BY id", "SELECT * FROM t WHERE id = 3"] {
        let Answer::Rows(mut rows) = entry.answer(query(sql)).await.unwrap() else { panic!("no rows") };
        rows.batches.next().await.unwrap().unwrap();
        assert!(world.open() > 0);
        drop(rows);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(world.open(), 0, "{sql}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_before_its_answer_lets_all_sessions_go() {
    let world = World::new().manner("b", Manner::Slow(Duration::from_secs(5)));
    let entry = world.entry();
    let answer = tokio::time::timeout(Duration::from_secs(1), entry.answer(query("SELECT * FROM t"))).await;
    assert!(answer.is_err());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_node_that_failed_is_named() {
    let world = World::new().manner("a", Manner::Away(9)).manner("c", Manner::Dies(0, FaultKind::Lost));
    let error = all(&world.entry(), query("SELECT * FROM t ORDER BY id")).await.unwrap_err();
    assert_eq!(named(&error), ["a", "c"]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_in_the_middle_fails_the_answer_after_rows_that_are_right() {
    let world = World::new().manner("b", Manner::Dies(2, FaultKind::Lost));
    let entry = world.entry();
    let Answer::Rows(mut rows) = entry.answer(query("SELECT * FROM t ORDER BY id")).await.unwrap() else {
        panic!("no rows")
    };
    let (mut found, mut failed) = (Vec::new(), None);
    while let Some(batch) = rows.batches.next().await {
        match batch {
            Ok(batch) => found.extend(ids(&batch)),
            Err(error) => failed = Some(error),
        }
    }
    assert_eq!(named(&failed.unwrap()), ["b"]);
    assert!(ALL.starts_with(&found), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn rows_are_missing_only_where_that_is_allowed_and_it_is_told() {
    let world = World::new().manner("b", Manner::Away(9));
    let entry = world.entry();
    let (rows, summary) = all(&entry, partial("SELECT * FROM t ORDER BY id")).await.unwrap();
    assert_eq!(ids(&rows), [0, 1, 2, 3, 4, 2000, 2001, 2002, 2003, 2004]);
    assert!(summary.partial);
    let failed: Vec<_> = summary.nodes.iter().filter(|node| matches!(node.status, NodeStatus::Failed(_))).collect();
    assert_eq!(failed[0].name, "b");
    // Its circuit is open now: nobody holds the shard, and that is told in its name.
    let error = all(&entry, query("SELECT * FROM t")).await.unwrap_err();
    assert_eq!(named(&error), ["b"]);
    // A statement that needs the failed node only has nothing to be a part of.
    assert!(all(&entry, partial("SELECT * FROM t WHERE id = 1000")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn nodes_that_answer_other_columns_are_an_error_that_names_them() {
    let world = World::new().with("c", |node| node.columns[1].declared = "BLOB".into());
    let error = all(&world.entry(), query("SELECT * FROM t")).await.unwrap_err();
    assert_eq!(error.to_string(), "the columns at place 2 differ: a has name TEXT, c has name BLOB");
    let world = World::new().with("b", |node| node.columns.truncate(1));
    let error = all(&world.entry(), query("SELECT * FROM t ORDER BY id")).await.unwrap_err();
    assert!(matches!(error, Error::Unlike(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn tables_that_differ_from_node_to_node_are_an_error_that_names_them() {
    let world = World::new().with("b", |node| node.shape[0].declared = "TEXT".into());
    let error = all(&world.entry(), query("SELECT * FROM t ORDER BY id")).await.unwrap_err();
    let Error::Unlike(unlike) = error else { panic!("{error}") };
    assert_eq!((unlike.one.as_str(), unlike.other.as_str()), ("a", "b"));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_sorts_in_another_way_is_an_error() {
    let world = World::new().with("b", |node| node.rows.reverse());
    let error = all(&world.entry(), query("SELECT * FROM t ORDER BY id")).await.unwrap_err();
    assert_eq!(named(&error), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_node_costs_the_deadline_and_is_named() {
    let world = World::new().manner("c", Manner::Slow(Duration::from_secs(60)));
    let entry = world.entry();
    for sql in ["SELECT * FROM t", "SELECT * FROM t WHERE id = 2001"] {
        let began = tokio::time::Instant::now();
        let asked = Query { timeout: Some(Duration::from_secs(3)), ..query(sql) };
        let error = all(&entry, asked).await.unwrap_err();
        assert_eq!(named(&error), ["c"]);
        assert!(began.elapsed() < Duration::from_millis(3200), "{:?}", began.elapsed());
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.open(), 0);
    // A client in a hurry does not take a node out of service for others.
    assert!(all(&entry, Query { timeout: Some(Duration::from_secs(1)), ..query("SELECT * FROM t") }).await.is_err());
    assert_eq!(world.asked().iter().filter(|name| *name == "c").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_timeout_is_longer_than_the_entry_allows() {
    let mut world = World::new().manner("a", Manner::Slow(Duration::from_secs(3600)));
    world.limits.max_timeout = Duration::from_secs(20);
    let began = tokio::time::Instant::now();
    let asked = Query { timeout: Some(Duration::from_secs(600)), ..query("SELECT * FROM t WHERE id = 1") };
    assert!(matches!(all(&world.entry(), asked).await, Err(Error::Deadline { .. })));
    assert!(began.elapsed() < Duration::from_secs(21));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_rows_holds_nodes_no_longer_than_the_deadline() {
    let world = World::new().manner("a", Manner::Endless).manner("b", Manner::Endless);
    let Answer::Rows(mut rows) = world.entry().answer(query("SELECT * FROM t")).await.unwrap() else { panic!("rows") };
    rows.batches.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(world.open(), 0);
    let mut last = None;
    while let Some(batch) = rows.batches.next().await {
        last = Some(batch.map(|batch| batch.len()));
    }
    assert!(matches!(last, Some(Err(Error::Deadline { .. }))), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn nodes_that_are_left_out_at_the_deadline_are_told_of_with_a_reason() {
    let world = World::new().manner("a", Manner::Endless).manner("b", Manner::Endless);
    let Answer::Rows(mut rows) = world.entry().answer(partial("SELECT * FROM t")).await.unwrap() else {
        panic!("rows")
    };
    rows.batches.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    while rows.batches.next().await.is_some() {}
    let summary = rows.report.read();
    assert!(summary.partial);
    for node in &summary.nodes {
        assert_eq!(node.status.why().is_some(), node.name != "c", "{node:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn time_that_runs_out_while_a_connection_is_opened_is_the_deadline() {
    let world = World::new().manner("c", Manner::Silent);
    let error = all(&world.entry(), query("SELECT * FROM t")).await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error:?}");
    assert_eq!(named(&error), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_node_lacks_opens_its_circuit() {
    let world = World::new().manner("b", Manner::Dies(0, FaultKind::Failed));
    let entry = world.entry();
    let asked = || query("SELECT * FROM t WHERE id = 1001");
    assert!(matches!(all(&entry, asked()).await, Err(Error::Nodes(failed)) if failed[0].0 == "b"));
    world.asked();
    assert!(all(&entry, asked()).await.is_err());
    assert!(world.asked().is_empty(), "its circuit is open");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_before_its_first_row_is_tried_on_another_holder() {
    for manner in [Manner::Away(1), Manner::Dies(0, FaultKind::Lost), Manner::Dies(0, FaultKind::Failed)] {
        let mut world = World::new().copy("b", "b2").manner("b", manner);
        world.attempts = 2;
        // Whoever has its turn: one of the two is tried in vain at most.
        for _ in 0..2 {
            let (rows, _) = all(&world.entry(), query("SELECT * FROM t ORDER BY id")).await.unwrap();
            assert_eq!(ids(&rows), ALL);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_another_holder_it_is_tried_once_more_on_the_same() {
    let mut world = World::new().manner("b", Manner::Away(1));
    world.attempts = 2;
    world.limits.connections = 4;
    let entry = world.entry();
    // Its circuit opens with the first failure, so that there is nobody to try: the first fault is told.
    let error = all(&entry, query("SELECT * FROM t WHERE id = 1001")).await.unwrap_err();
    assert_eq!(named(&error), ["b"]);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn rows_that_went_out_are_never_sent_twice() {
    let mut world = World::new().copy("b", "b2");
    world = world.manner("b", Manner::Dies(1, FaultKind::Lost)).manner("b2", Manner::Dies(1, FaultKind::Lost));
    world.attempts = 5;
    let error = all(&world.entry(), query("SELECT * FROM t WHERE id = 1001")).await.unwrap_err();
    assert!(matches!(error, Error::Nodes(_)));
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_nodes_refuse_is_not_their_failure() {
    let world = World::new().manner("b", Manner::Dies(0, FaultKind::Statement));
    let entry = world.entry();
    for _ in 0..3 {
        let error = all(&entry, query("SELECT * FROM t WHERE id = 1001")).await.unwrap_err();
        assert!(matches!(error, Error::Statement(_)), "{error}");
    }
    assert_eq!(world.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_panics_is_contained() {
    let world = World::new().manner("b", Manner::Panics);
    let entry = world.entry();
    for sql in ["SELECT * FROM t", "SELECT * FROM t WHERE id = 1001"] {
        assert!(all(&entry, query(sql)).await.is_err());
    }
    assert_eq!(ids(&all(&entry, query("SELECT * FROM t WHERE id = 1")).await.unwrap().0), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn what_is_gathered_is_bounded() {
    let mut world = World::new();
    world.limits.gather_rows = 10;
    let sql = "SELECT * FROM t WHERE name = (SELECT max(name) FROM t)";
    let error = all(&world.entry(), query(sql)).await.unwrap_err();
    assert_eq!(error, Error::Cap(Cap::GatherRows(10)));
    world.limits.gather_rows = 100;
    world.limits.gather_bytes = 40;
    let error = all(&world.entry(), query(sql)).await.unwrap_err();
    assert_eq!(error, Error::Cap(Cap::GatherBytes(40)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.open(), 0);
    let endless = World::new().manner("a", Manner::Endless);
    assert!(matches!(all(&endless.entry(), query(sql)).await, Err(Error::Cap(_))));
}

#[tokio::test(start_paused = true)]
async fn what_is_gathered_is_loaded_whole_and_told() {
    let world = World::new();
    let (found, summary) =
        all(&world.entry(), query("SELECT * FROM t WHERE name = (SELECT max(name) FROM t)")).await.unwrap();
    assert_eq!(found.len(), ALL.len());
    assert_eq!((summary.course.tier, summary.course.why.as_str()), ("gather", "subqueries"));
    let mut loaded = world.backend.seen.loaded.lock().unwrap().remove("t").unwrap();
    loaded.sort_by_key(|row| ids(std::slice::from_ref(row)));
    assert_eq!(loaded, rows(ALL));
    let steps: Vec<Step> = summary.steps.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [Step::Plan, Step::Nodes, Step::Merge, Step::Last]);
}

#[tokio::test(start_paused = true)]
async fn many_gathers_at_once_over_few_connections_come_to_an_end() {
    let mut world = World::new();
    world.limits.connections = 1;
    let entry = world.entry();
    let sql = "SELECT * FROM t WHERE name IN (SELECT name FROM r)";
    let answers = (0..20).map(|_| all(&entry, query(sql)));
    for answer in futures_util::future::join_all(answers).await {
        answer.unwrap();
    }
    assert_eq!(world.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_an_entry_forbids_is_refused_by_name() {
    let mut world = World::new();
    world.limits.forbid_scatter = true;
    let refused = |error: Error| matches!(error, Error::Refused(_));
    assert!(refused(all(&world.entry(), query("SELECT * FROM t")).await.unwrap_err()));
    assert!(all(&world.entry(), query("SELECT * FROM t WHERE id < 1500")).await.is_ok());
    let everywhere = world.entry().answer(query("UPDATE t SET name = 'x'")).await;
    assert!(everywhere.is_err_and(refused));
    for allowed in ["UPDATE t SET name = 'x' WHERE id < 1500", "DELETE FROM r", "TRUNCATE TABLE t"] {
        assert!(!world.entry().answer(query(allowed)).await.is_err_and(refused), "{allowed}");
    }
    world.limits.forbid_scatter = false;
    world.limits.max_shards = Some(1);
    assert!(refused(all(&world.entry(), query("SELECT * FROM t WHERE id < 1500")).await.unwrap_err()));
    assert!(all(&world.entry(), query("SELECT * FROM t WHERE id < 500")).await.is_ok());
    world.limits.statement_bytes = 10;
    let error = all(&world.entry(), query("SELECT * FROM t WHERE id < 500")).await.unwrap_err();
    assert_eq!(error, Error::Cap(Cap::StatementBytes(10)));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_what_is_said_of_it_is_never_routed_by() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world = world.with(name, |node| node.shape[0].declared = "TEXT".into());
    }
    let entry = world.entry();
    for sql in ["SELECT * FROM t WHERE id = 5", "SELECT count(*) FROM t", "UPDATE t SET name = 'x' WHERE id = 5"] {
        match entry.answer(query(sql)).await {
            Err(Error::Unready(why)) => assert!(why.contains("table t") && why.contains("`TEXT`"), "{why}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert!(world.asked().is_empty());
    assert!(entry.answer(query("SELECT 1")).await.is_ok());
    // One that does not answer keeps nobody waiting.
    let world = World::new().manner("a", Manner::Silent);
    assert!(all(&world.entry(), query("SELECT * FROM t WHERE id = 1003")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn explaining_asks_the_nodes_nothing() {
    let world = World::new();
    let asked = Query { explain: true, ..query("SELECT * FROM t ORDER BY id DESC LIMIT 3") };
    let Answer::Explained(explanation) = world.entry().answer(asked).await.unwrap() else { panic!("not explained") };
    assert_eq!(world.asked(), Vec::<String>::new());
    let nodes: Vec<_> = explanation.nodes.iter().map(|node| (node.name.as_str(), node.shard.as_str())).collect();
    assert_eq!(nodes, [("a", "a"), ("b", "b"), ("c", "c")]);
    assert_eq!(
        explanation.course.merge,
        ["merge the sorted rows of all nodes by column 1 descending, NULL last", "stop after 3 rows"]
    );
}

#[tokio::test(start_paused = true)]
async fn rows_that_every_shard_holds_are_asked_of_whoever_is_there() {
    let world = World::new().manner("a", Manner::Away(1));
    let entry = world.entry();
    // `a` fails once, and is out from then on.
    for _ in 0..4 {
        let _ = all(&entry, query("SELECT * FROM r")).await;
    }
    let (rows, summary) = all(&entry, query("SELECT * FROM r")).await.unwrap();
    assert_eq!(rows.len(), 5);
    assert_ne!(summary.nodes[0].name, "a");
    let asked = world.asked();
    assert!(asked.contains(&"b".into()) && asked.contains(&"c".into()), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn parameters_must_be_as_many_as_the_statement_takes() {
    let error = all(&World::new().entry(), query("SELECT * FROM t WHERE id = ?")).await.unwrap_err();
    assert!(matches!(error, Error::BadParameter(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_comes_again_is_neither_read_nor_planned_again() {
    let entry = World::new().entry();
    for _ in 0..3 {
        all(&entry, query("SELECT * FROM t ORDER BY id")).await.unwrap();
    }
    let figures = entry.plan_figures();
    assert_eq!((figures.text_hits, figures.plan_hits, figures.plan_misses), (2, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_has_changed_is_seen_after_a_while() {
    let world = World::new();
    let entry = world.entry();
    all(&entry, query("SELECT * FROM t ORDER BY id")).await.unwrap();
    let world = world.with("b", |node| node.shape[1].declared = "BLOB".into());
    all(&entry, query("SELECT * FROM t ORDER BY id")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    // This one starts to look, the next one knows.
    let _ = all(&entry, query("SELECT * FROM t ORDER BY id")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = all(&entry, query("SELECT * FROM t ORDER BY id")).await.unwrap_err();
    assert!(matches!(error, Error::Unlike(_)), "{error}");
    drop(world);
}

#[tokio::test(start_paused = true)]
async fn sums_that_a_merge_is_not_exact_for_are_gathered() {
    for (guard_finds, overflows) in [(true, false), (false, true)] {
        let world = World::new().engine(guard_finds, overflows).with("a", |_| ());
        let answer = all(&world.entry(), query("SELECT name, SUM(id) FROM t GROUP BY name")).await;
        match (overflows, answer) {
            // The gathered statement overflows too: that is what one database would say.
            (true, Err(Error::Statement(_))) => {}
            (false, Ok((_, summary))) => assert_eq!(summary.course.tier, "gather"),
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
#[ignore = "a figure: cargo test --release -- --ignored --nocapture the_host_costs"]
async fn the_host_costs_little_beside_the_nodes() {
    let mut world = World::new();
    for (nth, name) in ["a", "b", "c"].into_iter().enumerate() {
        world = world.with(name, |node| node.rows = rows((0..33_334).map(|id| id * 3 + nth as i64)));
    }
    let entry = world.entry();
    for sql in ["SELECT * FROM t", "SELECT * FROM t ORDER BY id"] {
        let began = std::time::Instant::now();
        let count = all(&entry, query(sql)).await.unwrap().0.len();
        println!("{sql}: {:?} a row, making the rows included", began.elapsed() / count as u32);
    }
    let world = World::new();
    let entry = world.entry();
    let began = std::time::Instant::now();
    for _ in 0..10_000 {
        all(&entry, query("SELECT * FROM t WHERE id = 3")).await.unwrap();
    }
    println!("a read of one key: {:?}, the fake node included", began.elapsed() / 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_column_that_the_table_declares_is_read_although_others_hide_one_of_its_name() {
    let world = World::new().with("a", |node| node.shape[1].name = "oid".into());
    let world =
        ["b", "c"].into_iter().fold(world, |world, name| world.with(name, |node| node.shape[1].name = "oid".into()));
    let entry = world.entry();
    let (rows, _) = all(&entry, query("SELECT id, oid FROM t WHERE id = 1003")).await.unwrap();
    assert_eq!((rows.len(), world.asked()), (5, vec!["b".to_owned()]));
    let refused = all(&World::new().entry(), query("SELECT id, oid FROM t WHERE id = 1003")).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(refusal) if refusal.construct == "oid"), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_split_scan_that_finds_no_room_elsewhere_fails_rather_than_waits() {
    let away = |connections| {
        let mut world = World::new().manner("b", Manner::Away(usize::MAX));
        (world.is_split, world.attempts, world.limits.connections) = (true, 2, connections);
        world
    };
    let sql = "SELECT * FROM t ORDER BY id";
    let error = all(&away(1).entry(), query(sql)).await.unwrap_err();
    assert_eq!(named(&error), ["b"], "{error:?}");
    let roomy = away(2);
    assert_eq!(all(&roomy.entry(), query(sql)).await.unwrap().0.len(), 15);
    let asked = roomy.asked();
    assert!(asked.len() == 3 && !asked.contains(&"b".to_owned()), "{asked:?}");
    // The other connection is that of another statement.
    let entry = away(2).entry();
    let _other =
        entry.spread().permit((tokio::time::Instant::now() + Duration::from_secs(10)).into_std(), 1).await.unwrap();
    let error = all(&entry, query(sql)).await.unwrap_err();
    assert_eq!(named(&error), ["b"], "{error:?}");
}
