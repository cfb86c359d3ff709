//! `check`: every mistake at once, on standard output, one per line.

use std::path::Path;
use std::process::ExitCode;

use foretop::config::{self, Config, Loaded};

use super::settings;

/// Checks the settings and the registry of clusters that they name. Success is exit code 0.
pub fn check(path: &Path) -> ExitCode {
    let loaded = settings::from_file(path, Vec::new(), false).and_then(|sources| config::load(&sources));
    let Loaded { config, warnings, set } = match loaded {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            println!("{mistakes}");
            return ExitCode::FAILURE;
        }
    };
    for warning in warnings {
        println!("warning: {warning}");
    }
    match clusters(&config) {
        Ok(clusters) => {
            println!("{set} settings, {clusters} clusters, {} kinds: all good", config.watch.kinds.len());
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            for mistake in mistakes {
                println!("{mistake}");
            }
            ExitCode::FAILURE
        }
    }
}
