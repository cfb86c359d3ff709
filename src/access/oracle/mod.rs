//! Whatever becomes of roles, bindings and namespaces: when all is quiet, each grant allows exactly what the law allows, and on the way
//! none allows a namespace that its user could not list and watch within the bound before.
//!
//! The grants are Foretop's own, by its own way: the objects are decoded as a watch brings them, touch whom they touch, nominate whom they
//! nominate; the reviews are those that an apiserver gets. The simulated authorizer answers them, each answer is held against a second
//! reading of the law, and a clock that nobody waits for passes. A seed decides what happens, the same ones each time in a short run; a failure names it, and
//! `FORETOP_ORACLE_SEED` plays it again (as far as the order in maps allows). `FORETOP_LONG=1` plays to millions of decisions.

mod court;
mod law;
mod life;
mod play;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use play::{Counts, Play, Way};
use tokio::runtime::Runtime;

use super::clock::held;
use super::{Access, Decision, Grant, GrantKey};
use crate::cluster::Clusters;
use crate::config::Config;
use crate::feed::Shared;
use crate::feed::hub::{Hub, Limits};
use crate::sim::{Cluster, Options};

use court::Court;

/// Plays by a clock that moves on when nothing else is to be done.
fn while_time_is_held<F: Future>(play: impl FnOnce(Cluster) -> F) -> F::Output {
    // The simulation lives by the wall's clock, in which it has nothing to do.
    let elsewhere = Runtime::new().expect("a runtime");
    let sim = elsewhere.block_on(Cluster::start(Options { rbac: true, pods: 0, ..Options::default() }));
    held::runtime().block_on(async { play(sim.expect("a simulated cluster")).await })
}

/// Foretop's grants, of which this court decides.
fn access_before(court: &Arc<Court>, config: &Config) -> Arc<Access> {
    let clusters = Clusters::new(config.upstream.clone());
    let limits = Limits { linger: Duration::ZERO, feeds: 0, selectors: 0, journal_total: 0 };
    let (hub, _) = Hub::new(clusters, Shared::without_cores(), limits);
    Access::judged_by(court.clone(), config, hub, Arc::new([]))
}

/// The grant for a question, however long that takes to be decided.
async fn decided(access: Arc<Access>, key: GrantKey) -> Arc<Grant> {
    match access.decide(key, Duration::from_hours(1)).await {
        Decision::Made(grant) => grant,
        Decision::UnderWay(..) => panic!("who waits gives up when nothing has been answered for a while"),
    }
}

/// Plays until so many reviews are answered, and as many namespaces of rulings were looked at.
fn play(way: Way, reviews: u64) {
    let set = std::env::var("FORETOP_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut counts = Counts::default();
    for round in 0_u64.. {
        let seed = set.unwrap_or_else(|| if long() { fastrand::u64(..) } else { round });
        println!("{way:?}, round {round}: FORETOP_ORACLE_SEED={seed}");
        let mut random = Rng::with_seed(seed);
        fastrand::seed(random.u64(..));
        counts += while_time_is_held(|sim| Play::begin(way, sim, random).run(40));
        fastrand::seed(seed.wrapping_add(1));
        if set.is_some() || (counts.reviews >= reviews && counts.looked >= reviews) {
            break;
        }
    }
    println!("{way:?}: {counts:?}, no leak");
}

fn long() -> bool {
    std::env::var_os("FORETOP_LONG").is_some()
}

#[test]
fn with_roles_and_bindings_watched_grants_are_what_the_law_allows() {
    play(Way::Watched, if long() { 2_000_000 } else { 8_000 });
}

#[test]
fn by_the_clock_alone_grants_are_what_the_law_allows() {
    play(Way::Clock, if long() { 600_000 } else { 8_000 });
}
