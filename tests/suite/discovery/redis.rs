//! A registry in a real Redis, followed: what is told, how soon, and what a Redis that is away, still loads, hangs or is
//! emptied does to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leverframe::config::RedisSource;
use leverframe::discovery::redis::{Backend, Checked, Hold, Registry, RegistryAt};
use leverframe::discovery::{Seen, Sight, Source, SourceError};
use leverframe::model::Reported;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::programs::tell;
use crate::world::Redis;

/// Longer than any test takes, so that what is seen was seen by a message.
const NEVER: Duration = Duration::from_secs(3600);
/// What a change may take from the write to the sight of it.
const BAR: Duration = Duration::from_millis(100);
const PREFIX: &str = "lf:";

/// A follower that calls the source again and again, and what the source told it.
struct Followed {
    told: UnboundedReceiver<Result<Seen, SourceError>>,
    task: JoinHandle<()>,
}

impl Followed {
    fn start(redis: &Redis, resync: Duration) -> Self {
        let source = Arc::new(RedisSource { url: redis.url(), prefix: PREFIX.to_owned(), resync });
        let (tell, told) = unbounded_channel();
        let sees = tell.clone();
        let sight = Sight::to(move |seen| drop(sees.send(Ok(seen))));
        let task = tokio::spawn(async move {
            loop {
                let lost = source.follow(&sight).await;
                let _ = tell.send(Err(lost));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { told, task }
    }

    async fn next(&mut self) -> Result<Seen, SourceError> {
        timeout(Duration::from_secs(20), self.told.recv()).await.expect("something is told").expect("it follows")
    }

    /// The next set, which must come without an error between.
    async fn sees(&mut self) -> Vec<String> {
        lines(&self.next().await.expect("the source is not lost"))
    }

    /// Waits for a set, whatever comes before it.
    async fn comes_to_see(&mut self, wanted: &[&str]) {
        loop {
            if self.next().await.is_ok_and(|seen| lines(&seen) == wanted) {
                return;
            }
        }
    }

    async fn is_lost(&mut self) -> SourceError {
        loop {
            if let Err(lost) = self.next().await {
                return lost;
            }
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `name address`, and what is reported unless it is up.
fn lines(seen: &Seen) -> Vec<String> {
    let line = |endpoint: &leverframe::model::EndpointSpec| match endpoint.reported {
        Reported::Up => format!("{} {}", endpoint.name, endpoint.address),
        reported => format!("{} {} {reported:?}", endpoint.name, endpoint.address),
    };
    seen.endpoints.iter().map(line).collect()
}

/// Writes a backend as another program would, and publishes nothing.
fn write(redis: &Redis, id: &str, fields: &[&str]) {
    redis.cli(&[&["hset", &format!("{PREFIX}backend:{id}")], fields].concat());
    redis.cli(&["sadd", &format!("{PREFIX}backends"), id]);
}

fn publish(redis: &Redis, message: &str) {
    assert_eq!(redis.cli(&["publish", &format!("{PREFIX}backend_changes"), message]), "1", "one listens");
}

async fn registry(redis: &Redis) -> Registry {
    RegistryAt::new(&redis.url(), PREFIX).expect("a url").connect().await.expect("it is there")
}

fn backend(id: &str, port: u16, status: &str) -> Backend {
    let backend = Backend::new(Some(id), &format!("http://127.0.0.1:{port}")).expect("a backend");
    Backend { status: status.to_owned(), ..backend }
}

#[tokio::test]
async fn everything_is_loaded_at_the_start_and_what_is_malformed_left_out_with_the_reason() {
    let redis = Redis::start().await;
    write(&redis, "a", &["url", "http://127.0.0.1:9001", "status", "UP", "weight", "3", "zone", "eu"]);
    write(&redis, "b", &["url", "127.0.0.1:9002", "status", "draining"]);
    write(&redis, "c", &["url", "http://web", "status", "DOWN"]);
    write(&redis, "tls", &["url", "https://web", "status", "UP"]);
    write(&redis, "two words", &["url", "http://web", "status", "UP"]);
    write(&redis, "light", &["url", "http://web", "weight", "0"]);
    redis.cli(&["sadd", "lf:backends", "empty", "text"]);
    redis.cli(&["set", "lf:backend:text", "x"]);
    // In no set, or under no prefix.
    redis.cli(&["hset", "lf:backend:stray", "url", "http://web"]);
    redis.cli(&["sadd", "backends", "other"]);

    let mut followed = Followed::start(&redis, NEVER);
    let seen = followed.next().await.expect("it is there");
    assert_eq!(lines(&seen), ["a 127.0.0.1:9001", "b 127.0.0.1:9002 Stopping", "c web:80 Down"]);
    let first = &seen.endpoints[0];
    assert_eq!((first.weight.get(), first.labels.get("zone").map(String::as_str)), (3, Some("eu")));
    let skipped: Vec<_> = seen.skipped.iter().map(|skipped| format!("{}: {}", skipped.what, skipped.why)).collect();
    assert_eq!(
        skipped,
        [
            "empty: it has no `url`",
            "light: its weight `0` is no whole number from 1 to 65535",
            "text: its key holds no hash",
            "tls: its url `https://web` cannot be used: endpoints are reached by http, not by https",
            "two words: its id cannot be a name: a name is made of letters, digits, `-`, `_`, `.` and `:`, not ` `",
        ]
    );
}

#[tokio::test]
async fn a_published_change_is_seen_within_the_bar() {
    let redis = Redis::start().await;
    let registry = registry(&redis).await;
    for id in 0..50 {
        registry.put(&backend(&format!("other-{id}"), 9000, "UP")).await.expect("written");
    }
    let mut followed = Followed::start(&redis, NEVER);
    followed.next().await.expect("it is there");
    let mut times = Vec::new();
    for round in 0..200 {
        let status = if round % 2 == 0 { "UP" } else { "DOWN" };
        let start = Instant::now();
        registry.put(&backend("a", 9001, status)).await.expect("written");
        let seen = followed.sees().await;
        times.push(start.elapsed());
        let expected = if round % 2 == 0 { "a 127.0.0.1:9001" } else { "a 127.0.0.1:9001 Down" };
        assert_eq!((seen.first().map(String::as_str), seen.len()), (Some(expected), 51));
    }
    times.sort();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    tell(&format!("a change in Redis: seen after {median:.1?} in the median, {longest:.1?} at most (200 changes)"));
    assert!(median < BAR, "{times:?}");

    registry.remove("a").await.expect("written");
    assert_eq!(followed.sees().await.len(), 50);
}

#[tokio::test]
async fn a_message_is_a_hint_and_nonsense_is_one_too() {
    let redis = Redis::start().await;
    write(&redis, "a", &["url", "web:1", "status", "UP"]);
    let mut followed = Followed::start(&redis, NEVER);
    assert_eq!(followed.sees().await, ["a web:1"]);
    // What the message says is not what is there, and more is said than is known.
    publish(&redis, r#"{"backend_id":"a","status":"DOWN","by":"somebody"}"#);
    assert_eq!(followed.sees().await, ["a web:1"]);
    publish(&redis, r#"{"backend_id":"nobody","status":"UP"}"#);
    assert_eq!(followed.sees().await, ["a web:1"]);
    write(&redis, "b", &["url", "web:2", "status", "UP"]);
    publish(&redis, "nonsense");
    assert_eq!(followed.sees().await, ["a web:1", "b web:2"]);
}

#[tokio::test]
async fn a_change_whose_message_was_lost_is_seen_by_the_next_full_read() {
    let redis = Redis::start().await;
    let mut followed = Followed::start(&redis, Duration::from_millis(200));
    assert!(followed.sees().await.is_empty());
    write(&redis, "a", &["url", "web:1", "status", "UP"]);
    followed.comes_to_see(&["a web:1"]).await;
    // An empty set that can be read is a fact.
    redis.cli(&["flushall"]);
    followed.comes_to_see(&[]).await;
}

#[tokio::test]
async fn after_a_restart_it_is_read_again_and_followed_again() {
    let mut redis = Redis::start().await;
    write(&redis, "a", &["url", "web:1", "status", "UP"]);
    let mut followed = Followed::start(&redis, NEVER);
    assert_eq!(followed.sees().await, ["a web:1"]);
    let start = Instant::now();
    redis.stop().await;
    let lost = followed.is_lost().await;
    tell(&format!("a Redis that ends: noticed after {:.1?} ({lost})", start.elapsed()));
    assert!(matches!(lost, SourceError::Unreachable(_)), "{lost}");
    redis.start_again(&[]).await;
    followed.comes_to_see(&["a web:1"]).await;
    registry(&redis).await.put(&backend("b", 2, "UP")).await.expect("written");
    followed.comes_to_see(&["a web:1", "b 127.0.0.1:2"]).await;
}

#[tokio::test]
async fn while_it_is_away_or_loads_nothing_is_told_that_could_empty_a_cluster() {
    /// Enough to load for a while; every 1024 bytes commands are answered between.
    const PADDING: usize = 3000;
    let mut redis = Redis::start().await;
    write(&redis, "a", &["url", "web:1", "status", "UP"]);
    let padding = format!("for i = 1, {PADDING} do redis.call('set', 'padding:' .. i, 'x') end");
    redis.cli(&["eval", &padding, "0"]);
    let mut followed = Followed::start(&redis, NEVER);
    assert_eq!(followed.sees().await, ["a web:1"]);
    redis.stop().await;
    redis.start_again(&["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"]).await;
    let mut lost = Vec::new();
    let seen = loop {
        match followed.next().await {
            Ok(seen) => break seen,
            Err(error) => lost.push(error.to_string()),
        }
    };
    assert_eq!(lines(&seen), ["a web:1"]);
    assert!(lost.iter().any(|error| error.contains("loading the dataset")), "it was met while it loaded: {lost:?}");
    tell(&format!("a Redis that restarts and loads: {} errors told, and no set that is not its own", lost.len()));
}

#[tokio::test]
async fn one_that_hangs_is_given_up_and_met_again() {
    let redis = Redis::start().await;
    write(&redis, "a", &["url", "web:1", "status", "UP"]);
    let mut followed = Followed::start(&redis, NEVER);
    assert_eq!(followed.sees().await, ["a web:1"]);
    redis.signal("STOP");
    let start = Instant::now();
    let lost = followed.is_lost().await;
    tell(&format!("a Redis that hangs: noticed after {:.1?} ({lost})", start.elapsed()));
    assert!(start.elapsed() < Duration::from_secs(7) && matches!(lost, SourceError::Unreachable(_)), "{lost}");
    redis.signal("CONT");
    followed.comes_to_see(&["a web:1"]).await;
}

#[tokio::test]
async fn only_the_holder_of_the_lease_writes_and_only_over_what_it_read() {
    let redis = Redis::start().await;
    let registry = registry(&redis).await;
    registry.put(&backend("a", 1, "UP")).await.expect("written");
    let term = Duration::from_secs(60);
    assert_eq!(registry.hold("me", term).await, Ok(Hold::Mine));
    assert_eq!(registry.hold("me", term).await, Ok(Hold::Mine), "it is extended by asking again");
    let other = registry.hold("you", term).await.expect("an answer");
    assert!(matches!(other, Hold::Other(left) if left <= term && left > term / 2), "{other:?}");

    let read = backend("a", 1, "UP");
    let checked = |url: &str, before: &str| Checked {
        id: read.id.clone(),
        url: url.to_owned(),
        before: before.to_owned(),
        status: "DOWN".to_owned(),
        at: jiff::Timestamp::now(),
    };
    let status = || redis.cli(&["hget", "lf:backend:a", "status"]);
    let good = checked(&read.url, "UP");
    assert_eq!(registry.write("you", std::slice::from_ref(&good)).await, Ok(None));
    let stale = [checked("http://elsewhere", "UP"), checked(&read.url, "DRAINING")];
    assert_eq!(registry.write("me", &stale).await, Ok(Some([].into())));
    assert_eq!(status(), "UP");
    assert_eq!(registry.write("me", &[good]).await, Ok(Some(["a".to_owned()].into())));
    assert_eq!(status(), "DOWN");

    registry.release("you").await.expect("an answer");
    assert!(matches!(registry.hold("you", term).await, Ok(Hold::Other(_))), "who has none gives none back");
    registry.release("me").await.expect("an answer");
    assert_eq!(registry.hold("you", term).await, Ok(Hold::Mine));
}
