//! Log output: lines on standard output, as the settings say.
//!
//! Threads that stream must not wait for whoever reads standard output, so a thread of its own writes the lines. Its queue has a
//! bound; lines that do not fit are dropped.

use std::io::{self, IsTerminal};

use foretop::config::Log;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that may wait to be written.
const QUEUE: usize = 16_384;

/// Starts the log of this process. Lines that wait are written when the guard is dropped.
pub fn start(log: &Log) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).finish(io::stdout());
    let filter = EnvFilter::try_new(&log.level).expect("the settings have checked this filter");
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    if log.json {
        lines.json().flatten_event(true).init();
    } else {
        lines.with_ansi(io::stdout().is_terminal()).init();
    }
    guard
}
