//! What single clients may take of a listener, over all workers: connections at a time, and requests in a time. A client
//! is an address; of IPv6 its /64, since that is what one subscriber has. Nothing is kept of a client that has no
//! connection counted and has been quiet for a while, and never more than a fixed number of them.
//!
//! The rate is held by GCRA, the "generic cell rate algorithm" of ITU-T I.371: instead of a bucket that is refilled, each
//! client has the moment at which it would have used up what it sent, were it to send evenly.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::RequestRate;

/// Locks among which the clients are spread: far more than there are workers, so that two of them seldom meet.
const SHARDS: usize = 64;

/// Clients that one shard remembers: a quarter of a million in all, about 16 MiB. Those beyond are let through, since a
/// limit for each client is no answer to that many.
const MOST_CLIENTS: usize = 4096;

/// A shard is looked through for clients to forget each time that it has doubled, not below this.
const FIRST_SWEEP: usize = 64;

/// One that is full of clients that are not quiet is not looked through again for so long: each new one would cost that.
const FULL_FOR: Duration = Duration::from_secs(1);

/// Whom a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ClientKey(u64);

impl ClientKey {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            // The IPv6 networks that begin with so many zeros are not given to anyone.
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        })
    }

    /// Fibonacci hashing: neighbours are spread.
    fn shard(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
    }
}

/// What is known of a client.
#[derive(Clone, Copy, Debug)]
struct Client {
    connections: u32,
    /// When what it sent is used up.
    used_up: Instant,
}

impl Client {
    /// Counts a request; the wait until there is room when there is none.
    fn request(&mut self, rate: RequestRate, now: Instant) -> Result<(), Duration> {
        let each = Duration::from_secs(1) / rate.per_second.get();
        let ahead = self.used_up.saturating_duration_since(now);
        let at_most = each.saturating_mul(rate.burst.get() - 1);
        if ahead > at_most {
            return Err(ahead - at_most);
        }
        self.used_up = now + ahead + each;
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Shard {
    clients: HashMap<ClientKey, Client>,
    /// The size at which it is looked through next.
    sweep_at: usize,
    /// When it was found to be full of clients that cannot be forgotten.
    full: Option<Instant>,
}

impl Shard {
    /// The client, unless there are too many.
    fn client(&mut self, key: ClientKey, now: Instant) -> Option<&mut Client> {
        if self.clients.len() >= self.sweep_at && !self.clients.contains_key(&key) {
            if self.full.is_some_and(|full| now.saturating_duration_since(full) < FULL_FOR) {
                return None;
            }
            self.clients.retain(|_, client| client.connections > 0 || client.used_up > now);
            self.sweep_at = (self.clients.len() * 2).clamp(FIRST_SWEEP, MOST_CLIENTS);
            self.full = (self.clients.len() >= MOST_CLIENTS).then_some(now);
            if self.full.is_some() {
                return None;
            }
        }
        Some(self.clients.entry(key).or_insert(Client { connections: 0, used_up: now }))
    }
}

/// The clients of a listener. Cloned, it is the same one.
#[derive(Clone, Debug)]
pub(super) struct Clients(Arc<[Mutex<Shard>]>);

impl Default for Clients {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }
}

impl Clients {
    /// Counts a connection; none when the client has as many as it may.
    pub(super) fn connect(&self, address: IpAddr, limit: u32, now: Instant) -> Option<ClientConnected> {
        let key = ClientKey::of(address);
        let mut shard = self.shard(key)?;
        let Some(client) = shard.client(key, now) else { return Some(ClientConnected(None)) };
        if client.connections >= limit {
            return None;
        }
        client.connections += 1;
        drop(shard);
        Some(ClientConnected(Some((self.clone(), key))))
    }

    /// Counts a request; the wait until there is room when there is none.
    pub(super) fn request(&self, address: IpAddr, rate: RequestRate, now: Instant) -> Result<(), Duration> {
        let key = ClientKey::of(address);
        let Some(mut shard) = self.shard(key) else { return Ok(()) };
        shard.client(key, now).map_or(Ok(()), |client| client.request(rate, now))
    }

    fn shard(&self, key: ClientKey) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.0.get(key.shard())?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection that is counted; taken back on drop. None inside for a client that nobody remembers.
#[derive(Debug)]
pub(super) struct ClientConnected(Option<(Clients, ClientKey)>);

impl Drop for ClientConnected {
    fn drop(&mut self) {
        let Some((clients, key)) = &self.0 else { return };
        if let Some(client) = clients.shard(*key).as_deref_mut().and_then(|shard| shard.clients.get_mut(key)) {
            client.connections = client.connections.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn rate(per_second: u32, burst: u32) -> RequestRate {
        RequestRate { per_second: NonZeroU32::new(per_second).unwrap(), burst: NonZeroU32::new(burst).unwrap() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn remembered(clients: &Clients) -> usize {
        clients.0.iter().map(|shard| shard.lock().unwrap().clients.len()).sum()
    }

    #[test]
    fn a_burst_passes_and_then_one_for_each_interval() {
        let (clients, start) = (Clients::default(), Instant::now());
        let ask = |ms| clients.request(ip("10.0.0.1"), rate(10, 3), start + Duration::from_millis(ms));
        assert_eq!([ask(0), ask(0), ask(0)], [Ok(()); 3]);
        assert_eq!(ask(0), Err(Duration::from_millis(100)));
        assert_eq!(ask(60), Err(Duration::from_millis(40)));
        assert_eq!((ask(100), ask(100)), (Ok(()), Err(Duration::from_millis(100))));
        assert_eq!([ask(9000), ask(9000), ask(9000)], [Ok(()); 3], "a rest does not add up to more than the burst");
        assert!(ask(9000).is_err());
    }

    #[test]
    fn clients_do_not_share_but_the_addresses_of_one_network_do() {
        let (clients, now) = (Clients::default(), Instant::now());
        let ask = |address| clients.request(ip(address), rate(1, 1), now).is_ok();
        assert!(ask("10.0.0.1") && ask("10.0.0.2"));
        assert!(!ask("::ffff:10.0.0.1"), "the same address written as IPv6");
        assert!(ask("2001:db8:0:1::1") && ask("2001:db8:0:2::1"));
        assert!(!ask("2001:db8:0:1:ffff::2"), "the same /64");
    }

    #[test]
    fn connections_are_given_back() {
        let (clients, now) = (Clients::default(), Instant::now());
        let connect = || clients.connect(ip("10.0.0.1"), 2, now);
        let (first, second) = (connect(), connect());
        assert!(first.is_some() && second.is_some() && connect().is_none());
        assert!(clients.connect(ip("10.0.0.2"), 2, now).is_some());
        drop(first);
        assert!(connect().is_some());
    }

    #[test]
    fn the_quiet_are_forgotten_and_the_memory_has_an_end() {
        let (clients, start) = (Clients::default(), Instant::now());
        let many =
            |now| (0..400_000_u32).all(|n| clients.request(IpAddr::from(n.to_be_bytes()), rate(1, 1), now).is_ok());
        let held = clients.connect(ip("192.0.2.1"), 1, start);
        assert!(many(start), "those that cannot be remembered are let through");
        assert_eq!(remembered(&clients), SHARDS * MOST_CLIENTS);
        let later = start + Duration::from_secs(2);
        let few = (0..50_000_u32).all(|n| clients.request(IpAddr::from((!n).to_be_bytes()), rate(1, 1), later).is_ok());
        assert!(few && remembered(&clients) < 100_000, "{}", remembered(&clients));
        assert!(clients.connect(ip("192.0.2.1"), 1, later).is_none(), "who is connected is not forgotten");
        drop(held);
    }

    proptest! {
        /// In no stretch of time do more pass than the burst and what the rate gives for its length.
        #[test]
        fn the_rate_is_never_passed(
            per_second in 1..2000_u32,
            burst in 1..20_u32,
            gaps_us in proptest::collection::vec(0..20_000_u64, 1..200),
        ) {
            let (clients, start) = (Clients::default(), Instant::now());
            let mut at = Duration::ZERO;
            let mut passed = Vec::new();
            for gap in gaps_us {
                at += Duration::from_micros(gap);
                match clients.request(ip("10.0.0.1"), rate(per_second, burst), start + at) {
                    Ok(()) => passed.push(at),
                    Err(wait) => {
                        let mut later = clients.0[ClientKey::of(ip("10.0.0.1")).shard()].lock().unwrap();
                        let client = later.clients.values_mut().next().unwrap();
                        let mut copy = *client;
                        let again = copy.request(rate(per_second, burst), start + at + wait);
                        prop_assert!(again.is_ok(), "the wait is true");
                    }
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let allowed = f64::from(burst) + (*to - *from).as_secs_f64() * f64::from(per_second);
                    let came = (last - first + 1) as f64;
                    prop_assert!(came <= allowed + 1e-3, "{came} in {:?}", *to - *from);
                }
            }
        }
    }
}
