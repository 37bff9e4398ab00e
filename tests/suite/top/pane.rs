//! A terminal of tmux's, in which a person would type: what is on its screen is read, and keys are pressed in it.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::programs::leverframe;
use crate::world::eventually;

/// Tells the terminals of one run of the tests apart.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// What the shell says when the program has ended, with its status and the settings of the terminal.
const ENDED: &str = "the program has ended:";

/// A terminal with a program in it. Its tmux ends with it.
pub(crate) struct Pane {
    socket: String,
}

impl Pane {
    /// Starts the program that is tested, with these arguments, in a terminal of so many columns and rows.
    pub(crate) fn start(arguments: &[&str], (columns, rows): (u16, u16)) -> Self {
        let program = leverframe();
        let words = [program.get_program().to_str().expect("a path")].into_iter().chain(arguments.iter().copied());
        let line = words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let number = NUMBERS.fetch_add(1, Relaxed);
        let pane = Self { socket: format!("leverframe-{}-{number}", std::process::id()) };
        let script = format!("{line}; echo \"{ENDED} $?\"; stty -a; cat");
        let size = [columns.to_string(), rows.to_string()];
        // Without the reader's own settings of tmux, and without what the environment would tell the program.
        let start = ["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1]];
        let mut tmux = Command::new("tmux");
        tmux.env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("LEVERFRAME_")));
        let output = tmux.env_remove("TMUX").args(["-L", &pane.socket]).args(start).arg(script).output();
        let output = output.unwrap_or_else(|error| panic!("tmux, of Debian's package tmux: {error}"));
        assert!(output.status.success(), "{output:?}");
        pane
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Presses keys, by tmux's names for them.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, name: &str) {
        let shell =
            String::from_utf8_lossy(&self.tmux(&["display-message", "-p", "#{pane_pid}"]).stdout).trim().to_owned();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).expect("its children");
        let child = children.split_whitespace().next().expect("the program");
        assert!(Command::new("kill").args(["-s", name, child]).status().expect("kill starts").success());
    }

    /// Waits until the screen shows something.
    pub(crate) async fn shows<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        eventually(&format!("the screen shows {what}"), || std::future::ready(find(&self.screen()))).await
    }

    /// Waits for the end, and sees that the terminal is as it was: what was there before, echo, and whole lines.
    pub(crate) async fn ended(&self) -> String {
        let screen = self.shows("the end", |screen| screen.contains(ENDED).then(|| screen.to_owned())).await;
        let screen = match screen.contains("echok") {
            true => screen,
            false => self.shows("its settings", |screen| screen.contains("echok").then(|| screen.to_owned())).await,
        };
        let has = |setting: &str| screen.split_whitespace().any(|word| word == setting);
        assert!(has("icanon") && has("echo") && has("isig"), "not restored:\n{screen}");
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let output = Command::new("tmux").env_remove("TMUX").args(["-L", &self.socket]).args(arguments).output();
        let output = output.expect("tmux starts");
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        output
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        // One that is gone already cannot be ended, which is as well.
        let _ = Command::new("tmux").env_remove("TMUX").args(["-L", &self.socket, "kill-server"]).output();
    }
}
