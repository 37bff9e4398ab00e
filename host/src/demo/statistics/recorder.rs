//! A node's side of the statistics: takes down what became of each request, and has a thread of its own write the sums.
//!
//! Taking down is an addition under a lock that is held for nothing else, so that no answer waits for the file and nothing
//! is lost however slow the file is: what cannot be written is kept and tried again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::ledger::{Ledger, LedgerError};
use super::tally::Tally;
use crate::model::EndpointName;

/// From one transaction to the next: rare enough for many processes on one file, often enough to watch.
const PERIOD: Duration = Duration::from_millis(200);
/// How many reports may wait for the file; more are refused.
const REPORTS: usize = 64;
/// How long the last sums may take: the longest that the file's thread waits for others, twice.
const END_LIMIT: Duration = Duration::from_secs(3);

/// What all workers have come to, or why the file cannot tell.
type Sums = Result<BTreeMap<String, Tally>, String>;

enum Order {
    /// Write what there is, then read all.
    Report(oneshot::Sender<Sums>),
    /// Write what there is, and end.
    End(oneshot::Sender<()>),
}

/// Takes down what becomes of one node's requests.
#[derive(Debug)]
pub(in crate::demo) struct Recorder {
    worker: EndpointName,
    /// What is not in the file yet; everything, where there is no file.
    unwritten: Arc<Mutex<Tally>>,
    writer: Option<SyncSender<Order>>,
}

impl Recorder {
    /// In memory only, or in a file.
    ///
    /// # Errors
    /// When there can be no thread for the file. A file that cannot be used is no error: it is tried again.
    pub(in crate::demo) fn start(worker: EndpointName, file: Option<PathBuf>) -> std::io::Result<Self> {
        let unwritten = Arc::default();
        let writer = match file {
            None => None,
            Some(file) => {
                let (orders, taken) = sync_channel(REPORTS);
                let unwritten = Arc::clone(&unwritten);
                let mut writer = Writer { file, worker: worker.clone(), unwritten, ledger: None, is_failing: false };
                let thread = std::thread::Builder::new().name("statistics".to_owned());
                thread.spawn(move || writer.run(&taken))?;
                Some(orders)
            }
        };
        Ok(Self { worker, unwritten, writer })
    }

    /// Takes down one request.
    pub(in crate::demo) fn record(&self, succeeded: bool, took: Duration) {
        *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner) += Tally::of(succeeded, took);
    }

    /// What all workers have come to, with all that this one has taken down.
    ///
    /// # Errors
    /// One line that says why the file cannot tell.
    pub(in crate::demo) async fn sums(&self) -> Sums {
        let Some(writer) = &self.writer else {
            let own = *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(BTreeMap::from([(self.worker.to_string(), own)]));
        };
        let (answer, answered) = oneshot::channel();
        writer.try_send(Order::Report(answer)).map_err(|_| "the statistics file is too slow".to_owned())?;
        answered.await.unwrap_or_else(|_| Err("the node is stopping".to_owned()))
    }

    /// Writes what is left, within a limit.
    pub(in crate::demo) async fn end(&self) {
        let Some(writer) = &self.writer else { return };
        let (done, ended) = oneshot::channel();
        let is_written =
            writer.try_send(Order::End(done)).is_ok() && tokio::time::timeout(END_LIMIT, ended).await.is_ok();
        let lost = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).total();
        if !is_written || lost > 0 {
            tracing::warn!(node = %self.worker, lost, "the statistics of the last requests are lost");
        }
    }
}

/// The thread's side: the only one that knows the file.
struct Writer {
    file: PathBuf,
    worker: EndpointName,
    unwritten: Arc<Mutex<Tally>>,
    ledger: Option<Ledger>,
    /// So that each outage is told once.
    is_failing: bool,
}

impl Writer {
    fn run(&mut self, orders: &Receiver<Order>) {
        // At once, so that a worker shows before its first request.
        let _ = self.attempt(Self::write);
        loop {
            match orders.recv_timeout(PERIOD) {
                Ok(Order::Report(answer)) => {
                    let sums = self.attempt(|writer, file| {
                        writer.write(file)?;
                        writer.opened(file)?.read()
                    });
                    // Who asked may be gone.
                    let _ = answer.send(sums);
                }
                Ok(Order::End(done)) => {
                    let _ = self.attempt(Self::write);
                    self.ledger = None;
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.attempt(Self::write);
                }
                // The node was dropped and not stopped.
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.attempt(Self::write);
                    return;
                }
            }
        }
    }

    /// Does something with the file; tells when that begins to fail, and when it works again.
    fn attempt<T>(&mut self, what: impl FnOnce(&mut Self, &Path) -> Result<T, LedgerError>) -> Result<T, String> {
        let file = self.file.clone();
        let done = what(self, &file).map_err(|error| error.to_string());
        let (node, file) = (&self.worker, file.display());
        match &done {
            Err(error) if !self.is_failing => tracing::warn!(%node, %file, error, "statistics cannot be kept for now"),
            Ok(_) if self.is_failing => tracing::info!(%node, %file, "statistics are kept again"),
            _ => {}
        }
        self.is_failing = done.is_err();
        if done.is_err() {
            // A file that was replaced or mended is met anew.
            self.ledger = None;
        }
        done
    }

    fn write(&mut self, file: &Path) -> Result<(), LedgerError> {
        self.opened(file)?;
        let taken = std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        if taken == Tally::default() {
            return Ok(());
        }
        let written = self.opened(file)?.add(&taken);
        if written.is_err() {
            *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner) += taken;
        }
        written
    }

    fn opened(&mut self, file: &Path) -> Result<&mut Ledger, LedgerError> {
        let open = match self.ledger.take() {
            Some(open) if open.is_at(file) => open,
            other => {
                if let Some(gone) = other {
                    gone.forsake();
                }
                Ledger::open(file, self.worker.clone())?
            }
        };
        Ok(self.ledger.insert(open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(1);

    fn recorder(name: &str, file: &Path) -> Recorder {
        Recorder::start(EndpointName::new(name).unwrap(), Some(file.to_owned())).unwrap()
    }

    #[tokio::test]
    async fn a_report_has_what_was_taken_down_before_it_by_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("statistics.db");
        let (first, second) = (recorder("web-1", &file), recorder("web-2", &file));
        for round in 1..=20 {
            first.record(true, TOOK);
            assert_eq!(first.sums().await.unwrap()["web-1"].succeeded, round);
        }
        second.record(false, TOOK);
        second.end().await;
        let sums = first.sums().await.unwrap();
        assert_eq!(sums["web-2"], Tally { succeeded: 0, failed: 1, micros: 1000 });
        assert_eq!(sums["web-1"].micros, 20_000);
        // The next of that name goes on where the last one ended.
        let again = recorder("web-2", &file);
        again.record(true, TOOK);
        assert_eq!(again.sums().await.unwrap()["web-2"].total(), 2);
    }

    #[tokio::test]
    async fn nothing_is_lost_while_the_file_cannot_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let recorder = recorder("web-1", &missing.join("statistics.db"));
        recorder.record(true, TOOK);
        assert!(recorder.sums().await.unwrap_err().contains("unable to open"));
        std::fs::create_dir(missing).unwrap();
        assert_eq!(recorder.sums().await.unwrap()["web-1"].succeeded, 1);
    }

    #[tokio::test]
    async fn a_file_that_was_deleted_is_made_anew_by_all() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("here");
        std::fs::create_dir(&here).unwrap();
        let workers = ["web-1", "web-2", "web-3"].map(|name| recorder(name, &here.join("statistics.db")));
        for round in 1..=3 {
            for worker in &workers {
                worker.record(true, TOOK);
                worker.sums().await.unwrap();
            }
            let all: Vec<_> = workers[0].sums().await.unwrap().into_values().map(|sum| sum.total()).collect();
            assert_eq!(all, [1, 1, 1], "round {round}");
            // The file and its logs at once.
            std::fs::rename(&here, folder.path().join(format!("away-{round}"))).unwrap();
            std::fs::create_dir(&here).unwrap();
        }
    }

    #[tokio::test]
    async fn without_a_file_a_worker_knows_itself() {
        let recorder = Recorder::start(EndpointName::new("web-1").unwrap(), None).unwrap();
        recorder.record(true, TOOK);
        let expected = BTreeMap::from([("web-1".to_owned(), Tally::of(true, TOOK))]);
        assert_eq!(recorder.sums().await, Ok(expected));
    }
}
