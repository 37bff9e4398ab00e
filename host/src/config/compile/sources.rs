//! Where endpoints come from besides the file: Docker, Redis, the DNS; and what the environment says of them.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::overrides::{
    BACKEND_LABEL_VARIABLE, BACKEND_NETWORK_VARIABLE, DOCKER_DISCOVERY_VARIABLE, DOCKER_HOST_VARIABLE, Overrides,
    REDIS_URL_VARIABLE,
};
use super::super::problems::{Origin, Problems, Reported};
use super::super::sources::{ContainerLabel, DnsQuery, DnsSource, DockerEngine, DockerSource, RedisSource, SourceSpec};
use super::super::units::Period;
use super::check::LEAST_INTERVAL;
use super::url::without_secrets;
use crate::model::Address;

/// Which clusters follow Docker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DockerDiscovery {
    /// Those that say so.
    AsWritten,
    /// Those too that say nothing of their endpoints.
    Offered,
    /// None.
    Forbidden,
}

impl DockerDiscovery {
    /// What the environment says of it.
    pub(super) fn of(overrides: &Overrides, problems: &mut Problems<'_>) -> Result<Self, Reported> {
        let Some(text) = &overrides.docker_discovery else { return Ok(Self::AsWritten) };
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Ok(Self::Offered),
            "false" | "0" | "no" => Ok(Self::Forbidden),
            _ => {
                let message = format!("`{text}` is neither true nor false");
                Err(problems.variable(
                    DOCKER_DISCOVERY_VARIABLE,
                    message,
                    "`true` or `false`, `1` or `0`, `yes` or `no`",
                ))
            }
        }
    }
}

/// Compiles `discovery`.
pub(super) fn compile(
    file: &file::Discovery,
    at: &At,
    overrides: &Overrides,
    problems: &mut Problems<'_>,
) -> Result<Vec<SourceSpec>, Reported> {
    let docker = file.docker.as_ref().map(|file| docker(file, &at.key("docker"), overrides, problems));
    let redis = file.redis.as_ref().map(|file| redis(file, &at.key("redis"), overrides, problems));
    let dns = file.dns.as_ref().map(|file| dns(file, &at.key("dns"), problems));
    let sources = [
        docker.map(|docker| docker.map(SourceSpec::Docker)),
        redis.map(|redis| redis.map(SourceSpec::Redis)),
        dns.map(|dns| dns.map(SourceSpec::Dns)),
    ];
    sources.into_iter().flatten().collect()
}

fn docker(
    file: &file::Docker,
    at: &At,
    overrides: &Overrides,
    problems: &mut Problems<'_>,
) -> Result<DockerSource, Reported> {
    let engine = engine(file.engine.as_deref(), at, overrides, problems);
    let label = match (&overrides.backend_label, &file.label) {
        (Some(text), _) => label(text, &Origin::Variable(BACKEND_LABEL_VARIABLE), problems),
        (None, Some(text)) => label(text, &Origin::File(at.key("label")), problems),
        (None, None) => label(defaults::DOCKER_LABEL, &Origin::File(at.key("label")), problems),
    };
    let network = match (&overrides.backend_network, &file.network) {
        (Some(text), _) => network(text, &Origin::Variable(BACKEND_NETWORK_VARIABLE), problems).map(Some),
        (None, Some(text)) => network(text, &Origin::File(at.key("network")), problems).map(Some),
        (None, None) => Ok(None),
    };
    let resync = interval(file.resync, defaults::RESYNC, &at.key("resync"), problems);
    Ok(DockerSource {
        engine: engine?,
        label: label?,
        network: network?,
        port: file.port.and_then(|port| NonZeroU16::new(port.short())),
        resync: resync?,
    })
}

/// The engine that the table at a path names, or else the environment.
pub(super) fn engine(
    written: Option<&str>,
    at: &At,
    overrides: &Overrides,
    problems: &mut Problems<'_>,
) -> Result<DockerEngine, Reported> {
    let (text, origin) = match (written, &overrides.docker_host) {
        (Some(text), _) => (text, Origin::File(at.key("engine"))),
        (None, Some(text)) => (text.as_str(), Origin::Variable(DOCKER_HOST_VARIABLE)),
        (None, None) => return Ok(DockerEngine(defaults::DOCKER_ENGINE.to_owned())),
    };
    let text = text.trim().trim_end_matches('/');
    let is_engine = match text.split_once("://") {
        Some(("unix", path)) => path.starts_with('/'),
        Some(("tcp", address)) => Address::parse(address).is_ok(),
        _ => false,
    };
    if is_engine {
        return Ok(DockerEngine(text.to_owned()));
    }
    let text = without_secrets(text);
    let advice = match text.split_once("://") {
        Some(("http", rest)) => format!("`tcp://{rest}`"),
        Some(("ssh" | "https", _)) => {
            "neither SSH nor TLS is spoken: forward the engine's socket, and name that: `unix:///PATH`".to_owned()
        }
        None if text.starts_with('/') => format!("`unix://{text}`"),
        _ => "a socket as in `unix:///var/run/docker.sock`, or an address as in `tcp://127.0.0.1:2375`".to_owned(),
    };
    Err(problems.refuse(&origin, format!("`{text}` is no address of a Docker Engine"), advice))
}

fn label(text: &str, origin: &Origin, problems: &mut Problems<'_>) -> Result<ContainerLabel, Reported> {
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
    if key.is_empty() || key.contains(char::is_whitespace) {
        let advice = "a key and a value, as in `app=db-backend`, or a key for every value, as in `app`";
        return Err(problems.refuse(origin, format!("`{text}` is no label of a container"), advice));
    }
    Ok(ContainerLabel { key: key.to_owned(), value: value.map(str::to_owned) })
}

/// Takes the name of a network of an engine.
pub(super) fn network(text: &str, origin: &Origin, problems: &mut Problems<'_>) -> Result<String, Reported> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(problems.refuse(
            origin,
            format!("`{text}` is no network"),
            "a name as `docker network ls` shows it",
        ));
    }
    Ok(text.to_owned())
}

fn redis(
    file: &file::Redis,
    at: &At,
    overrides: &Overrides,
    problems: &mut Problems<'_>,
) -> Result<RedisSource, Reported> {
    let url = match (&file.url, &overrides.redis_url) {
        (Some(text), _) => redis_url(text, &Origin::File(at.key("url")), problems),
        (None, Some(text)) => redis_url(text, &Origin::Variable(REDIS_URL_VARIABLE), problems),
        (None, None) => Ok(defaults::REDIS_URL.to_owned()),
    };
    let resync = interval(file.resync, defaults::RESYNC, &at.key("resync"), problems);
    Ok(RedisSource { url: url?, prefix: file.prefix.clone().unwrap_or_default(), resync: resync? })
}

/// What is said of a URL repeats no part of it: there may be a password in it in any place, also where none should be.
pub(super) fn redis_url(text: &str, origin: &Origin, problems: &mut Problems<'_>) -> Result<String, Reported> {
    const FORM: &str = "as in `redis://127.0.0.1:6379` or `redis://USER:PASSWORD@HOST:6379/0`";
    let text = text.trim();
    let rest = match text.split_once("://") {
        Some(("redis", rest)) => rest,
        Some(("rediss", _)) => {
            let advice = "`redis://HOST:PORT`: through a network of its own, or through a tunnel that does TLS";
            return Err(problems.refuse(origin, "Redis over TLS is not spoken", advice));
        }
        _ => return Err(problems.refuse(origin, "this is no URL that begins with `redis://`", FORM)),
    };
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // Without a port it is the usual one.
    if Address::parse(host).is_err() && Address::parse(&format!("{host}:6379")).is_err() {
        return Err(problems.refuse(origin, "what stands for the host is no host with a port", FORM));
    }
    if !database.is_empty() && database.parse::<u16>().is_err() {
        return Err(problems.refuse(origin, "the database is no number", FORM));
    }
    Ok(text.to_owned())
}

fn dns(file: &file::Dns, at: &At, problems: &mut Problems<'_>) -> Result<DnsSource, Reported> {
    let query = query(file, at, problems);
    let server = file.server.as_deref().map(|text| server(text, &at.key("server"), problems)).transpose();
    let intervals = dns_intervals(file, at, problems);
    let (query, server, (least_interval, most_interval)) = (query?, server?, intervals?);
    Ok(DnsSource { query, server, least_interval, most_interval })
}

fn query(file: &file::Dns, at: &At, problems: &mut Problems<'_>) -> Result<DnsQuery, Reported> {
    let service_at = at.key("service");
    match (&file.name, &file.service) {
        (Some(_), Some(_)) => {
            let advice = "`name` with `port` asks for addresses, `service` for hosts and their ports (SRV)";
            Err(problems.advise(&service_at, "the DNS is asked for either a `name` or a `service`", advice))
        }
        (Some(name), None) => {
            let name = dns_name(name, &at.key("name"), problems);
            let port = problems.required(file.port, &at.key("port"), "say where they listen: port = 8080");
            // The file's type holds 1 and more, so the least never comes of it.
            let port = port.map(|port| NonZeroU16::new(port.short()).unwrap_or(NonZeroU16::MIN));
            Ok(DnsQuery::Addresses { name: name?, port: port? })
        }
        (None, Some(service)) => {
            let name = dns_name(service, &service_at, problems);
            if file.port.is_some() {
                let advice = "take it out; or ask for addresses, with `name` in place of `service`";
                return Err(problems.advise(&at.key("port"), "a service says itself which ports it has", advice));
            }
            Ok(DnsQuery::Services { name: name? })
        }
        (None, None) => {
            let advice =
                "say what is asked for: name = \"db-backend\" and port = 8080, or service = \"_http._tcp.example.com\"";
            let name_at = at.key("name");
            Err(problems
                .spoiled(&service_at)
                .or_else(|| problems.spoiled(&name_at))
                .unwrap_or_else(|| problems.advise(&name_at, "is missing", advice)))
        }
    }
}

/// A name as the DNS has them (RFC 1035, section 2.3.4), and with the `_` of services.
fn dns_name(text: &str, at: &At, problems: &mut Problems<'_>) -> Result<String, Reported> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(fits);
    if bare.len() <= 253 && bare.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    let advice = if text.contains([':', '/']) {
        "a name only, without scheme, port and path"
    } else {
        "labels of letters, digits, `-` and `_`, with dots between them"
    };
    Err(problems.advise(at, format!("`{text}` is no name in the DNS"), advice))
}

fn server(text: &str, at: &At, problems: &mut Problems<'_>) -> Result<SocketAddr, Reported> {
    if let Some(address) = text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0) {
        return Ok(address);
    }
    let advice = match text.parse::<IpAddr>() {
        Ok(address) => format!("with its port: `{}`", SocketAddr::new(address, 53)),
        Err(_) => "an IP address and a port, as in `127.0.0.1:53`".to_owned(),
    };
    Err(problems.advise(at, format!("`{text}` is no address of a DNS server"), advice))
}

fn dns_intervals(file: &file::Dns, at: &At, problems: &mut Problems<'_>) -> Result<(Duration, Duration), Reported> {
    let (least_at, most_at) = (at.key("least_interval"), at.key("most_interval"));
    let least = interval(file.least_interval, defaults::DNS_LEAST_INTERVAL, &least_at, problems);
    let most = interval(file.most_interval, defaults::DNS_MOST_INTERVAL, &most_at, problems);
    let (least, most) = (least?, most?);
    if least <= most {
        return Ok((least, most));
    }
    // Of the two, the one that is not said gives way to the one that is.
    match (file.least_interval, file.most_interval) {
        (Some(_), Some(_)) => {
            let message = format!("{} is longer than `most_interval`, which is {}", Period(least), Period(most));
            let advice = "between the two, the answer's time to live decides";
            Err(problems.advise(&least_at, message, advice))
        }
        (Some(_), None) => Ok((least, least)),
        (None, _) => Ok((most, most)),
    }
}

/// How often something is asked for.
fn interval(
    file: Option<Period>,
    default: Duration,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<Duration, Reported> {
    match file.map_or(default, |period| period.0) {
        each if each >= LEAST_INTERVAL => Ok(each),
        each => Err(problems.report(at, format!("{} is less than {}", Period(each), Period(LEAST_INTERVAL)))),
    }
}
