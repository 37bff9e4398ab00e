//! The driver that makes child processes, held to what every driver promises.

use std::fs;
use std::path::PathBuf;

use leverframe::config::ProcessTemplate;
use leverframe::scaling::{Node, ProcessDriver};
use rustix::process::{Pid, Signal, kill_process};

use super::driver::{Subject, conforms};

struct Processes {
    program: PathBuf,
    template: ProcessTemplate,
}

impl Subject for Processes {
    type Driver = ProcessDriver;

    fn driver(&self) -> ProcessDriver {
        ProcessDriver::new(self.program.clone(), self.template.clone())
    }

    fn adopts(&self) -> bool {
        false
    }

    async fn crash(&self, _: &ProcessDriver, node: &Node) {
        let id = child(&format!("--name={}", node.name)).expect("its process");
        kill_process(id, Signal::KILL).expect("it is killed");
    }
}

/// The child of this process that was started with this argument.
fn child(argument: &str) -> Option<Pid> {
    let parent = format!("PPid:\t{}", std::process::id());
    let is_it = |id: &i32| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        read("status").lines().any(|line| line == parent) && read("cmdline").split('\0').any(|part| part == argument)
    };
    let ids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.into_iter().find(is_it).and_then(Pid::from_raw)
}

#[tokio::test]
async fn processes_conform() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_leverframe"));
    conforms(&Processes { program, template: ProcessTemplate::default() }).await;
}
