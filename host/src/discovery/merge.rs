//! What all sources of one cluster together say: pure, and the same in whatever order they spoke.
//!
//! An address is one endpoint, whoever names it. The more an operator has to do with a source, the more it counts:
//! first the file, then the kinds of sources in the order of [`SourceKind`]. Only bad news count from everyone: an
//! endpoint is as well as the worst that is said of it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::directory::SourceKind;
use super::source::Seen;
use crate::model::{Address, EndpointName, EndpointSpec};

/// Longest name that is made of an address as it is, in bytes: what [`EndpointName`] takes.
const LONGEST: usize = 63;

/// The endpoints of one cluster: the fixed ones in the order of the file, of which no two have one address,
/// then those of the sources by name.
pub(super) fn merge(fixed: &[EndpointSpec], sources: &[(SourceKind, &Seen)]) -> Vec<EndpointSpec> {
    let mut merged: Vec<EndpointSpec> = Vec::new();
    let mut places: BTreeMap<Address, usize> = BTreeMap::new();
    for said in fixed.iter().chain(ranked(sources)) {
        let place = *places.entry(said.address.clone()).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(known) => known.reported = known.reported.max(said.reported),
            None => merged.push(said.clone()),
        }
    }
    keep_names_apart(&mut merged);
    // No two of the file have one address, so all of them stand where they stood.
    if let Some(found) = merged.get_mut(fixed.len()..) {
        found.sort_by(|one, other| one.name.cmp(&other.name));
    }
    merged
}

/// Everything that the sources say, those that count more first, and in an order of its own within a kind: several
/// sources can be of one.
fn ranked<'a>(sources: &[(SourceKind, &'a Seen)]) -> impl Iterator<Item = &'a EndpointSpec> {
    let mut said: Vec<_> =
        sources.iter().flat_map(|(kind, seen)| seen.endpoints.iter().map(move |endpoint| (*kind, endpoint))).collect();
    let rank = |(kind, endpoint): &(SourceKind, &'a EndpointSpec)| {
        let EndpointSpec { name, address, weight, labels, reported: _ } = *endpoint;
        (*kind, name, address, *weight, labels)
    };
    said.sort_by(|one, other| rank(one).cmp(&rank(other)));
    said.into_iter().map(|(_, endpoint)| endpoint)
}

/// Whoever comes later and has a name that is taken is named by its address.
fn keep_names_apart(endpoints: &mut [EndpointSpec]) {
    let mut taken = BTreeSet::new();
    for endpoint in endpoints {
        if taken.contains(&endpoint.name)
            && let Some(free) = free_name(&endpoint.address, &taken)
        {
            endpoint.name = free;
        }
        taken.insert(endpoint.name.clone());
    }
}

/// The name of an address; another one where somebody else goes by that.
fn free_name(address: &Address, taken: &BTreeSet<EndpointName>) -> Option<EndpointName> {
    let others = (0..=taken.len()).filter_map(|nth| hashed_name(address, nth));
    name_of(address).into_iter().chain(others).find(|name| !taken.contains(name))
}

/// What an endpoint is called of which only the address is known: that address, an IPv6 one without its brackets. Every
/// address has one.
pub(super) fn name_of(address: &Address) -> Option<EndpointName> {
    let text = format!("{}:{}", address.host(), address.port());
    EndpointName::new(&text).ok().or_else(|| hashed_name(address, 0))
}

/// A name for an address that is too long for one: as much of it as there is room for, and a number made of all of it.
fn hashed_name(address: &Address, nth: usize) -> Option<EndpointName> {
    let mut hasher = DefaultHasher::new();
    (address, nth).hash(&mut hasher);
    let number = format!("-{:016x}", hasher.finish());
    let start: String = address.host().chars().take(LONGEST - number.len()).collect();
    EndpointName::new(&format!("{start}{number}")).ok()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::model::{Reported, Weight};

    const KINDS: [SourceKind; 4] = [SourceKind::Docker, SourceKind::Redis, SourceKind::Dns, SourceKind::Scaling];

    fn endpoint(name: &str, address: &str) -> EndpointSpec {
        EndpointSpec::new(EndpointName::new(name).unwrap(), Address::parse(address).unwrap())
    }

    fn seen(endpoints: impl IntoIterator<Item = EndpointSpec>) -> Seen {
        Seen { endpoints: endpoints.into_iter().collect(), skipped: Vec::new() }
    }

    fn names(endpoints: &[EndpointSpec]) -> Vec<String> {
        endpoints.iter().map(|endpoint| format!("{} {}", endpoint.name, endpoint.address)).collect()
    }

    #[test]
    fn fixed_ones_stand_first_as_in_the_file_and_the_others_by_name() {
        let fixed = [endpoint("z", "z:1"), endpoint("a", "a:1")];
        let docker = seen([endpoint("y", "y:1"), endpoint("c", "c:1")]);
        let dns = seen([endpoint("b", "b:1")]);
        let merged = merge(&fixed, &[(SourceKind::Dns, &dns), (SourceKind::Docker, &docker)]);
        assert_eq!(names(&merged), ["z z:1", "a a:1", "b b:1", "c c:1", "y y:1"]);
    }

    #[test]
    fn one_address_is_described_by_whom_it_counts_most_and_is_as_well_as_the_worst_said() {
        let fixed = [EndpointSpec { weight: Weight::new(9).unwrap(), ..endpoint("mine", "a:1") }];
        let docker = seen([EndpointSpec { reported: Reported::Stopping, ..endpoint("container", "a:1") }]);
        let redis = seen([EndpointSpec { reported: Reported::Down, ..endpoint("registered", "b:1") }]);
        let dns = seen([endpoint("resolved", "b:1"), endpoint("resolved-too", "a:1")]);
        let sources = [(SourceKind::Dns, &dns), (SourceKind::Redis, &redis), (SourceKind::Docker, &docker)];
        let merged = merge(&fixed, &sources);
        assert_eq!(names(&merged), ["mine a:1", "registered b:1"]);
        assert_eq!(merged[0].weight.get(), 9);
        assert_eq!((merged[0].reported, merged[1].reported), (Reported::Stopping, Reported::Down));
    }

    #[test]
    fn of_two_with_one_name_the_one_that_counts_less_is_named_by_its_address() {
        let redis = seen([endpoint("api", "10.0.0.2:80")]);
        let docker = seen([endpoint("api", "[fd00::1]:80"), endpoint("10.0.0.2:80", "10.0.0.9:80")]);
        let merged =
            merge(&[endpoint("api", "10.0.0.1:80")], &[(SourceKind::Redis, &redis), (SourceKind::Docker, &docker)]);
        let [fixed, other, taken, docker] = &names(&merged)[..] else { panic!("{merged:?}") };
        assert_eq!([fixed, taken, docker], ["api 10.0.0.1:80", "10.0.0.2:80 10.0.0.9:80", "fd00::1:80 [fd00::1]:80"]);
        assert!(other.starts_with("10.0.0.2-"), "its address is somebody else's name: {other}");
    }

    #[test]
    fn an_address_that_is_too_long_for_a_name_gets_one_of_its_own() {
        let host = "x".repeat(80);
        let (one, other) = (format!("{host}:80"), format!("{host}:81"));
        let named = [&one, &other].map(|text| name_of(&Address::parse(text).unwrap()).unwrap());
        assert_ne!(named[0], named[1]);
        assert!(named.iter().all(|name| name.as_str().len() == LONGEST));
    }

    /// Few names and addresses, so that they meet; some names are addresses of others.
    fn any_endpoint() -> impl Strategy<Value = EndpointSpec> {
        let name = select(vec!["a", "b", "c", "10.0.0.1:80", "10.0.0.2:80"]);
        let address = select(vec!["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "[::1]:80", "db:80"]);
        let reported = select(vec![Reported::Up, Reported::Stopping, Reported::Down]);
        (name, address, 1..3_u16, reported).prop_map(|(name, address, weight, reported)| EndpointSpec {
            weight: Weight::new(weight).unwrap(),
            reported,
            ..endpoint(name, address)
        })
    }

    /// Of the file, no two have one name or address.
    fn any_fixed() -> impl Strategy<Value = Vec<EndpointSpec>> {
        vec(any_endpoint(), 0..4).prop_map(|mut all| {
            let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
            all.retain(|one| {
                !names.contains(&one.name) && addresses.insert(one.address.clone()) && names.insert(one.name.clone())
            });
            all
        })
    }

    fn any_sources() -> impl Strategy<Value = Vec<(SourceKind, Seen)>> {
        vec((select(KINDS.to_vec()), vec(any_endpoint(), 0..6).prop_map(seen)), 0..5)
    }

    fn merged(fixed: &[EndpointSpec], sources: &[(SourceKind, Seen)]) -> Vec<EndpointSpec> {
        merge(fixed, &sources.iter().map(|(kind, seen)| (*kind, seen)).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn the_order_in_which_sources_spoke_does_not_matter(
            fixed in any_fixed(),
            (sources, mut turned) in any_sources().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        ) {
            turned.iter_mut().for_each(|(_, seen)| seen.endpoints.reverse());
            prop_assert_eq!(merged(&fixed, &sources), merged(&fixed, &turned));
        }

        #[test]
        fn every_address_is_there_once_under_a_name_of_its_own((fixed, sources) in (any_fixed(), any_sources())) {
            let all = merged(&fixed, &sources);
            let said = || fixed.iter().chain(sources.iter().flat_map(|(_, seen)| &seen.endpoints));
            let addresses: BTreeSet<_> = all.iter().map(|one| &one.address).collect();
            prop_assert_eq!(addresses.len(), all.len());
            prop_assert_eq!(addresses, said().map(|one| &one.address).collect::<BTreeSet<_>>());
            prop_assert_eq!(all.iter().map(|one| &one.name).collect::<BTreeSet<_>>().len(), all.len());
            for one in &all {
                let worst = said().filter(|said| said.address == one.address).map(|said| said.reported).max();
                prop_assert_eq!(Some(one.reported), worst);
            }
        }

        #[test]
        fn what_the_file_names_stays_as_it_is((fixed, sources) in (any_fixed(), any_sources())) {
            let all = merged(&fixed, &sources);
            for (given, kept) in fixed.iter().zip(&all) {
                prop_assert_eq!(EndpointSpec { reported: given.reported, ..kept.clone() }, given.clone());
            }
            prop_assert!(all.len() >= fixed.len());
        }
    }
}
