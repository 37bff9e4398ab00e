//! The file changes while the program runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::super::{Config, Overrides, ReloadError, ReloadStatus, Reloader};
use super::SOUND;

/// Far longer than any of it takes.
const LONG: Duration = Duration::from_secs(20);

/// A file of its own, what follows it, and what was applied.
struct World {
    _folder: TempDir,
    file: PathBuf,
    reloader: Reloader,
    applied: Arc<Mutex<Vec<Arc<Config>>>>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("leverframe.toml");
        std::fs::write(&file, SOUND).unwrap();
        let reloader = Reloader::load(&file, &Overrides::default()).unwrap();
        Self { _folder: folder, file, reloader, applied: Arc::default() }
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.file, text).unwrap();
    }

    /// A step that can put everything to work.
    async fn step(&mut self) -> ReloadStatus {
        let applied = Arc::clone(&self.applied);
        let mut apply = move |config| {
            applied.lock().unwrap().push(config);
            std::future::ready(Ok(()))
        };
        self.reloader.reconcile(&mut apply).await;
        self.status()
    }

    /// A step that can put nothing to work.
    async fn failing_step(&mut self, reason: &str) -> ReloadStatus {
        self.reloader.reconcile(&mut |_| std::future::ready(Err(reason.to_owned()))).await;
        self.status()
    }

    fn status(&self) -> ReloadStatus {
        self.reloader.status().borrow().clone()
    }

    fn applied(&self) -> usize {
        self.applied.lock().unwrap().len()
    }
}

fn with_attempts(attempts: u32) -> String {
    format!("{SOUND}retry = {{ attempts = {attempts} }}\n")
}

fn attempts(config: &Config) -> u32 {
    config.clusters.values().next().unwrap().retry.attempts
}

#[tokio::test]
async fn a_changed_file_is_applied_once() {
    let mut world = World::new();
    let first = world.step().await;
    assert_eq!((world.applied(), first.generation, first.last_error), (0, 1, None));
    world.write(&with_attempts(7));
    let second = world.step().await;
    assert_eq!((world.applied(), second.generation, second.last_error), (1, 2, None));
    assert!(second.loaded_at > first.loaded_at);
    assert_eq!(attempts(&world.reloader.config()), 7);
    world.step().await;
    assert_eq!(world.applied(), 1);
}

#[tokio::test]
async fn a_file_with_mistakes_changes_nothing_and_says_why() {
    let mut world = World::new();
    world.write(&(SOUND.to_owned() + "retry = { attempts = 0 }\n"));
    let status = world.step().await;
    assert_eq!((world.applied(), status.generation), (0, 1));
    let failure = status.last_error.expect("a failure");
    let ReloadError::Config(errors) = &failure.error else { panic!("{failure:?}") };
    let error = errors.iter().next().unwrap();
    assert_eq!((error.path.as_str(), error.line), ("cluster.web.retry.attempts", Some(8)));
    // It stays as it was first met, and goes when the file is put right.
    assert_eq!(world.step().await.last_error, Some(failure));
    world.write(SOUND);
    let status = world.step().await;
    assert_eq!((status.last_error, status.generation, world.applied()), (None, 1, 0));
}

#[tokio::test]
async fn the_status_tells_of_the_latest_content() {
    let mut world = World::new();
    let (bad, refused) = (SOUND.to_owned() + "a = 0\n", with_attempts(9));
    world.write(&bad);
    let first = world.step().await.last_error.unwrap();
    world.write(&refused);
    let second = world.failing_step("no such plugin").await.last_error.unwrap();
    assert_eq!(second.error, ReloadError::Apply("no such plugin".into()));
    std::fs::remove_file(&world.file).unwrap();
    let third = world.step().await.last_error.unwrap();
    assert!(third.error.to_string().contains("cannot be read"), "{third:?}");
    world.write(&bad);
    assert_eq!(world.step().await.last_error.unwrap().error, first.error);
}

#[tokio::test]
async fn what_could_not_be_applied_is_tried_again() {
    let mut world = World::new();
    world.write(&with_attempts(7));
    let status = world.failing_step("no plugin").await;
    assert_eq!((status.generation, attempts(&world.reloader.config())), (1, 3));
    assert_eq!(world.failing_step("no plugin").await, status);
    let status = world.step().await;
    assert_eq!((status.generation, status.last_error, world.applied()), (2, None, 1));
}

#[tokio::test]
async fn a_changed_comment_is_no_change() {
    let mut world = World::new();
    world.write(&format!("# hello\n{SOUND}"));
    let status = world.step().await;
    assert_eq!((status.generation, world.applied()), (1, 0));
}

#[tokio::test]
async fn workers_stay_and_the_rest_is_applied_with_a_warning() {
    let mut world = World::new();
    let running = world.reloader.config().workers;
    world.write(&format!("workers = 1000\n{}", with_attempts(7)));
    let status = world.step().await;
    let config = world.reloader.config();
    assert_eq!((config.workers, attempts(&config), status.generation), (running, 7, 2));
    assert!(status.warnings[0].starts_with("workers: 1000 takes effect at the next start"), "{status:?}");
    world.write(&with_attempts(7));
    assert_eq!(world.step().await.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_is_being_written_is_waited_for() {
    let mut world = World::new();
    let text = with_attempts(7);
    // Half of it is sound TOML, but has no listener's routes.
    world.write(&text[..text.find("[[listener.route]]").unwrap()]);
    let file = world.file.clone();
    let writer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        std::fs::write(file, text).unwrap();
    });
    let status = world.step().await;
    writer.await.unwrap();
    assert_eq!((status.last_error, world.applied()), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_running_reloader_sees_every_way_of_saving() {
    let World { _folder: folder, file, reloader, .. } = World::new();
    let mut status = reloader.status();
    let (sender, mut applied) = mpsc::unbounded_channel();
    let running = tokio::spawn(reloader.run(move |config: Arc<Config>| {
        let sender = sender.clone();
        async move { sender.send(attempts(&config)).map_err(|gone| gone.to_string()) }
    }));
    let mut next = async || tokio::time::timeout(LONG, applied.recv()).await.unwrap().unwrap();

    std::fs::write(&file, with_attempts(11)).unwrap();
    assert_eq!(next().await, 11);

    let beside = folder.path().join(".leverframe.toml.swp");
    std::fs::write(&beside, with_attempts(12)).unwrap();
    std::fs::rename(&beside, &file).unwrap();
    assert_eq!(next().await, 12);

    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, with_attempts(13)).unwrap();
    assert_eq!(next().await, 13);

    std::fs::write(&file, "nonsense").unwrap();
    tokio::time::timeout(LONG, status.wait_for(|status| status.last_error.is_some())).await.unwrap().unwrap();
    std::fs::write(&file, with_attempts(14)).unwrap();
    assert_eq!(next().await, 14);
    let healed = |status: &ReloadStatus| status.last_error.is_none() && status.generation == 5;
    tokio::time::timeout(LONG, status.wait_for(healed)).await.unwrap().unwrap();
    running.abort();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn without_any_event_the_period_finds_a_change() {
    let elsewhere = World::new();
    let folder = tempfile::tempdir().unwrap();
    // The folder of the link hears nothing of what happens to the file.
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&elsewhere.file, &link).unwrap();
    let reloader = Reloader::load(&link, &Overrides::default()).unwrap();
    let mut status = reloader.status();
    let running = tokio::spawn(reloader.run(|_| std::future::ready(Ok(()))));
    // The first step may see the first change; only the period can see the second.
    for (attempts, generation) in [(5, 2), (6, 3)] {
        elsewhere.write(&with_attempts(attempts));
        let reached = |status: &ReloadStatus| status.generation == generation;
        tokio::time::timeout(LONG, status.wait_for(reached)).await.unwrap().unwrap();
    }
    running.abort();
}
