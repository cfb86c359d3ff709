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
use tracing_subscriber::{EnvFilter, Layer};

/// Lines that may wait to be written.
const QUEUE: usize = 16_384;

/// Starts the log of this process. Lines that wait are written when the guard is dropped.
pub fn start(log: &Log) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).finish(io::stdout());
    let filter = EnvFilter::try_new(&log.level).expect("the settings have checked this filter");
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let throttle = Throttle::new(log.per_second);
    let registry = tracing_subscriber::registry().with(filter);
    if log.json {
        registry.with(lines.json().flatten_event(true).with_filter(throttle)).init();
    } else {
        registry.with(lines.with_ansi(io::stdout().is_terminal()).with_filter(throttle)).init();
    }
    guard
}
