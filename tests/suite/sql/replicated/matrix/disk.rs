//! Owns a small disk of its own, which can be full: a file system in memory, mounted for the test. Takes root.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Room for what a run writes, several times over, and soon filled.
const SIZE: &str = "size=48m";
/// What files are extended by.
const BLOCK: [u8; 4096] = [7; 4096];

/// A disk. Goes when it is dropped.
pub(super) struct Disk(TempDir);

impl Disk {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder.path()).status().expect("mount");
        assert!(mounted.success(), "a file system in memory cannot be mounted: {mounted}; it takes root");
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no room.
    pub(super) fn fill(&self) {
        let path = self.path().join("filler");
        let mut filler = OpenOptions::new().create(true).append(true).open(path).expect("a file");
        while filler.write_all(&BLOCK).is_ok() {}
    }

    /// Gives the room back.
    pub(super) fn free(&self) {
        fs::remove_file(self.path().join("filler")).expect("the file that has all the room");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file there keeps it for himself, until he ends.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
