//! What Foretop is held against: three servers that send the same frames, at the same moments, to the same tabs.
//!
//! - [`raw`]: a loop over `io_uring` and nothing else. No server can send more cheaply: the physical limit.
//! - [`axum`]: an ordinary axum server over a tokio broadcast channel: what a Rust user would write.
//! - [`nchan`]: nginx with its publish-subscribe module: what an operator would install.
//!
//! Each is a process of its own, with one URL (any path) that is the stream, and a Unix socket over which [`feed`] publishes the
//! frames of a [`recording`] of Foretop's own stream.

pub mod axum;
pub mod feed;
pub mod nchan;
pub mod raw;
pub mod recording;
pub mod rival;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::run::process::ProcessError;
use crate::tabs::FleetError;

/// Which baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Baseline {
    /// A bare `io_uring` send loop.
    Raw,
    /// axum and a broadcast channel.
    Axum,
    /// nginx with nchan.
    Nchan,
}

impl Baseline {
    /// Its name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Baseline::Raw => "raw",
            Baseline::Axum => "axum",
            Baseline::Nchan => "nchan",
        }
    }

    /// Whether all that it needs is on this machine.
    ///
    /// # Errors
    /// What is missing.
    pub fn is_installed(self) -> Result<(), BaselineError> {
        if self == Baseline::Nchan { nchan::is_installed() } else { Ok(()) }
    }
}

/// How a baseline is started.
#[derive(Debug, Args)]
pub struct Serve {
    /// Which one.
    pub baseline: Baseline,
    /// Where tabs connect.
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// The Unix socket on which it is given frames.
    #[arg(long, value_name = "PATH")]
    pub feed: PathBuf,
    /// A recording whose beginning (head and snapshot) each tab gets (raw alone).
    #[arg(long, value_name = "FILE")]
    pub greeting: Option<PathBuf>,
}

/// Why a baseline does not run.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// A file or a socket.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        error: io::Error,
    },
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] recording::RecordingError),
    /// A process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its tabs.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Tabs that receive nothing.
    #[error("{0}: some tabs never received anything")]
    NotLive(&'static str),
    /// nginx or its module is not there; a run leaves nchan out then.
    #[error("{0} is not installed (Debian: apt-get install nginx-light libnginx-mod-nchan)")]
    NotInstalled(&'static str),
}

impl BaselineError {
    fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| BaselineError::Io { what, error }
    }
}

impl Serve {
    /// Serves until the process is killed.
    ///
    /// # Errors
    /// When it cannot begin, or its feed breaks.
    pub fn run(&self) -> Result<(), BaselineError> {
        match self.baseline {
            Baseline::Raw => {
                let greeting = match &self.greeting {
                    Some(path) => recording::Recording::load(path)?.greeting(),
                    None => recording::BARE_HEAD.as_bytes().to_vec(),
                };
                raw::serve(self.listen, &self.feed, &greeting)
            }
            Baseline::Axum => axum::serve(self.listen, &self.feed),
            Baseline::Nchan => nchan::serve(self.listen, &self.feed),
        }
    }
}
