//! What the process takes of its machine, under the names that every program that Prometheus reads has for it. Read from the
//! kernel when it is asked for.

use cpu_time::ProcessTime;
use rustix::process::{Resource, getrlimit};

use super::super::families::{Family, Kind, Value};

/// Where the kernel says since when the machine is up, in seconds since 1970.
const MACHINE: &str = "/proc/stat";

/// In which the kernel tells times: `USER_HZ`, a part of its interface that is the same wherever this runs.
const TICKS_PER_SECOND: f64 = 100.0;

/// What can be told; what the kernel does not say is left out.
pub(super) fn process() -> Vec<Family> {
    let (total, level) = (Value::Total as fn(f64) -> Value, Value::Level as fn(f64) -> Value);
    let memory = memory();
    let figures = [
        (Kind::Counter, "process_cpu_seconds", "Processor time that the process took.", cpu().map(total)),
        (
            Kind::Gauge,
            "process_resident_memory_bytes",
            "Memory of the process that is in the machine's.",
            memory.map(|(_, resident)| level(resident)),
        ),
        (
            Kind::Gauge,
            "process_virtual_memory_bytes",
            "Addresses of the process, the reserved ones of the plugins' engine included.",
            memory.map(|(size, _)| level(size)),
        ),
        (Kind::Gauge, "process_open_fds", "File descriptors that the process has open.", open_files().map(level)),
        (Kind::Gauge, "process_max_fds", "File descriptors that the process may have open.", most_files().map(level)),
        (
            Kind::Gauge,
            "process_start_time_seconds",
            "When the process began, in seconds since 1970.",
            started().map(level),
        ),
    ];
    let family = |(kind, name, help, value): (Kind, &str, &'static str, Option<Value>)| {
        let mut family = Family::new(kind, name, help);
        family.push(&[], value?);
        Some(family)
    };
    figures.into_iter().filter_map(family).collect()
}

fn cpu() -> Option<f64> {
    ProcessTime::try_now().ok().map(|time| time.as_duration().as_secs_f64())
}

/// All addresses, and what of them is in memory.
fn memory() -> Option<(f64, f64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? * 1024.0)
    };
    Some((bytes("VmSize:")?, bytes("VmRSS:")?))
}

fn open_files() -> Option<f64> {
    // Listing them takes one itself.
    std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as f64)
}

fn most_files() -> Option<f64> {
    getrlimit(Resource::Nofile).current.map(|most| most as f64)
}

fn started() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in brackets, may hold anything; the time is the 20th field after it (proc(5)).
    let ticks: f64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let machine = std::fs::read_to_string(MACHINE).ok()?;
    let up_since: f64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    Some(up_since + ticks / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_it_all_and_it_makes_sense() {
        let families = process();
        let read = |name: &str| match families.iter().find(|family| family.name == name).map(|it| &it.samples[0].value)
        {
            Some(Value::Level(value) | Value::Total(value)) => *value,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(families.len(), 6);
        assert!(read("process_resident_memory_bytes") > 1e6);
        assert!(read("process_virtual_memory_bytes") > read("process_resident_memory_bytes"));
        assert!(read("process_open_fds") >= 3.0 && read("process_open_fds") < read("process_max_fds"));
        let now = jiff::Timestamp::now().as_second() as f64;
        let age = now - read("process_start_time_seconds");
        assert!((-2.0..3600.0).contains(&age), "{age}");
        assert!(read("process_cpu_seconds") > 0.0);
    }
}
