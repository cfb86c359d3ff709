//! The subcommands, and which settings they give.

mod check;
mod doctor;
mod log;
mod run;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use foretop::serve::Settings;

/// Streams live Kubernetes lists to very many browser tabs.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the clusters of a registry file.
    Serve(Serve),
    /// Serves simulated clusters, with simulated changes: nothing else is needed.
    Demo(Demo),
    /// Simulates apiservers for kubectl, tests and load runs.
    Sim(Sim),
    /// Finds every mistake in the settings at once.
    Check(Check),
    /// Looks for what is wrong with a deployment: clusters, rights, limits, the identity provider, and what stands in front.
    Doctor(Doctor),
}

#[derive(Debug, Args)]
struct Serve {
    /// The settings file (docs/configuration.md).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Address to listen on; wins over `server.listen`.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Pinned threads that own streams, 0 for one per CPU; wins over `server.cores`.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cores: Option<String>,
    /// Serves a front end's static files from this directory, in place of Foretop's own; wins over `console.dir`.
    #[arg(long, value_name = "DIR")]
    console: Option<String>,
    /// Lets `auth.mode: dev`, which lets everyone in, listen beyond loopback.
    #[arg(long)]
    insecure: bool,
}

#[derive(Debug, Args)]
struct Demo {
    /// Address to listen on [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Pinned threads that own streams, 0 for one per CPU [default: 0].
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cores: Option<String>,
    /// Serves a front end's static files from this directory, in place of Foretop's own.
    #[arg(long, value_name = "DIR")]
    console: Option<String>,
    /// Lets everyone in from beyond loopback, where `--listen` says so.
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    world: World,
}

#[derive(Debug, Args)]
struct Sim {
    #[command(flatten)]
    world: World,
    /// Address of the one listener of all clusters; each is below its `/clusters/NAME`.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:6443")]
    listen: SocketAddr,
    /// Clusters of little but pods, so that thousands fit in memory.
    #[arg(long)]
    bare: bool,
    /// Bytes of a node's name, which each of its pods' rows shows.
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    node_name: u32,
    /// Events that each cluster keeps of each resource, for watches that begin in the past.
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    history: u32,
    /// Where to write a kubeconfig with a context per cluster.
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: Option<PathBuf>,
}

/// What is simulated.
#[derive(Clone, Copy, Debug, Args)]
struct World {
    /// Simulated clusters.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clusters: u32,
    /// Pods per cluster; the other kinds follow from them.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pods: u32,
    /// Changes per second and cluster.
    #[arg(long, value_name = "R", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    churn: u32,
    /// The same seed gives the same objects and the same changes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
struct Check {
    /// The settings file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct Doctor {
    /// The settings file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where clients reach the deployment; without it only what lies behind is looked at.
    #[arg(long, value_name = "URL", value_parser = public_url)]
    url: Option<http::Uri>,
    /// Header fields of requests to that URL, one `Name: value` per line, by which somebody is signed in. They are not printed.
    #[arg(long, value_name = "FILE", requires = "url")]
    header_file: Option<PathBuf>,
    /// Who signed that URL's certificate, in PEM, where the system does not trust them.
    #[arg(long, value_name = "FILE", requires = "url")]
    ca_file: Option<PathBuf>,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

fn public_url(text: &str) -> Result<http::Uri, String> {
    let url: http::Uri = text.parse().map_err(|_| "is no URL".to_owned())?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) if url.query().is_none() => Ok(url),
        _ => Err("is no http or https URL of a host; right would be https://foretop.example".into()),
    }
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(serve) => {
            let read = move || settings::from_file(&serve.config, serve.flags(), serve.insecure);
            settings::with_settings(read(), |config, set_log_level| {
                run::serve(config, Settings::new(read, set_log_level))
            })
        }
        Command::Demo(demo) => {
            let sources = settings::without_file(demo.flags(), demo.insecure);
            settings::with_settings(Ok(sources), |config, _| run::demo(config, demo.world))
        }
        Command::Sim(sim) => {
            let _log = log::start(&foretop::config::Log::default());
            run::sim(&sim)
        }
        Command::Check(check) => check::check(&check.config),
        Command::Doctor(line) => doctor::doctor(&line),
    }
}
