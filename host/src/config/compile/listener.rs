//! Listeners: where clients connect, and what they may send.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::overrides::{ADDRESS_VARIABLE, Overrides, PORT_VARIABLE};
use super::super::problems::{Problems, Reported, Unique};
use super::super::settings::{BodyRate, Limits, Listener, RequestRate};
use super::super::units::Toggle;
use super::{name, route, socket_address};
use crate::model::ListenerName;

/// The least that hyper reads a head into; it does not take less.
const LEAST_HEADER_BYTES: u64 = 8 << 10;

/// A head over this is an attack or a mistake, and each connection may take as much.
const MOST_HEADER_BYTES: u64 = 16 << 20;

/// Compiles all listeners; after those of the file come those of the pool. `targets` are the names that routes may use.
pub(super) fn all(
    files: Vec<file::Listener>,
    balancers: Result<Vec<Listener>, Reported>,
    targets: route::Targets<'_>,
    overrides: &Overrides,
    problems: &mut Problems<'_>,
) -> Result<Vec<Listener>, Reported> {
    let at = At::root().key("listener");
    if files.is_empty() && balancers.as_ref().is_ok_and(Vec::is_empty) {
        // Also what an editor leaves for a moment when it empties the file before it writes.
        return Err(match problems.spoiled(&at) {
            Some(reported) => reported,
            None => problems.advise(&at, "there is none", "add [[listener]] with an address and a [[listener.route]]"),
        });
    }
    let mut names = Unique::new("name");
    let mut addresses = Unique::new("address");
    let mut listeners = Vec::new();
    for (nth, file) in files.into_iter().enumerate() {
        let at = at.index(nth);
        if let Some(reported) = problems.spoiled(&at) {
            listeners.push(Err(reported));
            continue;
        }
        let mover = Some(overrides).filter(|_| nth == 0);
        let listener = one(file, &at, (targets, mover), problems).and_then(|listener| {
            names.claim(listener.name.clone(), &at.key("name"), problems)?;
            // Port 0 is a new port each time.
            if listener.address.port() != 0 {
                addresses.claim(listener.address, &at.key("address"), problems)?;
            }
            Ok(listener)
        });
        listeners.push(listener);
    }
    let pool_at = At::root().key("pool");
    for listener in balancers? {
        names.claim(listener.name.clone(), &pool_at.key("balancers"), problems)?;
        if listener.address.port() != 0 {
            addresses.claim(listener.address, &pool_at.key("balancer_port"), problems)?;
        }
        listeners.push(Ok(listener));
    }
    listeners.into_iter().collect()
}

/// Compiles one listener. `mover` is what the environment says, for the one that it speaks of.
pub(super) fn one(
    file: file::Listener,
    at: &At,
    (targets, mover): (route::Targets<'_>, Option<&Overrides>),
    problems: &mut Problems<'_>,
) -> Result<Listener, Reported> {
    let text = file.address;
    let written = |problems: &mut Problems<'_>| address(text.as_deref(), at, problems);
    let address = match mover {
        Some(overrides) => moved(overrides, written, problems),
        None => written(problems),
    };
    let name = match (file.name, &address) {
        (Some(given), _) => name(Some(&given), "", (ListenerName::new, at), problems),
        // The name follows the file, so that it stays when the environment moves the listener.
        (None, Ok(address)) => {
            name(None, &text.unwrap_or_else(|| address.to_string()), (ListenerName::new, at), problems)
        }
        (None, Err(reported)) => Err(*reported),
    };
    let limits = limits(file.limits, &at.key("limits"), problems);
    let routes = route::all(file.route, &at.key("route"), targets, problems);
    Ok(Listener {
        name: name?,
        address: address?,
        routes: routes?,
        limits: limits?,
        header_timeout: file.header_timeout.map_or(defaults::HEADER_TIMEOUT, |period| period.0),
        keep_alive_timeout: file.keep_alive_timeout.map_or(defaults::KEEP_ALIVE_TIMEOUT, |period| period.0),
    })
}

fn address(text: Option<&str>, at: &At, problems: &mut Problems<'_>) -> Result<SocketAddr, Reported> {
    let at = at.key("address");
    let text = problems.required(text, &at, "say where clients connect: address = \"0.0.0.0:8080\"")?;
    socket_address(text).map_err(|wrong| problems.advise(&at, wrong.message, wrong.advice))
}

/// Where the environment moves the first listener. An address makes what is written needless, a port leaves its IP address.
pub(super) fn moved<'t>(
    overrides: &Overrides,
    written: impl FnOnce(&mut Problems<'t>) -> Result<SocketAddr, Reported>,
    problems: &mut Problems<'t>,
) -> Result<SocketAddr, Reported> {
    if let Some(text) = &overrides.address {
        return socket_address(text).map_err(|wrong| problems.variable(ADDRESS_VARIABLE, wrong.message, wrong.advice));
    }
    let written = written(problems);
    let Some(text) = &overrides.port else { return written };
    let port: u16 = text.trim().parse().map_err(|_| {
        problems.variable(PORT_VARIABLE, format!("`{text}` is no port"), "a whole number up to 65535; 0 takes any")
    })?;
    written.map(|written| SocketAddr::new(written.ip(), port))
}

fn limits(file: file::Limits, at: &At, problems: &mut Problems<'_>) -> Result<Limits, Reported> {
    let default = Limits::default();
    let header_bytes = match file.header_bytes {
        None => Ok(default.header_bytes),
        Some(size) if (LEAST_HEADER_BYTES..=MOST_HEADER_BYTES).contains(&size.0) => Ok(size.0 as usize),
        Some(size) => {
            Err(problems.report(&at.key("header_bytes"), format!("{} bytes is not from 8KiB to 16MiB", size.0)))
        }
    };
    let requests_at = at.key("requests_per_client");
    let requests = file.requests_per_client.map(|file| request_rate(&file, &requests_at, problems)).transpose();
    Ok(Limits {
        headers: file.headers.map_or(default.headers, |headers| headers.count()),
        header_bytes: header_bytes?,
        body_bytes: file.body_bytes.map(|size| size.0),
        connections: file.connections.map_or(default.connections, |connections| connections.count()),
        connections_per_client: file.connections_per_client.map(|connections| connections.get()),
        requests_per_client: requests?,
        body_rate: body_rate(&file.body_rate, default.body_rate),
    })
}

fn request_rate(file: &file::RequestRate, at: &At, problems: &mut Problems<'_>) -> Result<RequestRate, Reported> {
    let advice = "say how many each client may send: per_second = 100";
    let count = problems.required(file.per_second, &at.key("per_second"), advice)?;
    // The file's type holds 1 and more, so the least never comes of it.
    let whole = |count: file::Count| NonZeroU32::new(count.get()).unwrap_or(NonZeroU32::MIN);
    Ok(RequestRate { per_second: whole(count), burst: whole(file.burst.unwrap_or(count)) })
}

fn body_rate(file: &Toggle<file::BodyRate>, default: Option<BodyRate>) -> Option<BodyRate> {
    let file = match file {
        Toggle::Default => return default,
        Toggle::Off => return None,
        Toggle::To(file) => file,
    };
    let default = BodyRate::default();
    Some(BodyRate {
        bytes_per_second: file.bytes_per_second.map_or(default.bytes_per_second, |bytes| bytes.get()),
        grace: file.grace.map_or(default.grace, |period| period.0),
    })
}
