//! Where clients connect: one socket for each worker, all on the same address, among which the kernel spreads the
//! connections. Takes connections, holds them to the listener's limit, and knows them all, so that they can be told to
//! finish.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::connection::{self, ClientConnection};
use super::error::{Error, HostFault};
use super::metrics::ListenerCounters;
use super::problem;
use super::world::World;
use crate::config;
use crate::model::ListenerName;
use crate::routing::RouteTable;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4096;

/// How long to wait when no connection can be accepted, for want of file descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Opens an address once for every worker. Port 0 takes a free port, the same for all.
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
        socket.listen(BACKLOG)?;
        let socket = std::net::TcpListener::from(socket);
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// How many connections a listener has over all workers. One for each listener, for as long as it keeps its socket.
#[derive(Clone, Debug, Default)]
pub struct OpenConnections(Arc<AtomicUsize>);

impl OpenConnections {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Counts one more, if the limit leaves room for it.
    fn enter(&self, limit: usize) -> Option<Entered> {
        let entered = Entered(Arc::clone(&self.0));
        (self.0.fetch_add(1, Relaxed) < limit).then_some(entered)
    }
}

/// A connection that is counted; taken back on drop.
struct Entered(Arc<AtomicUsize>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What a listener does now.
pub(super) struct ListenerView {
    pub(super) config: Arc<config::Listener>,
    pub(super) routes: Arc<RouteTable>,
}

/// A listener of one worker.
pub(super) struct ListenerSlot {
    world: Rc<World>,
    view: RefCell<Rc<ListenerView>>,
    open: OpenConnections,
    counters: Arc<ListenerCounters>,
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
            counters,
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

    pub(super) fn counters(&self) -> Arc<ListenerCounters> {
        Arc::clone(&self.counters)
    }

    /// What holds at this moment.
    pub(super) fn view(&self) -> Rc<ListenerView> {
        Rc::clone(&self.view.borrow())
    }

    /// From the next request on, other routes and limits hold.
    pub(super) fn configure(&self, view: ListenerView) {
        self.view.replace(Rc::new(view));
    }

    /// Takes no more connections, and lets the ones there are finish.
    pub(super) fn close(&self) {
        self.closing.set(true);
        self.stop.notify_one();
        for connection in self.connections.borrow().values() {
            connection.close();
        }
    }

    /// Takes connections until the listener is closed.
    pub(super) async fn accept(self: Rc<Self>, socket: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.notified() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(listener = %self.name(), %error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        self.drain(socket);
    }

    /// Takes what is in the accept queue already, which closing the socket would reset.
    fn drain(self: &Rc<Self>, socket: TcpListener) {
        let Ok(socket) = socket.into_std() else { return };
        loop {
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
        self.counters.accepted.add(1);
        let limit = self.view().config.limits.connections;
        let Some(entered) = self.open.enter(limit) else {
            self.turn_away(&stream, limit);
            return;
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

    fn turn_away(&self, stream: &TcpStream, limit: usize) {
        let error = Error::Host(HostFault::TooManyConnections(limit));
        self.counters.refuse(error.reason());
        // As much as the socket takes at once: an empty one takes it all.
        let _ = stream.try_write(&problem::wire(&error));
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
    id: u64,
    _entered: Entered,
}

impl Present {
    fn enter(listener: &Rc<ListenerSlot>, client: &Rc<ClientConnection>, entered: Entered) -> Self {
        let id = listener.next.get();
        listener.next.set(id + 1);
        listener.connections.borrow_mut().insert(id, Rc::clone(client));
        listener.counters.open.add(1);
        listener.world.enter();
        if listener.closing.get() {
            client.close();
        }
        Self { listener: Rc::clone(listener), id, _entered: entered }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.listener.connections.borrow_mut().remove(&self.id);
        self.listener.counters.open.subtract(1);
        self.listener.world.leave();
    }
}
