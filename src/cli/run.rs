//! What each subcommand starts, once its settings are right.

use std::net::SocketAddr;
use std::process::ExitCode;

use foretop::api::console::built_in;
use foretop::cluster::ClusterSpec;
use foretop::config::Config;
use foretop::serve::{self, ServeError, Server, Settings, Signals};
use foretop::sim::{self, Options, SimError, Tuning};

use super::{Sim, World};

/// Serves the clusters of the registry file.
pub fn serve(config: Config, settings: Settings) -> ExitCode {
    let threads = config.server.control_threads;
    on_control_plane(threads, serve::run(config, settings))
}

/// Serves simulated clusters, or those of a registry file where one is set.
pub fn demo(config: Config, world: World) -> ExitCode {
    let threads = config.server.control_threads;
    on_control_plane(threads, async move {
        let names = names("demo", world.clusters);
        let running = sim::serve(options(world, names, SocketAddr::from(([127, 0, 0, 1], 0)))).await?;
        let specs =
            running.clusters().iter().map(|cluster| ClusterSpec::from_url(cluster.name(), &cluster.url()));
        let server = Server::start(&config, specs.collect())?;
        println!("{}", welcome(server.address, server.managed));
        serve::until_signalled(&server).await?;
        Ok::<_, RunError>(())
    })
}

/// Simulates apiservers.
pub fn sim(sim: &Sim) -> ExitCode {
    let world = sim.world;
    let options = Options {
        kubeconfig_out: sim.kubeconfig_out.clone(),
        bare: sim.bare,
        node_name: sim.node_name as usize,
        tuning: Tuning { history: sim.history as usize, ..Tuning::default() },
        ..options(world, names("sim", world.clusters), sim.listen)
    };
    on_control_plane(2, async move {
        let mut signals = Signals::new().map_err(ServeError::Control)?;
        let running = sim::serve(options).await?;
        for cluster in running.clusters() {
            println!("{} is at {}", cluster.name(), cluster.url());
        }
        signals.next().await;
        Ok::<_, RunError>(())
    })
}

/// Why a subcommand ended otherwise than by a signal.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Sim(#[from] SimError),
}

fn names(stem: &str, count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("{stem}-{number}")).collect()
}

fn options(world: World, clusters: Vec<String>, listen: SocketAddr) -> Options {
    Options {
        clusters,
        pods: world.pods as usize,
        churn: f64::from(world.churn),
        seed: world.seed,
        listen,
        ..Options::default()
    }
}

fn welcome(address: SocketAddr, managed: Option<SocketAddr>) -> String {
    let base = format!("http://{address}");
    let console = if built_in::is_there() {
        format!("  the console   {base}/\n")
    } else {
        "  no console    this binary was built without it, for want of npm\n".to_owned()
    };
    let figures = managed
        .map_or_else(String::new, |address| format!("  figures       curl http://{address}/metrics\n"));
    format!(
        "\nForetop serves simulated clusters at {base}\n\n{console}  \
         a live list   curl -N {base}/api/clusters/demo-1/pods/watch\n  \
         a list        curl {base}/api/clusters/demo-1/deployments\n  \
         the feeds     curl {base}/debug/feeds\n  \
         the streams   curl {base}/debug/streams\n{figures}\nCtrl-C ends it.\n"
    )
}

fn on_control_plane<E: std::fmt::Display + From<ServeError>>(
    threads: usize,
    work: impl Future<Output = Result<(), E>>,
) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_name("control")
        .on_thread_park(foretop::memory::give_back_if_asked)
        .enable_all()
        .build();
    let ended = runtime.map_err(|error| E::from(ServeError::Control(error))).and_then(|runtime| {
        let ended = runtime.block_on(work);
        // Feeds may be in the midst of something; nothing of it is worth waiting for.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("server.not_started: {error}");
            eprintln!("foretop: {error}");
            ExitCode::FAILURE
        }
    }
}
