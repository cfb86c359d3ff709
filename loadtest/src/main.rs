//! Opens very many tabs on a server, drives change through simulated apiservers, and says what that cost and how fresh the tabs were.
//!
//! ```text
//! run ─┬─ source:  `foretop sim`, a process: the apiservers, their changes paced and stamped with the time at which they were due
//!      ├─ server:  what is measured, a process: Foretop, or another that speaks SSE
//!      ├─ tabs:    processes of their own, since one has so many descriptors; they count, check and take times
//!      └─ sampler: what the server took, from /proc, and what it says of itself
//! ```
//!
//! Invariants: nothing of the harness runs in the process that is measured; a figure is taken over one window, whose two ends every
//! process is told; a run whose tabs do not show in the end what the source holds has failed, whatever it measured.

#![deny(missing_docs)]
#![warn(clippy::pedantic)]
#![allow(clippy::cast_precision_loss, reason = "counts and times of a run are far below 2^53")]
#![allow(clippy::module_name_repetitions, clippy::must_use_candidate, reason = "as in the library")]

mod baseline;
mod clock;
mod figures;
mod pairs;
mod report;
mod result;
mod run;
mod sampler;
mod scenario;
mod soak;
mod tabs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use result::RunResult;
use run::Show;
use scenario::Scenario;

/// Opens very many tabs, and measures what they cost and how fresh they are.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Does a scenario, and says what it measured. Fails where a threshold is broken, or a tab shows what the source does not hold.
    Run(Run),
    /// Says how many times as much each figure of the second run is as of the first, with the spread.
    Compare {
        /// What `run --json` wrote.
        first: PathBuf,
        /// What another `run --json` wrote.
        second: PathBuf,
    },
    /// Does a scenario's last phase by Foretop and by baselines in turn, and says how many times a baseline's each figure of Foretop's is.
    Pairs(pairs::Pairs),
    /// Keeps a server in a small cgroup under storms and hostile clients. Fails where it is killed, or a tab shows in the end what the source does not hold.
    Soak(soak::Soak),
    /// Records what a tab receives; a baseline can be given it (`baseline raw --greeting`).
    Record(baseline::recording::Record),
    /// Runs a baseline until it is killed.
    Baseline(baseline::Serve),
    /// A process of tabs: told what to do on its standard input, tells what it saw on its standard output.
    #[command(hide = true)]
    Tabs,
}

#[derive(Debug, Args)]
struct Run {
    /// The scenario's file.
    scenario: PathBuf,
    /// A server that runs already, in place of one that the run starts; it must stream the scenario's clusters, and nothing is changed in them.
    #[arg(long, value_name = "http://HOST:PORT")]
    url: Option<String>,
    /// The binary of Foretop [default: the one beside this].
    #[arg(long, value_name = "PATH")]
    foretop: Option<PathBuf>,
    /// Where to write all that was found.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to put a page with plots, and all that was found beside it.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => do_run(&run),
        Command::Compare { first, second } => compare(&first, &second),
        Command::Pairs(pairs) => do_pairs(&pairs),
        Command::Soak(soak) => do_soak(&soak),
        Command::Record(record) => do_record(&record),
        Command::Baseline(serve) => serve.run().map(|()| ExitCode::SUCCESS).map_err(Into::into),
        Command::Tabs => tabs::serve().map(|()| ExitCode::SUCCESS).map_err(Into::into),
    };
    done.unwrap_or_else(|error| {
        eprintln!("foretop-loadtest: {error}");
        ExitCode::FAILURE
    })
}

type Failure = Box<dyn std::error::Error>;

fn do_run(asked: &Run) -> Result<ExitCode, Failure> {
    let scenario = Scenario::read(&asked.scenario)?;
    let options = run::Options { foretop: run::beside(asked.foretop.as_deref()), url: asked.url.clone() };
    let show = Show::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(run::run(&scenario, &options, &show));
    show.end();
    let found = found?;
    print!("{}", report::table::text(&found));
    if let Some(path) = &asked.json {
        write(path, &serde_json::to_vec(&found)?)?;
    }
    if let Some(folder) = &asked.report {
        std::fs::create_dir_all(folder)?;
        write(&folder.join("index.html"), report::page::html(&found).as_bytes())?;
        write(&folder.join("result.json"), &serde_json::to_vec(&found)?)?;
    }
    Ok(if found.broken().next().is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn do_pairs(asked: &pairs::Pairs) -> Result<ExitCode, Failure> {
    let scenario = Scenario::read(&asked.scenario)?;
    let show = Show::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(asked.run(&scenario, &show));
    show.end();
    let found = found?;
    print!("{}", found.text());
    if let Some(path) = &asked.json {
        write(path, &serde_json::to_vec(&found)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn do_soak(asked: &soak::Soak) -> Result<ExitCode, Failure> {
    let show = Show::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(asked.run(&show));
    show.end();
    let found = found?;
    print!("{}", found.text());
    Ok(if found.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn do_record(asked: &baseline::recording::Record) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(asked.run())?;
    Ok(ExitCode::SUCCESS)
}

fn compare(first: &Path, second: &Path) -> Result<ExitCode, Failure> {
    print!("{}", report::compare::text(&read(first)?, &read(second)?));
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<RunResult, Failure> {
    let wrong = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let text = std::fs::read(path).map_err(|error| wrong(&error))?;
    Ok(serde_json::from_slice(&text).map_err(|error| wrong(&error))?)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}
