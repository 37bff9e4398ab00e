//! Nodes as child processes: demo nodes of this very program. None outlives it: a node ends when its standard input is
//! closed, which the system does for a parent that is gone, however it went.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::driver::{Driver, DriverError, Driving, Node};
use crate::config::ProcessTemplate;
use crate::model::{Address, EndpointName};

/// How long a node may take until it says where it listens: it opens a socket, no more.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long a node may take to finish what it has; as Docker gives a container.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Makes and ends child processes.
pub struct ProcessDriver {
    program: PathBuf,
    template: ProcessTemplate,
    slots: Mutex<BTreeMap<EndpointName, Slot>>,
    changed: Arc<Notify>,
}

/// What is known of one node.
enum Slot {
    /// It comes up and will listen there; none where the system chooses.
    Starting(Option<u16>),
    /// It came up.
    Up(Running),
}

/// A process that came up; it may have ended since.
struct Running {
    address: Address,
    wanted_port: Option<u16>,
    /// What it is told, or has been.
    told: watch::Sender<Told>,
    ended: watch::Receiver<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Run,
    Finish,
    Die,
}

impl ProcessDriver {
    /// Makes nodes of a program: this one, or another that takes the same options.
    pub fn new(program: PathBuf, template: ProcessTemplate) -> Self {
        Self { program, template, slots: Mutex::default(), changed: Arc::default() }
    }

    async fn start_one(&self, name: &EndpointName) -> Result<Node, DriverError> {
        let reserved = match self.reserve(name)? {
            Ok(node) => return Ok(node),
            Err(reserved) => reserved,
        };
        let mut child = self
            .command(name, reserved.port)
            .spawn()
            .map_err(|error| DriverError::Start(format!("{}: {error}", self.program.display())))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(DriverError::Start("it has no standard input and output".to_owned()));
        };
        let mut lines = BufReader::new(stdout).lines();
        match timeout(START_LIMIT, address(&mut lines, name)).await {
            Ok(Some(address)) => Ok(self.came_up(reserved, child, (stdin, lines), address)),
            Ok(None) => {
                drop(stdin);
                // It has closed its output, so it ends, or is of no use.
                let status = timeout(STOP_LIMIT, child.wait()).await;
                let how = status.ok().and_then(Result::ok).map(|status| format!(" ({status})")).unwrap_or_default();
                Err(DriverError::Start(format!("it ended before it said where it listens{how}")))
            }
            Err(_) => {
                // It may have ended by now.
                let _ = child.start_kill();
                Err(DriverError::Start(format!("it did not say where it listens within {} s", START_LIMIT.as_secs())))
            }
        }
    }

    /// Makes room for a node; a node that runs already is given back as it is.
    fn reserve<'a>(&'a self, name: &'a EndpointName) -> Result<Result<Node, Reserved<'a>>, DriverError> {
        let mut slots = self.slots();
        match slots.get(name) {
            Some(Slot::Up(running)) if !running.has_ended() => return Ok(Ok(running.node(name))),
            Some(Slot::Up(_)) => drop(slots.remove(name)),
            Some(Slot::Starting(_)) => return Err(DriverError::Start("it is being started".to_owned())),
            None => {}
        }
        let taken = |port: u16| slots.values().any(|slot| slot.port() == Some(port));
        let port = match self.template.base_port {
            None => None,
            Some(base) => {
                let free = (base.get()..=u16::MAX).find(|port| !taken(*port) && is_free(*port));
                Some(free.ok_or_else(|| DriverError::Start(format!("no port from {base} on is free")))?)
            }
        };
        slots.insert(name.clone(), Slot::Starting(port));
        Ok(Err(Reserved { driver: self, name, port }))
    }

    fn command(&self, name: &EndpointName, port: Option<u16>) -> Command {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0)));
        let mut command = Command::new(&self.program);
        command.args(["node", "--attached", &format!("--address={address}"), &format!("--name={name}")]);
        command.arg(format!("--average-delay={}ms", self.template.average_delay.as_millis()));
        command.arg(format!("--failure-percent={}", self.template.failure_percent));
        if let Some(statistics) = &self.template.statistics {
            command.arg("--statistics").arg(statistics);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Not of our group: who interrupts us at a terminal means us, and we end the nodes when we are ready.
        command.process_group(0);
        command
    }

    fn came_up(
        &self,
        reserved: Reserved<'_>,
        child: Child,
        pipes: (ChildStdin, Lines<BufReader<ChildStdout>>),
        address: Address,
    ) -> Node {
        let (told, hears) = watch::channel(Told::Run);
        let (ends, ended) = watch::channel(false);
        let running = Running { address, wanted_port: reserved.port, told, ended };
        let node = running.node(reserved.name);
        self.slots().insert(reserved.name.clone(), Slot::Up(running));
        tokio::spawn(mind(child, pipes, hears, (ends, Arc::clone(&self.changed))));
        node
    }

    async fn stop_one(&self, name: &EndpointName) -> Result<(), DriverError> {
        let (told, mut ended) = match self.slots().get(name) {
            Some(Slot::Up(running)) => (running.told.clone(), running.ended.clone()),
            Some(Slot::Starting(_)) => return Err(DriverError::Stop("it is being started".to_owned())),
            None => return Ok(()),
        };
        for (tell, limit) in [(Told::Finish, STOP_LIMIT), (Told::Die, START_LIMIT)] {
            told.send_replace(tell);
            // Whoever minds it is gone only with it.
            if timeout(limit, ended.wait_for(|ended| *ended)).await.is_ok() {
                self.slots().remove(name);
                return Ok(());
            }
        }
        Err(DriverError::Stop("it does not even end by force".to_owned()))
    }

    /// Each change of the slots is one step, so one that panicked does not close them to the others.
    fn slots(&self) -> MutexGuard<'_, BTreeMap<EndpointName, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver for ProcessDriver {
    fn list(&self) -> Driving<'_, Result<Vec<Node>, DriverError>> {
        let up = |(name, slot): (&EndpointName, &Slot)| match slot {
            Slot::Up(running) => Some(running.node(name)),
            Slot::Starting(_) => None,
        };
        let nodes = self.slots().iter().filter_map(up).collect();
        Box::pin(std::future::ready(Ok(nodes)))
    }

    fn start<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<Node, DriverError>> {
        Box::pin(self.start_one(name))
    }

    fn stop<'a>(&'a self, name: &'a EndpointName) -> Driving<'a, Result<(), DriverError>> {
        Box::pin(self.stop_one(name))
    }

    fn changed(&self) -> &Notify {
        &self.changed
    }

    fn close(&self) -> Driving<'_, ()> {
        Box::pin(async {
            let names: Vec<_> = self.slots().keys().cloned().collect();
            for result in join_all(names.iter().map(|name| self.stop_one(name))).await {
                if let Err(error) = result {
                    tracing::warn!(%error, "a node process stays");
                }
            }
        })
    }
}

/// A place for a node that comes up; given back when it does not.
struct Reserved<'a> {
    driver: &'a ProcessDriver,
    name: &'a EndpointName,
    port: Option<u16>,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut slots = self.driver.slots();
        if matches!(slots.get(self.name), Some(Slot::Starting(_))) {
            slots.remove(self.name);
        }
    }
}

impl Slot {
    /// The port that no other may have; an ended node leaves its own.
    fn port(&self) -> Option<u16> {
        match self {
            Self::Starting(port) => *port,
            Self::Up(running) => running.wanted_port.filter(|_| !running.has_ended()),
        }
    }
}

impl Running {
    fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    fn node(&self, name: &EndpointName) -> Node {
        let is_running = !self.has_ended();
        Node { name: name.clone(), address: is_running.then(|| self.address.clone()), is_running }
    }
}

/// Stays with a process until it has ended. Only here is it sent a signal, so never after its number is another's.
async fn mind(
    mut child: Child,
    (stdin, mut lines): (ChildStdin, Lines<BufReader<ChildStdout>>),
    mut hears: watch::Receiver<Told>,
    (ends, changed): (watch::Sender<bool>, Arc<Notify>),
) {
    // What else it says is read, so that it never waits for a reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let mut stdin = Some(stdin);
    let mut is_told = true;
    loop {
        tokio::select! {
            _ = child.wait() => break,
            told = hears.changed(), if is_told => {
                // Without a driver nobody is left to tell: then it is to finish.
                is_told = told.is_ok();
                match told.map_or(Told::Finish, |()| *hears.borrow_and_update()) {
                    Told::Run => {}
                    Told::Finish => {
                        finish(&child);
                        drop(stdin.take());
                    }
                    // It may have ended by now.
                    Told::Die => drop(child.start_kill()),
                }
            }
        }
    }
    ends.send_replace(true);
    changed.notify_one();
}

/// Asks a process to end. One that is stopped hears that only once it goes on.
fn finish(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        for signal in [rustix::process::Signal::TERM, rustix::process::Signal::CONT] {
            // It may have ended by now.
            let _ = rustix::process::kill_process(id, signal);
        }
    }
}

/// Where a node says that it listens; none when it ends first.
async fn address(lines: &mut Lines<BufReader<ChildStdout>>, name: &EndpointName) -> Option<Address> {
    let before = format!("node {name} listening on ");
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = line.strip_prefix(&before).and_then(|address| Address::parse(address.trim()).ok()) {
            return Some(address);
        }
    }
    None
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
