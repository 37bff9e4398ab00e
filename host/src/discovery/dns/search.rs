//! Which names a name stands for: the search list of the system (resolv.conf(5)). Pure.

use hickory_resolver::proto::rr::Name;

/// How a name that is not complete is completed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SearchList {
    /// What is put behind it, in this order.
    pub(super) domains: Vec<Name>,
    /// From how many dots on it is tried as it is first.
    pub(super) dots: usize,
}

impl SearchList {
    /// The complete names to ask for until one has records.
    pub(super) fn names(&self, name: &Name) -> Vec<Name> {
        if name.is_fqdn() {
            return vec![name.clone()];
        }
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        // What gets too long by it is nobody's name.
        let mut names: Vec<_> =
            self.domains.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
        names.iter_mut().for_each(|name| name.set_fqdn(true));
        let is_first = usize::from(name.num_labels()) > self.dots;
        names.insert(if is_first { 0 } else { names.len() }, absolute);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dots: usize, name: &str) -> Vec<String> {
        let domains = ["corp.example.", "example"].map(|text| Name::from_str_relaxed(text).unwrap()).to_vec();
        let list = SearchList { domains, dots };
        list.names(&Name::from_str_relaxed(name).unwrap()).iter().map(Name::to_string).collect()
    }

    #[test]
    fn a_bare_name_is_completed_first_and_one_with_dots_last() {
        assert_eq!(names(1, "db-backend"), ["db-backend.corp.example.", "db-backend.example.", "db-backend."]);
        assert_eq!(names(1, "db.web"), ["db.web.", "db.web.corp.example.", "db.web.example."]);
        // As in a container of Docker.
        assert_eq!(names(0, "db_backend")[0], "db_backend.");
    }

    #[test]
    fn a_complete_name_stands_for_itself() {
        assert_eq!(names(5, "_http._tcp.example.com."), ["_http._tcp.example.com."]);
    }
}
