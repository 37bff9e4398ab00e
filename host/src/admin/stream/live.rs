//! The channel to those who listen, and what is kept for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};

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
    /// What tells it from another; figures that run are not in it.
    pub(super) key: String,
    /// For those who may only read.
    pub(super) read: Bytes,
    /// For those who may command.
    pub(super) write: Bytes,
}

/// What goes on, for those who listen, and the history for those who come later.
#[derive(Debug)]
pub struct Live {
    /// When this process began, in seconds since 1970: what is numbered begins anew with it.
    pub(super) started_s: f64,
    pub(super) history: History,
    frames: broadcast::Sender<Frame>,
    overview: Mutex<Option<(Arc<Overview>, Instant)>>,
}

impl Default for Live {
    fn default() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started_s: started.as_millis() as f64 / 1000.0,
            history: History::default(),
            frames: broadcast::Sender::new(BEHIND),
            overview: Mutex::default(),
        }
    }
}

impl Live {
    /// Whether anybody listens.
    pub(super) fn has_listeners(&self) -> bool {
        self.frames.receiver_count() > 0
    }

    /// All that is sent from now on, to one who has heard of the events up to a number.
    pub(super) fn listen(&self) -> Ear {
        Ear { frames: self.frames.subscribe(), last_event: 0 }
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

    /// Keeps how things stand now, by what tells it from before; what is returned is the overview before where nothing is
    /// different, and whether anything is.
    pub(super) fn keep_overview(&self, key: String, make: impl FnOnce(String) -> Overview) -> (Arc<Overview>, bool) {
        let mut kept = self.overview.lock().unwrap_or_else(PoisonError::into_inner);
        let same = kept.take().map(|(kept, _)| kept).filter(|kept| kept.key == key);
        let differs = same.is_none();
        let overview = same.unwrap_or_else(|| Arc::new(make(key)));
        *kept = Some((Arc::clone(&overview), Instant::now()));
        (overview, differs)
    }
}

/// One who listens.
#[derive(Debug)]
pub(super) struct Ear {
    frames: broadcast::Receiver<Frame>,
    /// Those up to here it has heard of.
    pub(super) last_event: u64,
}

/// What one who listens hears.
#[derive(Debug)]
pub(super) enum Heard {
    /// This, for all.
    Text(Bytes),
    /// How everything stands.
    Overview(Arc<Overview>),
    /// It was too slow for some, or some never came this way; it goes on with what comes next.
    Missed,
    /// That is all.
    Over,
}

impl Ear {
    /// What comes next; nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            match self.frames.recv().await {
                Ok(Frame::Plain(text)) => return Heard::Text(text),
                Ok(Frame::Overview(overview)) => return Heard::Overview(overview),
                // It had that one when it came.
                Ok(Frame::Event(id, _)) if id <= self.last_event => {}
                // Events came faster than they were passed on. What came is read with what is missing.
                Ok(Frame::Event(id, _)) if id > self.last_event + 1 => return Heard::Missed,
                Ok(Frame::Event(id, text)) => {
                    self.last_event = id;
                    return Heard::Text(text);
                }
                Err(RecvError::Lagged(_)) => {
                    self.frames = self.frames.resubscribe();
                    return Heard::Missed;
                }
                Err(RecvError::Closed) => return Heard::Over,
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn overview(key: String) -> Overview {
        let text = |access: &str| enveloped("overview", None, format!("\"{key} {access}\"").as_bytes());
        Overview { read: text("read"), write: text("write"), key }
    }

    fn plain(number: usize) -> Frame {
        Frame::Plain(frame("tick", None, &number))
    }

    async fn text(ear: &mut Ear) -> String {
        match ear.next().await {
            Heard::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn one_who_is_too_slow_goes_on_with_the_newest() {
        let live = Live::default();
        let (mut slow, mut quick) = (live.listen(), live.listen());
        for number in 0..BEHIND + 10 {
            live.send(plain(number));
            assert_eq!(text(&mut quick).await, format!("event: tick\ndata: {number}\n\n"));
        }
        assert!(matches!(slow.next().await, Heard::Missed));
        live.send(plain(1_000));
        assert_eq!(text(&mut slow).await, "event: tick\ndata: 1000\n\n");
        assert_eq!(text(&mut quick).await, "event: tick\ndata: 1000\n\n");
    }

    #[tokio::test]
    async fn an_event_is_heard_once() {
        let live = Live::default();
        let mut ear = live.listen();
        ear.last_event = 4;
        for id in [3, 4, 5, 5, 6] {
            live.send(Frame::Event(id, frame("event", Some(id), &id)));
        }
        assert_eq!(text(&mut ear).await, "id: 5\nevent: event\ndata: 5\n\n");
        assert_eq!(text(&mut ear).await, "id: 6\nevent: event\ndata: 6\n\n");
    }

    #[tokio::test]
    async fn an_event_that_is_left_out_is_missed() {
        let live = Live::default();
        let mut ear = live.listen();
        ear.last_event = 4;
        for id in [5, 7] {
            live.send(Frame::Event(id, frame("event", Some(id), &id)));
        }
        assert_eq!(text(&mut ear).await, "id: 5\nevent: event\ndata: 5\n\n");
        assert!(matches!(ear.next().await, Heard::Missed));
        assert_eq!(ear.last_event, 5);
    }

    #[test]
    fn an_overview_is_news_only_where_it_differs() {
        let live = Live::default();
        assert!(live.fresh_overview().is_none());
        let (first, is_news) = live.keep_overview("one".to_owned(), overview);
        assert!(is_news);
        let (same, is_news) = live.keep_overview("one".to_owned(), |_| panic!("nothing differs"));
        assert!(!is_news && Arc::ptr_eq(&first, &same));
        assert!(live.keep_overview("other".to_owned(), overview).1);
        assert_eq!(live.fresh_overview().unwrap().key, "other");
    }

    #[test]
    fn nobody_listens_until_somebody_does() {
        let live = Live::default();
        assert!(!live.has_listeners());
        let ear = live.listen();
        assert!(live.has_listeners());
        drop(ear);
        assert!(!live.has_listeners());
    }
}
