//! The writer: what it puts together, whom it answers what, and how it ends.

use std::sync::mpsc;

use futures_util::future::join_all;

use super::*;

/// A storage that does something before each commit.
struct Before<F> {
    inner: SqliteStorage,
    run: F,
}

impl<F: FnMut(&Changes) -> Result<(), LogError> + Send + 'static> Storage for Before<F> {
    fn standing(&self) -> Standing {
        self.inner.standing()
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), LogError> {
        (self.run)(changes)?;
        self.inner.commit(changes)
    }

    fn bytes(&self) -> Result<u64, LogError> {
        self.inner.bytes()
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        self.inner.reader()
    }
}

async fn open_with(path: &Path, run: impl FnMut(&Changes) -> Result<(), LogError> + Send + 'static) -> Log {
    let (path, hold) = (path.to_owned(), hold(path).await);
    Log::start(move || Ok(Before { inner: SqliteStorage::open(&path)?, run }), hold).await.unwrap()
}

/// Submits entries by their numbers, while the writer is busy with the first.
async fn submit(log: &Log, numbers: impl IntoIterator<Item = u64>) -> Vec<Appending> {
    let mut appending = Vec::new();
    for n in numbers {
        appending.push(log.submit(entry(&n.to_string()), &[]).await.unwrap());
    }
    appending
}

async fn all(appending: Vec<Appending>) -> Vec<Result<Position, LogError>> {
    join_all(appending.into_iter().map(Appending::durable)).await
}

#[tokio::test]
async fn all_that_waits_is_one_transaction_and_each_is_told_its_position() {
    let (_folder, path) = place();
    let (go, wait) = mpsc::channel();
    let log = open_with(&path, move |_| wait.recv().map_err(|error| LogError::Storage(error.to_string()))).await;
    let mut appending = submit(&log, 1..=1).await;
    // The first is with the writer by now, or all go together: one more transaction, or none.
    tokio::task::yield_now().await;
    appending.extend(submit(&log, 2..=300).await);
    assert_eq!(log.durable(), Position(0));
    go.send(()).unwrap();
    go.send(()).unwrap();
    let positions: Vec<_> = (1..=300).map(|n| Ok(Position(n))).collect();
    assert_eq!(all(appending).await, positions);
    let figures = log.figures();
    assert_eq!(figures.entries, 300);
    assert!(figures.fsyncs <= 2, "{figures:?}");
    let expected: Vec<String> = (1..=300).map(|n| n.to_string()).collect();
    assert_eq!(names(&log).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_have_positions_in_the_order_of_each_and_without_gaps() {
    let (_folder, path) = place();
    let log = open(&path).await;
    let append = |task: u64| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut positions = Vec::new();
            for n in 0..50 {
                positions.push((log.append(entry(&format!("{task} {n}")), &[]).await.unwrap(), format!("{task} {n}")));
            }
            assert!(positions.is_sorted());
            positions
        })
    };
    let mut all: Vec<_> = join_all((0..16).map(append)).await.into_iter().flat_map(Result::unwrap).collect();
    all.sort_unstable();
    assert!(all.iter().zip(1..).all(|((position, _), expected)| position.0 == expected));
    let expected: Vec<String> = all.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names(&log).await, expected);
    assert_eq!(log.figures().entries, 800);
}

#[tokio::test]
async fn a_transaction_is_bounded_and_what_only_settles_costs_no_flush() {
    let (_folder, path) = place();
    let (sizes, seen) = mpsc::channel();
    let run = move |changes: &Changes| {
        sizes.send(changes.records.iter().map(|record| record.entry.bytes()).sum::<usize>()).unwrap();
        Ok(())
    };
    let log = open_with(&path, run).await;
    let large = entry(&"x".repeat(1 << 20));
    let appending = join_all((0..20).map(|_| log.submit(large.clone(), &[]))).await;
    all(appending.into_iter().map(Result::unwrap).collect()).await;
    assert!(seen.try_iter().all(|bytes| bytes < 6 << 20));
    let fsyncs = log.figures().fsyncs;
    log.note(vec![], vec![(Position(1), Outcome::Applied { affected: vec![] })], Flush::Later).await.unwrap();
    assert_eq!(log.figures().fsyncs, fsyncs);
    assert_eq!(log.outcomes(Position(0), Position(1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_transaction_that_fails_is_an_error_for_all_of_it_and_leaves_nothing() {
    let (_folder, path) = place();
    let mut left = 2;
    let full = LogError::Storage("the disk is full".to_owned());
    let failing = full.clone();
    let run = move |_: &Changes| {
        left -= 1;
        if left == 0 { Err(failing.clone()) } else { Ok(()) }
    };
    let log = open_with(&path, run).await;
    log.append(entry("a"), &[("t".to_owned(), 2)]).await.unwrap();
    assert_eq!(log.append(entry("b"), &[("t".to_owned(), 3)]).await, Err(full));
    assert_eq!((log.durable(), log.figures().fsyncs), (Position(1), 1));
    assert_eq!(log.append(entry("c"), &[]).await.unwrap(), Position(2));
    assert_eq!(names(&log).await, ["a", "c"]);
    assert_eq!(log.counters().await.unwrap(), [("t".to_owned(), 2)].into());
}

#[tokio::test]
async fn a_writer_that_panics_leaves_nobody_waiting_and_gives_the_lease_back() {
    let (_folder, path) = place();
    let (go, wait) = mpsc::channel::<()>();
    let log = open_with(&path, move |_| {
        wait.recv().unwrap();
        panic!("a fault of this program");
    })
    .await;
    let mut ended = log.watch();
    let appending = submit(&log, 1..=40).await;
    go.send(()).unwrap();
    let answers = all(appending).await;
    assert!(answers.iter().all(|one| one.as_ref().is_err_and(LogError::is_in_doubt)), "{answers:?}");
    assert!(ended.changed().await.is_err());
    assert_eq!(log.append(entry("a"), &[]).await, Err(LogError::Ended));
    assert!(log.read(Position(0), 9).await.unwrap().is_empty());
    assert_eq!(open(&path).await.durable(), Position(0));
}

#[tokio::test]
async fn the_last_handle_ends_the_writer_after_all_that_was_ordered() {
    let (_folder, path) = place();
    let log = open(&path).await;
    let other = log.clone();
    let mut ended = log.watch();
    drop(submit(&log, 1..=100).await);
    drop(log);
    drop(submit(&other, 101..=200).await);
    drop(other);
    while ended.changed().await.is_ok() {}
    assert_eq!(*ended.borrow(), Position(200));
    let log = open(&path).await;
    assert_eq!(names(&log).await, (1..=200).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_log_that_cannot_be_opened_says_why_and_gives_the_lease_back() {
    let (_folder, path) = place();
    std::fs::write(
        &path,
        "no database, but longer than the header of one would be, which is a hundred bytes or so".repeat(9),
    )
    .unwrap();
    let opened = Log::open(&path, hold(&path).await).await;
    assert!(matches!(opened, Err(LogError::Storage(_))), "{opened:?}");
    drop(hold(&path).await);
}
