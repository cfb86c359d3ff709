//! Processes that a run starts. Each ends with the run.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// How long a process may take until it is ready.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It cannot be started.
    #[error("cannot start {0:?}: {1}")]
    Start(PathBuf, io::Error),
    /// It ended, or said nothing of being ready in time.
    #[error("{program:?} does not get ready; the last that it said: {said}")]
    NotReady {
        /// The program.
        program: PathBuf,
        /// Its last line.
        said: String,
    },
    /// A port or a file that the run needs.
    #[error("cannot prepare a run: {0}")]
    Prepare(#[from] io::Error),
}

/// A running process. Dropping it kills it.
pub struct Process {
    child: Child,
    program: PathBuf,
    lines: watch::Receiver<Vec<String>>,
}

impl Process {
    /// Starts a program, whose output is kept.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        program: &Path,
        arguments: &[String],
        environment: &[(String, String)],
    ) -> Result<Self, ProcessError> {
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| ProcessError::Start(program.to_owned(), error))?;
        let output = child.stdout.take().expect("its output is piped");
        let (told, lines) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                told.send_modify(|lines: &mut Vec<String>| lines.push(line));
            }
        });
        Ok(Process { child, program: program.to_owned(), lines })
    }

    /// Its id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for a line that holds this text, and returns it.
    ///
    /// # Errors
    /// When it ends before, or says no such thing in time.
    pub async fn says(&mut self, text: &str) -> Result<String, ProcessError> {
        let found = |lines: &Vec<String>| lines.iter().any(|line| line.contains(text));
        let said =
            tokio::time::timeout(PATIENCE, self.lines.wait_for(found)).await.is_ok_and(|found| found.is_ok());
        let lines = self.lines.borrow();
        if !said {
            return Err(self.not_ready(lines.last()));
        }
        Ok(lines.iter().find(|line| line.contains(text)).cloned().unwrap_or_default())
    }

    fn not_ready(&self, said: Option<&String>) -> ProcessError {
        ProcessError::NotReady { program: self.program.clone(), said: said.cloned().unwrap_or_default() }
    }
}

/// An address of loopback that nothing listens at.
///
/// # Errors
/// When there is no port left.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
