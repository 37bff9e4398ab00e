//! The addresses that are open: taken over from the process before or opened anew, offered to the next, and given up when
//! nobody listens there any more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use super::takeover::{self, Offer};
use crate::proxy::{self, ClientBudget, OpenConnections};

/// The addresses of this process.
pub(super) struct Ports {
    budget: ClientBudget,
    /// What another process has is taken over, in place of giving up.
    take_over: bool,
    offers: BTreeMap<SocketAddr, Offer>,
}

impl Ports {
    /// None so far. `take_over` is for the first ones; later on, what another process has is not ours.
    pub(super) fn new(take_over: bool) -> Self {
        Self { budget: ClientBudget::claim(), take_over, offers: BTreeMap::new() }
    }

    /// The count of a listener's connections, within what the process bears.
    pub(super) fn connections(&self) -> OpenConnections {
        OpenConnections::within(&self.budget)
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
        self.give_up(|held| held == address).await;
        match Offer::new(address, sockets) {
            Ok(offer) => drop(self.offers.insert(address, offer)),
            Err(error) => tracing::warn!(%address, %error, "another process could not take over from this one"),
        }
    }

    /// Whether another process listens there as well.
    pub(super) fn is_taken(&self, address: SocketAddr) -> bool {
        self.offers.get(&address).is_some_and(Offer::is_taken)
    }

    async fn try_open(&self, address: SocketAddr, workers: usize) -> io::Result<Vec<Vec<TcpListener>>> {
        let mut sockets = self.try_take(address).await?.unwrap_or_default();
        // An address of ours may be opened once more: by a listener with another name, say.
        let is_ours = self.offers.keys().any(|held| held.port() == address.port());
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
        takeover::take(address).await
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there; `run --take-over` takes over from a Leverframe of the same user".to_owned()
        }
        _ => error.to_string(),
    }
}
