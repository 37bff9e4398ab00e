//! What was measured with so many clients, as a person reads it.

use std::time::Duration;

use crate::proxy::Log;
use crate::scene::Product;

/// What came of a slice of time.
pub(crate) struct Slice {
    pub(crate) requests: u64,
    pub(crate) took: Duration,
    /// The proxy's.
    pub(crate) cpu: Duration,
    pub(crate) log: Log,
}

/// All slices with one number of clients.
pub(crate) struct Report {
    clients: usize,
    slices: Vec<(Product, Slice)>,
}

impl Report {
    pub(crate) fn new(clients: usize) -> Self {
        Self { clients, slices: Vec::new() }
    }

    pub(crate) fn add(&mut self, product: Product, slice: Slice) {
        self.slices.push((product, slice));
    }

    pub(crate) fn print(&self) {
        let figures = [Product::Leverframe, Product::Pgpool].map(|product| self.of(product));
        for (product, figures) in [Product::Leverframe, Product::Pgpool].into_iter().zip(&figures) {
            let group = match figures.per_fsync {
                Some(entries) => format!(", {entries:.1} inserts per fsync of the log"),
                None => String::new(),
            };
            let (clients, name, cpu, rate) = (self.clients, product.name(), figures.cpu, figures.rate);
            println!("  {clients:>2} clients  {name:<10} {cpu:>7.1} us of CPU time each, {rate:>7.0} a second{group}");
        }
        let [ours, theirs] = figures;
        println!(
            "              ratio      {:>7.2}                      {:>7.2}",
            ours.cpu / theirs.cpu,
            ours.rate / theirs.rate
        );
    }

    /// CPU time over all slices, since /proc counts in steps of 10 ms; of the rates the one in the middle.
    fn of(&self, product: Product) -> Figures {
        let slices = || self.slices.iter().filter(move |(of, _)| *of == product).map(|(_, slice)| slice);
        let (requests, cpu): (u64, Duration) =
            (slices().map(|slice| slice.requests).sum(), slices().map(|slice| slice.cpu).sum());
        let (entries, fsyncs): (u64, u64) =
            (slices().map(|slice| slice.log.entries).sum(), slices().map(|slice| slice.log.fsyncs).sum());
        let mut rates: Vec<f64> = slices().map(|slice| slice.requests as f64 / slice.took.as_secs_f64()).collect();
        rates.sort_by(f64::total_cmp);
        Figures {
            cpu: cpu.as_secs_f64() * 1e6 / requests as f64,
            rate: rates[rates.len() / 2],
            per_fsync: (entries > 0).then(|| entries as f64 / fsyncs as f64),
        }
    }
}

struct Figures {
    /// Microseconds for each request.
    cpu: f64,
    /// Requests a second.
    rate: f64,
    /// Entries of the log.
    per_fsync: Option<f64>,
}
