//! The CPU time of a process and of those that it has started, from /proc.

use std::fs;
use std::time::Duration;

/// What a tick of /proc is: `USER_HZ` is 100 on Linux.
const TICK: Duration = Duration::from_millis(10);

/// What a process and its children have used so far, those that have ended included.
pub(crate) fn used(parent: u32) -> Duration {
    let own = fields(&parent.to_string()).unwrap_or_else(|| panic!("process {parent} has ended"));
    let processes =
        fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // Who ends meanwhile counts with those that have ended.
    let children = processes.filter(|name| name.parse::<u32>().is_ok()).filter_map(|process| fields(&process));
    let children: u64 = children.filter(|child| child.parent == u64::from(parent)).map(|child| child.own).sum();
    TICK * u32::try_from(own.own + own.ended + children).expect("less than a year")
}

struct Fields {
    parent: u64,
    /// utime and stime.
    own: u64,
    /// cutime and cstime: what children have used that have ended.
    ended: u64,
}

/// Fields 4 and 14 to 17 of the line (proc(5)); the first two, of which the second is a name in brackets, are not counted here.
fn fields(process: &str) -> Option<Fields> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Fields { parent: number(4)?, own: number(14)? + number(15)?, ended: number(16)? + number(17)? })
}
