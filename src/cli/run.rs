//! What each subcommand starts, once its settings are right.

use std::process::ExitCode;

use foretop::config::Config;

use super::{Sim, World};

/// Serves the clusters of the registry file.
pub fn serve(config: Config) -> ExitCode {
    unfinished(&("serve", config))
}

/// Serves simulated clusters.
pub fn demo(config: Config, world: World) -> ExitCode {
    unfinished(&("demo", config, world))
}

/// Simulates apiservers.
pub fn sim(sim: &Sim) -> ExitCode {
    unfinished(&("sim", sim))
}

fn unfinished(what: &dyn std::fmt::Debug) -> ExitCode {
    tracing::error!("not connected yet: {what:?}");
    ExitCode::FAILURE
}
