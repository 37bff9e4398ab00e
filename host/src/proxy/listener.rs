//! Where clients connect: one socket for each worker, all on the same address, among which the kernel spreads the
//! connections. Takes connections, holds them to the listener's limit, and knows them all, so that they can be told to
//! finish.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::clients::{ClientConnected, Clients};
use super::connection::{self, ClientConnection};
use super::error::{ClientFault, Error, HostFault, Reason};
use super::files::{Counted, FileBudget};
use super::metrics::ListenerCounters;
use super::problem;
use super::service::Service;
use super::world::World;
use crate::config;
use crate::model::ListenerName;
use crate::routing::RouteTable;

/// Connections that the kernel holds until they are accepted: its own default limit (`net.core.somaxconn`).
const BACKLOG: u16 = 4096;

/// How long to wait when no connection can be accepted, for want of file descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Sees whether an address is free. `bind` alone does not: it would share the address with whoever shares it, too.
///
/// # Errors
///
/// `AddrInUse` when somebody listens there; whatever else the kernel says.
pub fn probe(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections that linger from a process before are no hindrance.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// Takes an address once for every worker. Port 0 takes a free port, the same for all. Clients can connect when the
/// workers have the sockets, not before: what is built and not used leaves nobody waiting.
///
/// # Errors
///
/// What the kernel says when the address cannot be had.
pub fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let mut address = address;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = std::net::TcpListener::from(socket);
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Lets clients connect to a socket, which may have let them before.
pub(super) fn listen(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    SockRef::from(&socket).listen(BACKLOG.into())?;
    TcpListener::from_std(socket)
}

/// What the connections of a listener take, counted over all workers. One for each listener, for as long as it keeps its
/// socket.
#[derive(Clone, Debug, Default)]
pub struct OpenConnections {
    count: Arc<AtomicUsize>,
    clients: Clients,
    budget: FileBudget,
}

/// A connection that is counted, everywhere that it counts.
struct Entered(#[expect(dead_code, reason = "they give back on drop")] (Counted, Counted, Option<ClientConnected>));

impl OpenConnections {
    /// None so far, and no more than the process bears.
    pub fn within(budget: &FileBudget) -> Self {
        Self { budget: budget.clone(), ..Self::default() }
    }

    /// Whether they are those of the same socket.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.count, &other.count)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Counts one more, if the limits leave room for it.
    fn enter(&self, limits: &config::Limits, peer: IpAddr) -> Result<Entered, Error> {
        let too_many = |limit| Error::Host(HostFault::TooManyConnections(limit));
        let open = Counted::below(&self.count, limits.connections).ok_or_else(|| too_many(limits.connections))?;
        let client = match limits.connections_per_client {
            None => None,
            Some(limit) => {
                let connected = self.clients.connect(peer, limit, Instant::now());
                Some(connected.ok_or(Error::Client(ClientFault::TooManyConnections(limit)))?)
            }
        };
        let file = self.budget.client().ok_or_else(|| too_many(self.budget.limit()))?;
        Ok(Entered((open, file, client)))
    }
}

/// What a listener does now.
pub(super) struct ListenerView {
    pub(super) config: Arc<config::Listener>,
    pub(super) routes: Arc<RouteTable>,
    /// The admin API. One that is closed keeps its own, with the tokens that it asks for.
    pub(super) admin: Option<Arc<dyn Service>>,
}

/// A listener of one worker.
pub(super) struct ListenerSlot {
    world: Rc<World>,
    view: RefCell<Rc<ListenerView>>,
    open: OpenConnections,
    counters: RefCell<Arc<ListenerCounters>>,
    connections: RefCell<HashMap<u64, Rc<ClientConnection>>>,
    next: Cell<u64>,
    closing: Cell<bool>,
    stop: Notify,
}

impl ListenerSlot {
    pub(super) fn new(world: Rc<World>, view: ListenerView, open: OpenConnections) -> Self {
        let counters = world.metrics().listener(&view.config.name);
        Self {
            world,
            view: RefCell::new(Rc::new(view)),
            open,
            counters: RefCell::new(counters),
            connections: RefCell::default(),
            next: Cell::new(0),
            closing: Cell::new(false),
            stop: Notify::new(),
        }
    }

    pub(super) fn name(&self) -> ListenerName {
        self.view().config.name.clone()
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn open(&self) -> &OpenConnections {
        &self.open
    }

    pub(super) fn counters(&self) -> Arc<ListenerCounters> {
        Arc::clone(&self.counters.borrow())
    }

    /// What holds at this moment.
    pub(super) fn view(&self) -> Rc<ListenerView> {
        Rc::clone(&self.view.borrow())
    }

    /// Counts a request of a client.
    pub(super) fn admit(&self, client: IpAddr, now: Instant) -> Result<(), ClientFault> {
        match self.view.borrow().config.limits.requests_per_client {
            None => Ok(()),
            Some(rate) => self.open.clients.request(client, rate, now).map_err(|wait| {
                // In whole seconds, and not so early that it is refused again.
                let retry_after = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                ClientFault::TooManyRequests { retry_after }
            }),
        }
    }

    /// From the next request on, other routes and limits hold. Under another name, what comes is counted there.
    pub(super) fn configure(&self, view: ListenerView) {
        if self.view.borrow().config.name != view.config.name {
            self.counters.replace(self.world.metrics().listener(&view.config.name));
        }
        self.view.replace(Rc::new(view));
    }

    /// Takes no more connections, and lets the ones there are finish.
    pub(super) fn close(&self) {
        self.closing.set(true);
        self.stop.notify_waiters();
        for connection in self.connections.borrow().values() {
            connection.close();
        }
    }

    /// Takes connections until the listener is closed.
    pub(super) async fn accept(self: Rc<Self>, socket: TcpListener) {
        let mut fails = false;
        loop {
            let stopped = self.stop.notified();
            if self.closing.get() {
                break;
            }
            let accepted = tokio::select! {
                biased;
                () = stopped => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    fails = false;
                    self.take(stream, peer);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut fails, true) {
                        tracing::warn!(listener = %self.name(), %error, "cannot accept connections for now");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        self.drain(socket);
    }

    /// Takes what is in the accept queue already, which closing the socket would reset, and no more than that: another
    /// process that has the socket goes on.
    fn drain(self: &Rc<Self>, socket: TcpListener) {
        let Ok(socket) = socket.into_std() else { return };
        for _ in 0..BACKLOG {
            match socket.accept() {
                Ok((stream, peer)) => {
                    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    if let Ok(stream) = stream {
                        self.take(stream, peer);
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return,
            }
        }
    }

    fn take(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        self.counters.borrow().accepted.add(1);
        let entered = match self.open.enter(&self.view.borrow().config.limits, peer.ip()) {
            Ok(entered) => entered,
            Err(error) => return self.turn_away(&stream, &error),
        };
        if stream.set_nodelay(true).is_err() {
            return; // It is gone already.
        }
        let client = Rc::new(ClientConnection::new(Rc::clone(self), peer.ip()));
        let present = Present::enter(self, &client, entered);
        drop(tokio::task::spawn_local(async move {
            connection::run(client, stream).await;
            drop(present);
        }));
    }

    fn turn_away(&self, stream: &TcpStream, error: &Error) {
        self.counters.borrow().refuse(error.reason());
        // One client that floods is not worth an answer.
        if error.reason() != Reason::TooManyConnectionsOfClient {
            // As much as the socket takes at once: an empty one takes it all.
            let _ = stream.try_write(&problem::wire(error));
        }
    }
}

/// Errors that concern the connection that was to be accepted, not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A connection that is known to its listener; forgotten on drop.
struct Present {
    listener: Rc<ListenerSlot>,
    /// Where it was counted: the listener may get another name.
    counters: Arc<ListenerCounters>,
    id: u64,
    _entered: Entered,
}

impl Present {
    fn enter(listener: &Rc<ListenerSlot>, client: &Rc<ClientConnection>, entered: Entered) -> Self {
        let id = listener.next.get();
        listener.next.set(id + 1);
        listener.connections.borrow_mut().insert(id, Rc::clone(client));
        let counters = listener.counters();
        counters.open.add(1);
        listener.world.enter();
        if listener.closing.get() {
            client.close();
        }
        Self { listener: Rc::clone(listener), counters, id, _entered: entered }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.listener.connections.borrow_mut().remove(&self.id);
        self.counters.open.subtract(1);
        self.listener.world.leave();
    }
}
