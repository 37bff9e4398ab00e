//! What operators see: metrics, logs and traces. Reads the snapshots of the other folders, takes what they hand over, and
//! decides nothing.

mod collect;
mod events;
mod families;
mod history;
mod logs;
mod recording;
mod render;
mod served;
mod work;

pub use collect::{Scaled, Sightings, Sources, collect};
pub use events::{EventLog, Following, Recorded, Transitions, describe, plugin_of};
pub use families::{Family, Kind, Sample, Value};
pub use history::{Flow, History, Point, Sampler, SqlFlow};
pub use logs::{LogFormat, Logs, start_logs};
pub use recording::{AccessLogs, Ending, RecordingCounts, Traces};
pub use render::{TextFormat, to_json, to_text};
pub use served::{Served, ServedEntry};
pub use work::WorkLog;
