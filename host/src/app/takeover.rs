//! Passing the listening sockets on from one process to the next, so that a new version takes over while clients connect.
//!
//! Each process that listens offers its sockets under a name that follows from their address; the next one asks there and
//! gets the sockets themselves (`SCM_RIGHTS`). Both then accept from the same queues until the older one ends, and a
//! connection that waits in a queue, or whose handshake is not done, does not notice: a socket closes with its last
//! holder. To bind anew beside the older process (`SO_REUSEPORT`) would not do: each has queues of its own then, and a
//! closed socket resets what is in its queue.
//!
//! The connection over which the sockets came stays open: the next process says on it that it serves, and its end is the
//! end of that process. So the one before knows whether there is another to which to leave what only one should answer.
//!
//! The names are abstract ones (`unix(7)`): they belong to the network namespace, as the ports do, and are gone with the
//! process. Sockets are passed only among processes of one user, as with `SO_REUSEPORT`.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self as unix, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg, sockopt,
};
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use crate::proxy;

/// Sockets in one message; the kernel takes at most 253 (`SCM_MAX_FD`).
const BATCH: usize = 128;

/// As long as the process before has the name, it is tried again after this time.
const NAME_TAKEN_PAUSE: Duration = Duration::from_millis(100);

/// For so long a process that listens may be without the name: the one before it has just ended.
const NAMELESS: Duration = Duration::from_secs(2);

/// A process that does not answer for so long hangs, and must be ended first.
const PATIENCE: Duration = Duration::from_secs(5);

/// What follows a batch.
const MORE: u8 = 1;
const LAST: u8 = 0;
/// What the next process says when it serves.
const SERVES: [u8; 1] = [2];

fn name(address: SocketAddr) -> io::Result<unix::SocketAddr> {
    unix::SocketAddr::from_abstract_name(format!("leverframe/{address}"))
}

/// The sockets of one address, for whoever asks. Dropped, they are offered no longer, and this hold on them is given up.
#[derive(Debug)]
pub(super) struct Offer {
    task: JoinHandle<()>,
    sockets: Arc<[OwnedFd]>,
    taken: Taken,
}

/// The processes that serve on sockets that this one offered.
#[derive(Clone, Debug)]
struct Taken {
    count: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

/// One of them; ends on drop.
struct Serving(Taken);

impl Taken {
    fn enter(&self) -> Serving {
        self.count.fetch_add(1, Relaxed);
        self.changed.notify_one();
        Serving(self.clone())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Relaxed);
        self.0.changed.notify_one();
    }
}

/// The sockets of an address that were taken over.
#[derive(Debug)]
pub(super) struct TakenOver {
    pub(super) sockets: Vec<TcpListener>,
    pub(super) from: Predecessor,
}

/// The process before, for as long as it need not serve by itself.
#[derive(Debug)]
pub(super) struct Predecessor(UnixStream);

impl Predecessor {
    /// This process serves, until this is dropped.
    pub(super) fn relieve(&mut self) {
        // One that has ended already need not know.
        let _ = self.0.write_all(&SERVES);
    }
}

impl Offer {
    /// Offers the sockets of an address. `changed` is notified when `is_taken` changes.
    ///
    /// # Errors
    ///
    /// When there are no file descriptors left for that.
    pub(super) fn new<'a, S: AsFd + 'a>(
        address: SocketAddr,
        sockets: impl Iterator<Item = &'a S>,
        changed: &Arc<Notify>,
    ) -> io::Result<Self> {
        let own = |socket: &S| socket.as_fd().try_clone_to_owned();
        let sockets: Arc<[_]> = sockets.map(own).collect::<io::Result<Vec<_>>>()?.into();
        let taken = Taken { count: Arc::default(), changed: Arc::clone(changed) };
        let offered = (Arc::clone(&sockets), taken.clone());
        let task = tokio::spawn(async move {
            // Without the name this process serves all the same; it cannot be taken over from.
            if let Err(error) = offer(address, &offered.0, &offered.1).await {
                tracing::warn!(%address, %error, "another process could not take over from this one");
            }
        });
        Ok(Self { task, sockets, taken })
    }

    /// One of the sockets, once more.
    pub(super) fn socket(&self) -> Option<TcpListener> {
        Some(self.sockets.first()?.try_clone().ok()?.into())
    }

    /// Gives up the hold on the sockets; when this returns, it is given up.
    pub(super) async fn end(mut self) {
        self.task.abort();
        // It was cut off, which is no news.
        let _ = (&mut self.task).await;
    }

    /// Whether another process serves on the sockets, too.
    pub(super) fn is_taken(&self) -> bool {
        self.taken.count.load(Relaxed) > 0
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn offer(address: SocketAddr, sockets: &[OwnedFd], taken: &Taken) -> io::Result<()> {
    let listener = loop {
        match unix::UnixListener::bind_addr(&name(address)?) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => tokio::time::sleep(NAME_TAKEN_PAUSE).await,
            bound => break bound?,
        }
    };
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let mut successors = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        while successors.try_join_next().is_some() {}
        match is_same_user(&stream).and_then(|()| give(&stream, sockets)) {
            Ok(()) => {
                tracing::info!(%address, "another process takes over");
                successors.spawn(follow(stream, taken.clone()));
            }
            Err(error) => tracing::warn!(%address, %error, "another process could not take over"),
        }
    }
}

/// Follows the process that has the sockets until its end.
async fn follow(mut stream: tokio::net::UnixStream, taken: Taken) {
    let mut said = [0];
    // It may end before it ever serves.
    if stream.read_exact(&mut said).await.is_ok() && said == SERVES {
        let _serving = taken.enter();
        // Nothing more is said: this is its end.
        let _ = stream.read(&mut said).await;
    }
}

/// Takes over the sockets of an address from the process that offers them; none when nobody does.
///
/// # Errors
///
/// When what is offered is not what it should be.
pub(super) async fn take(address: SocketAddr) -> io::Result<Option<TakenOver>> {
    let start = Instant::now();
    loop {
        // Off the runtime: the other process may take its time.
        let taken = spawn_blocking(move || take_now(address)).await.map_err(io::Error::other)??;
        if taken.is_some() || proxy::probe(address).is_ok() || start.elapsed() > NAMELESS {
            return Ok(taken);
        }
        tokio::time::sleep(NAME_TAKEN_PAUSE).await;
    }
}

fn take_now(address: SocketAddr) -> io::Result<Option<TakenOver>> {
    let stream = match UnixStream::connect_addr(&name(address)?) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => return Err(error),
    };
    is_same_user(&stream)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let sockets = receive(&stream)?;
    for socket in &sockets {
        if socket.local_addr()? != address || !SockRef::from(socket).is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what is offered there listens elsewhere"));
        }
    }
    tracing::info!(%address, sockets = sockets.len(), "taken over from another process");
    Ok(Some(TakenOver { sockets, from: Predecessor(stream) }))
}

/// Both sides ask: one gives its clients away, the other trusts what it is given.
fn is_same_user(stream: impl AsFd) -> io::Result<()> {
    if sockopt::socket_peercred(stream)?.uid == rustix::process::geteuid() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the other process runs as another user"))
}

/// All at once: the messages are small enough for the socket's buffer.
fn give(stream: impl AsFd, sockets: &[OwnedFd]) -> io::Result<()> {
    let batches = sockets.chunks(BATCH);
    let last = batches.len().saturating_sub(1);
    for (nth, batch) in batches.enumerate() {
        let descriptors: Vec<BorrowedFd<'_>> = batch.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let follows = [if nth == last { LAST } else { MORE }];
        sendmsg(&stream, &[IoSlice::new(&follows)], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

fn receive(stream: impl AsFd) -> io::Result<Vec<TcpListener>> {
    let mut sockets = Vec::new();
    loop {
        let mut follows = [LAST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let read = recvmsg(&stream, &mut [IoSliceMut::new(&mut follows)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                sockets.extend(descriptors.map(TcpListener::from));
            }
        }
        match (read.bytes, follows) {
            (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (_, [LAST]) => return Ok(sockets),
            (_, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(sockets: usize) -> (SocketAddr, Vec<TcpListener>) {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let clones = (1..sockets).map(|_| first.try_clone().unwrap()).collect::<Vec<_>>();
        (first.local_addr().unwrap(), std::iter::once(first).chain(clones).collect())
    }

    fn offer(address: SocketAddr, sockets: &[TcpListener]) -> Offer {
        Offer::new(address, sockets.iter(), &Arc::default()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_waits_in_the_queue_survives_the_process_before() {
        let (address, sockets) = listening(1);
        let offer = offer(address, &sockets);
        let waits = std::net::TcpStream::connect(address).unwrap();
        let next = take(address).await.unwrap().unwrap();
        drop((offer, sockets));
        let (accepted, _) = next.sockets[0].accept().unwrap();
        assert_eq!(accepted.peer_addr().unwrap(), waits.local_addr().unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn more_than_one_message_holds_are_passed_too() {
        let (address, sockets) = listening(300);
        let _offer = offer(address, &sockets);
        assert_eq!(take(address).await.unwrap().unwrap().sockets.len(), 300);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_is_taken_for_as_long_as_the_next_process_serves_and_not_before() {
        let (address, sockets) = listening(1);
        let changed = Arc::new(Notify::new());
        let offer = Offer::new(address, sockets.iter(), &changed).unwrap();
        drop(take(address).await.unwrap().unwrap());
        let mut next = take(address).await.unwrap().unwrap();
        assert!(!offer.is_taken(), "the first ended before it served, the second does not serve yet");
        next.from.relieve();
        changed.notified().await;
        assert!(offer.is_taken());
        drop(next);
        changed.notified().await;
        assert!(!offer.is_taken());
    }

    #[tokio::test]
    async fn where_nobody_offers_there_is_nothing_to_take() {
        let (address, sockets) = listening(1);
        assert!(take(address).await.unwrap().is_none(), "not even from one that listens");
        drop(sockets);
        assert!(take(address).await.unwrap().is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_listens_elsewhere_is_not_taken() {
        let ((wanted, _free), (_, sockets)) = (listening(1), listening(1));
        let _offer = offer(wanted, &sockets);
        assert_eq!(take(wanted).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
