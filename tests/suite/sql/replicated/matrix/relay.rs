//! Owns the way between the proxy and one node: it passes bytes on, and knows enough of what they say to stop them before, in
//! the middle of, or after the one message that matters. Knows nothing of what is done to the node or the proxy then.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::world::Port;

/// What is read at once; the messages here are far shorter.
const BUFFER: usize = 8 << 10;

/// What the relay does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Passes everything on.
    Pass,
    /// Takes connections, and passes nothing on.
    Hang,
    /// Answers take so many times as long as they do.
    Slow(u32),
}

/// A moment in a transaction of the one who applies the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Something of it comes from the proxy; the node does not get it.
    Asked,
    /// The node has got a statement, and may be at it.
    Sent,
    /// The node has answered that it is lasting; nobody has heard it.
    Committed,
    /// Half of that answer has been passed on.
    HalfAnswered,
}

/// Somebody waits for a moment. What comes then is held until `release` is dropped or told, and never passed on.
struct Trap {
    moment: Moment,
    sprung: oneshot::Sender<()>,
    release: oneshot::Receiver<()>,
}

struct State {
    upstream: Mutex<Option<SocketAddr>>,
    mode: watch::Sender<Mode>,
    /// Connections of an earlier number are broken off.
    cut: watch::Sender<u64>,
    trap: Mutex<Option<Trap>>,
}

/// A relay. Ends when it is dropped.
pub(super) struct Relay {
    port: Port,
    state: Arc<State>,
    listens: Mutex<Option<JoinHandle<()>>>,
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Relay {
    pub(super) fn new(upstream: SocketAddr) -> Self {
        let port = Port::free();
        let state = Arc::new(State {
            upstream: Mutex::new(Some(upstream)),
            mode: watch::Sender::new(Mode::Pass),
            cut: watch::Sender::new(0),
            trap: Mutex::new(None),
        });
        let relay = Self { port, state, listens: Mutex::default() };
        relay.accept();
        relay
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The node is somewhere else now, or nowhere: where it was may be somebody else's.
    pub(super) fn leads_to(&self, upstream: Option<SocketAddr>) {
        *lock(&self.state.upstream) = upstream;
    }

    pub(super) fn set(&self, mode: Mode) {
        self.state.mode.send_replace(mode);
    }

    /// Breaks off all connections.
    pub(super) fn cut(&self) {
        self.state.cut.send_modify(|number| *number += 1);
    }

    /// Nobody listens any more.
    pub(super) async fn refuse(&self) {
        let listens = lock(&self.listens).take();
        if let Some(listens) = listens {
            listens.abort();
            // Until it has ended the port is still open.
            let _ = listens.await;
        }
        self.cut();
    }

    /// Somebody listens.
    pub(super) fn accept(&self) {
        let listener = TcpListener::from_std(self.port.listen()).expect("a listener");
        *lock(&self.listens) = Some(tokio::spawn(listen(listener, Arc::clone(&self.state))));
    }

    /// Waits for a moment to come; none where it does not in time. What is returned holds it.
    pub(super) async fn at(&self, moment: Moment, within: Duration) -> Option<oneshot::Sender<()>> {
        let (sprung, springs) = oneshot::channel();
        let (releases, release) = oneshot::channel();
        *lock(&self.state.trap) = Some(Trap { moment, sprung, release });
        if tokio::time::timeout(within, springs).await.is_ok_and(|sprung| sprung.is_ok()) {
            return Some(releases);
        }
        *lock(&self.state.trap) = None;
        None
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(listens) = lock(&self.listens).take() {
            listens.abort();
        }
        self.cut();
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let mut cut = state.cut.subscribe();
            let born = *cut.borrow_and_update();
            tokio::select! {
                biased;
                _ = cut.wait_for(|number| *number > born) => {}
                () = connection(client, &state) => {}
            }
        });
    }
}

async fn connection(client: TcpStream, state: &State) {
    // One that hangs does not even reach the node.
    passes(state).await;
    let Some(upstream) = *lock(&state.upstream) else { return };
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut talk = Talk { client, server, state, stage: Stage::Idle, asked: Instant::now() };
    while talk.step().await.is_some() {}
}

async fn passes(state: &State) {
    let mut mode = state.mode.subscribe();
    // It lives as long as the relay.
    let _ = mode.wait_for(|mode| *mode != Mode::Hang).await;
}

/// Where a connection is in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    /// Something was asked of it.
    Within,
    /// It was asked to make it lasting.
    Committing,
}

struct Talk<'a> {
    client: TcpStream,
    server: TcpStream,
    state: &'a State,
    stage: Stage,
    asked: Instant,
}

fn says(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

impl Stage {
    /// After the proxy has said this. Works for the texts that the program sends to PostgreSQL, MariaDB and HTTP nodes.
    fn after(self, bytes: &[u8]) -> Self {
        if says(bytes, b"ROLLBACK") || says(bytes, b"/rollback") {
            Self::Idle
        } else if says(bytes, b"COMMIT") || says(bytes, b"/commit") {
            Self::Committing
        } else if says(bytes, b"BEGIN") || says(bytes, b"START TRANSACTION") || says(bytes, b"POST /transactions") {
            Self::Within
        } else {
            self
        }
    }
}

impl Talk<'_> {
    /// Passes on what comes next; none at the end.
    async fn step(&mut self) -> Option<()> {
        let (mut from_client, mut from_server) = (vec![0; BUFFER], vec![0; BUFFER]);
        tokio::select! {
            read = self.client.read(&mut from_client) => {
                let bytes = from_client.get(..read.ok()?)?;
                self.request(bytes).await
            }
            read = self.server.read(&mut from_server) => {
                let bytes = from_server.get(..read.ok()?)?;
                self.reply(bytes).await
            }
        }
    }

    async fn request(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.is_empty() {
            return None;
        }
        passes(self.state).await;
        let was = self.stage;
        self.stage = was.after(bytes);
        let is_statement = was == Stage::Within && self.stage == Stage::Within;
        if self.stage != Stage::Idle
            && let Some(trap) = self.sprung(Moment::Asked)
        {
            return hold(trap).await;
        }
        self.asked = Instant::now();
        self.server.write_all(bytes).await.ok()?;
        match is_statement.then(|| self.sprung(Moment::Sent)).flatten() {
            Some(trap) => hold(trap).await,
            None => Some(()),
        }
    }

    async fn reply(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.is_empty() {
            return None;
        }
        if self.stage == Stage::Committing {
            self.stage = Stage::Idle;
            if let Some(trap) = self.sprung(Moment::Committed) {
                return hold(trap).await;
            }
            if let Some(trap) = self.sprung(Moment::HalfAnswered) {
                self.client.write_all(bytes.get(..bytes.len() / 2)?).await.ok()?;
                return hold(trap).await;
            }
        }
        passes(self.state).await;
        let mode = *self.state.mode.borrow();
        if let Mode::Slow(times) = mode {
            let mut mode = self.state.mode.subscribe();
            let is_over = mode.wait_for(|mode| !matches!(mode, Mode::Slow(_)));
            // No longer than it is to be slow.
            let _ = tokio::time::timeout(self.asked.elapsed() * times.saturating_sub(1), is_over).await;
        }
        self.client.write_all(bytes).await.ok()
    }

    fn sprung(&self, moment: Moment) -> Option<Trap> {
        lock(&self.state.trap).take_if(|trap| trap.moment == moment)
    }
}

/// Tells who waits for the moment, and ends the connection when that is done with it.
async fn hold(trap: Trap) -> Option<()> {
    let Trap { sprung, release, .. } = trap;
    let _ = sprung.send(());
    let _ = release.await;
    None
}
