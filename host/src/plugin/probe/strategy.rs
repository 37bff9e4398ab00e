//! The trial of a strategy: one request after the other through a selector.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::sync::mpsc;

use super::super::error::LoadError;
use super::super::instance::{About, InstanceSetup, StrategyInstance};
use super::{Trial, cluster, holder};
use crate::model::{Attempt, RequestHead};
use crate::routing::{Seat, SeatFigures, SeatLost, Selector};

/// A strategy that chooses for a made-up request.
pub(super) struct StrategyTrial {
    about: About,
    selector: Selector,
    figures: Arc<SeatFigures>,
    request: Arc<RequestHead>,
    lost: mpsc::UnboundedReceiver<SeatLost>,
}

impl StrategyTrial {
    pub(super) fn start(setup: InstanceSetup<'_>, config: &str) -> Result<Self, LoadError> {
        let mut instance = StrategyInstance::start(setup)?;
        let about = instance.describe()?;
        instance.configure(config)?;
        let (tell, lost) = mpsc::unbounded_channel();
        let mut selector = Selector::new(0, Arc::new(cluster()), tell);
        let figures = Arc::new(SeatFigures::default());
        let holder = holder(setup, &about);
        selector.install(Seat { holder, strategy: Box::new(instance), figures: Arc::clone(&figures) })?;
        Ok(Self { about, selector, figures, request: Arc::new(request()), lost })
    }
}

impl Trial for StrategyTrial {
    fn about(&self) -> &About {
        &self.about
    }

    fn run(&mut self) -> Result<u32, LoadError> {
        self.selector.pick(&self.request, Attempt::default());
        match self.lost.try_recv() {
            Ok(lost) => Err(LoadError::Faulty { call: "pick", fault: lost.fault }),
            Err(_) => Ok(1),
        }
    }

    fn counts(&self) -> (u64, u64) {
        let reading = self.figures.read();
        (reading.picks, reading.fallbacks)
    }
}

fn request() -> RequestHead {
    let headers = [("host", "trial.example"), ("user-agent", "leverframe"), ("accept", "*/*"), ("cookie", "a=b")];
    let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    RequestHead {
        method: Method::GET,
        uri: Uri::from_static("/trial/42?q=1"),
        headers: headers.into_iter().map(header).collect::<HeaderMap>(),
        host: Some("trial.example".to_owned()),
        client: IpAddr::from([192, 0, 2, 200]),
        statement: None,
    }
}
