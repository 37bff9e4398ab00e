//! Follows one source for ever: calls it again after a pause that grows, remembers the last good set while sight is
//! lost, and says since when and why it is. Whatever a source does, a panic included, costs no more than its sight.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::directory::SourceKind;
use super::source::{Seen, Sight, Source, SourceError};
use crate::model::{Backoff, ClusterName};

/// A moment by both clocks: one to show, one to measure with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What an operator's clock said.
    pub time: SystemTime,
    /// For ages, whatever is done to that clock.
    pub instant: Instant,
}

impl Moment {
    fn now() -> Self {
        Self { time: SystemTime::now(), instant: tokio::time::Instant::now().into_std() }
    }
}

/// What is known of the sight of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// All that it saw last; none as long as it saw nothing at all. An empty set is something seen.
    pub seen: Option<Seen>,
    /// When it last said so.
    pub confirmed: Option<Moment>,
    /// Set while sight is lost: `seen` is what holds meanwhile, and is stale.
    pub lost: Option<Lost>,
}

impl Sighting {
    /// Takes in what is seen: whether it is another set than before, and the loss that is over by it.
    fn see(&mut self, seen: Seen, now: Moment) -> (bool, Option<Lost>) {
        let is_new = self.seen.as_ref() != Some(&seen);
        if is_new {
            self.seen = Some(seen);
        }
        self.confirmed = Some(now);
        (is_new, self.lost.take())
    }

    /// Takes in a failure to see: whether it is the first one of a loss.
    fn lose(&mut self, why: SourceError, now: Moment) -> bool {
        let since = self.lost.as_ref().map(|lost| lost.since);
        self.lost = Some(Lost { since: since.unwrap_or(now), why });
        since.is_none()
    }
}

/// A loss of sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// When it was lost.
    pub since: Moment,
    /// Why the last attempt to see failed.
    pub why: SourceError,
}

/// A source that is followed, until this is dropped.
#[derive(Debug)]
pub(super) struct Follower {
    told: watch::Receiver<Sighting>,
    task: AbortHandle,
}

impl Follower {
    /// Follows a source, on the runtime of the caller. `changed` is called after each change of what is seen, at once
    /// and by whoever sees it, so it must not wait.
    pub(super) fn start(
        (cluster, kind): (ClusterName, SourceKind),
        source: Arc<dyn Source>,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (tell, told) = watch::channel(Sighting::default());
        let record = Arc::new(Record { cluster, kind, tell, changed });
        let sight = Sight::to({
            let record = Arc::clone(&record);
            move |seen| record.sees(seen)
        });
        let lost = move |why| record.loses(why);
        Self { told, task: tokio::spawn(follow(source, sight, lost)).abort_handle() }
    }

    /// What is known now.
    pub(super) fn sighting(&self) -> Sighting {
        self.told.borrow().clone()
    }

    /// The same to look at, which must not take long.
    pub(super) fn look(&self) -> watch::Ref<'_, Sighting> {
        self.told.borrow()
    }

    /// Waits until the source has seen something, or could not.
    pub(super) fn first_word(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut told = self.told.clone();
        async move {
            // An error is the end of the task, after which there is nothing to wait for.
            let _ = told.wait_for(|sighting| sighting.seen.is_some() || sighting.lost.is_some()).await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `lost` tells whether there was sight since it was called last.
async fn follow(source: Arc<dyn Source>, sight: Sight, lost: impl Fn(SourceError) -> bool) {
    let mut backoff = Backoff::default();
    loop {
        let start = tokio::time::Instant::now();
        // The call itself is in there, too: it may panic as well as its future.
        let attempt = AssertUnwindSafe(async { source.follow(&sight).await });
        let why = attempt.catch_unwind().await.unwrap_or_else(|_| SourceError::Answer("it broke down".to_owned()));
        let saw = if lost(why) { start.elapsed() } else { Duration::ZERO };
        tokio::time::sleep(backoff.pause(saw, fastrand::f64())).await;
    }
}

/// Where the follower writes down what it hears.
struct Record<C> {
    cluster: ClusterName,
    kind: SourceKind,
    tell: watch::Sender<Sighting>,
    changed: C,
}

impl<C: Fn()> Record<C> {
    fn sees(&self, seen: Seen) {
        let now = Moment::now();
        let (mut is_new, mut over) = (false, None);
        self.tell.send_modify(|sighting| (is_new, over) = sighting.see(seen, now));
        let (cluster, source) = (self.cluster.as_str(), self.kind.as_str());
        if let Some(lost) = over {
            let seconds = now.instant.saturating_duration_since(lost.since.instant).as_secs_f64();
            tracing::info!(cluster, source, seconds, "a source is back");
        }
        if is_new {
            (self.changed)();
        }
    }

    /// Tells whether there was sight until now.
    fn loses(&self, why: SourceError) -> bool {
        let reason = why.to_string();
        let mut is_first = false;
        self.tell.send_modify(|sighting| is_first = sighting.lose(why, Moment::now()));
        if is_first {
            let (cluster, source) = (self.cluster.as_str(), self.kind.as_str());
            tracing::warn!(cluster, source, reason, "lost sight of a source; what it saw last holds");
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_and_a_return_are_news_once_each() {
        let mut sighting = Sighting::default();
        let why = || SourceError::Unreachable("gone".to_owned());
        let mut news = Vec::new();
        for sees in [false, false, true, true, false, false, true] {
            news.push(match sees {
                true => sighting.see(Seen::default(), Moment::now()).1.is_some(),
                false => sighting.lose(why(), Moment::now()),
            });
        }
        assert_eq!(news, [true, false, true, false, true, false, true]);
    }
}
