//! The thread that writes.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::file::Rotating;
use super::{Counters, Message, line};

/// How soon lost records are told of where no further one comes.
const IDLE: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Debug)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file.
    File(Rotating),
}

impl Output {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            // In one piece, so that no line of the log comes in between.
            Output::Stdout => io::stdout().write_all(line),
            Output::File(file) => file.write(line),
        }
    }
}

/// Writes records.
pub struct Writer {
    records: Receiver<Message>,
    counters: Arc<Counters>,
    outputs: Vec<Output>,
    /// Of the lost records, those that were told of.
    told: u64,
    /// Whether the last line could not be written.
    failing: bool,
}

impl Writer {
    pub fn new(records: Receiver<Message>, counters: Arc<Counters>, outputs: Vec<Output>) -> Self {
        Writer { records, counters, outputs, told: 0, failing: false }
    }

    /// Writes until nobody has anything to record any more.
    pub fn run(mut self) {
        loop {
            match self.records.recv_timeout(IDLE) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => self.tell_of_lost(),
                Err(RecvTimeoutError::Disconnected) => return self.tell_of_lost(),
            }
        }
    }

    /// Writes what waits.
    #[cfg(test)]
    pub fn catch_up(&mut self) {
        while let Ok(message) = self.records.try_recv() {
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        self.tell_of_lost();
        match message {
            Message::Record(record) => {
                if self.write(&line::of(&record)) {
                    self.counters.written.add(1);
                } else {
                    self.counters.lost.add(1);
                }
            }
            // Who waited may have given up.
            Message::Flush(tell) => drop(tell.try_send(())),
        }
    }

    fn tell_of_lost(&mut self) {
        let lost = self.counters.lost.get();
        if lost > self.told && self.write(&line::lost(lost - self.told)) {
            self.told = lost;
        }
    }

    /// Writes to every output. Returns whether all of them took it.
    fn write(&mut self, line: &[u8]) -> bool {
        let mut failed = None;
        for output in &mut self.outputs {
            if let Err(error) = output.write(line) {
                failed = Some(error);
            }
        }
        if let Some(error) = &failed
            && !self.failing
        {
            tracing::error!(%error, "audit.not_written: records are lost until it is mended");
        }
        self.failing = failed.is_some();
        failed.is_none()
    }
}
