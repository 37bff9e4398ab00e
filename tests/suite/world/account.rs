//! The account that a database server runs under: PostgreSQL refuses to be root, and MariaDB had better not be.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// A user who is not root; nobody else when the tests themselves are not root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    ids: Option<(u32, u32)>,
}

impl Account {
    /// The first of these users that this machine knows; `nobody` after them.
    pub(super) fn of(names: &[&str]) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self { ids: None };
        }
        let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        let ids = |name: &&str| {
            let fields: Vec<&str> =
                users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').collect();
            Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
        };
        let found = names.iter().chain(&["nobody"]).find_map(ids);
        Self { ids: Some(found.unwrap_or_else(|| panic!("none of the users {names:?}, nobody is known"))) }
    }

    /// A program that will run as this user, says nothing and is asked nothing.
    pub(super) fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Makes the user the owner of a folder.
    pub(super) fn owns(self, folder: &Path) {
        if let Some((user, group)) = self.ids {
            chown(folder, Some(user), Some(group)).expect("root may do so");
        }
    }
}
