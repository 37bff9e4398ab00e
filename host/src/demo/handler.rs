//! What a demo node answers: the request goes in, the reply comes out. Knows no sockets and never waits; the server
//! does both.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::fault::{Fault, Spell, is_hit};
use super::query::millis;
use super::settings::Work;
use super::sql::SqlService;
use crate::model::EndpointName;

/// How long `/process` takes when the query does not say.
const USUAL_DELAY: Duration = Duration::from_millis(100);
/// The longest that `/process` may take: a client must not be able to hold a node for ever.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// What the server is to send.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// A JSON body.
    Json(StatusCode, Value),
    /// The request's own body.
    Echo,
    /// The beginning of a body, and then the end of the connection.
    Cut,
    /// Nothing, ever.
    Never,
    /// The statistics of all workers.
    Statistics,
    /// What the node's database says.
    Sql,
}

impl Reply {
    /// Whether the client got what it asked for. Of SQL only its answer tells.
    pub(super) fn is_success(&self) -> bool {
        match self {
            Self::Json(status, _) => status.is_success(),
            Self::Echo | Self::Statistics | Self::Sql => true,
            Self::Cut | Self::Never => false,
        }
    }
}

/// A reply, and the pause before it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) after: Duration,
    pub(super) reply: Reply,
    /// Whether it goes into the statistics: what is asked about the node itself does not.
    pub(super) counts: bool,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { after: Duration::ZERO, reply, counts: false }
    }
}

/// A node's name and what it remembers between requests.
#[derive(Debug)]
pub(super) struct Handler {
    name: EndpointName,
    work: Work,
    started: Instant,
    requests: AtomicU64,
    /// Of the requests, those that are work.
    worked: AtomicU64,
    healthy: AtomicBool,
    spell: watch::Sender<Spell>,
    /// Whether there is a database to ask.
    has_sql: bool,
}

impl Handler {
    /// A healthy node that has answered nothing.
    pub(super) fn new(name: EndpointName, work: Work, started: Instant) -> Self {
        Self {
            name,
            work,
            started,
            requests: AtomicU64::new(0),
            worked: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
            spell: watch::Sender::new(Spell::NONE),
            has_sql: false,
        }
    }

    /// The same with a database to ask, or without.
    pub(super) fn with_sql(self, has_sql: bool) -> Self {
        Self { has_sql, ..self }
    }

    /// What is wrong with the node, as it changes.
    pub(super) fn spell(&self) -> watch::Receiver<Spell> {
        self.spell.subscribe()
    }

    /// Who answers.
    pub(super) fn name(&self) -> &EndpointName {
        &self.name
    }

    /// Requests answered. Health checks do not count: they would blur how the traffic is distributed.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What `/health` says.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Answers one request. A path that means nothing special is answered as `/` is, so that any route can be tried.
    pub(super) fn answer(&self, path: &str, query: Option<&str>, now: Instant) -> Answer {
        let query = query.unwrap_or_default();
        match path {
            "/fault" => return self.set_fault(query, now).into(),
            "/toggle-health" => {
                self.healthy.fetch_xor(true, Ordering::Relaxed);
                return self.health_as(StatusCode::OK).into();
            }
            _ => {}
        }
        let fault = self.spell.borrow().at(now);
        let mut answer = match (path, fault) {
            (_, Some(Fault::Hang)) => Reply::Never.into(),
            ("/health", _) => self.health().into(),
            ("/heartbeat", _) => self.heartbeat(now).into(),
            ("/worker/stats", _) => Reply::Statistics.into(),
            (_, fault) => Answer { counts: true, ..self.usual(path, query, fault) },
        };
        if let Some(Fault::Slow(by)) = fault {
            answer.after += by;
        }
        answer
    }

    /// Answers a request that counts.
    fn usual(&self, path: &str, query: &str, fault: Option<Fault>) -> Answer {
        let count = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        match (path, fault) {
            (_, Some(Fault::Errors { percent, status })) if is_hit(count, percent) => {
                Reply::Json(status, json!({ "node": self.name.as_str(), "error": "it was told to fail" })).into()
            }
            (_, Some(Fault::Reset)) => Reply::Cut.into(),
            (path, _) if self.has_sql && SqlService::has(path) => Reply::Sql.into(),
            ("/api/v1/hello", _) => {
                self.worked(Duration::ZERO, |_| json!({ "message": format!("hello from container: {}", self.name) }))
            }
            ("/process", _) => self
                .worked(delay(query), |took| json!({ "node": self.name.as_str(), "processed_ms": whole_millis(took) })),
            ("/echo", _) => Reply::Echo.into(),
            _ => ok(json!({ "node": self.name.as_str(), "requests": count, "path": path })),
        }
    }

    /// Answers after the simulated work and the time that was asked for, unless the work fails.
    fn worked(&self, asked: Duration, done: impl FnOnce(Duration) -> Value) -> Answer {
        let number = self.worked.fetch_add(1, Ordering::Relaxed) + 1;
        let after = asked + self.work.delay();
        let reply = match is_hit(number, self.work.failure_percent) {
            true => {
                let failed = json!({ "node": self.name.as_str(), "error": "the simulated work failed" });
                Reply::Json(StatusCode::INTERNAL_SERVER_ERROR, failed)
            }
            false => Reply::Json(StatusCode::OK, done(after)),
        };
        Answer { after, ..reply.into() }
    }

    fn set_fault(&self, query: &str, now: Instant) -> Reply {
        match Spell::parse(query, now) {
            Ok(spell) => {
                self.spell.send_replace(spell);
                let fault = spell.fault.map(|fault| format!("{fault:?}"));
                Reply::Json(StatusCode::OK, json!({ "node": self.name.as_str(), "fault": fault }))
            }
            Err(known) => Reply::Json(StatusCode::BAD_REQUEST, json!({ "error": known })),
        }
    }

    fn health(&self) -> Reply {
        self.health_as(if self.is_healthy() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
    }

    /// That the process lives, which it does also while it says that it is unhealthy.
    fn heartbeat(&self, now: Instant) -> Reply {
        let uptime = whole_millis(now.saturating_duration_since(self.started));
        Reply::Json(StatusCode::OK, json!({ "node": self.name.as_str(), "status": "alive", "uptime_ms": uptime }))
    }

    fn health_as(&self, status: StatusCode) -> Reply {
        let word = if self.is_healthy() { "healthy" } else { "unhealthy" };
        Reply::Json(status, json!({ "node": self.name.as_str(), "status": word }))
    }
}

fn ok(body: Value) -> Answer {
    Reply::Json(StatusCode::OK, body).into()
}

/// The delay that `ms=` asks for, within bounds; the usual one when it asks for none or for no number.
fn delay(query: &str) -> Duration {
    millis(query, "ms").unwrap_or(USUAL_DELAY).min(LONGEST_DELAY)
}

fn whole_millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler() -> Handler {
        working(Work::default())
    }

    fn working(work: Work) -> Handler {
        Handler::new(EndpointName::new("node-1").unwrap(), work, Instant::now())
    }

    fn counted(answer: Answer) -> Answer {
        Answer { counts: true, ..answer }
    }

    fn get(handler: &Handler, path: &str, query: Option<&str>) -> Answer {
        handler.answer(path, query, Instant::now())
    }

    #[test]
    fn the_root_names_the_node_and_counts() {
        let handler = handler();
        for (path, count) in [("/", 1), ("/any", 2)] {
            let expected = counted(ok(json!({ "node": "node-1", "requests": count, "path": path })));
            assert_eq!(get(&handler, path, None), expected);
        }
        assert_eq!(handler.requests(), 2);
    }

    #[test]
    fn hello_says_which_container() {
        let expected = ok(json!({ "message": "hello from container: node-1" }));
        assert_eq!(get(&handler(), "/api/v1/hello", None), counted(expected));
    }

    #[test]
    fn simulated_work_takes_its_time_and_fails_as_often_as_it_is_told() {
        let handler = working(Work { average_delay: Duration::from_millis(100), failure_percent: 5 });
        for path in ["/api/v1/hello", "/process?"] {
            let (path, query) = path.split_once('?').map_or((path, None), |(path, _)| (path, Some("ms=1000")));
            let asked = if query.is_some() { 1000 } else { 0 };
            let answers: Vec<_> = (0..100).map(|_| get(&handler, path, query)).collect();
            assert!(answers.iter().all(|answer| (50..=150).contains(&(answer.after.as_millis() - asked))));
            assert_eq!(answers.iter().filter(|answer| !answer.reply.is_success()).count(), 5, "{path}");
        }
        assert_eq!(get(&handler, "/", None).after, Duration::ZERO);
        assert!((0..100).all(|_| get(&handler, "/", None).reply.is_success()));
    }

    #[test]
    fn what_is_asked_about_the_node_does_not_count() {
        let handler = handler();
        get(&handler, "/toggle-health", None);
        for path in ["/health", "/toggle-health", "/toggle-health", "/heartbeat", "/worker/stats", "/fault"] {
            assert!(!get(&handler, path, None).counts, "{path}");
        }
        let beat = get(&handler, "/heartbeat", None).reply;
        let Reply::Json(StatusCode::OK, beat) = beat else { panic!("{beat:?}") };
        assert_eq!((&beat["node"], &beat["status"]), (&json!("node-1"), &json!("alive")));
        assert!(beat["uptime_ms"].is_u64(), "{beat}");
        assert_eq!(handler.requests(), 0);
    }

    #[test]
    fn health_can_be_toggled_and_does_not_count() {
        let handler = handler();
        let sick = json!({ "node": "node-1", "status": "unhealthy" });
        assert_eq!(get(&handler, "/toggle-health", None), ok(sick.clone()));
        assert_eq!(get(&handler, "/health", None), Reply::Json(StatusCode::SERVICE_UNAVAILABLE, sick).into());
        get(&handler, "/toggle-health", None);
        assert_eq!(get(&handler, "/health", None), ok(json!({ "node": "node-1", "status": "healthy" })));
        assert_eq!(handler.requests(), 0);
    }

    #[test]
    fn the_delay_is_bounded() {
        for (query, expected) in [("", 100), ("ms=5", 5), ("a=b&ms=7", 7), ("ms=soon", 100), ("ms=999999999", 10_000)] {
            assert_eq!(delay(query), Duration::from_millis(expected), "{query:?}");
        }
    }

    #[test]
    fn sql_is_for_the_database_where_there_is_one_unless_the_node_is_to_fail() {
        let handler = handler().with_sql(true);
        for path in ["/query", "/shape", "/transactions", "/transactions/1/commit"] {
            assert_eq!(get(&handler, path, None), counted(Reply::Sql.into()));
            assert_ne!(get(&self::handler(), path, None).reply, Reply::Sql);
        }
        assert_ne!(get(&handler, "/queries", None).reply, Reply::Sql);
        for (fault, reply) in [("kind=reset", Reply::Cut), ("kind=hang", Reply::Never)] {
            get(&handler, "/fault", Some(fault));
            assert_eq!(get(&handler, "/query", None).reply, reply);
        }
    }

    #[test]
    fn a_fault_shows_until_it_is_taken_back() {
        let handler = handler();
        let replies = |query: &str, path: &str| {
            get(&handler, "/fault", Some(query));
            (0..4).map(|_| get(&handler, path, None)).collect::<Vec<_>>()
        };
        assert!(replies("kind=hang", "/health").iter().all(|answer| answer.reply == Reply::Never));
        assert!(replies("kind=reset", "/").iter().all(|answer| answer.reply == Reply::Cut));
        assert!(replies("kind=slow&ms=30", "/health").iter().all(|answer| answer.after.as_millis() == 30));
        let failed = |answer: &&Answer| matches!(answer.reply, Reply::Json(StatusCode::INTERNAL_SERVER_ERROR, _));
        assert_eq!(replies("kind=errors&percent=50", "/").iter().filter(failed).count(), 2);
        assert_eq!(replies("kind=none", "/").iter().filter(failed).count(), 0);
    }
}
