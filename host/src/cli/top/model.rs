//! What is known of the Leverframe that is watched, and what the keys have chosen to see of it. Pure: it is told what came,
//! and says what there is to show.

use std::collections::VecDeque;

use super::link::{Command, News};
use super::rows::{EndpointRow, Order, Rates};
use super::said::{Flow, Happened, Overview, Tick, Work};

/// The events that are kept.
const EVENTS: usize = 500;
/// The seconds of throughput that are kept: more than any terminal has columns.
const SECONDS: usize = 600;

/// A page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    Clusters,
    #[default]
    Endpoints,
    Plugins,
    Sql,
    Events,
}

impl Tab {
    pub(super) const ALL: [Self; 5] = [Self::Clusters, Self::Endpoints, Self::Plugins, Self::Sql, Self::Events];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Clusters => "Clusters",
            Self::Endpoints => "Endpoints",
            Self::Plugins => "Plugins",
            Self::Sql => "SQL",
            Self::Events => "Events",
        }
    }

    /// The one so many further, round about.
    pub(super) fn further(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0);
        Self::ALL.get((at + by) % Self::ALL.len()).copied().unwrap_or(self)
    }
}

/// How the connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Looking,
    Found,
    Lost(String),
}

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) address: String,
    pub(super) standing: Standing,
    pub(super) overview: Overview,
    pub(super) total: Flow,
    pub(super) now_ms: u64,
    pub(super) rates: Rates,
    pub(super) tick: Tick,
    pub(super) throughput: VecDeque<u64>,
    pub(super) events: VecDeque<Happened>,
    pub(super) works: Vec<Work>,
    pub(super) tab: Tab,
    pub(super) order: Order,
    /// The row that is chosen, of the page that is shown.
    pub(super) chosen: usize,
    /// The endpoint in that row, by cluster and id: it stays chosen wherever its row goes.
    marked: Option<(String, u64)>,
    /// How many rows that page has, and how many fit on the screen, as it was drawn last.
    pub(super) shown: (usize, usize),
    pub(super) asks: Option<Command>,
    pub(super) help: bool,
    pub(super) note: String,
    interval_ms: u64,
}

impl Model {
    /// Of a Leverframe of which nothing is known yet.
    pub(super) fn new(address: String, interval_s: u64) -> Self {
        Self {
            address,
            standing: Standing::Looking,
            overview: Overview::default(),
            total: Flow::default(),
            now_ms: 0,
            rates: Rates::default(),
            tick: Tick::default(),
            throughput: VecDeque::new(),
            events: VecDeque::new(),
            works: Vec::new(),
            tab: Tab::default(),
            order: Order::default(),
            chosen: 0,
            marked: None,
            shown: (0, 0),
            asks: None,
            help: false,
            note: String::new(),
            interval_ms: interval_s * 1000,
        }
    }

    /// Takes what came.
    pub(super) fn take(&mut self, news: News) {
        match news {
            News::Found => self.standing = Standing::Found,
            News::Lost(why) => self.standing = Standing::Lost(why),
            News::Overview(overview) => {
                if self.overview.started_s != overview.started_s {
                    self.forget();
                }
                self.overview = *overview;
            }
            News::Tick(tick) => self.tick(*tick),
            News::Done(note) => self.note = note,
            News::Works(works) => self.works = works,
            News::Past(past) => {
                // One that has told of more before is another process, even if it does not say when it began.
                let newest = past.iter().map(|happened| happened.id).max().unwrap_or(0);
                if self.events.front().is_some_and(|known| known.id > newest) {
                    self.forget();
                }
                past.into_iter().for_each(|happened| self.happened(happened));
            }
            News::Happened(happened) => self.happened(happened),
        }
    }

    fn happened(&mut self, happened: Happened) {
        // After a connection was lost, some come again.
        if self.events.front().is_none_or(|newest| newest.id < happened.id) {
            self.events.push_front(happened);
            self.events.truncate(EVENTS);
        }
    }

    /// Another process counts anew, and numbers its events and endpoints anew.
    fn forget(&mut self) {
        (self.tick, self.rates, self.marked) = Default::default();
        self.throughput.clear();
        self.events.clear();
        self.works.clear();
    }

    /// The row that is chosen is the one of the endpoint that is marked; where that is gone, the one that took its place is
    /// marked.
    pub(super) fn keep_chosen(&mut self) {
        let rows = self.endpoints();
        let is_marked = |row: &EndpointRow<'_>| {
            self.marked.as_ref().is_some_and(|(cluster, id)| row.cluster == cluster && row.endpoint.id == *id)
        };
        match rows.iter().position(is_marked) {
            Some(at) => self.chosen = at,
            None => {
                self.chosen = self.chosen.min(rows.len().saturating_sub(1));
                self.mark();
            }
        }
    }

    /// Marks the endpoint in the row that is chosen.
    pub(super) fn mark(&mut self) {
        let marked = match self.tab {
            Tab::Endpoints => self.endpoints().get(self.chosen).map(|row| (row.cluster.to_owned(), row.endpoint.id)),
            Tab::Clusters | Tab::Plugins | Tab::Sql | Tab::Events => None,
        };
        self.marked = marked;
    }

    /// The endpoint that is marked.
    pub(super) fn marked(&self) -> Option<EndpointRow<'_>> {
        let (cluster, id) = self.marked.as_ref()?;
        self.endpoints().into_iter().find(|row| row.cluster == cluster && row.endpoint.id == *id)
    }

    fn tick(&mut self, tick: Tick) {
        self.overview.follow(&tick);
        (self.now_ms, self.total) = (tick.at_ms, tick.total);
        self.throughput.push_front(tick.total.per_second.round() as u64);
        self.throughput.truncate(SECONDS);
        // Ticks come when they come; one that is a little early belongs to its interval.
        let passed = tick.at_ms.saturating_sub(self.tick.at_ms);
        if passed + 300 >= self.interval_ms || tick.at_ms < self.tick.at_ms {
            self.rates = Rates::between(&self.tick, &tick);
            self.tick = tick;
        }
    }

    /// Since when it runs, in words.
    pub(super) fn uptime(&self) -> Option<String> {
        let seconds = self.now_ms as f64 / 1000.0 - self.overview.started_s?;
        let minutes = (seconds.max(0.0) / 60.0) as u64;
        Some(match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
            (0, 0, _) => format!("{:.0}s", seconds.max(0.0)),
            (0, hours, minutes) => format!("{hours}h {minutes:02}m"),
            (days, hours, _) => format!("{days}d {hours}h"),
        })
    }

    /// Whether it may be told what to do.
    pub(super) fn may_write(&self) -> bool {
        self.overview.access != "read"
    }
}
