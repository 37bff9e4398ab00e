//! Checks: what changed is written once and published once by two processes together, and nothing else is.

use std::time::Duration;

use crate::orchestrate::{Orchestrator, node, stands, toggle, write};
use crate::programs::Program;
use crate::world::{Redis, eventually, holds};

/// All commands that the Redis carries out, also those within scripts.
struct Watched(Program);

impl Watched {
    async fn start(redis: &Redis) -> Self {
        let mut monitor = Program::start(redis.client().arg("monitor"));
        monitor.says("OK", |said| said.starts_with("OK").then_some(())).await;
        Self(monitor)
    }

    fn count(&self, words: &[&str]) -> usize {
        let is_one = |line: &&str| words.iter().all(|word| line.contains(&format!("\"{word}\"")));
        self.0.output().to_uppercase().lines().filter(is_one).count()
    }

    /// Changes of backends, and messages.
    fn written(&self) -> (usize, usize) {
        (self.count(&["HSET"]), self.count(&["PUBLISH"]))
    }
}

#[tokio::test]
async fn a_change_is_written_once_and_published_once_and_nothing_while_nothing_changes() {
    let redis = Redis::start().await;
    let (a, b) = (node("a").await, node("b").await);
    write(&redis, "a", &a);
    write(&redis, "b", &b);
    let _both = (Orchestrator::start(&redis).await, Orchestrator::start(&redis).await);
    stands(&redis, "a", "UP").await;
    stands(&redis, "b", "UP").await;

    let watched = Watched::start(&redis).await;
    let quiet = || async { watched.written() == (0, 0) };
    holds("nothing is written while nothing changes", Duration::from_secs(2), quiet).await;
    eventually("it is checked meanwhile", || async { (watched.count(&["SMEMBERS"]) > 5).then_some(()) }).await;

    toggle(&a).await;
    stands(&redis, "a", "DOWN").await;
    let once = || async { watched.written() == (1, 1) };
    holds("one change, one message", Duration::from_secs(1), once).await;
    toggle(&a).await;
    stands(&redis, "a", "UP").await;
    let twice = || async { watched.written() == (2, 2) };
    holds("one more of each", Duration::from_secs(1), twice).await;
    assert_ne!(redis.cli(&["hget", "backend:a", "last_checked"]), "");
}

#[tokio::test]
async fn who_is_told_to_stop_is_left_alone_and_who_does_not_answer_is_down() {
    let redis = Redis::start().await;
    let (a, b) = (node("a").await, node("b").await);
    write(&redis, "a", &a);
    write(&redis, "b", &b);
    let _one = Orchestrator::start(&redis).await;
    stands(&redis, "a", "UP").await;
    stands(&redis, "b", "UP").await;
    redis.cli(&["hset", "backend:a", "status", "DRAINING"]);
    b.stop().await;
    stands(&redis, "b", "DOWN").await;
    let left_alone = || async { redis.cli(&["hget", "backend:a", "status"]) == "DRAINING" };
    holds("it goes on draining", Duration::from_secs(1), left_alone).await;
}
