//! The one task that makes what is sent: four times a second it looks at what ended and what goes on, each second it takes a
//! point of history, and what the events say goes out as it comes. While nobody listens, it only takes the point.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::live::{Frame, Overview, enveloped, frame};
use super::overview;
use super::said::{Query, Works};
use super::tick::Tick;
use crate::admin::events;
use crate::admin::server::Shared;
use crate::observe::{Recorded, Sampler};

/// How often what ended and what goes on is looked at.
const BEAT: Duration = Duration::from_millis(250);

/// Beats from one tick to the next.
const BEATS: u64 = 4;

/// The statements that one beat sends, the newest: a busy entry ends thousands a second, and nobody reads them one by one.
const QUERIES: usize = 25;

/// Makes what is sent, for ever.
pub async fn run(shared: Shared) {
    let mut events = shared.events.follow(None).live;
    let mut maker = Maker::new(shared);
    let mut beat = interval_at(Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = beat.tick() => maker.beat(),
            event = events.recv() => match event {
                Ok(event) => maker.event(&event),
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events came too fast for the stream"),
                Err(RecvError::Closed) => return,
            },
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

struct Maker {
    shared: Shared,
    sampler: Sampler,
    beats: u64,
    last_query: u64,
    /// What was last said of the work that goes on.
    work: Vec<u8>,
}

impl Maker {
    fn new(shared: Shared) -> Self {
        let sampler = Sampler::new(now(), shared.traffic());
        Self { shared, sampler, beats: 0, last_query: 0, work: Vec::new() }
    }

    fn beat(&mut self) {
        self.beats += 1;
        if self.shared.live.has_listeners() {
            self.queries();
            self.work();
        }
        if self.beats.is_multiple_of(BEATS) {
            self.second();
            if self.shared.live.has_listeners() {
                look(&self.shared);
            }
            self.shared.works.remind(now());
        }
    }

    /// Takes a point, and sends it where somebody listens.
    fn second(&mut self) {
        let (shared, served) = (&self.shared, self.shared.served());
        let readings: BTreeMap<_, _> =
            served.sql.iter().map(|(name, entry)| (name.clone(), entry.figures.read())).collect();
        let point = Arc::new(self.sampler.sample(now(), &served.clusters, shared.traffic(), &readings));
        shared.live.history.keep(Arc::clone(&point));
        if shared.live.has_listeners() {
            let tick = Tick::of(&served.clusters, &served.sql, &shared.scalers.borrow(), &point, &readings);
            shared.live.send(Frame::Plain(frame("tick", None, &tick)));
        }
    }

    fn queries(&mut self) {
        for ended in self.shared.recent.after(self.last_query, QUERIES) {
            self.last_query = ended.id;
            self.shared.live.send(Frame::Plain(frame("query", None, &Query::of(&ended))));
        }
    }

    fn work(&mut self) {
        let work = work(&self.shared);
        if work != self.work {
            self.shared.live.send(Frame::Plain(enveloped("progress", None, &work)));
            self.work = work;
        }
    }

    fn event(&self, event: &Recorded) {
        if self.shared.live.has_listeners() {
            self.shared.live.send(Frame::Event(event.id, event_frame(event)));
        }
    }
}

/// The work that goes on, as JSON.
pub(super) fn work(shared: &Shared) -> Vec<u8> {
    // Texts and numbers: there is always a JSON of it.
    serde_json::to_vec(&Works::now(shared)).unwrap_or_default()
}

/// An event, as it stands in the stream.
pub(super) fn event_frame(event: &Recorded) -> bytes::Bytes {
    frame("event", Some(event.id), &events::event(event))
}

/// How everything stands, for one who has just come.
pub(super) fn overview_now(shared: &Shared) -> Arc<Overview> {
    shared.live.fresh_overview().unwrap_or_else(|| look(shared))
}

/// How everything stands now; those who listen are told if that is news.
fn look(shared: &Shared) -> Arc<Overview> {
    let (overview, differs) = shared.live.keep_overview(overview::key(shared), |key| overview::make(shared, key));
    if differs {
        shared.live.send(Frame::Overview(Arc::clone(&overview)));
    }
    overview
}
