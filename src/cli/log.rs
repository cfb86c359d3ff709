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

/// The log of this process.
pub struct Started {
    /// Lines that wait are written when it is dropped.
    pub written_at_the_end: WorkerGuard,
    /// Sets what is logged from now on.
    pub set_level: Box<dyn Fn(&str) + Send>,
}

/// Starts the log of this process.
pub fn start(log: &Log) -> Started {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).finish(io::stdout());
    let lines = tracing_subscriber::fmt().with_env_filter(filter(&log.level)).with_writer(writer);
    let set_level: Box<dyn Fn(&str) + Send> = if log.json {
        let lines = lines.json().flatten_event(true).with_filter_reloading();
        let handle = lines.reload_handle();
        lines.init();
        // It fails where there is no log any more.
        Box::new(move |level| drop(handle.reload(filter(level))))
    } else {
        let lines = lines.with_ansi(io::stdout().is_terminal()).with_filter_reloading();
        let handle = lines.reload_handle();
        lines.init();
        Box::new(move |level| drop(handle.reload(filter(level))))
    };
    Started { written_at_the_end: guard, set_level }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).expect("the settings have checked this filter")
}
