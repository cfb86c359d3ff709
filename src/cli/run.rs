//! What each subcommand starts, once its settings are right.

use std::process::ExitCode;

use foretop::config::Config;
use foretop::serve::{self, ServeError};

use super::{Sim, World};

/// Serves the clusters of the registry file.
pub fn serve(config: Config) -> ExitCode {
    let threads = config.server.control_threads;
    on_control_plane(threads, serve::run(config))
}

/// Serves simulated clusters.
pub fn demo(config: Config, world: World) -> ExitCode {
    let _ = (config, world);
    ExitCode::FAILURE
}

/// Simulates apiservers.
pub fn sim(sim: &Sim) -> ExitCode {
    let _ = sim;
    ExitCode::FAILURE
}

fn on_control_plane(threads: usize, work: impl Future<Output = Result<(), ServeError>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_name("control")
        .enable_all()
        .build();
    let ended = runtime.map_err(ServeError::Control).and_then(|runtime| {
        let ended = runtime.block_on(work);
        // Feeds may be in the midst of something; nothing of it is worth waiting for.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            eprintln!("foretop: {error}");
            ExitCode::FAILURE
        }
    }
}
