//! The work that is under way: for whoever asks, and for the log, which is told of its begin and its end, and in between
//! what takes long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{Progress, WorkChange, Works};

/// How often the log is told of work that goes on.
const REMIND: Duration = Duration::from_secs(5);

/// Keeps the work that is under way.
#[derive(Debug, Default)]
pub struct WorkLog(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last_id: u64,
    work: Vec<Listed>,
}

#[derive(Debug)]
struct Listed {
    id: u64,
    progress: Arc<Progress>,
    told: Instant,
}

impl WorkLog {
    /// The way in.
    pub fn works(self: &Arc<Self>) -> Works {
        let log = Arc::clone(self);
        Works::to(move |progress, change| match change {
            WorkChange::Begun => log.begin(progress),
            WorkChange::Ended => log.end(progress),
        })
    }

    /// All that is under way with its numbers, oldest first.
    pub fn read(&self) -> Vec<(u64, Arc<Progress>)> {
        self.kept().work.iter().map(|listed| (listed.id, Arc::clone(&listed.progress))).collect()
    }

    /// Tells the log of what has gone on since it last heard of it.
    pub fn remind(&self, now: Instant) {
        let mut kept = self.kept();
        for listed in &mut kept.work {
            if now.saturating_duration_since(listed.told) >= REMIND {
                listed.told = now;
                let Progress { kind, subject, unit, began, .. } = &*listed.progress;
                let (done, total) = (listed.progress.done(), listed.progress.total());
                let took_s = now.saturating_duration_since(*began).as_secs();
                tracing::info!(kind = kind.as_str(), subject, done, total, unit, took_s, "work goes on");
            }
        }
    }

    fn begin(&self, progress: &Arc<Progress>) {
        let Progress { kind, subject, began, .. } = &**progress;
        tracing::info!(kind = kind.as_str(), subject, "work begins");
        let mut kept = self.kept();
        kept.last_id += 1;
        let id = kept.last_id;
        kept.work.push(Listed { id, progress: Arc::clone(progress), told: *began });
    }

    fn end(&self, progress: &Arc<Progress>) {
        let Progress { kind, subject, unit, began, .. } = &**progress;
        let (done, took_ms) = (progress.done(), began.elapsed().as_millis() as u64);
        tracing::info!(kind = kind.as_str(), subject, done, unit, took_ms, "work is over");
        self.kept().work.retain(|listed| !Arc::ptr_eq(&listed.progress, progress));
    }

    /// A poisoned lock is taken all the same: every operation leaves what it guards whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WorkKind;

    #[test]
    fn work_is_listed_until_it_is_over() {
        let log = Arc::new(WorkLog::default());
        let works = log.works();
        let one = works.begin(WorkKind::Compile, "mine", "plugins");
        let other = works.begin(WorkKind::Verify, "shop", "tables");
        other.is_at(2, Some(5));
        let read = |log: &WorkLog| {
            let read = log.read().into_iter();
            read.map(|(id, work)| (id, work.subject.clone(), work.done(), work.total())).collect::<Vec<_>>()
        };
        assert_eq!(read(&log), [(1, "mine".into(), 0, None), (2, "shop".into(), 2, Some(5))]);
        drop(one);
        assert_eq!(read(&log), [(2, "shop".into(), 2, Some(5))]);
        drop(other);
        assert_eq!(log.read().len(), 0);
    }
}
