//! Names in a real DNS server, followed: what is told, how often the server is asked, and what one that is away,
//! refuses or keeps silent does to it. The server is Debian's `dnsmasq`, on a free port with a folder of its own.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroU16;
use std::process::Command;
use std::time::{Duration, Instant};

use leverframe::config::{DnsQuery, DnsSource, SourceSpec};
use leverframe::discovery::{Seen, Sight, Source, SourceError};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::conformance::{Stage, conforms};
use crate::programs::Program;
use crate::world::eventually;

/// Short, for tests that are not about it.
const OFTEN: Duration = Duration::from_millis(50);
/// Longer than any test takes.
const NEVER: Duration = Duration::from_secs(3600);
/// The name that is asked for. Only names below `test` are known to the server; others it refuses.
const NAME: &str = "db.test";

/// What is in the hosts file of the server.
fn hosts(addresses: &[&str]) -> String {
    addresses.iter().map(|address| format!("{address} {NAME}\n")).collect()
}

struct Dnsmasq {
    program: Option<Program>,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
}

impl Dnsmasq {
    /// Serves these addresses of the name, and what the options say.
    async fn start(addresses: &[&str], options: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { program: None, folder, port: free_port(), options };
        server.write(addresses);
        server.open().await;
        server
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn write(&self, addresses: &[&str]) {
        std::fs::write(self.folder.path().join("hosts"), hosts(addresses)).expect("the hosts file");
    }

    /// Serves other addresses from now on.
    async fn change(&self, addresses: &[&str]) {
        self.write(addresses);
        let program = self.program.as_ref().expect("it runs");
        let read = || program.output().matches("read ").count();
        let before = read();
        let sent = Command::new("kill").args(["-s", "HUP", &program.id().to_string()]).status().expect("kill starts");
        assert!(sent.success(), "it takes the signal");
        eventually("the hosts file is read again", || std::future::ready((read() > before).then_some(()))).await;
    }

    async fn open(&mut self) {
        let mut command = Command::new("dnsmasq");
        // Nothing of this host: no configuration, no names, no servers to ask, no daemon.
        command.args(["--conf-file=/dev/null", "--no-daemon", "--no-resolv", "--no-hosts", "--bind-interfaces"]);
        command.args(["--listen-address=127.0.0.1", "--local=/test/"]).arg(format!("--port={}", self.port));
        command.arg(format!("--addn-hosts={}", self.folder.path().join("hosts").display())).args(&self.options);
        let mut program = Program::start(&mut command);
        program.says("that it has read the hosts", |said| said.contains("read ").then_some(())).await;
        self.program = Some(program);
    }

    fn close(&mut self) {
        self.program = None;
    }

    /// A source that asks for the addresses of the name.
    fn source(&self, least_interval: Duration, most_interval: Duration) -> DnsSource {
        addresses_of(NAME, self.address(), (least_interval, most_interval))
    }
}

fn addresses_of(name: &str, server: SocketAddr, (least_interval, most_interval): (Duration, Duration)) -> DnsSource {
    let query = DnsQuery::Addresses { name: name.to_owned(), port: NonZeroU16::new(5432).expect("a port") };
    DnsSource { query, server: Some(server), least_interval, most_interval }
}

/// A number that is free for both, TCP and UDP.
fn free_port() -> u16 {
    let free = || {
        let tcp = TcpListener::bind("127.0.0.1:0").and_then(|tcp| tcp.local_addr()).ok()?;
        UdpSocket::bind(tcp).is_ok().then_some(tcp.port())
    };
    std::iter::repeat_with(free).take(100).flatten().next().expect("a free port")
}

/// A follower that calls the source again and again, and what the source told it and when.
struct Followed {
    told: UnboundedReceiver<(Instant, Result<Seen, SourceError>)>,
    task: JoinHandle<()>,
}

impl Followed {
    fn start(source: DnsSource) -> Self {
        let (tell, told) = unbounded_channel();
        let sees = tell.clone();
        let sight = Sight::to(move |seen| drop(sees.send((Instant::now(), Ok(seen)))));
        let task = tokio::spawn(async move {
            loop {
                let lost = source.follow(&sight).await;
                let _ = tell.send((Instant::now(), Err(lost)));
                tokio::time::sleep(OFTEN).await;
            }
        });
        Self { told, task }
    }

    async fn next(&mut self) -> (Instant, Result<Seen, SourceError>) {
        timeout(Duration::from_secs(30), self.told.recv()).await.expect("something is told").expect("it follows")
    }

    /// The next set, which must come without an error between, and when it came.
    async fn sees(&mut self) -> (Instant, Vec<String>) {
        let (at, seen) = self.next().await;
        (at, lines(&seen.expect("the source is not lost")))
    }

    /// Waits for a set, without an error before it.
    async fn comes_to_see(&mut self, wanted: &[&str]) {
        while self.sees().await.1 != wanted {}
    }

    async fn is_lost(&mut self) -> SourceError {
        loop {
            if let (_, Err(lost)) = self.next().await {
                return lost;
            }
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `name address weight`.
fn lines(seen: &Seen) -> Vec<String> {
    let line = |one: &leverframe::model::EndpointSpec| format!("{} {} {}", one.name, one.address, one.weight.get());
    seen.endpoints.iter().map(line).collect()
}

/// The line of an endpoint that is known by its address only.
fn bare(address: &str) -> String {
    format!("{address}:5432 {address}:5432 1")
}

impl Stage for Dnsmasq {
    fn spec(&self) -> SourceSpec {
        SourceSpec::Dns(self.source(OFTEN, OFTEN))
    }

    async fn hold(&mut self, endpoints: usize) {
        let addresses: Vec<_> = (1..=endpoints).map(|nth| format!("10.7.0.{nth}")).collect();
        self.change(&addresses.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    async fn leave(&mut self) {
        self.close();
    }

    async fn come_back(&mut self) {
        self.open().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_in_the_dns_conform() {
    conforms(Dnsmasq::start(&[], &[]).await).await;
}

#[tokio::test]
async fn addresses_of_both_families_appear_and_disappear() {
    let server = Dnsmasq::start(&[], &[]).await;
    let mut followed = Followed::start(server.source(OFTEN, OFTEN));
    assert_eq!(followed.sees().await.1, [""; 0], "a name that is not there has no addresses, which is a fact");
    server.change(&["10.7.0.1"]).await;
    followed.comes_to_see(&[&bare("10.7.0.1")]).await;
    server.change(&["10.7.0.1", "fd00::7", "10.7.0.2"]).await;
    let both = "fd00::7:5432 [fd00::7]:5432 1";
    followed.comes_to_see(&[&bare("10.7.0.1"), &bare("10.7.0.2"), both]).await;
    server.change(&["fd00::7"]).await;
    followed.comes_to_see(&[both]).await;
    server.change(&[]).await;
    followed.comes_to_see(&[]).await;
}

#[tokio::test]
async fn a_change_is_followed_when_the_time_to_live_is_over_and_not_before() {
    const LIVES: Duration = Duration::from_secs(2);
    let server = Dnsmasq::start(&["10.7.0.1"], &["--local-ttl=2"]).await;
    let mut followed = Followed::start(server.source(OFTEN, NEVER));
    let (first, seen) = followed.sees().await;
    assert_eq!(seen, [bare("10.7.0.1")]);
    server.change(&["10.7.0.2"]).await;
    let (second, seen) = followed.sees().await;
    assert_eq!(seen, [bare("10.7.0.2")]);
    let between = second - first;
    // The last is for a busy machine.
    assert!((LIVES..LIVES + Duration::from_secs(3)).contains(&between), "{between:?}");
}

#[tokio::test]
async fn questions_keep_to_the_shortest_and_the_longest_interval() {
    const INTERVAL: Duration = Duration::from_millis(700);
    for (lives, least, most) in [("--local-ttl=0", INTERVAL, NEVER), ("--local-ttl=3600", OFTEN, INTERVAL)] {
        let server = Dnsmasq::start(&["10.7.0.1"], &[lives]).await;
        let mut followed = Followed::start(server.source(least, most));
        let (mut before, _) = followed.sees().await;
        server.change(&["10.7.0.2"]).await;
        for _ in 0..3 {
            let (now, seen) = followed.sees().await;
            assert_eq!(seen, [bare("10.7.0.2")], "nothing is remembered beyond the longest interval");
            let between = now - before;
            assert!((INTERVAL..INTERVAL + Duration::from_secs(3)).contains(&between), "{lives}: {between:?}");
            before = now;
        }
    }
}

#[tokio::test]
async fn services_have_their_weights_and_only_the_lowest_priority_counts() {
    let records = [
        "--srv-host=_pg._tcp.test,one.test,5432,10,30",
        "--srv-host=_pg._tcp.test,two.test,5433,10,0",
        "--srv-host=_pg._tcp.test,many.test,5434,10,7",
        "--srv-host=_pg._tcp.test,nowhere.test,5435,10,1",
        "--srv-host=_pg._tcp.test,spare.test,5436,20,99",
        "--host-record=one.test,10.7.1.1",
        "--host-record=two.test,10.7.1.2,fd00::2",
        "--host-record=many.test,10.7.1.3",
        "--host-record=many.test,10.7.1.4",
        "--host-record=spare.test,10.7.1.5",
    ];
    let server = Dnsmasq::start(&[], &records).await;
    let query = DnsQuery::Services { name: "_pg._tcp.test".to_owned() };
    let mut followed = Followed::start(DnsSource { query, ..server.source(OFTEN, OFTEN) });
    let (_, seen) = followed.next().await;
    let seen = seen.expect("an answer");
    let mut found = lines(&seen);
    found.sort();
    let wanted = [
        "many.test:5434-10.7.1.3 10.7.1.3:5434 7",
        "many.test:5434-10.7.1.4 10.7.1.4:5434 7",
        "one.test:5432 10.7.1.1:5432 30",
        "two.test:5433-10.7.1.2 10.7.1.2:5433 1",
        "two.test:5433-fd00::2 [fd00::2]:5433 1",
    ];
    assert_eq!(found, wanted);
    let skipped: Vec<_> = seen.skipped.iter().map(|one| format!("{}: {}", one.what, one.why)).collect();
    assert_eq!(skipped, ["nowhere.test:5435: its host has no address"]);
}

#[tokio::test]
async fn an_answer_that_is_too_large_for_udp_comes_by_tcp() {
    let addresses: Vec<_> = (1..=250).map(|nth| format!("10.7.2.{nth}")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let server = Dnsmasq::start(&addresses, &["--edns-packet-max=512"]).await;
    let mut followed = Followed::start(server.source(OFTEN, OFTEN));
    assert_eq!(followed.sees().await.1.len(), addresses.len());
}

#[tokio::test]
async fn a_server_that_is_away_or_refuses_or_keeps_silent_is_no_empty_set() {
    let mut server = Dnsmasq::start(&["10.7.0.1"], &[]).await;
    let mut followed = Followed::start(server.source(OFTEN, OFTEN));
    followed.comes_to_see(&[&bare("10.7.0.1")]).await;
    server.close();
    let lost = followed.is_lost().await;
    assert!(matches!(&lost, SourceError::Unreachable(why) if why.contains(NAME)), "{lost}");
    server.open().await;
    while followed.next().await.1.is_err() {}
    followed.comes_to_see(&[&bare("10.7.0.1")]).await;

    let mut refused = Followed::start(addresses_of("db.elsewhere", server.address(), (OFTEN, OFTEN)));
    let lost = refused.is_lost().await;
    assert!(matches!(&lost, SourceError::Answer(why) if why.contains("Refused")), "{lost}");

    let silent = UdpSocket::bind("127.0.0.1:0").and_then(|silent| silent.local_addr().map(|at| (silent, at)));
    let (_silent, at) = silent.expect("a socket");
    let begin = Instant::now();
    let lost = Followed::start(addresses_of(NAME, at, (OFTEN, OFTEN))).is_lost().await;
    assert!(matches!(&lost, SourceError::Unreachable(_)), "{lost}");
    assert!(begin.elapsed() < Duration::from_secs(15), "known within seconds: {:?}", begin.elapsed());
}
