//! The TCP check: an endpoint is sound when a connection can be made. Nothing is sent on it.
//!
//! Names are looked up by the system, on threads that the judgement of policies needs as well, and a name server that
//! hangs holds one for long after the check has given up: so one look-up of a name at a time, and only so many in all.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{Semaphore, oneshot};

use super::check::{CheckError, Checker, Checking};
use crate::model::Address;

/// Look-ups under way at a time, of all clusters: an eighth of the 512 threads that tokio has for such work.
const MOST_LOOKUPS: usize = 64;

/// Those of this process, as its threads are.
static LOOKUPS: Lookups = Lookups::new(MOST_LOOKUPS);

/// Connects, and closes again.
pub(super) struct TcpChecker;

impl Checker for TcpChecker {
    fn check<'a>(&'a self, at: &'a Address) -> Checking<'a> {
        Box::pin(async move { connect(at).await.map(drop) })
    }
}

/// A connection of its own: one from a pool would tell how the endpoint was, not how it is. A name is looked up each
/// time, and the first of its addresses that answers is taken.
pub(super) async fn connect(at: &Address) -> Result<TcpStream, CheckError> {
    if at.file_path().is_some() {
        return Err(CheckError::Connect("it is a file".to_owned()));
    }
    let mut addresses = match at.host().parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, 0)],
        Err(_) => {
            LOOKUPS.find(at.host(), look_up).await.map_err(|error| CheckError::Connect(error.to_string()))?.to_vec()
        }
    };
    addresses.iter_mut().for_each(|address| address.set_port(at.port()));
    TcpStream::connect(&*addresses).await.map_err(|error| CheckError::Connect(error.to_string()))
}

async fn look_up(host: String) -> Found {
    let found = lookup_host((host, 0)).await;
    found.map(Iterator::collect).map_err(|error| error.to_string().into())
}

type Found = Result<Arc<[SocketAddr]>, Arc<str>>;
type Finding = Shared<BoxFuture<'static, Found>>;

/// The look-ups under way, by name.
struct Lookups {
    running: Mutex<BTreeMap<String, Finding>>,
    places: Semaphore,
}

impl Lookups {
    const fn new(most: usize) -> Self {
        Self { running: Mutex::new(BTreeMap::new()), places: Semaphore::const_new(most) }
    }

    /// What a name stands for. Joins the look-up that is under way for it, if one is; that goes on until it ends, also
    /// when nobody waits for it any more.
    fn find<F>(&'static self, host: &str, look_up: impl FnOnce(String) -> F + Send + 'static) -> Finding
    where
        F: Future<Output = Found> + Send,
    {
        let (tell, told) = oneshot::channel();
        let finding = {
            let mut running = self.running();
            if let Some(finding) = running.get(host) {
                return finding.clone();
            }
            let finding =
                told.map(|found| found.unwrap_or_else(|_| Err("the look-up broke down".into()))).boxed().shared();
            running.insert(host.to_owned(), finding.clone());
            finding
        };
        let looking = Looking { at: self, host: host.to_owned() };
        tokio::spawn(async move {
            let _place = looking.at.places.acquire().await;
            let found = look_up(looking.host.clone()).await;
            drop(looking);
            let _ = tell.send(found);
        });
        finding
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Finding>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look-up under way. Dropped, whatever the reason, the next check of the name begins another.
struct Looking {
    at: &'static Lookups,
    host: String,
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.at.running().remove(&self.host);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio::sync::Notify;
    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_accepts_is_sound_and_who_refuses_is_not() {
        for host in ["127.0.0.1", "localhost"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let at = Address::parse(&format!("{host}:{}", listener.local_addr().unwrap().port())).unwrap();
            assert_eq!(TcpChecker.check(&at).await, Ok(()));
            drop(listener);
            let refused = TcpChecker.check(&at).await.unwrap_err();
            assert!(refused.to_string().starts_with("cannot connect: Connection refused"), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_at_a_time_and_only_so_many_are() {
        let lookups: &'static Lookups = Box::leak(Box::new(Lookups::new(2)));
        let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let find = |host: &str| {
            let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
            lookups.find(host, move |_| async move {
                asked.fetch_add(1, SeqCst);
                answer.notified().await;
                Ok([SocketAddr::from(([127, 0, 0, 1], 0))].into())
            })
        };
        // Checks that have given up.
        (0..10).for_each(|_| drop(find("hangs")));
        let mut others = ["b", "c"].map(find);
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(asked.load(SeqCst), 2, "c waits for a place");
        for _ in 0..3 {
            answer.notify_one();
            yield_now().await;
            yield_now().await;
        }
        for other in &mut others {
            let found = timeout(Duration::from_secs(5), other).await;
            assert!(found.is_ok_and(|found| found.is_ok()), "the one that hangs takes one place only");
        }
        assert_eq!((asked.load(SeqCst), lookups.running().len()), (3, 0));
        drop(find("hangs"));
        yield_now().await;
        assert_eq!(asked.load(SeqCst), 4, "the next one is a new one");
    }
}
