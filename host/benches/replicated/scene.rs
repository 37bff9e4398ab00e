//! Both products, their servers and their clients.

use std::time::Duration;

use crate::caller::Caller;
use crate::cpu;
use crate::measure::{Callers, Kind};
use crate::proxy::{Log, Proxy};
use crate::report::Slice;
use crate::servers::Servers;
use crate::world::Pgpool;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Leverframe,
    Pgpool,
}

impl Product {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Leverframe => "Leverframe",
            Self::Pgpool => "Pgpool-II",
        }
    }
}

/// Everything that is measured. Clients end before whom they ask, and proxies before their servers.
pub(crate) struct Scene {
    rows: u32,
    of_proxy: Callers,
    of_pgpool: Callers,
    proxy: Proxy,
    pgpool: Pgpool,
    behind_proxy: Servers,
    behind_pgpool: Servers,
}

impl Scene {
    pub(crate) async fn set(rows: u32) -> Self {
        let (behind_proxy, behind_pgpool) = (Servers::start(rows).await, Servers::start(rows).await);
        let proxy = Proxy::start(&behind_proxy.servers).await;
        let pgpool = Pgpool::start(&behind_pgpool.servers).await;
        let (of_proxy, of_pgpool) = (Callers::new(rows), Callers::new(rows));
        Self { rows, of_proxy, of_pgpool, proxy, pgpool, behind_proxy, behind_pgpool }
    }

    /// Opens connections to both for so many clients, in the place of those that were open: one that nobody uses for long is
    /// closed by whom it leads to.
    pub(crate) async fn open(&mut self, clients: usize) {
        let (mut http, mut postgres) = (Vec::new(), Vec::new());
        for _ in 0..clients {
            http.push(Caller::Http(self.proxy.connect().await));
            postgres.push(Caller::Postgres(self.pgpool.connect().await));
        }
        self.of_proxy.replace(http);
        self.of_pgpool.replace(postgres);
    }

    /// Has a product asked for a while, over all connections that are open.
    pub(crate) async fn run(&mut self, product: Product, kind: Kind, slice: Duration) -> Slice {
        let (cpu, log) = (self.cpu(product), self.log(product).await);
        let callers = match product {
            Product::Leverframe => &mut self.of_proxy,
            Product::Pgpool => &mut self.of_pgpool,
        };
        let (requests, took) = callers.run(kind, slice).await;
        let (cpu, after) = (self.cpu(product) - cpu, self.log(product).await);
        let log = Log { entries: after.entries - log.entries, fsyncs: after.fsyncs - log.fsyncs };
        Slice { requests, took, cpu, log }
    }

    /// Stops where the servers of a product differ, or lack a row that was acknowledged. How many each has got.
    pub(crate) async fn compare(&self) -> [(Product, u32); 2] {
        let products = [
            (Product::Leverframe, &self.of_proxy, &self.behind_proxy),
            (Product::Pgpool, &self.of_pgpool, &self.behind_pgpool),
        ];
        for (product, callers, servers) in &products {
            servers.are_equal(u64::from(self.rows) + u64::from(callers.inserted()), product.name()).await;
        }
        products.map(|(product, callers, _)| (product, callers.inserted()))
    }

    pub(crate) async fn end(self) {
        drop((self.of_proxy, self.of_pgpool));
        self.proxy.end().await;
    }

    fn cpu(&self, product: Product) -> Duration {
        cpu::used(match product {
            Product::Leverframe => self.proxy.id(),
            Product::Pgpool => self.pgpool.id(),
        })
    }

    async fn log(&self, product: Product) -> Log {
        match product {
            Product::Leverframe => self.proxy.log().await,
            // It has none.
            Product::Pgpool => Log::default(),
        }
    }
}
