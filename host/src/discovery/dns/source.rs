//! Asks, tells, waits for the answer's time to be over, and asks again.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::super::source::{Following, Seen, Sight, Source, SourceError};
use super::answer::{Answer, Service, by_address, by_service, preferred, shorter};
use super::servers::Servers;
use crate::config::{DnsQuery, DnsSource};

impl DnsSource {
    async fn ask_for_ever(&self, sight: &Sight) -> SourceError {
        loop {
            match self.ask().await {
                Ok((seen, lives)) => {
                    sight.sees(seen);
                    tokio::time::sleep(self.pause(lives)).await;
                }
                Err(why) => return why,
            }
        }
    }

    /// Everything there is, and how long that holds.
    async fn ask(&self) -> Result<(Seen, Option<Duration>), SourceError> {
        // Made for each question: nothing is remembered from one to the next, and an edit of the system's configuration
        // counts from the next question on.
        let servers = Servers::of(self.server)?;
        match &self.query {
            DnsQuery::Addresses { name, port } => {
                let found = servers.addresses(name).await?;
                Ok((by_address(&found.records, port.get()), found.lives))
            }
            DnsQuery::Services { name } => {
                let Answer { records, lives } = servers.services(name).await?;
                let found = try_join_all(preferred(records).into_iter().map(|service| of_target(&servers, service)));
                let found = found.await?;
                let lives = found.iter().fold(lives, |lives, (_, addresses)| shorter(lives, addresses.lives));
                let found = found.into_iter().map(|(service, addresses)| (service, addresses.records)).collect();
                Ok((by_service(found), lives))
            }
        }
    }

    /// An answer that does not say how long it holds is asked for again as soon as may be.
    fn pause(&self, lives: Option<Duration>) -> Duration {
        lives.unwrap_or_default().min(self.most_interval).max(self.least_interval)
    }
}

impl Source for DnsSource {
    fn follow<'a>(&'a self, sight: &'a Sight) -> Following<'a> {
        Box::pin(self.ask_for_ever(sight))
    }
}

async fn of_target(servers: &Servers, service: Service) -> Result<(Service, Answer<IpAddr>), SourceError> {
    let addresses = servers.addresses_of_target(&service.target).await?;
    Ok((service, addresses))
}
