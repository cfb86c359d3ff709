//! `check`: every mistake at once, on standard output, one per line.

use std::path::Path;
use std::process::ExitCode;

use foretop::cluster::registry::Registry;
use foretop::config::{self, Config, Loaded, Mistake, Mistakes};
use foretop::memory::Limit;

use super::settings;

/// Checks the settings and the registry of clusters that they name. Success is exit code 0.
pub fn check(path: &Path) -> ExitCode {
    let (report, code) = match settings::from_file(path, Vec::new(), false) {
        Ok(sources) => report(config::read(&sources)),
        Err(mistakes) => (vec![mistakes.to_string()], ExitCode::FAILURE),
    };
    for line in report {
        println!("{line}");
    }
    code
}

fn report((loaded, mistakes): (Loaded, Vec<Mistake>)) -> (Vec<String>, ExitCode) {
    let Loaded { config, warnings, set } = loaded;
    let mut lines: Vec<String> = warnings.into_iter().map(|warning| format!("warning: {warning}")).collect();
    let settings_are_good = mistakes.is_empty();
    lines.extend(mistakes.iter().map(ToString::to_string));
    match clusters(&config) {
        Ok(clusters) if settings_are_good => {
            let kinds = config.watch.kinds.len();
            lines.extend(memory(&Limit::here(config.memory.limit)));
            lines.push(format!("{set} settings, {clusters} clusters, {kinds} kinds: all good"));
            (lines, ExitCode::SUCCESS)
        }
        Ok(_) => (lines, ExitCode::FAILURE),
        Err(mistakes) => {
            lines.extend(mistakes.0.iter().map(ToString::to_string));
            (lines, ExitCode::FAILURE)
        }
    }
}

/// What would be the ceiling of memory if the process ran here, which it need not.
fn memory(limit: &Limit) -> Vec<String> {
    let said = format!("memory.limit would be {limit}, here");
    if limit.is_beyond() {
        return vec![format!("warning: {said}, and so bounds nothing")];
    }
    vec![said]
}

/// How many clusters the registry file has.
fn clusters(config: &Config) -> Result<usize, Mistakes> {
    let Some(path) = &config.clusters_file else { return Ok(0) };
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            Registry::parse_for(&config.tenants, &name, &text).map(|registry| registry.clusters.len())
        }
        Err(error) => Err(Mistakes(vec![Mistake::unreadable(name, &error)])),
    }
}
