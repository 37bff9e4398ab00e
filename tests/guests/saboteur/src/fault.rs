//! The faults, and the configuration that asks for one.

use std::collections::HashMap;
use std::hint::black_box;

use leverframe_sdk::{Choice, Endpoint, Rejection, Routed};
use serde::Deserialize;

/// Followed by a configuration that holds when the host gives none: blank here, and written over in the finished file by
/// the tests, to make a version that is bad under every configuration.
const MARK: &str = "saboteur preset:";
static PRESET: &str = concat!(
    "saboteur preset:",
    "                                                                                                                ",
);

/// What is asked for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What to do.
    pub(crate) fault: Fault,
    /// In which call.
    pub(crate) when: When,
    /// So many picks of an instance are sound.
    pub(crate) after: u32,
    /// Whether the host's dry run meets the fault as well.
    pub(crate) in_trial: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { fault: Fault::None, when: When::Pick, after: 0, in_trial: false }
    }
}

impl Config {
    /// Itself, unless it asks for nothing and there is a preset.
    pub(crate) fn or_preset(self) -> Result<Self, String> {
        // The optimiser must not see that it is blank.
        let preset = black_box(PRESET).trim_start_matches(MARK).trim();
        match preset.is_empty() || self != Self::default() {
            true => Ok(self),
            false => serde_json::from_str(preset).map_err(|error| error.to_string()),
        }
    }
}

/// The call that goes wrong.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    Configure,
    Candidates,
    Pick,
    Outcome,
    Export,
    Import,
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// Not at all.
    None,
    /// A panic, with a message.
    Panic,
    /// A loop without an end.
    Loop,
    /// Takes all the memory that there is, at once.
    Grow,
    /// Keeps a mebibyte of each call.
    Leak,
    /// Recursion without an end.
    Overflow,
    /// Names an endpoint that nobody offered.
    NoCandidate,
    /// A response header whose name is none.
    BadHeader,
    /// A response header that says how long the body is.
    FramingHeader,
    /// Turns the request away with a status that is none.
    BadStatus,
    /// Turns the request away with a status of success.
    RejectWithSuccess,
    /// Turns the request away, as the contract has it.
    Reject,
    /// Ends the process.
    Exit,
    /// Waits for a second.
    Sleep,
    /// Writes to standard error, a lot.
    Print,
    /// Looks for arguments, variables and files; panics when it finds any.
    Snoop,
    /// Does not take its configuration.
    RefuseConfig,
    /// Does not take the state of the version before.
    RefuseState,
}

/// Does it. Comes back with an answer when that is the fault, with nothing when the call goes on as if all were well.
pub(crate) fn commit(fault: Fault, candidates: &[Endpoint]) -> Option<Choice> {
    let endpoint = candidates.first().map_or(0, |first| first.id);
    match fault {
        Fault::Panic => panic!("sabotage on purpose"),
        Fault::Loop => spin(),
        Fault::Grow => loop {
            leak(1 << 20);
        },
        Fault::Leak => leak(1 << 20),
        Fault::Overflow => drop(black_box(deeper(black_box(1)))),
        Fault::Exit => std::process::exit(3),
        Fault::Sleep => std::thread::sleep(std::time::Duration::from_secs(1)),
        Fault::Print => (0..100).for_each(|line| eprintln!("sabotage in print, line {line}")),
        Fault::Snoop => snoop(),
        Fault::NoCandidate => {
            return Some(Choice::Endpoint(candidates.iter().map(|one| one.id).max().unwrap_or(0) + 77));
        }
        Fault::BadHeader => return Some(routed(endpoint, "x bad\r\nname", "value")),
        Fault::FramingHeader => return Some(routed(endpoint, "content-length", "1")),
        Fault::BadStatus => return Some(reject(99)),
        Fault::RejectWithSuccess => return Some(reject(200)),
        Fault::Reject => return Some(reject(429)),
        Fault::None | Fault::RefuseConfig | Fault::RefuseState => {}
    }
    None
}

fn spin() {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn leak(bytes: usize) {
    // Allocated and forgotten, not written: growing a memory is quick, so that it is the limit that is met first.
    black_box(Vec::<u8>::with_capacity(bytes)).leak();
}

#[allow(unconditional_recursion, reason = "the fault is that it never ends")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    deeper(black_box(depth + 1)) + frame.iter().sum::<u64>()
}

fn routed(endpoint: u32, name: &str, value: &str) -> Choice {
    Choice::Routed(Routed { endpoint, response_headers: vec![(name.to_owned(), value.to_owned())] })
}

fn reject(status: u16) -> Choice {
    Choice::Reject(Rejection { status, reason: "sabotage by refusal".to_owned() })
}

/// What a plugin may use of the standard library works; what lies outside is not there.
fn snoop() {
    let found: HashMap<_, _> = std::env::vars().chain(std::env::args().map(|one| (one, String::new()))).collect();
    assert!(found.is_empty(), "found {found:?}");
    for path in ["/etc/hostname", "Cargo.toml", "/proc/self/environ", "."] {
        assert!(std::fs::read(path).is_err(), "read {path}");
        assert!(std::fs::read_dir(path).is_err(), "listed {path}");
        assert!(std::fs::write("/tmp/saboteur", "was here").is_err(), "wrote a file");
    }
    println!("sabotage found nothing to read");
}
