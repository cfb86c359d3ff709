//! Log output: lines on standard output, as the settings say.
//!
//! Threads that stream must not wait for whoever reads standard output, so a thread of its own writes the lines. Its queue has a
//! bound; lines that do not fit are dropped.

use std::io::{self, IsTerminal};

use foretop::config::Log;
use foretop::log::Throttle;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

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
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let throttle = Throttle::new(log.per_second);
    let (level, handle) = reload::Layer::new(filter(&log.level));
    let registry = tracing_subscriber::registry().with(level);
    if log.json {
        registry.with(lines.json().flatten_event(true).with_filter(throttle)).init();
    } else {
        registry.with(lines.with_ansi(io::stdout().is_terminal()).with_filter(throttle)).init();
    }
    // It fails where there is no log any more.
    let set_level = Box::new(move |level: &str| drop(handle.reload(filter(level))));
    Started { written_at_the_end: guard, set_level }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).expect("the settings have checked this filter")
}
