//! The channel to those who listen, and what is kept for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::observe::History;

/// A listener that is behind by more than this misses what is older: some seconds of ticks and whatever else there is.
const BEHIND: usize = 64;

/// An overview that is older is made anew for a new listener: while somebody listens, it is looked at each second.
const FRESH: Duration = Duration::from_millis(1_500);

/// Something that is sent to all who listen, as it stands in the stream.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    /// The same for all.
    Plain(Bytes),
    /// An event, by its number.
    Event(u64, Bytes),
    /// How everything stands.
    Overview(Arc<Overview>),
}

/// How everything stands, as it was last sent.
#[derive(Debug)]
pub(super) struct Overview {
    /// What tells it from another; times that run are not in it.
    pub(super) key: String,
    /// For those who may only read.
    pub(super) read: Bytes,
    /// For those who may command.
    pub(super) write: Bytes,
}

/// What goes on, for those who listen, and the history for those who come later.
#[derive(Debug)]
pub struct Live {
    pub(super) history: History,
    frames: broadcast::Sender<Frame>,
    overview: Mutex<Option<(Arc<Overview>, Instant)>>,
}

impl Default for Live {
    fn default() -> Self {
        Self { history: History::default(), frames: broadcast::Sender::new(BEHIND), overview: Mutex::default() }
    }
}

impl Live {
    /// Whether anybody listens.
    pub(super) fn has_listeners(&self) -> bool {
        self.frames.receiver_count() > 0
    }

    /// All that is sent from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Frame> {
        self.frames.subscribe()
    }

    /// Sends to all who listen.
    pub(super) fn send(&self, frame: Frame) {
        // Nobody has to listen.
        let _ = self.frames.send(frame);
    }

    /// The last overview, if things were looked at a moment ago.
    pub(super) fn fresh_overview(&self) -> Option<Arc<Overview>> {
        let kept = self.overview.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(_, seen)| seen.elapsed() < FRESH).map(|(overview, _)| Arc::clone(overview))
    }

    /// Keeps an overview that was made now; what is returned is the one before where nothing is different, and whether
    /// anything is.
    pub(super) fn keep_overview(&self, overview: Overview) -> (Arc<Overview>, bool) {
        let mut kept = self.overview.lock().unwrap_or_else(PoisonError::into_inner);
        let same = kept.take().map(|(kept, _)| kept).filter(|kept| kept.key == overview.key);
        let differs = same.is_none();
        let overview = same.unwrap_or_else(|| Arc::new(overview));
        *kept = Some((Arc::clone(&overview), Instant::now()));
        (overview, differs)
    }
}

/// An event as it stands in the stream. Texts of JSON have no line breaks, so that each is one line of data.
pub(super) fn frame(kind: &str, id: Option<u64>, data: &impl Serialize) -> Bytes {
    let mut text = BytesMut::with_capacity(256).writer();
    // Writing to memory does not fail, and neither do the values here.
    let _ = serde_json::to_writer(&mut text, data);
    enveloped(kind, id, &text.into_inner())
}

/// Puts JSON into an event.
pub(super) fn enveloped(kind: &str, id: Option<u64>, json: &[u8]) -> Bytes {
    let mut text = BytesMut::with_capacity(json.len() + 64);
    if let Some(id) = id {
        text.put(format!("id: {id}\n").as_bytes());
    }
    text.put(format!("event: {kind}\ndata: ").as_bytes());
    text.put(json);
    text.put(&b"\n\n"[..]);
    text.freeze()
}
