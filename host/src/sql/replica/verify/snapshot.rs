//! Owns having all nodes seen at one position: the turn to write is held while all of them come to the end of the log and a
//! snapshot is opened on each; what is read in the snapshots afterwards no write changes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::timeout_at;

use crate::sql::backend::{Fault, Session, Step};
use crate::sql::replica::log::Position;
use crate::sql::replica::patience::{bounded, due};
use crate::sql::replica::replicas::{Node, Replicas};
use crate::sql::replica::state::State;

/// How long the turn to write is waited for.
const TURN: Duration = Duration::from_secs(30);
/// How long writes may be held up: less than a client waits. A node that takes longer is left out.
const HELD: Duration = Duration::from_secs(3);
/// How long a snapshot is kept while nothing is asked of it: as long as another node may take for a table.
const KEPT: Duration = Duration::from_secs(600);

/// A node as it is at the position.
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) session: Box<dyn Session>,
}

/// The nodes at one position.
pub(super) struct Still {
    pub(super) position: Position,
    pub(super) nodes: Vec<Seen>,
    /// Those that are not, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// How long writes were held up.
    pub(super) held: Duration,
}

impl Replicas {
    /// Sees all nodes that are up at one position.
    pub(super) async fn still(&self) -> Result<Still, String> {
        let mut left_out = Vec::new();
        // What takes long is done before anybody has to wait.
        let mut opened = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let why = self.shared.with(|board, _| match board.slots.get(at).map(|slot| slot.standing.state()) {
                Some(State::Up) | None => None,
                Some(state) => Some(format!("it is {}", state.name())),
            });
            match why {
                Some(why) => left_out.push((node.name.as_str().to_owned(), why)),
                None => opened.push((at, node)),
            }
        }
        let sessions = join_all(opened.into_iter().map(|(at, node)| self.opened(at, node))).await;
        let turn = self.turn(due(TURN)).await.map_err(|error| error.to_string())?;
        let began = Instant::now();
        let by = due(HELD);
        let last = turn.last(by).await.map_err(|error| error.to_string())?;
        let looking = sessions.into_iter().map(|(at, name, session)| self.seen((at, name), session, (last, by)));
        let looked = join_all(looking).await;
        drop(turn);
        let held = began.elapsed();
        let mut nodes = Vec::new();
        for seen in looked {
            match seen {
                Ok(seen) => nodes.push(seen),
                Err(why) => left_out.push(why),
            }
        }
        match nodes.len() {
            0 | 1 => Err(format!("fewer than two nodes could be seen at position {last}: {}", list(&left_out))),
            _ => Ok(Still { position: last, nodes, left_out, held }),
        }
    }

    async fn opened(&self, at: usize, node: &Node) -> (usize, String, Result<Box<dyn Session>, Fault>) {
        let due = due(self.timing.connect);
        let session = bounded(due, self.backend.session(&node.address, due)).await;
        (at, node.name.as_str().to_owned(), session)
    }

    /// A node at this position, as soon as it is there.
    async fn seen(
        &self,
        (at, name): (usize, String),
        session: Result<Box<dyn Session>, Fault>,
        (last, by): (Position, Instant),
    ) -> Result<Seen, (String, String)> {
        let is_there = self.shared.until(|board, _| {
            let standing = &board.slots.get(at)?.standing;
            (standing.mark() >= last || *standing.state() != State::Up).then_some(())
        });
        if timeout_at(by.into(), is_there).await.is_err() {
            return Err((name, format!("it did not come to position {last} within {HELD:?}")));
        }
        let look = async {
            let mut session = session?;
            bounded(by, session.transact(Step::Snapshot, due(KEPT))).await?;
            let mark = bounded(by, self.marks.read(session.as_mut(), by)).await?;
            Ok::<_, Fault>((session, mark))
        };
        match look.await {
            Err(fault) => Err((name, fault.message)),
            Ok((session, Some(mark))) if mark.position == last && mark.log == self.marks.log().0 => {
                Ok(Seen { name, session })
            }
            Ok((_, Some(mark))) => Err((name, format!("it is at position {}, and not at {last}", mark.position))),
            Ok((_, None)) => Err((name, "it has no watermark".to_owned())),
        }
    }
}

fn list(left_out: &[(String, String)]) -> String {
    left_out.iter().map(|(name, why)| format!("{name}: {why}")).collect::<Vec<_>>().join("; ")
}
