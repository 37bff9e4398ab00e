//! What a health policy remembers of the endpoints. Knows nothing of what is remembered.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::Peers;
use crate::{EndpointId, snapshot};

/// One value for each endpoint that there is something to remember of, by id.
///
/// A tree and no hash map: the seed of a hash map would come from an import that the host does not offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory<T> {
    values: BTreeMap<EndpointId, T>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { values: BTreeMap::new() }
    }
}

impl<T> Memory<T> {
    /// What is known of an endpoint.
    #[must_use]
    pub fn get(&self, id: EndpointId) -> Option<&T> {
        self.values.get(&id)
    }

    /// Remembers a value, or forgets the endpoint. An endpoint that was not there makes it look who left the cluster,
    /// so that the memory never holds more than the cluster had endpoints.
    pub fn set(&mut self, id: EndpointId, value: Option<T>, peers: &impl Peers) {
        let Some(value) = value else {
            self.values.remove(&id);
            return;
        };
        if self.values.insert(id, value).is_none() {
            let present: BTreeSet<EndpointId> = peers.all().into_iter().map(|(peer, _)| peer).collect();
            self.values.retain(|one, _| *one == id || present.contains(one));
        }
    }
}

impl<T: Serialize> Memory<T> {
    /// Writes all of it as a [`snapshot`] of this format; empty when there is nothing.
    #[must_use]
    pub fn export(&self, format: u32) -> Vec<u8> {
        if self.values.is_empty() { Vec::new() } else { snapshot::encode(format, &self.values) }
    }
}

impl<T: DeserializeOwned> Memory<T> {
    /// Reads what was exported in this format.
    ///
    /// # Errors
    ///
    /// One line that says what the bytes are instead.
    pub fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        self.values = snapshot::decode(format, bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeHost, unseen};

    #[test]
    fn who_left_is_forgotten_when_another_comes() {
        let mut host = FakeHost::default();
        host.peers = vec![(1, unseen()), (2, unseen())];
        let mut memory = Memory::default();
        memory.set(1, Some("a"), &host);
        memory.set(2, Some("b"), &host);
        host.peers = vec![(2, unseen()), (3, unseen())];
        memory.set(2, Some("c"), &host);
        assert_eq!(memory.get(1), Some(&"a"), "nobody came");
        memory.set(3, Some("d"), &host);
        assert_eq!([memory.get(1), memory.get(2), memory.get(3)], [None, Some(&"c"), Some(&"d")]);
        memory.set(3, None, &host);
        assert_eq!(memory.get(3), None);
    }

    #[test]
    fn the_next_version_remembers_the_same() {
        let host = FakeHost::default();
        let mut old = Memory::<u64>::default();
        assert!(old.export(1).is_empty());
        old.set(7, Some(70), &host);
        let mut new = Memory::default();
        new.import(1, &old.export(1)).expect("its own format");
        assert_eq!(new, old);
        assert!(new.import(2, &old.export(1)).is_err());
        assert_eq!(new, old, "what cannot be read changes nothing");
    }
}
