//! Owns what may be read while another proxy has the log. What a node has is learnt from its watermark, asked for again and
//! again; which nodes were taken out, from the log, which is only looked into. Nothing is written, neither there nor here.
//!
//! Without the writer nobody knows what was acknowledged a moment ago. What is promised is less than it promises: a read is
//! answered by a node that has all that any node was last seen to have, and everything up to the position that it asks for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant as Clock, timeout};

use super::apply::Link;
use super::kept::Kept;
use super::log::{self, Identity, Position};
use super::mark::Marks;
use super::replicas::{Freshness, Reader};
use super::seat::Plan;
use super::state::State;
use crate::model::{Address, EndpointName};
use crate::sql::backend::Backend;
use crate::sql::error::{Error, Unready};

/// How often nodes, and the log, are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How often while a read waits.
const SOON: Duration = Duration::from_millis(20);

/// How a node was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub name: EndpointName,
    /// Up to where it has applied the log; none where that is not known now.
    pub position: Option<Position>,
    /// Whether it may answer a read now.
    pub is_readable: bool,
    /// Why it may not.
    pub why: String,
}

/// All that is known.
#[derive(Clone, Debug, PartialEq)]
struct Sight {
    /// Which log it is; why that is not known.
    log: Result<Identity, String>,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq)]
struct Node {
    name: EndpointName,
    /// The log that it follows, and how far it is; why that is not known.
    mark: Result<(String, Position), String>,
    /// How it stands, by the log, where it was taken out.
    out: Option<State>,
}

/// Looks at the nodes, until it is dropped.
pub struct Standby {
    seen: watch::Receiver<Sight>,
    hurry: Arc<Notify>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Standby {
    /// Begins; on a runtime of tokio.
    pub(super) fn start(plan: &Plan) -> Self {
        let unknown = "not asked yet";
        let node =
            |(name, _): &(EndpointName, Address)| Node { name: name.clone(), mark: Err(unknown.to_owned()), out: None };
        let sight = Sight { log: Err(unknown.to_owned()), nodes: plan.nodes.iter().map(node).collect() };
        let (sight, seen) = watch::channel(sight);
        let (sight, hurry) = (Arc::new(sight), Arc::new(Notify::new()));
        let mut tasks = vec![tokio::spawn(watch_log(plan.log.clone(), Arc::clone(&sight))).abort_handle()];
        for (node, (_, address)) in plan.nodes.iter().enumerate() {
            let watcher = Watcher {
                node,
                address: address.clone(),
                backend: Arc::clone(&plan.backend),
                // Only reads: of what log, by whom written, does not matter for that.
                marks: Marks::new(plan.backend.dialect(), plan.name.as_str(), Identity(String::new()), 0),
                within: plan.timing.connect,
                sight: Arc::clone(&sight),
                hurry: Arc::clone(&hurry),
            };
            tasks.push(tokio::spawn(watcher.run()).abort_handle());
        }
        Self { seen, hurry, tasks }
    }

    /// The nodes that may answer a read; waits until there is one.
    ///
    /// # Errors
    /// Where there is none in time.
    pub(super) async fn readers(&self, wanted: Freshness, due: Instant) -> Result<Vec<Reader>, Error> {
        loop {
            let found = self.seen.borrow().readers(wanted);
            if !found.is_empty() {
                return Ok(found);
            }
            if Clock::now() >= Clock::from_std(due) {
                return Err(self.nobody(wanted));
            }
            self.hurry.notify_waiters();
            // Either there is news, or it is looked at once more.
            let _ = timeout(SOON, self.seen.clone().changed()).await;
        }
    }

    /// How the nodes were last seen.
    pub fn nodes(&self) -> Vec<Seen> {
        self.seen.borrow().told()
    }

    fn nobody(&self, wanted: Freshness) -> Error {
        let (least, nodes) = (wanted.least, self.nodes());
        let standing = |node: Seen| {
            let at = node.position.map_or_else(|| node.why.clone(), |position| format!("at {position}"));
            (node.name.to_string(), at)
        };
        let why = format!("no node is known to have everything up to {least} in time, and another proxy has the log");
        Error::Nobody(Unready { why, nodes: nodes.into_iter().map(standing).collect() })
    }
}

impl Sight {
    fn readers(&self, wanted: Freshness) -> Vec<Reader> {
        let best = self.nodes.iter().filter_map(|node| self.position(node).ok()).max().unwrap_or_default();
        let reader = |node: &Node| {
            let position = self.position(node).ok()?;
            let is_fresh = position >= wanted.least && position.0.saturating_add(wanted.max_lag) >= best.0;
            is_fresh.then(|| Reader { name: node.name.clone(), position })
        };
        self.nodes.iter().filter_map(reader).collect()
    }

    /// How far a node is that may be read from at all.
    fn position(&self, node: &Node) -> Result<Position, String> {
        let log = self.log.as_ref().map_err(|why| format!("the log: {why}"))?;
        if let Some(state) = &node.out {
            return Err(format!("{}: {}", state.name(), state.why()));
        }
        match node.mark.as_ref()? {
            (follows, position) if *follows == log.0 => Ok(*position),
            (follows, _) => Err(format!("it follows another log, {follows}")),
        }
    }

    fn told(&self) -> Vec<Seen> {
        let fresh = self.readers(Freshness::default());
        let told = |node: &Node| Seen {
            name: node.name.clone(),
            position: node.mark.as_ref().ok().map(|(_, position)| *position),
            is_readable: fresh.iter().any(|reader| reader.name == node.name),
            why: self.position(node).err().unwrap_or_default(),
        };
        self.nodes.iter().map(told).collect()
    }
}

/// Follows what the log says of nodes.
async fn watch_log(path: PathBuf, sight: Arc<watch::Sender<Sight>>) {
    loop {
        let at = path.clone();
        let looked = tokio::task::spawn_blocking(move || log::look(&at)).await;
        let looked = match looked {
            Ok(looked) => looked.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        change(&sight, |sight| match looked {
            Err(why) => sight.log = Err(why),
            Ok(log::Look { known, nodes }) => {
                sight.log = Ok(known.identity);
                for node in &mut sight.nodes {
                    // Of one that the log does not know, nobody knows what it has.
                    let unknown = || State::RebuildNeeded { why: "the log does not know it".to_owned() };
                    let mark = nodes.get(node.name.as_str());
                    node.out = mark.map_or_else(|| Some(unknown()), |mark| Kept::read(mark.state.as_deref()).state());
                }
            }
        });
        tokio::time::sleep(LOOK).await;
    }
}

/// Follows the watermark of one node.
struct Watcher {
    node: usize,
    address: Address,
    backend: Arc<dyn Backend>,
    marks: Marks,
    within: Duration,
    sight: Arc<watch::Sender<Sight>>,
    hurry: Arc<Notify>,
}

impl Watcher {
    async fn run(self) {
        let mut link = None;
        loop {
            let hurry = self.hurry.notified();
            let mark = self.look(&mut link).await;
            let is_there = mark.is_ok();
            change(&self.sight, |sight| {
                if let Some(node) = sight.nodes.get_mut(self.node) {
                    node.mark = mark;
                }
            });
            match is_there {
                true => drop(timeout(LOOK, hurry).await),
                // One that does not answer is not asked more often because many wait.
                false => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Asks a node, over a new session where there is none.
    async fn look(&self, link: &mut Option<Link>) -> Result<(String, Position), String> {
        let failed = |fault: crate::sql::backend::Fault| fault.message;
        let mut open = match link.take() {
            Some(open) => open,
            None => Link::open(self.backend.as_ref(), &self.address, self.within).await.map_err(failed)?,
        };
        let mark = open.mark(&self.marks).await.map_err(failed)?;
        *link = Some(open);
        let mark = mark.ok_or_else(|| "it has no watermark".to_owned())?;
        Ok((mark.log, mark.position))
    }
}

/// Wakes whoever waits for news only where there is some.
fn change(sight: &watch::Sender<Sight>, change: impl FnOnce(&mut Sight)) {
    sight.send_if_modified(|sight| {
        let before = sight.clone();
        change(sight);
        *sight != before
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_behind_the_others_or_out_or_unknown_is_not_read_from() {
        let node = |name: &str, mark: Result<(&str, u64), &str>, out| Node {
            name: EndpointName::new(name).unwrap(),
            mark: mark.map(|(log, position)| (log.to_owned(), Position(position))).map_err(str::to_owned),
            out,
        };
        let rebuild = State::RebuildNeeded { why: "x".into() };
        let mut sight = Sight {
            log: Ok(Identity("a".into())),
            nodes: vec![
                node("best", Ok(("a", 9)), None),
                node("behind", Ok(("a", 7)), None),
                node("out", Ok(("a", 12)), Some(rebuild)),
                node("other", Ok(("b", 12)), None),
                node("away", Err("refused"), None),
            ],
        };
        let names = |sight: &Sight, least, max_lag| {
            let readers = sight.readers(Freshness { least: Position(least), max_lag });
            readers.iter().map(|reader| reader.name.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&sight, 0, 0), "best");
        assert_eq!(names(&sight, 0, 2), "best behind");
        assert_eq!(names(&sight, 8, 2), "best");
        assert_eq!(names(&sight, 10, 2), "");
        sight.log = Err("not there".into());
        assert_eq!(names(&sight, 0, 0), "", "who was taken out is not known");
    }
}
