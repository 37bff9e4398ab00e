//! Processes that end in the middle of what they do: this program again, told by its environment to append.

use std::collections::{BTreeMap, HashSet};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::*;

/// Where the log of a child is, and what it puts before its names.
const LOG: &str = "LEVERFRAME_TEST_LOG";
const ROUND: &str = "LEVERFRAME_TEST_ROUND";

/// Runs one test of this program by the shell's settings before it.
fn child(path: &Path, test: &str, round: u32, settings: &str) -> Child {
    let (_, module) = module_path!().split_once("::").unwrap();
    let script = format!("{settings} exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
    shell.args(["--exact", &format!("{module}::{test}"), "--nocapture"]);
    shell.env(LOG, path).env(ROUND, round.to_string());
    shell.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

/// The test that is a child of another, and nothing where it is not told to be one.
fn told() -> Option<(PathBuf, String)> {
    Some((std::env::var_os(LOG)?.into(), std::env::var(ROUND).ok()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_without_end_where_it_is_told_to() {
    let Some((path, round)) = told() else { return };
    let log = open(&path).await;
    let append = |task: u32| {
        let (log, round) = (log.clone(), round.clone());
        tokio::spawn(async move {
            for n in 0.. {
                let name = format!("{round}-{task}-{n}");
                let position = log.append(entry(&name), &[]).await.unwrap();
                println!("\nacknowledged {position} {name}");
            }
        })
    };
    futures_util::future::join_all((0..8).map(append)).await;
}

/// What a child said was acknowledged; the last line may be cut.
fn acknowledged(said: &[u8]) -> impl Iterator<Item = (Position, String)> {
    let said = String::from_utf8_lossy(said);
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole).to_owned();
    let line = |line: &str| {
        let (position, name) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
        Some((Position(position.parse().unwrap()), name.to_owned()))
    };
    whole.lines().filter_map(line).collect::<Vec<_>>().into_iter()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_once_after_the_process_is_killed_again_and_again() {
    let (_folder, path) = place();
    let mut promised = BTreeMap::new();
    for round in 0..20 {
        let mut child = child(&path, "appends_without_end_where_it_is_told_to", round, "");
        let mut stdout = child.stdout.take().unwrap();
        let mut said = Vec::new();
        while acknowledged(&said).next().is_none() {
            assert_ne!(stdout.read_buf(&mut said).await.unwrap(), 0, "{}", String::from_utf8_lossy(&said));
        }
        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..40_000))).await;
        let Claim::Taken(holder) = FileLease::beside(&path).claim().await.unwrap() else { panic!("the child has it") };
        assert!(holder.starts_with(&format!("process {} since", child.id().unwrap())), "{holder}");
        child.kill().await.unwrap();
        stdout.read_to_end(&mut said).await.unwrap();
        for (position, name) in acknowledged(&said) {
            assert_eq!(promised.insert(position, name), None, "{position} was given twice");
        }
        // The lease of who was killed is free.
        let log = open(&path).await;
        let found = names(&log).await;
        assert_eq!(found.len() as u64, log.durable().0);
        assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len(), "an entry is there twice");
        for (position, name) in &promised {
            assert_eq!(found.get(position.0 as usize - 1), Some(name), "at {position} in round {round}");
        }
        log.close().await;
    }
    assert!(promised.len() >= 20, "{}", promised.len());
}

#[tokio::test]
async fn appends_until_its_files_may_not_grow_where_it_is_told_to() {
    let Some((path, _)) = told() else { return };
    let log = open(&path).await;
    let mut names_of = Vec::new();
    let failed = loop {
        let all = (0..8).map(|n| format!("{}-{n} {:300}", names_of.len(), "")).collect::<Vec<_>>();
        let done = futures_util::future::join_all(all.iter().map(|name| log.append(entry(name), &[]))).await;
        let (good, bad): (Vec<_>, Vec<_>) = done.into_iter().zip(all).partition(|(done, _)| done.is_ok());
        names_of.extend(good.into_iter().map(|(_, name)| name));
        if let Some((failed, _)) = bad.into_iter().next() {
            break failed.unwrap_err();
        }
    };
    assert_eq!(names(&log).await, names_of);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    let limit = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
    // What a process would find that opens the log now: the same.
    let (_folder, copy) = place();
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(path.with_extension("sqlite-wal"), copy.with_extension("sqlite-wal")).unwrap();
    assert_eq!(names(&open(&copy).await).await, names_of);
    println!("\nfailed {failed:?}");
    log.append(entry("after"), &[]).await.unwrap();
    names_of.push("after".to_owned());
    assert_eq!(names(&log).await, names_of);
    println!("\nwent on");
}

#[tokio::test]
async fn where_files_may_not_grow_appends_fail_until_they_may() {
    // In blocks of 512 bytes; the signal that goes with it would end the process.
    for blocks in [701, 1_500, 2_345] {
        let (_folder, path) = place();
        let settings = format!("trap '' XFSZ; ulimit -S -f {blocks};");
        let child = child(&path, "appends_until_its_files_may_not_grow_where_it_is_told_to", 0, &settings);
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("\nwent on"), "{said}");
        assert!(said.contains("\nfailed Storage("), "{said}");
        let log = open(&path).await;
        assert_eq!(names(&log).await.last().map(String::as_str), Some("after"));
    }
}
