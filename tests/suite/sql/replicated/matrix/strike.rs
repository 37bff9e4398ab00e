//! Owns how each fault is brought about. Each tells whether it has come about; each has ended, with everything back, when it
//! returns.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::sync::futures::Notified;

use super::load::Load;
use super::nodes::Node;
use super::plan::{Fault, Strike};
use super::proxy::{Proxy, grows};
use super::relay::{Mode, Moment};
use super::tear::tear;

/// A moment is waited for so long.
const PATIENCE: Duration = Duration::from_secs(8);
/// Between two looks at how nodes stand.
const LOOK: Duration = Duration::from_millis(50);
/// A file that is slow is held by somebody else for so long at a time, ten times as long as it is free.
const HELD: Duration = Duration::from_millis(30);

/// Everything that a fault can meet.
pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) proxy: Proxy,
    pub(super) load: Load,
    /// The node that is not as the others any more.
    pub(super) odd: Mutex<Option<usize>>,
}

impl World {
    /// Brings about a fault. True where it has come about.
    pub(super) async fn strike(&self, strike: &Strike) -> bool {
        tokio::time::sleep(strike.after).await;
        let node = &self.nodes[strike.node];
        match strike.fault {
            Fault::ConnectRefused => self.refused(node, strike).await,
            Fault::ConnectHang => self.hangs(node, strike).await,
            Fault::KillBeforeSend => self.killed_at(node, Moment::Asked, strike).await,
            Fault::KillAfterSend => self.killed_at(node, Moment::Sent, strike).await,
            Fault::KillAfterCommit => self.killed_at(node, Moment::Committed, strike).await,
            Fault::ReplyCut => self.cut(node).await,
            Fault::Slow => self.slow(node, strike).await,
            Fault::ErrorOnOne => self.differs(strike).await,
            Fault::ProxyKilledAsked => self.proxy_killed(strike, self.load.asks.notified()).await,
            Fault::ProxyKilledAcknowledged => self.proxy_killed(strike, self.load.is_told.notified()).await,
            Fault::ProxyKilledAppended => {
                let log = self.proxy.log();
                self.proxy_killed_at(strike, async || grows(&log, PATIENCE).await.then_some(())).await
            }
            Fault::ProxyKilledDurable => self.proxy_killed_around(node, Moment::Asked, strike).await,
            Fault::ProxyKilledApplied => self.proxy_killed_around(node, Moment::Committed, strike).await,
            Fault::ProxyKilled => self.proxy_killed_at(strike, async || Some(())).await,
            Fault::TornRecord => self.torn(strike).await,
            Fault::DiskFull => self.full(strike).await,
            Fault::NodeDiskFull => self.node_full(node, strike).await,
            Fault::Revived => self.revived(node, strike).await,
            Fault::Flapping => self.flaps(node, strike).await,
            Fault::TwoInTurn => self.two_in_turn(strike).await,
            Fault::AllDown => self.all_down(strike).await,
        }
    }

    /// Waits until a node stands so. False where it does not in time.
    async fn stands(&self, node: usize, within: Duration, is_it: impl Fn(&str) -> bool) -> bool {
        let began = Instant::now();
        while began.elapsed() < within {
            if self.proxy.standing().await["nodes"][node]["state"].as_str().is_some_and(&is_it) {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    async fn refused(&self, node: &Node, strike: &Strike) -> bool {
        let _turn = node.turn().await;
        match node.relay() {
            Some(relay) => {
                relay.refuse().await;
                tokio::time::sleep(strike.lasts).await;
                relay.accept();
            }
            None => {
                node.kill().await;
                tokio::time::sleep(strike.lasts).await;
                node.start().await;
            }
        }
        true
    }

    async fn hangs(&self, node: &Node, strike: &Strike) -> bool {
        let _turn = node.turn().await;
        let Some(relay) = node.relay() else {
            node.hold(strike.lasts).await;
            return true;
        };
        relay.set(Mode::Hang);
        if strike.chance.is_multiple_of(2) {
            // Connections that there were hang, or only those that are opened from now on.
            relay.cut();
        }
        tokio::time::sleep(strike.lasts * 2).await;
        if strike.chance.is_multiple_of(3) {
            relay.cut();
        }
        relay.set(Mode::Pass);
        true
    }

    async fn killed_at(&self, node: &Node, moment: Moment, strike: &Strike) -> bool {
        let _turn = node.turn().await;
        let Some(relay) = node.relay() else { return false };
        let Some(held) = relay.at(moment, PATIENCE).await else { return false };
        node.kill().await;
        drop(held);
        tokio::time::sleep(strike.lasts).await;
        node.start().await;
        true
    }

    async fn cut(&self, node: &Node) -> bool {
        let _turn = node.turn().await;
        let Some(relay) = node.relay() else { return false };
        relay.at(Moment::HalfAnswered, PATIENCE).await.is_some()
    }

    async fn slow(&self, node: &Node, strike: &Strike) -> bool {
        let _turn = node.turn().await;
        let began = Instant::now();
        match node.relay() {
            Some(relay) => {
                relay.set(Mode::Slow(10));
                tokio::time::sleep(strike.lasts * 2).await;
                relay.set(Mode::Pass);
            }
            None => {
                while began.elapsed() < strike.lasts {
                    node.hold(HELD).await;
                    tokio::time::sleep(HELD / 10).await;
                }
            }
        }
        true
    }

    /// A node loses a table, or a row.
    async fn differs(&self, strike: &Strike) -> bool {
        let node = &self.nodes[strike.node];
        let _turn = node.turn().await;
        *self.odd.lock().expect("nobody panics with it") = Some(strike.node);
        let sql = match strike.chance.is_multiple_of(2) {
            true => "ALTER TABLE purse RENAME TO elsewhere",
            false => "DELETE FROM purse",
        };
        node.run(sql).await;
        self.stands(strike.node, PATIENCE * 2, |state| state == "INCONSISTENT").await
    }

    async fn proxy_killed(&self, strike: &Strike, moment: Notified<'_>) -> bool {
        self.proxy_killed_at(strike, async || tokio::time::timeout(PATIENCE, moment).await.ok()).await
    }

    async fn proxy_killed_at<T>(&self, strike: &Strike, moment: impl AsyncFnOnce() -> Option<T>) -> bool {
        let mut proxy = self.proxy.hold().await;
        let Some(held) = moment().await else { return false };
        proxy.kill().await;
        drop(held);
        tokio::time::sleep(strike.lasts / 2).await;
        proxy.start().await;
        true
    }

    async fn proxy_killed_around(&self, node: &Node, moment: Moment, strike: &Strike) -> bool {
        let _turn = node.turn().await;
        match (node.relay(), node.file()) {
            (Some(relay), _) => self.proxy_killed_at(strike, async || relay.at(moment, PATIENCE).await).await,
            (None, Some(file)) => {
                self.proxy_killed_at(strike, async || grows(file, PATIENCE).await.then_some(())).await
            }
            (None, None) => false,
        }
    }

    async fn torn(&self, strike: &Strike) -> bool {
        let mut proxy = self.proxy.hold().await;
        let mut chance = Rng::with_seed(strike.chance);
        tokio::time::sleep(Duration::from_micros(chance.u64(..20_000))).await;
        proxy.kill().await;
        tear(&self.proxy.log(), &mut chance);
        proxy.start().await;
        true
    }

    async fn full(&self, strike: &Strike) -> bool {
        let disk = self.proxy.disk();
        let heard = || self.load.heard(&["log-failed", "log-in-doubt", "log-closed"]);
        let (before, began) = (heard(), Instant::now());
        disk.fill();
        while heard() == before && began.elapsed() < PATIENCE * 2 {
            tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(strike.lasts).await;
        disk.free();
        heard() > before
    }

    async fn node_full(&self, node: &Node, strike: &Strike) -> bool {
        let _turn = node.turn().await;
        let Some(disk) = node.disk() else { return false };
        disk.fill();
        let is_noticed = self.stands(strike.node, PATIENCE, |state| state != "UP").await;
        tokio::time::sleep(strike.lasts).await;
        disk.free();
        is_noticed
    }

    async fn revived(&self, node: &Node, strike: &Strike) -> bool {
        let _turn = node.turn().await;
        node.kill().await;
        tokio::time::sleep(strike.lasts).await;
        node.start().await;
        self.stands(strike.node, PATIENCE * 2, |state| state == "UP").await
    }

    async fn flaps(&self, node: &Node, strike: &Strike) -> bool {
        let _turn = node.turn().await;
        let mut chance = Rng::with_seed(strike.chance);
        for _ in 0..4 {
            match node.relay() {
                Some(relay) => relay.refuse().await,
                None => node.kill().await,
            }
            tokio::time::sleep(Duration::from_millis(chance.u64(20..300))).await;
            match node.relay() {
                Some(relay) => relay.accept(),
                None => node.start().await,
            }
            tokio::time::sleep(Duration::from_millis(chance.u64(20..600))).await;
        }
        true
    }

    async fn two_in_turn(&self, strike: &Strike) -> bool {
        // Always in this order, so that two who want two do not wait for each other.
        let (first, second) = (strike.node.min(strike.other), strike.node.max(strike.other));
        let (first, second) = (&self.nodes[first], &self.nodes[second]);
        let _turns = (first.turn().await, second.turn().await);
        first.kill().await;
        tokio::time::sleep(strike.lasts).await;
        second.kill().await;
        first.start().await;
        tokio::time::sleep(strike.lasts).await;
        second.start().await;
        true
    }

    async fn all_down(&self, strike: &Strike) -> bool {
        let mut turns = Vec::new();
        for node in &self.nodes {
            turns.push(node.turn().await);
        }
        join_all(self.nodes.iter().map(Node::kill)).await;
        tokio::time::sleep(strike.lasts).await;
        join_all(self.nodes.iter().map(Node::start)).await;
        true
    }
}
