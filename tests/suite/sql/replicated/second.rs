//! Two proxies before the same databases: one writes, the other answers reads, and goes on where the first one ends. Who
//! writes is decided by the lock of a file, or by a lease in Redis.

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::scene::{Databases, Files, MariaDbs, Told, ask, setup_with};
use crate::world::{Process, Redis, eventually, holds};

/// Long enough to be extended on a busy machine, short enough to be waited for.
const TERM: Duration = Duration::from_secs(3);

/// A proxy.
struct Proxy {
    process: Process,
    address: SocketAddr,
}

impl Proxy {
    async fn start(databases: &impl Databases, log: &TempDir, more: &str) -> Self {
        let process = setup_with(databases, log.path(), more).spawn(&[]).await;
        let address = process.listener("sql").await;
        Self { process, address }
    }

    async fn standing(&self) -> Value {
        self.process.api("/api/sql").await["entries"][0]["replication"].clone()
    }

    /// Waits until it stands so.
    async fn is(&self, stage: &str) -> Value {
        let look = || async {
            let standing = self.standing().await;
            (standing["log"] == stage).then_some(standing)
        };
        eventually(&format!("it is {stage}"), look).await
    }

    /// Adds to a purse; not the same when it is done twice.
    async fn add(&self) -> Told {
        ask(self.address, json!({ "sql": "UPDATE purse SET amount = amount + 1 WHERE id = 1", "timeout_ms": 5000 }))
            .await
    }

    /// The same, until it is done; tells its position.
    async fn added(&self) -> u64 {
        let look = || async {
            let told = self.add().await;
            (told.status == StatusCode::OK).then(|| told.document["position"].as_u64().expect("a position"))
        };
        eventually("it takes writes", look).await
    }

    /// What is in the purse, seen from a position on; and what was told of how far that is.
    async fn amount(&self, position: Option<u64>) -> (i64, u64) {
        let sql = "SELECT amount FROM purse WHERE id = 1";
        let told = ask(self.address, json!({ "sql": sql, "position": position })).await;
        assert_eq!(told.status, StatusCode::OK, "{told:?}");
        let amount = told.document["rows"][0][0].as_i64().expect("an amount");
        (amount, told.document["position"].as_u64().expect("a position"))
    }
}

fn refused(told: &Told) {
    let reason = &told.document["cause"]["reason"];
    assert_eq!((told.status, reason), (StatusCode::SERVICE_UNAVAILABLE, &json!("standby")), "{told:?}");
    let holder = told.document["holder"].as_str().unwrap_or_default();
    assert!(holder.starts_with("process "), "{told:?}");
    assert!(told.document["detail"].as_str().is_some_and(|detail| detail.contains(holder)), "{told:?}");
}

/// All nodes have the same amount in the end.
async fn all_have(files: &Files, amount: i64) {
    for node in 0..files.count() {
        let path = files.addresses()[node].trim_start_matches("file:").to_owned();
        let look = || async {
            let file = rusqlite::Connection::open(&path).expect("a file");
            let found: i64 =
                file.query_row("SELECT amount FROM purse WHERE id = 1", [], |row| row.get(0)).expect("a row");
            assert!(found <= amount, "node {node} has {found}, {amount} were added");
            (found == amount).then_some(())
        };
        eventually(&format!("node {node} has {amount}"), look).await;
    }
}

/// While the first has the log the second answers reads, tells what it is, and takes no write.
async fn stands_by(first: &Proxy, second: &Proxy) -> i64 {
    let standing = second.is("standby").await;
    assert!(standing["why"].as_str().is_some_and(|why| why.contains("process ")), "{standing}");
    let mut amount = first.amount(None).await.0;
    for _ in 0..10 {
        let position = first.added().await;
        amount += 1;
        let (seen, at) = second.amount(Some(position)).await;
        assert!(seen == amount && at >= position, "{seen} of {amount}, {at} of {position}");
    }
    let look = || async { (second.amount(None).await.0 == amount).then_some(()) };
    eventually("a read without a position follows", look).await;
    let standing = second.standing().await;
    let nodes = standing["nodes"].as_array().expect("nodes");
    assert!(nodes.len() == 3 && nodes.iter().all(|node| node["position"].is_u64()), "{standing}");
    assert!(standing["reads"].as_str().is_some_and(|reads| reads.contains("last seen")), "{standing}");
    refused(&second.add().await);
    let beyond = json!({ "sql": "SELECT 1", "position": 1_000_000, "timeout_ms": 300 });
    let beyond = ask(second.address, beyond).await;
    assert_eq!(beyond.status, StatusCode::SERVICE_UNAVAILABLE, "{beyond:?}");
    amount
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_proxy_answers_reads_and_takes_over_when_the_first_is_killed() {
    let (files, log) = (Files::new(3), tempfile::tempdir().expect("a folder"));
    let mut first = Proxy::start(&files, &log, "").await;
    first.is("open").await;
    let second = Proxy::start(&files, &log, "").await;
    let amount = stands_by(&first, &second).await;
    first.process.signal("KILL");
    first.process.ended().await;
    let position = second.added().await;
    assert_eq!(second.amount(Some(position)).await.0, amount + 1);
    all_have(&files, amount + 1).await;
}

fn leased(redis: &Redis) -> String {
    format!("[sql.shop.lease]\nredis = \"{}\"\nterm = \"{}s\"", redis.url(), TERM.as_secs())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_in_redis_passes_on_at_the_end_of_its_term_or_when_it_is_given_back() {
    let (files, log, redis) = (Files::new(3), tempfile::tempdir().expect("a folder"), Redis::start().await);
    let epoch = || -> u64 {
        redis.cli(&["HGET", "leverframe:sql:shop:log", "epoch"]).parse().expect("the epoch of who has it")
    };
    let mut first = Proxy::start(&files, &log, &leased(&redis)).await;
    first.is("open").await;
    let begun = epoch();
    let second = Proxy::start(&files, &log, &leased(&redis)).await;
    let amount = stands_by(&first, &second).await;
    first.process.signal("KILL");
    first.process.ended().await;
    let began = std::time::Instant::now();
    let position = second.added().await;
    println!("taken over after {:?}", began.elapsed());
    assert_eq!(second.amount(Some(position)).await.0, amount + 1);
    let taken = epoch();
    assert!(taken > begun);
    // One that ends in order does not have the next wait.
    let third = Proxy::start(&files, &log, &leased(&redis)).await;
    third.is("standby").await;
    let mut second = second;
    second.process.signal("TERM");
    second.process.ended().await;
    let began = std::time::Instant::now();
    third.added().await;
    assert!(began.elapsed() < TERM / 2, "{:?}", began.elapsed());
    all_have(&files, amount + 2).await;
    assert!(epoch() > taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_was_stopped_beyond_its_term_writes_no_more_when_it_goes_on() {
    let (files, log, redis) = (Files::new(3), tempfile::tempdir().expect("a folder"), Redis::start().await);
    let first = Proxy::start(&files, &log, &leased(&redis)).await;
    first.is("open").await;
    let second = Proxy::start(&files, &log, &leased(&redis)).await;
    second.is("standby").await;
    first.added().await;
    let before = first.amount(None).await.0;
    first.process.freeze().await;
    // These come to it while it is stopped, and are read when it goes on.
    let late: Vec<_> = (0..8)
        .map(|_| {
            let address = first.address;
            let sql = "UPDATE purse SET amount = amount + 1000 WHERE id = 1";
            tokio::spawn(async move { ask(address, json!({ "sql": sql, "timeout_ms": 3000 })).await })
        })
        .collect();
    second.added().await;
    second.is("open").await;
    first.process.signal("CONT");
    for told in late {
        // One whose connection was closed was not told that it was done, either.
        if let Ok(told) = told.await {
            assert_ne!(told.status, StatusCode::OK, "{told:?}");
        }
    }
    first.is("standby").await;
    refused(&first.add().await);
    let position = second.added().await;
    assert_eq!(first.amount(Some(position)).await.0, before + 2, "of what came late nothing was done");
    all_have(&files, before + 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_schema_that_a_stopped_holder_has_begun_is_not_done_twice() {
    let (databases, log) = (MariaDbs::new(2).await, tempfile::tempdir().expect("a folder"));
    let redis = Redis::start().await;
    let first = Proxy::start(&databases, &log, &leased(&redis)).await;
    first.is("open").await;
    let second = Proxy::start(&databases, &log, &leased(&redis)).await;
    second.is("standby").await;
    first.added().await;
    let mut sides = Vec::new();
    for node in 0..databases.count() {
        let mut side = databases.side(node).await;
        side.query_drop("START TRANSACTION; SELECT * FROM purse").await.expect("a transaction that is in its way");
        sides.push(side);
    }
    // Without a name the server makes another index each time.
    let sql = "ALTER TABLE purse ADD INDEX (amount)";
    let address = first.address;
    tokio::spawn(async move { ask(address, json!({ "sql": sql, "timeout_ms": 60_000 })).await });
    let mut begun = Vec::new();
    for side in &mut sides {
        begun.push(waits_anew(side, &[]).await);
    }
    first.process.freeze().await;
    second.is("open").await;
    for (side, begun) in sides.iter_mut().zip(&begun) {
        waits_anew(side, begun).await;
        side.query_drop("ROLLBACK").await.expect("it is out of the way");
    }
    first.process.signal("CONT");
    first.is("standby").await;
    second.added().await;
    for side in &mut sides {
        let sql = "SELECT index_name FROM information_schema.statistics WHERE table_name = 'purse' AND column_name = 'amount'";
        let made: Vec<String> = side.query(sql).await.expect("indexes");
        assert_eq!(made, ["amount"]);
    }
}

/// Waits until others than these wait for a table.
async fn waits_anew(side: &mut Conn, others: &[u64]) -> Vec<u64> {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let sql = "SELECT id FROM information_schema.processlist WHERE state LIKE '%metadata lock%'";
        let now: Vec<u64> = side.query(sql).await.expect("who waits");
        if now.iter().any(|id| !others.contains(id)) {
            return now;
        }
        assert!(std::time::Instant::now() < until, "nobody waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_nobody_writes_and_reads_go_on() {
    let (files, log, mut redis) = (Files::new(3), tempfile::tempdir().expect("a folder"), Redis::start().await);
    let first = Proxy::start(&files, &log, &leased(&redis)).await;
    first.is("open").await;
    let second = Proxy::start(&files, &log, &leased(&redis)).await;
    second.is("standby").await;
    let position = first.added().await;
    let amount = first.amount(None).await.0;
    // Away for less than a term: nobody notices.
    redis.signal("STOP");
    tokio::time::sleep(TERM / 4).await;
    redis.signal("CONT");
    first.added().await;
    redis.stop().await;
    first.is("failed").await;
    let told = first.add().await;
    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE, "{told:?}");
    for proxy in [&first, &second] {
        let reads = || async { proxy.amount(Some(position)).await.0 == amount + 1 };
        holds("reads are answered", Duration::from_millis(500), reads).await;
    }
    redis.start_again(&[]).await;
    let look = || async {
        let stages = [first.standing().await["log"].clone(), second.standing().await["log"].clone()];
        (stages.contains(&json!("open")) && stages.contains(&json!("standby"))).then_some(())
    };
    eventually("one writes, the other stands by", look).await;
    let writer = if first.standing().await["log"] == "open" { &first } else { &second };
    writer.added().await;
    all_have(&files, amount + 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_of_one_log_and_another_or_an_old_copy_of_it_is_not_written() {
    let (files, log, redis) = (Files::new(3), tempfile::tempdir().expect("a folder"), Redis::start().await);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut first = Proxy::start(&files, &log, &leased(&redis)).await;
    first.is("open").await;
    first.added().await;
    first.process.signal("TERM");
    first.process.ended().await;
    std::fs::copy(log.path().join("shop.log"), elsewhere.path().join("old")).expect("a copy");
    let mut again = Proxy::start(&files, &log, &leased(&redis)).await;
    again.added().await;
    again.process.signal("TERM");
    again.process.ended().await;
    let nowhere = Proxy::start(&files, &elsewhere, &leased(&redis)).await;
    let standing = nowhere.is("failed").await;
    assert!(standing["why"].as_str().is_some_and(|why| why.contains("is not at")), "{standing}");
    assert!(!elsewhere.path().join("shop.log").exists(), "it is not made anew");
    assert_eq!(nowhere.add().await.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(nowhere);
    std::fs::rename(elsewhere.path().join("old"), elsewhere.path().join("shop.log")).expect("a file");
    let old = Proxy::start(&files, &elsewhere, &leased(&redis)).await;
    let standing = old.is("failed").await;
    assert!(standing["why"].as_str().is_some_and(|why| why.contains("an old copy")), "{standing}");
    assert_eq!(old.add().await.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(old);
    let last = Proxy::start(&files, &log, &leased(&redis)).await;
    last.added().await;
    all_have(&files, 53).await;
}
