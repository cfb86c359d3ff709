//! Each fault of a list, held against what is promised whatever happens: nobody is shown old rows as live for longer than 25 s, nobody sees a row that is not for them, nothing
//! is listed or sent anew where it need not be, other clusters do not notice, nothing is left behind; and in the end every page shows what a fresh LIST shows, by hash.
//!
//! `make chaos` plays it, a few worlds at a time: each is a server process, two simulated clusters, nine pages of three sorts, and a wire on either side of the server that can
//! be troubled. A fault that this machine cannot do is passed over, and said to be. `FORETOP_CHAOS` names the scenarios to play, by a part of their names; with `rounds` faults
//! are drawn by lot, several at once, `FORETOP_CHAOS_ROUNDS` times (20), from `FORETOP_CHAOS_SEED` on. `FORETOP_BLESS` writes the table into `docs/reliability.md`;
//! `FORETOP_CHAOS_LOGS` is a folder for the logs of servers that broke a promise.

#[path = "../fresh/mod.rs"]
mod fresh;
#[path = "../house/mod.rs"]
mod house;
#[path = "../lines/mod.rs"]
mod lines;
#[path = "../rights/mod.rs"]
mod rights;
#[path = "../tab/mod.rs"]
mod tab;

mod fault;
mod pages;
mod play;
mod proxy;
mod scenarios;
mod server;
mod truth;
mod world;

use std::sync::Arc;
use std::time::Duration;

use play::{Figures, play};
use scenarios::{SCENARIOS, Scenario, by_lot};
use server::Machine;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

/// Worlds at once.
const AT_ONCE: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "some minutes: make chaos"]
async fn every_promise_holds_under_every_fault() {
    let machine = Machine::this();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = JoinSet::new();
    for (number, scenario) in chosen(machine).into_iter().enumerate() {
        let lacking = scenario.steps.iter().find_map(|step| step.fault.lacks(machine));
        if let Some(why) = lacking {
            println!("skipped: {}: {why}", scenario.name);
            continue;
        }
        let turns = turns.clone();
        playing.spawn(async move {
            let _turn = turns.acquire_owned().await.expect("the semaphore is never closed");
            // What fails at once is no reason to learn nothing of the others.
            let failed = |why: JoinError| Figures { broken: vec![why.to_string()], ..Figures::default() };
            (number, scenario, tokio::spawn(play(scenario, machine)).await.unwrap_or_else(failed))
        });
    }
    let mut played = playing.join_all().await;
    played.sort_by_key(|(number, ..)| *number);
    let rows: Vec<_> = played.iter().map(|(_, scenario, figures)| row(scenario, figures)).collect();
    let table = format!("{HEAD}\n{}", rows.join("\n"));
    println!("\n{table}\n");
    let broken = |(_, scenario, figures): &(usize, Scenario, Figures)| {
        (!figures.broken.is_empty()).then(|| format!("{}:\n  {}", scenario.name, figures.broken.join("\n  ")))
    };
    let broken: Vec<_> = played.iter().filter_map(broken).collect();
    assert!(broken.is_empty(), "broken promises:\n{}", broken.join("\n"));
    if std::env::var_os("FORETOP_BLESS").is_some() && played.len() == SCENARIOS.len() {
        bless(&table);
    }
}

/// Those that are named, or all; or some by lot.
fn chosen(machine: Machine) -> Vec<Scenario> {
    let named = std::env::var("FORETOP_CHAOS").unwrap_or_default();
    if named != "rounds" {
        return SCENARIOS.iter().filter(|scenario| scenario.name.contains(&named)).copied().collect();
    }
    let seed = std::env::var("FORETOP_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("FORETOP_CHAOS_SEED={seed}");
    let rounds = fresh::from_env("FORETOP_CHAOS_ROUNDS", 20) as u64;
    (seed..seed + rounds).map(|seed| by_lot(seed, machine)).collect()
}

/// Writes the table where the page has it.
fn bless(table: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reliability.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the table's place");
    let (_, after) = rest.split_once(END).expect("the page has the table's end");
    std::fs::write(path, format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}")).expect("the page");
}

const BEGIN: &str = "<!-- chaos:begin (written by `FORETOP_BLESS=1 make chaos`) -->";
const END: &str = "<!-- chaos:end -->";

const HEAD: &str = "| Fault | Told after | Live over old rows | Live again after | Snapshots | Lists | Other cluster | Leaked | Unequal | Memory |\n\
                    |---|---|---|---|---|---|---|---|---|---|";

fn row(scenario: &Scenario, figures: &Figures) -> String {
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "megabytes")]
    let megabytes = figures.grown as f64 / 1e6;
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {megabytes:+.1} MB |",
        scenario.name,
        figures.told.map_or_else(|| "–".to_owned(), seconds),
        seconds(figures.wrong),
        seconds(figures.live),
        figures.snapshots,
        figures.lists,
        if figures.aside.is_zero() { "–".to_owned() } else { seconds(figures.aside) },
        figures.leaked,
        figures.unequal,
    )
}
