//! Owns what clients do in a run, none of which may be done twice, and what each was told of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::plan::Kind;
use super::proxy::Proxy;
use crate::sql::replicated::scene::numbered;

/// Counters that clients raise, and purses that they move money between.
pub(super) const COUNTERS: i64 = 2;
pub(super) const PURSES: i64 = 4;
pub(super) const FILLED: i64 = 100_000;
/// What the chain is counted modulo: what two entries leave there depends on their order.
pub(super) const CHAIN: i64 = 1_000_003;
pub(super) const LINK: i64 = 31;

/// How the names of the tables begin that clients make.
pub(super) const MADE: &str = "made";

/// A client waits no longer than this for the end of an answer.
const HANGS: Duration = Duration::from_secs(20);

/// The tables, on each node before the entry is there.
pub(super) fn tables(kind: Kind) -> String {
    let id = match kind {
        Kind::Http | Kind::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
        Kind::Postgres => "serial PRIMARY KEY",
        Kind::MariaDb => "BIGINT PRIMARY KEY AUTO_INCREMENT",
    };
    let rows = |count: i64, value: i64| {
        let rows: Vec<String> = (1..=count).map(|id| format!("({id}, {value})")).collect();
        rows.join(", ")
    };
    format!(
        "CREATE TABLE counters (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
        CREATE TABLE purse (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL);
        CREATE TABLE chain (id INTEGER PRIMARY KEY, h INTEGER NOT NULL);
        CREATE TABLE history (id {id}, client INTEGER NOT NULL, nth INTEGER NOT NULL, source INTEGER NOT NULL,
            target INTEGER NOT NULL, amount INTEGER NOT NULL, tag INTEGER NOT NULL);
        INSERT INTO counters VALUES {};
        INSERT INTO purse VALUES {};
        INSERT INTO chain VALUES (1, 1)",
        rows(COUNTERS, 0),
        rows(PURSES, FILLED)
    )
}

/// What a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// `n = n + 1` of a counter.
    Bump(i64),
    /// A row with a number that the entry gives.
    Row,
    /// A link of the chain, and a row that says so.
    Link(i64),
    /// So much from one purse to another, a link of the chain, and a row that says so.
    Transfer { source: i64, target: i64, amount: i64, tag: i64 },
    /// A link of the chain and a row, and then what no database takes.
    Bad(i64),
    /// A table, which cannot be made twice.
    Table,
}

/// What it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is done, at this position.
    Done(u64),
    /// It is in the log at this position, and will be done.
    Promised(u64),
    /// Nothing was done.
    Refused,
    /// Nothing for certain.
    Unknown,
}

/// One write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) client: i64,
    pub(super) nth: i64,
    pub(super) what: What,
    pub(super) told: Told,
}

/// All that clients have done.
#[derive(Default)]
pub(super) struct Load {
    writes: Mutex<Vec<Write>>,
    /// How often each answer was given, by its reason.
    reasons: Mutex<BTreeMap<String, usize>>,
    /// How many acknowledged writes were seen by who asked for their position.
    seen: AtomicUsize,
    /// What must not be.
    wrong: Mutex<Vec<String>>,
    is_over: AtomicBool,
    pub(super) asks: Notify,
    pub(super) is_told: Notify,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    pub(super) fn writes(&self) -> Vec<Write> {
        lock(&self.writes).clone()
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    pub(super) fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }

    pub(super) fn reasons(&self) -> BTreeMap<String, usize> {
        lock(&self.reasons).clone()
    }

    /// How often clients were told one of these.
    pub(super) fn heard(&self, reasons: &[&str]) -> usize {
        let heard = lock(&self.reasons);
        reasons.iter().filter_map(|reason| heard.get(*reason)).sum()
    }

    /// Clients finish what they are at.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// One client, until the load ends.
    pub(super) async fn client(&self, client: i64, kind: Kind, proxy: &Proxy, mut chance: Rng) {
        let mut nth = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            nth += 1;
            let what = choose(&mut chance);
            let at = {
                let mut writes = lock(&self.writes);
                writes.push(Write { client, nth, what, told: Told::Unknown });
                writes.len() - 1
            };
            let body = json!({
                "statements": statements(what, (client, nth), kind),
                "timeout_ms": 500 + chance.u64(..3000),
            });
            let body = alone(body);
            self.asks.notify_waiters();
            let heard = post(proxy.address(), &body).await;
            let told = self.told(heard.as_ref(), what);
            lock(&self.writes)[at].told = told;
            self.is_told.notify_waiters();
            match told {
                Told::Done(position) if chance.u8(..8) == 0 && !matches!(what, What::Bump(_) | What::Table) => {
                    self.see(proxy.address(), (client, nth), position).await;
                }
                // Who is refused, or meets nobody, does not ask all the time.
                Told::Refused | Told::Unknown => tokio::time::sleep(Duration::from_millis(30)).await,
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(chance.u64(..8))).await;
        }
    }

    /// What an answer means.
    fn told(&self, heard: Option<&(StatusCode, Value)>, what: What) -> Told {
        let Some((status, document)) = heard else {
            *lock(&self.reasons).entry("connection-lost".to_owned()).or_default() += 1;
            return Told::Unknown;
        };
        let mut reason = document["cause"]["reason"].as_str().unwrap_or("done").to_owned();
        if reason == "no-node" && document["detail"].as_str().is_some_and(|why| why.contains("log cannot be used")) {
            reason = "log-closed".to_owned();
        }
        *lock(&self.reasons).entry(reason.clone()).or_default() += 1;
        let position = document["position"].as_u64();
        match (status.as_u16(), reason.as_str(), position) {
            (200, "done", Some(position)) => {
                // Nothing where only that it was done is known.
                let is_one = |effect: &Value| effect["affected"] == 1 || effect["affected"].is_null();
                let is_right = match what {
                    What::Row | What::Bump(_) => is_one(document),
                    What::Link(_) | What::Transfer { .. } => {
                        document["results"].as_array().is_some_and(|all| all.iter().all(is_one))
                    }
                    What::Table => true,
                    What::Bad(_) => false,
                };
                if !is_right {
                    lock(&self.wrong).push(format!("{what:?} was answered with {document}"));
                }
                Told::Done(position)
            }
            (504, "not-acknowledged", Some(position)) => Told::Promised(position),
            (504, "not-acknowledged", None) | (500, "log-in-doubt", _) => Told::Unknown,
            // Each says that nothing was done. What is refused is about a table that the node asked for it does not have: the odd one.
            (422, "statement-failed" | "sql-refused", _)
            | (503, "no-node" | "log-closed" | "log-failed" | "not-ready", _)
            | (504, "deadline", _)
            | (502, "nodes-failed", _) => Told::Refused,
            _ => {
                lock(&self.wrong).push(format!("{what:?} was answered with {status} {document}"));
                Told::Unknown
            }
        }
    }

    /// What was acknowledged is seen by whoever asks for its position.
    async fn see(&self, address: SocketAddr, (client, nth): (i64, i64), position: u64) {
        let sql = format!("SELECT count(*) FROM history WHERE client = {client} AND nth = {nth}");
        let body = json!({ "sql": sql, "position": position, "timeout_ms": 1000 });
        let Some((status, document)) = post(address, &body).await else { return };
        match status.as_u16() {
            200 if document["rows"] == json!([[1]]) => {
                self.seen.fetch_add(1, Ordering::Relaxed);
            }
            // Nobody who could tell is within reach.
            502..=504 => {}
            status => lock(&self.wrong)
                .push(format!("write {nth} of client {client}, at {position}, is not seen: {status} {document}")),
        }
    }
}

fn choose(chance: &mut Rng) -> What {
    let tag = chance.i64(1..1_000);
    match chance.u8(..60) {
        0..=14 => What::Bump(chance.i64(1..=COUNTERS)),
        15..=26 => What::Row,
        27..=38 => What::Link(tag),
        39..=41 => What::Bad(tag),
        42 => What::Table,
        _ => {
            let source = chance.i64(1..=PURSES);
            let target = source % PURSES + 1;
            What::Transfer { source, target, amount: chance.i64(1..10), tag }
        }
    }
}

/// A list of one statement is as well asked for as the statement itself.
fn alone(mut body: Value) -> Value {
    if let Some([one]) = body["statements"].as_array().map(Vec::as_slice) {
        let timeout = body["timeout_ms"].clone();
        body = one.clone();
        body["timeout_ms"] = timeout;
    }
    body
}

fn statements(what: What, (client, nth): (i64, i64), kind: Kind) -> Vec<Value> {
    let one = |sql: &str, params: &[i64]| json!({ "sql": words(sql, kind), "params": params });
    let link = |tag: i64| one(&format!("UPDATE chain SET h = (h * {LINK} + ?) % {CHAIN} WHERE id = 1"), &[tag]);
    let row = |source: i64, target: i64, amount: i64, tag: i64| {
        let sql = "INSERT INTO history (client, nth, source, target, amount, tag) VALUES (?, ?, ?, ?, ?, ?)";
        one(sql, &[client, nth, source, target, amount, tag])
    };
    let purse = |sign: &str, amount: i64, id: i64| {
        one(&format!("UPDATE purse SET amount = amount {sign} ? WHERE id = ?"), &[amount, id])
    };
    match what {
        What::Bump(id) => vec![one("UPDATE counters SET n = n + 1 WHERE id = ?", &[id])],
        What::Row => vec![row(0, 0, 0, 0)],
        What::Link(tag) => vec![link(tag), row(0, 0, 0, tag)],
        What::Transfer { source, target, amount, tag } => {
            vec![purse("-", amount, source), purse("+", amount, target), link(tag), row(source, target, amount, tag)]
        }
        What::Table => {
            vec![one(&format!("CREATE TABLE {MADE}_{client}_{nth} (id INTEGER PRIMARY KEY)"), &[])]
        }
        What::Bad(tag) => {
            vec![link(tag), row(0, 0, 0, tag), one("INSERT INTO purse (id, amount) VALUES (?, ?)", &[1, 0])]
        }
    }
}

/// A statement with its parameters as the databases write them.
fn words(sql: &str, kind: Kind) -> String {
    if kind == Kind::Postgres { numbered(sql) } else { sql.to_owned() }
}

/// One request on a connection of its own; none where no whole answer comes.
async fn post(address: SocketAddr, body: &Value) -> Option<(StatusCode, Value)> {
    let asked = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let request = Request::post("/query")
            .header("host", address.to_string())
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status();
        let bytes = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&bytes).ok()?))
    };
    tokio::time::timeout(HANGS, asked).await.ok()?
}
