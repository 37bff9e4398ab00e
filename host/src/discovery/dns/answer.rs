//! What the DNS answered, as endpoints. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::merge::name_of;
use super::super::source::{Seen, Skipped};
use crate::model::{Address, EndpointName, EndpointSpec, Weight};

/// Records of one kind, or the fact that there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer<T> {
    pub(super) records: Vec<T>,
    /// How long it holds, if it says so.
    pub(super) lives: Option<Duration>,
}

impl<T> Answer<T> {
    /// Takes in the answer to another question: both hold for as long as the shorter one.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        Self { records: self.records, lives: shorter(self.lives, other.lives) }
    }

    /// The same, as records of another type; those that are none are left out.
    pub(super) fn filter_map<U>(self, of: impl Fn(T) -> Option<U>) -> Answer<U> {
        Answer { records: self.records.into_iter().filter_map(of).collect(), lives: self.lives }
    }
}

/// The shorter of two times, of which each may not be known.
pub(super) fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

/// An SRV record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Service {
    /// The host, without a dot at its end; empty when the service is said not to be there (RFC 2782).
    pub(super) target: String,
    pub(super) port: u16,
    pub(super) weight: u16,
    pub(super) priority: u16,
}

/// The services that are to be used: those of the lowest priority; each target and port once.
pub(super) fn preferred(mut services: Vec<Service>) -> Vec<Service> {
    services.retain(|service| !service.target.is_empty());
    let lowest = services.iter().map(|service| service.priority).min();
    services.retain(|service| Some(service.priority) == lowest);
    services.sort();
    // Of two that differ in their weight only, the greater one counts.
    services.reverse();
    services.dedup_by(|one, other| (&one.target, one.port) == (&other.target, other.port));
    services.reverse();
    services
}

/// An endpoint for each address.
pub(super) fn by_address(addresses: &[IpAddr], port: u16) -> Seen {
    let addresses: BTreeSet<_> = addresses.iter().collect();
    let endpoints = addresses.into_iter().filter_map(|ip| {
        let address = at(*ip, port)?;
        Some(EndpointSpec::new(name_of(&address)?, address))
    });
    Seen { endpoints: endpoints.collect(), skipped: Vec::new() }
}

/// An endpoint for each address of each service, named by the service.
pub(super) fn by_service(services: Vec<(Service, Vec<IpAddr>)>) -> Seen {
    let mut seen = Seen::default();
    for (service, addresses) in services {
        let what = || format!("{}:{}", service.target, service.port);
        let mut skip = |why: &str| seen.skipped.push(Skipped { what: what(), why: why.to_owned() });
        if service.port == 0 {
            skip("its port is 0");
            continue;
        }
        if addresses.is_empty() {
            skip("its host has no address");
            continue;
        }
        let addresses: BTreeSet<_> = addresses.into_iter().collect();
        let is_one = addresses.len() == 1;
        // A weight of 0 is for services that are hardly to be used; here every endpoint has a share.
        let weight = Weight::new(service.weight).unwrap_or(Weight::ONE);
        seen.endpoints.extend(addresses.into_iter().filter_map(|ip| {
            let address = at(ip, service.port)?;
            let text = if is_one { what() } else { format!("{}-{ip}", what()) };
            // What is too long for a name is named by its address.
            let name = EndpointName::new(&text).ok().or_else(|| name_of(&address))?;
            Some(EndpointSpec { weight, ..EndpointSpec::new(name, address) })
        }));
    }
    seen
}

/// Every address and every port but 0 is one.
fn at(ip: IpAddr, port: u16) -> Option<Address> {
    Address::parse(&SocketAddr::new(ip, port).to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(target: &str, port: u16, weight: u16, priority: u16) -> Service {
        Service { target: target.to_owned(), port, weight, priority }
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn lines(seen: &Seen) -> Vec<String> {
        let line = |one: &EndpointSpec| format!("{} {} {}", one.name, one.address, one.weight.get());
        seen.endpoints.iter().map(line).collect()
    }

    #[test]
    fn addresses_are_endpoints_that_are_named_by_them() {
        let seen = by_address(&ips(&["10.0.0.2", "::1", "10.0.0.1", "10.0.0.2"]), 80);
        assert_eq!(lines(&seen), ["10.0.0.1:80 10.0.0.1:80 1", "10.0.0.2:80 10.0.0.2:80 1", "::1:80 [::1]:80 1"]);
    }

    #[test]
    fn of_services_those_of_the_lowest_priority_are_used_each_once() {
        let all = vec![
            service("spare", 1, 9, 20),
            service("b", 1, 2, 10),
            service("a", 1, 2, 10),
            service("a", 1, 5, 10),
            service("a", 2, 1, 10),
            service("", 1, 1, 0),
        ];
        let used = [service("a", 1, 5, 10), service("a", 2, 1, 10), service("b", 1, 2, 10)];
        assert_eq!(preferred(all), used);
        assert_eq!(preferred(vec![service("", 0, 0, 0)]), []);
    }

    #[test]
    fn services_are_named_by_target_and_port_with_their_weight() {
        let long = "x".repeat(61);
        let found = vec![
            (service("a.example", 80, 0, 1), ips(&["10.0.0.1"])),
            (service("b.example", 80, 7, 1), ips(&["10.0.0.3", "10.0.0.2"])),
            (service(&long, 80, 1, 1), ips(&["10.0.0.4"])),
        ];
        let wanted = [
            "a.example:80 10.0.0.1:80 1",
            "b.example:80-10.0.0.2 10.0.0.2:80 7",
            "b.example:80-10.0.0.3 10.0.0.3:80 7",
            "10.0.0.4:80 10.0.0.4:80 1",
        ];
        assert_eq!(lines(&by_service(found)), wanted);
    }

    #[test]
    fn a_service_without_address_or_port_is_skipped_with_the_reason() {
        let seen = by_service(vec![(service("a", 80, 1, 1), Vec::new()), (service("b", 0, 1, 1), ips(&["::1"]))]);
        let skipped: Vec<_> = seen.skipped.iter().map(|one| format!("{}: {}", one.what, one.why)).collect();
        assert_eq!(
            (lines(&seen).len(), skipped),
            (0, vec!["a:80: its host has no address".to_owned(), "b:0: its port is 0".to_owned()])
        );
    }

    #[test]
    fn two_answers_hold_for_as_long_as_the_shorter_one() {
        let answer = |records: &[u8], seconds: Option<u64>| Answer {
            records: records.to_vec(),
            lives: seconds.map(Duration::from_secs),
        };
        assert_eq!(answer(&[1], Some(5)).and(answer(&[2], Some(3))), answer(&[1, 2], Some(3)));
        assert_eq!(answer(&[1], Some(5)).and(answer(&[], None)), answer(&[1], Some(5)));
    }
}
