//! The process driver with tiny programs in the place of the node.

use std::num::NonZeroU16;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::driver::{Driver as _, DriverError};
use super::super::process::ProcessDriver;
use crate::config::ProcessTemplate;
use crate::model::EndpointName;

/// Says where it would listen, and ends with its standard input.
const NODE: &str = r#"
for option; do case $option in --address=*) address=${option#*=};; --name=*) name=${option#*=};; esac; done
echo "something else"
echo "node $name listening on $address"
echo "$@" > "$0.$name.options"
read -r _
"#;

fn program(folder: &Path, script: &str) -> std::path::PathBuf {
    let path = folder.join("node");
    // Written by another process: one that is started meanwhile must not hold it open for writing.
    let status = std::process::Command::new("sh")
        .args(["-c", r#"printf '#!/bin/sh\n%s' "$1" > "$0""#])
        .args([path.as_os_str(), script.as_ref()])
        .status();
    assert!(status.unwrap().success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn name(text: &str) -> EndpointName {
    EndpointName::new(text).unwrap()
}

/// A port such that it and the next one are free; below those that the kernel gives to whoever asks for any, so that no other
/// test gets them meanwhile.
fn base_port() -> u16 {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let first = fastrand::u16(20_000..30_000);
        if is_free(first) && is_free(first + 1) {
            return first;
        }
    }
}

#[tokio::test]
async fn nodes_get_the_lowest_free_ports_and_their_options() {
    let folder = tempfile::tempdir().unwrap();
    let base = base_port();
    let template = ProcessTemplate {
        base_port: NonZeroU16::new(base),
        average_delay: Duration::from_millis(50),
        failure_percent: 5,
        statistics: Some("some where/stats.db".into()),
    };
    let program = program(folder.path(), NODE);
    let driver = ProcessDriver::new(program.clone(), template);
    let (a, b) = (name("a"), name("b"));
    let port = async |name| driver.start(name).await.unwrap().address.unwrap().port();
    assert_eq!((port(&a).await, port(&b).await), (base, base + 1));
    assert_eq!(port(&a).await, base, "one that runs is left as it is");
    driver.stop(&a).await.unwrap();
    assert_eq!(port(&name("c")).await, base, "its port is free again");
    let options = std::fs::read_to_string(folder.path().join("node.b.options")).unwrap();
    let start = format!("node --attached --address=127.0.0.1:{} --name=b", base + 1);
    assert_eq!(options, format!("{start} --average-delay=50ms --failure-percent=5 --statistics some where/stats.db\n"));
    driver.close().await;
    assert_eq!(driver.list().await, Ok(Vec::new()));
}

#[tokio::test]
async fn no_node_outlives_its_driver() {
    let folder = tempfile::tempdir().unwrap();
    let base_port = NonZeroU16::new(base_port());
    let template = ProcessTemplate { base_port, ..ProcessTemplate::default() };
    let driver = ProcessDriver::new(program(folder.path(), NODE), template);
    driver.start(&name("a")).await.unwrap();
    assert!(is_running(folder.path()));
    drop(driver);
    let begin = Instant::now();
    while is_running(folder.path()) {
        assert!(begin.elapsed() < Duration::from_secs(10), "it goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a program of that folder runs.
fn is_running(folder: &Path) -> bool {
    let folder = folder.to_string_lossy();
    let is_it = |entry: std::fs::DirEntry| {
        std::fs::read_to_string(entry.path().join("cmdline")).is_ok_and(|line| line.contains(&*folder))
    };
    std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(is_it)
}

#[tokio::test]
async fn a_start_that_comes_to_nothing_says_why_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let driver = ProcessDriver::new(program(folder.path(), "exit 3"), ProcessTemplate::default());
    let Err(DriverError::Start(why)) = driver.start(&name("a")).await else { panic!("it started") };
    assert!(why.contains("exit status: 3"), "{why}");
    assert_eq!(driver.list().await, Ok(Vec::new()));
    let nowhere = ProcessDriver::new(folder.path().join("nothing"), ProcessTemplate::default());
    let Err(DriverError::Start(why)) = nowhere.start(&name("a")).await else { panic!("it started") };
    assert!(why.contains("nothing: "), "{why}");
}

#[tokio::test]
async fn a_node_that_ends_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let script = NODE.replace("read -r _", "exec sleep 0.1");
    let base_port = NonZeroU16::new(base_port());
    let template = ProcessTemplate { base_port, ..ProcessTemplate::default() };
    let driver = ProcessDriver::new(program(folder.path(), &script), template);
    driver.start(&name("a")).await.unwrap();
    driver.changed().notified().await;
    let nodes = driver.list().await.unwrap();
    assert!(!nodes[0].is_running && nodes[0].address.is_none());
    driver.stop(&name("a")).await.unwrap();
    assert_eq!(driver.list().await, Ok(Vec::new()));
}
