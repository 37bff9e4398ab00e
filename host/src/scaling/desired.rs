//! Which nodes there are to be: their names, in order, and every change of them that an operator may ask for. Pure; who
//! keeps the names and who makes the nodes is not known here.

use crate::config::Scaling;
use crate::model::{ClusterName, EndpointName, NameError};

/// The fewest and the most that there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The fewest.
    pub(super) least: usize,
    /// The most.
    pub(super) most: usize,
}

impl From<&Scaling> for Bounds {
    fn from(settings: &Scaling) -> Self {
        let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Self { least: size(settings.least), most: size(settings.most.get()) }
    }
}

/// Why a change of the desired nodes is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// No node is asked for.
    #[error("`n` is 0: say how many")]
    None,
    /// A name is no name.
    #[error("`{name}`: {error}")]
    Name {
        /// The text.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// A name is none that a machine could have, and so none that a container could.
    #[error("`{0}` cannot name a node: such a name begins with a letter or a digit, and has no `:` in it")]
    NoHostname(EndpointName),
    /// A name is said twice.
    #[error("`{0}` is named twice")]
    Twice(EndpointName),
    /// More names than nodes.
    #[error("{names} names are given for {n}: at most as many names as `n` says")]
    TooManyNames {
        /// How many names.
        names: usize,
        /// For how many nodes.
        n: usize,
    },
    /// A node of that name is there.
    #[error("there is a node `{0}` already")]
    Taken(EndpointName),
    /// No node has that name.
    #[error("no node is named `{0}`")]
    Unknown(EndpointName),
    /// Above the bounds.
    #[error("there would be {wanted} nodes; there may be at most {most}")]
    TooMany {
        /// How many there would be.
        wanted: usize,
        /// How many there may be.
        most: usize,
    },
    /// Below the bounds.
    #[error("there would be {wanted} nodes; there must be at least {least}")]
    TooFew {
        /// How many there would be.
        wanted: usize,
        /// How many there must be.
        least: usize,
    },
    /// More than there are.
    #[error("{n} nodes cannot go: there are only {there}")]
    MoreThanThere {
        /// How many are to go.
        n: usize,
        /// How many there are.
        there: usize,
    },
}

/// The names of the nodes that there are to be: in order, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Desired {
    cluster: ClusterName,
    names: Vec<EndpointName>,
}

impl Desired {
    /// As many as that, with generated names.
    pub(super) fn count(cluster: &ClusterName, count: usize) -> Self {
        Self { cluster: cluster.clone(), names: Vec::new() }.sized(count)
    }

    /// These, made as few or as many as the bounds allow.
    pub(super) fn kept(cluster: &ClusterName, names: Vec<EndpointName>, bounds: Bounds) -> Self {
        Self { cluster: cluster.clone(), names }.fitted(bounds)
    }

    /// The names.
    pub(super) fn names(&self) -> &[EndpointName] {
        &self.names
    }

    /// Made as few or as many as the bounds allow.
    pub(super) fn fitted(&self, bounds: Bounds) -> Self {
        self.sized(self.names.len().min(bounds.most).max(bounds.least))
    }

    /// As many as that: the last ones go, and generated names come.
    ///
    /// # Errors
    /// When that is outside the bounds.
    pub(super) fn resized(&self, count: usize, bounds: Bounds) -> Result<Self, DesiredError> {
        within(count, bounds)?;
        Ok(self.sized(count))
    }

    /// So many more, with these names first and generated ones after them.
    ///
    /// # Errors
    /// When a name is none, said twice or taken, when there are more names than nodes, or when the bounds are passed.
    pub(super) fn with(&self, n: usize, names: &[String], bounds: Bounds) -> Result<Self, DesiredError> {
        let few = few(n, names)?;
        let count = self.names.len().saturating_add(n);
        within(count, bounds)?;
        let mut named = read(few)?;
        if let Some(taken) = named.iter().find(|name| self.names.contains(name)) {
            return Err(DesiredError::Taken(taken.clone()));
        }
        let mut grown = self.clone();
        grown.names.append(&mut named);
        Ok(grown.sized(count))
    }

    /// So many fewer: those of these names, and the last of the others.
    ///
    /// # Errors
    /// When a name is none, said twice or unknown, when there are more names than nodes, or when the bounds are passed.
    pub(super) fn without(&self, n: usize, names: &[String], bounds: Bounds) -> Result<Self, DesiredError> {
        let few = few(n, names)?;
        let there = self.names.len();
        let count = there.checked_sub(n).ok_or(DesiredError::MoreThanThere { n, there })?;
        within(count, bounds)?;
        let named = read(few)?;
        if let Some(unknown) = named.iter().find(|name| !self.names.contains(name)) {
            return Err(DesiredError::Unknown(unknown.clone()));
        }
        let mut shrunk = self.clone();
        shrunk.names.retain(|name| !named.contains(name));
        Ok(shrunk.sized(count))
    }

    fn sized(&self, count: usize) -> Self {
        let mut sized = self.clone();
        sized.names.truncate(count);
        let missing = count - sized.names.len();
        let free = (1_u64..).filter_map(|number| self.generated(number)).filter(|name| !self.names.contains(name));
        sized.names.extend(free.take(missing));
        sized
    }

    /// `<cluster>-<number>`; the name of a cluster that leaves no room for the number is cut.
    fn generated(&self, number: u64) -> Option<EndpointName> {
        let cluster = self.cluster.as_str();
        let fitting = |length| EndpointName::new(&format!("{}-{number}", cluster.get(..length)?)).ok();
        (1..=cluster.len()).rev().find_map(fitting)
    }
}

fn within(wanted: usize, Bounds { least, most }: Bounds) -> Result<(), DesiredError> {
    match wanted {
        _ if wanted > most => Err(DesiredError::TooMany { wanted, most }),
        _ if wanted < least => Err(DesiredError::TooFew { wanted, least }),
        _ => Ok(()),
    }
}

/// The names that are given for so many nodes, when there are not too many of them.
fn few(n: usize, names: &[String]) -> Result<&[String], DesiredError> {
    match names.len() {
        _ if n == 0 => Err(DesiredError::None),
        given if given > n => Err(DesiredError::TooManyNames { names: given, n }),
        _ => Ok(names),
    }
}

/// Reads names. Each is compared with all before it, so that their number must be within the bounds by now.
fn read(names: &[String]) -> Result<Vec<EndpointName>, DesiredError> {
    let mut known = Vec::with_capacity(names.len());
    for name in names {
        let checked = EndpointName::new(name).map_err(|error| DesiredError::Name { name: name.clone(), error })?;
        if name.contains(':') || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Err(DesiredError::NoHostname(checked));
        }
        if known.contains(&checked) {
            return Err(DesiredError::Twice(checked));
        }
        known.push(checked);
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { least: 1, most: 5 };

    fn desired(names: &[&str]) -> Desired {
        let names = names.iter().map(|name| EndpointName::new(name).unwrap()).collect();
        Desired { cluster: ClusterName::new("web").unwrap(), names }
    }

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn it_grows_by_the_lowest_free_numbers_and_shrinks_from_the_end() {
        let three = Desired::count(&ClusterName::new("web").unwrap(), 3);
        assert_eq!(three, desired(&["web-1", "web-2", "web-3"]));
        assert_eq!(desired(&["web-2", "S5"]).resized(4, BOUNDS), Ok(desired(&["web-2", "S5", "web-1", "web-3"])));
        assert_eq!(three.resized(1, BOUNDS), Ok(desired(&["web-1"])));
        assert_eq!(three.fitted(Bounds { least: 4, most: 9 }).names().len(), 4);
        assert_eq!(three.fitted(Bounds { least: 1, most: 2 }).names().len(), 2);
    }

    #[test]
    fn names_come_and_go_as_given_and_the_rest_is_chosen() {
        let two = desired(&["web-1", "web-2"]);
        assert_eq!(two.with(2, &texts(&["S5"]), BOUNDS), Ok(desired(&["web-1", "web-2", "S5", "web-3"])));
        // A generated name makes way for one that is given.
        assert_eq!(two.with(2, &texts(&["web-3"]), BOUNDS), Ok(desired(&["web-1", "web-2", "web-3", "web-4"])));
        let four = desired(&["a", "b", "c", "d"]);
        assert_eq!(four.without(2, &texts(&["a"]), BOUNDS), Ok(desired(&["b", "c"])));
        assert_eq!(four.without(2, &[], BOUNDS), Ok(desired(&["a", "b"])));
    }

    #[test]
    fn each_mistake_has_its_own_answer() {
        let two = desired(&["a", "b"]);
        let name = |text| EndpointName::new(text).unwrap();
        for (asked, answer) in [
            (two.with(0, &[], BOUNDS), DesiredError::None),
            (two.with(1, &texts(&["x", "y"]), BOUNDS), DesiredError::TooManyNames { names: 2, n: 1 }),
            (two.with(2, &texts(&["x", "x"]), BOUNDS), DesiredError::Twice(name("x"))),
            (two.with(1, &texts(&["a"]), BOUNDS), DesiredError::Taken(name("a"))),
            (two.with(4, &[], BOUNDS), DesiredError::TooMany { wanted: 6, most: 5 }),
            (two.with(usize::MAX, &[], BOUNDS), DesiredError::TooMany { wanted: usize::MAX, most: 5 }),
            (two.without(1, &texts(&["x"]), BOUNDS), DesiredError::Unknown(name("x"))),
            (two.without(2, &[], BOUNDS), DesiredError::TooFew { wanted: 0, least: 1 }),
            (two.without(3, &[], BOUNDS), DesiredError::MoreThanThere { n: 3, there: 2 }),
            (two.resized(6, BOUNDS), DesiredError::TooMany { wanted: 6, most: 5 }),
            (two.resized(0, BOUNDS), DesiredError::TooFew { wanted: 0, least: 1 }),
        ] {
            assert_eq!(asked, Err(answer));
        }
        let long = "x".repeat(64);
        for (text, error) in
            [("", NameError::Empty), ("a/b", NameError::Character('/')), (&*long, NameError::TooLong(64))]
        {
            let name = text.to_owned();
            assert_eq!(two.with(1, std::slice::from_ref(&name), BOUNDS), Err(DesiredError::Name { name, error }));
        }
    }

    #[test]
    fn names_without_end_are_refused_at_once() {
        let names: Vec<_> = (0..1_000_000).map(|number| format!("x{number}")).collect();
        let (there, n) = (desired(&["a", "b"]), names.len());
        let began = std::time::Instant::now();
        assert_eq!(there.with(n, &names, BOUNDS), Err(DesiredError::TooMany { wanted: n + 2, most: 5 }));
        assert_eq!(there.without(n, &names, BOUNDS), Err(DesiredError::MoreThanThere { n, there: 2 }));
        // To compare each with all others would take hours.
        assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
    }

    #[test]
    fn a_cluster_with_a_long_name_has_nodes_too() {
        let cluster = ClusterName::new(&"x".repeat(63)).unwrap();
        let names = Desired::count(&cluster, 12);
        assert_eq!(names.names()[11].as_str(), format!("{}-12", "x".repeat(60)));
    }
}
