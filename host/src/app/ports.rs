//! The addresses that are open: taken over from the process before or opened anew, offered to the next, and given up when
//! nobody listens there any more. Between the two it is said who serves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::takeover::{self, Offer, Predecessor};
use crate::proxy::{self, FileBudget, OpenConnections};

/// The addresses of this process.
pub(super) struct Ports {
    files: FileBudget,
    /// What another process has is taken over, in place of giving up.
    take_over: bool,
    offers: BTreeMap<SocketAddr, Offer>,
    /// For each address that was taken over the process before, which goes by this one until that gives up the address.
    before: Mutex<BTreeMap<SocketAddr, Predecessor>>,
    taken: Arc<Notify>,
}

impl Ports {
    /// None so far. `take_over` is for the first ones; later on, what another process has is not ours.
    pub(super) fn new(take_over: bool) -> Self {
        let (files, offers) = (FileBudget::claim(), BTreeMap::new());
        Self { files, take_over, offers, before: Mutex::default(), taken: Arc::default() }
    }

    /// The count of a listener's connections, within what the process bears.
    pub(super) fn connections(&self) -> OpenConnections {
        OpenConnections::within(&self.files)
    }

    /// How many connections the process bears.
    pub(super) fn files(&self) -> &FileBudget {
        &self.files
    }

    /// Opens an address: for each worker its sockets, at least one.
    pub(super) async fn open(&self, address: SocketAddr, workers: usize) -> Result<Vec<Vec<TcpListener>>, String> {
        self.try_open(address, workers).await.map_err(|error| reason(&error))
    }

    /// The socket of an address for which one is enough, when there is one to be taken over.
    pub(super) async fn take(&self, address: SocketAddr) -> Result<Option<TcpListener>, String> {
        let taken = self.try_take(address).await.map_err(|error| reason(&error))?;
        Ok(taken.and_then(|mut sockets| sockets.pop()))
    }

    /// From now on these addresses are no longer listened on; all others stay as they are.
    pub(super) async fn give_up(&mut self, is_gone: impl Fn(SocketAddr) -> bool) {
        self.before().retain(|address, _| !is_gone(*address));
        self.withdraw(is_gone).await;
    }

    /// Offers these no longer, and gives up this hold on their sockets.
    async fn withdraw(&mut self, is_gone: impl Fn(SocketAddr) -> bool) {
        let gone: BTreeSet<_> = self.offers.keys().copied().filter(|address| is_gone(*address)).collect();
        for address in gone {
            if let Some(offer) = self.offers.remove(&address) {
                offer.end().await;
            }
        }
    }

    /// Offers the sockets of an address to the process that comes next, in place of those that it had before.
    pub(super) async fn offer<'a, S: AsFd + 'a>(&mut self, address: SocketAddr, sockets: impl Iterator<Item = &'a S>) {
        self.take_over = false;
        self.withdraw(|held| held == address).await;
        match Offer::new(address, sockets, &self.taken) {
            Ok(offer) => drop(self.offers.insert(address, offer)),
            Err(error) => tracing::warn!(%address, %error, "another process could not take over from this one"),
        }
    }

    /// Tells the process before that this one serves.
    pub(super) fn relieve(&self) {
        self.before().values_mut().for_each(Predecessor::relieve);
    }

    /// Whether the process that comes next serves there.
    pub(super) fn is_taken(&self, address: SocketAddr) -> bool {
        self.offers.get(&address).is_some_and(Offer::is_taken)
    }

    /// Wakes when that has changed for any address.
    pub(super) fn taken(&self) -> &Arc<Notify> {
        &self.taken
    }

    /// A socket of an address that is offered, once more.
    pub(super) fn socket(&self, address: SocketAddr) -> Option<TcpListener> {
        self.offers.get(&address)?.socket()
    }

    fn before(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Predecessor>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn try_open(&self, address: SocketAddr, workers: usize) -> io::Result<Vec<Vec<TcpListener>>> {
        let mut sockets = self.try_take(address).await?.unwrap_or_default();
        // What we hold may stand in our own way: a single address of the host in that of all of them.
        let is_ours = self.offers.keys().any(|held| overlap(*held, address));
        if sockets.is_empty() && !is_ours {
            proxy::probe(address)?;
        }
        sockets.extend(proxy::bind(address, workers.saturating_sub(sockets.len()))?);
        let mut shares: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        // The process before may have had more workers: then some of ours have more than one socket.
        for (nth, socket) in sockets.into_iter().enumerate() {
            if let Some(share) = shares.get_mut(nth % workers.max(1)) {
                share.push(socket);
            }
        }
        Ok(shares)
    }

    async fn try_take(&self, address: SocketAddr) -> io::Result<Option<Vec<TcpListener>>> {
        // With port 0 the address is a new one.
        if !self.take_over || address.port() == 0 {
            return Ok(None);
        }
        let Some(taken) = takeover::take(address).await? else { return Ok(None) };
        self.before().insert(address, taken.from);
        Ok(Some(taken.sockets))
    }
}

/// Whether who listens on one of them would be asked for the other, too.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = |address: SocketAddr| address.ip().is_unspecified();
    one.port() == other.port() && (one.ip() == other.ip() || is_any(one) || is_any(other))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there; `run --take-over` takes over from a Leverframe of the same user".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_of_ours_at_another_address_hides_nobody() {
        let mut ports = Ports::new(false);
        let ours = proxy::bind(([127, 0, 0, 1], 0).into(), 1).unwrap();
        let address = ours[0].local_addr().unwrap();
        socket2::SockRef::from(&ours[0]).listen(1).unwrap();
        ports.offer(address, ours.iter()).await;
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], address.port()));
        // One of the same user, which shares its address with whoever shares it, too.
        let theirs = proxy::bind(elsewhere, 1).unwrap();
        socket2::SockRef::from(&theirs[0]).listen(1).unwrap();
        let refused = ports.open(elsewhere, 1).await.unwrap_err();
        assert!(refused.contains("another process listens there"), "{refused}");
        drop(theirs);
        assert_eq!(ports.open(elsewhere, 1).await.unwrap().len(), 1);
        assert_eq!(
            ports.open(([0, 0, 0, 0], address.port()).into(), 1).await.unwrap().len(),
            1,
            "ours is no hindrance"
        );
    }
}
