//! Whether the process may open as many descriptors as the settings let it want.

use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::config::Config;

/// For everything that is no stream and no connection of a client: files, apiservers, timers.
const OWN: u64 = 512;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let cores = match config.server.cores {
        0 => std::thread::available_parallelism().map_or(1, Into::into),
        count => count,
    };
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    vec![judge(limit, wanted(config, cores as u64))]
}

/// Descriptors at the ceilings of the settings. Behind the TLS listener a client has three: its socket, and a pair.
fn wanted(config: &Config, cores: u64) -> u64 {
    let per_client = if config.server.tls.listen.is_some() { 3 } else { 1 };
    let clients = u64::from(config.streams.per_core) + config.server.connections_per_core as u64;
    cores * clients * per_client + OWN
}

fn judge(limit: u64, wanted: u64) -> Finding {
    if limit >= wanted {
        return Finding::fine(format!("{limit} may be open, and no more than {wanted} are wanted"));
    }
    let what = format!(
        "{limit} may be open, but the settings let {wanted} be wanted: before their ceilings nobody is accepted any more"
    );
    let fix = format!(
        "raise the limit to {wanted} (LimitNOFILE, `ulimit -n`, the runtime's default), or lower `streams.perCore` and `server.connectionsPerCore`"
    );
    Finding::doubtful(what, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn the_ceilings_of_all_cores_are_wanted_at_once() {
        let mut config = Config::default();
        config.streams.per_core = 1000;
        config.server.connections_per_core = 100;
        assert_eq!(wanted(&config, 2), 2 * 1100 + OWN);
        config.server.tls.listen = Some(([127, 0, 0, 1], 1).into());
        assert_eq!(wanted(&config, 2), 2 * 3300 + OWN);
        assert_eq!(judge(1024, 1024).verdict, Verdict::Fine);
        let short = judge(1024, 1025);
        assert!(short.verdict == Verdict::Doubtful && short.what.contains("1024 may be open"), "{short}");
    }
}
