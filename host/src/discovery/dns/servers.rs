//! Asks the servers: the only place that speaks DNS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::try_join_all;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver, system_conf};

use super::super::source::SourceError;
use super::answer::{Answer, Service};
use super::search::SearchList;

/// How long a server that the configuration names may take for an answer, and how often it is asked again: enough for
/// one lost packet, and a server that is down is known to be within seconds. Those of the system have their own settings.
const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 1;

/// The servers to ask, by UDP, and by TCP what does not fit.
pub(super) struct Servers {
    resolver: TokioResolver,
    search: SearchList,
}

impl Servers {
    /// This one, or those of the system. Remembers answers, so it is to be used for one question with all that follows
    /// from it.
    pub(super) fn of(server: Option<SocketAddr>) -> Result<Self, SourceError> {
        let unusable = |error: NetError| SourceError::Unreachable(format!("no DNS server: {error}"));
        let (config, mut options) = match server {
            Some(server) => (only(server), ResolverOpts::default()),
            None => system_conf::read_system_conf().map_err(unusable)?,
        };
        if server.is_some() {
            (options.timeout, options.attempts) = (TIMEOUT, ATTEMPTS);
        }
        // What is in a file of this host is not in the DNS.
        options.use_hosts_file = ResolveHosts::Never;
        // As in glibc, the own domain counts only where there is no list.
        let domains =
            if config.search.is_empty() { config.domain.iter().cloned().collect() } else { config.search.clone() };
        let search = SearchList { domains, dots: options.ndots };
        let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        Ok(Self { resolver: builder.build().map_err(unusable)?, search })
    }

    /// All addresses of a name, completed by the search list.
    pub(super) async fn addresses(&self, name: &str) -> Result<Answer<IpAddr>, SourceError> {
        Ok(self.find(name, &[RecordType::A, RecordType::AAAA]).await?.filter_map(|data| data.ip_addr()))
    }

    /// The same of the target of a service, which is complete as it is.
    pub(super) async fn addresses_of_target(&self, target: &str) -> Result<Answer<IpAddr>, SourceError> {
        self.addresses(&format!("{target}.")).await
    }

    /// All services of a name, completed by the search list.
    pub(super) async fn services(&self, name: &str) -> Result<Answer<Service>, SourceError> {
        Ok(self.find(name, &[RecordType::SRV]).await?.filter_map(|data| match data {
            RData::SRV(srv) => Some(Service {
                target: srv.target.to_ascii().trim_end_matches('.').to_ascii_lowercase(),
                port: srv.port,
                weight: srv.weight,
                priority: srv.priority,
            }),
            _ => None,
        }))
    }

    /// Asks for one completion after the other until there are records. Where there are none at all, that is the answer
    /// only if every question was answered.
    async fn find(&self, name: &str, kinds: &[RecordType]) -> Result<Answer<RData>, SourceError> {
        let parsed = Name::from_str_relaxed(name).map_err(|error| SourceError::Answer(format!("`{name}`: {error}")))?;
        let mut nothing = Answer { records: Vec::new(), lives: None };
        let mut failed = None;
        for name in self.search.names(&parsed) {
            let answers = try_join_all(kinds.iter().map(|kind| self.ask(&name, *kind))).await;
            match answers.map(|all| all.into_iter().reduce(Answer::and)) {
                Ok(Some(found)) if !found.records.is_empty() => return Ok(found),
                Ok(found) => nothing = found.into_iter().fold(nothing, Answer::and),
                Err(why) => failed = failed.or(Some(why)),
            }
        }
        failed.map_or(Ok(nothing), Err)
    }

    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Answer<RData>, SourceError> {
        match self.resolver.lookup(name.clone(), kind).await {
            Ok(found) => {
                // With the aliases on the way there, since they hold no longer than they say.
                let lives = found.answers().iter().map(|record| record.ttl).min();
                let records = found.answers().iter().filter(|record| record.record_type() == kind);
                Ok(Answer { records: records.map(|record| record.data.clone()).collect(), lives: seconds(lives) })
            }
            // Who only names other servers has not said that there is nothing.
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) if none.ns.is_none() || none.soa.is_some() => {
                Ok(Answer { records: Vec::new(), lives: seconds(none.negative_ttl) })
            }
            Err(error) => {
                let why = format!("{kind} of {name}: {error}");
                Err(match error {
                    NetError::Dns(_) | NetError::Proto(_) => SourceError::Answer(why),
                    _ => SourceError::Unreachable(why),
                })
            }
        }
    }
}

fn seconds(ttl: Option<u32>) -> Option<Duration> {
    ttl.map(|seconds| Duration::from_secs(seconds.into()))
}

/// The configuration that has one server.
fn only(server: SocketAddr) -> ResolverConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    connections.iter_mut().for_each(|connection| connection.port = server.port());
    ResolverConfig::from_name_servers(vec![NameServerConfig::new(server.ip(), true, connections)])
}
