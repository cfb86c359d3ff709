//! Plays a scenario, and holds what was noticed against the promises.

use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::house::{EAST, WEST};
use crate::pages::Sort;
use crate::scenarios::{Scenario, Step, Told};
use crate::server::Machine;
use crate::world::World;

/// Rows may be called live for so long after they ceased to be so: the promise, and some for a machine that is busy.
const WRONG: Duration = Duration::from_secs(25 + 3);

/// What does not concern a cluster delays its rows by no more than a busy machine does.
const ASIDE: Duration = Duration::from_secs(5);

/// From the end of a fault until all is well: a backoff, and some.
const WELL: Duration = Duration::from_secs(45);

/// What the process may take more than before, when all is over.
const GROWN: u64 = 48 << 20;

/// Descriptors that it may have more than before, when all is over: connections to apiservers come and go.
const DESCRIPTORS: u64 = 6;

/// What was measured, a row of the table.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// From the first fault until the last of those pages did not say live that ceased to.
    pub told: Option<Duration>,
    /// The longest that a page went on saying live over rows that were no longer so.
    pub wrong: Duration,
    /// From the end of the last fault until every page was live.
    pub live: Duration,
    /// Snapshots beyond the first of a view.
    pub snapshots: u64,
    /// Lists beyond the first of a feed.
    pub lists: u64,
    /// The longest that the other cluster's rows were old.
    pub aside: Duration,
    /// Rows that were sent to those who may not see them.
    pub leaked: u64,
    /// Pages whose rows are not a fresh LIST's.
    pub unequal: u64,
    /// Bytes of the process, more than before.
    pub grown: i64,
    /// Promises that were broken, in words.
    pub broken: Vec<String>,
}

/// What the server had before.
struct Before {
    descriptors: u64,
    streams: u64,
    watches: u64,
    memory: u64,
    lists: u64,
    snapshots: Vec<u64>,
}

impl Before {
    async fn of(world: &World) -> Before {
        Before {
            descriptors: world.figure("process_open_fds").await,
            streams: world.figure("foretop_streams").await,
            watches: world.figure("foretop_upstream_watches").await,
            memory: world.figure("process_resident_memory_bytes").await,
            lists: world.listed().await,
            snapshots: world.pages.iter().map(|page| page.glance().snapshots).collect(),
        }
    }
}

/// Plays it in a world of its own.
pub async fn play(scenario: Scenario, machine: Machine) -> Figures {
    let scenario = &scenario;
    let moves_clock = scenario.steps.iter().any(|step| matches!(step.fault, Fault::Clock(_)));
    let world = World::new(machine, scenario.keeps, moves_clock).await;
    if scenario.steps.iter().any(|step| step.fault == Fault::ServerEndedOnFullDisk) {
        world.site.fills_disk();
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = Before::of(&world).await;
    world.watchman.begins_anew();
    let began = Instant::now();
    take_steps(&world, scenario.steps).await;
    let healed = Instant::now();
    let mut figures = Figures::default();
    figures.settles(&world, healed).await;
    figures.is_equal(&world).await;
    figures.is_as_before(&world, &before).await;
    figures.notices(&world, scenario, began, &before).await;
    figures.is_logged(world, scenario).await;
    figures
}

/// Does what is to be done, each at its time, and takes a right away amid it.
async fn take_steps(world: &World, steps: &[Step]) {
    let begins = steps.iter().map(|step| (step.from, true, step.fault));
    let ends = steps.iter().map(|step| (step.from + step.lasts, false, step.fault));
    let mut times: Vec<_> = begins.chain(ends).collect();
    times.sort_by_key(|(at, is_begin, _)| (*at, !is_begin));
    let began = tokio::time::Instant::now();
    let last = times.last().map_or(0, |(at, ..)| *at);
    let mut has_right = true;
    for (at, is_begin, fault) in times {
        if has_right && at * 2 >= last && (at, is_begin) != (0, true) {
            tokio::time::sleep_until(began + Duration::from_secs(last) / 2).await;
            world.takes_a_right();
            has_right = false;
        }
        tokio::time::sleep_until(began + Duration::from_secs(at)).await;
        if is_begin { fault.begin(world).await } else { fault.end(world).await }
    }
    if has_right {
        world.takes_a_right();
    }
}

impl Figures {
    fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(otherwise());
        }
    }

    /// Waits until every page is live again.
    async fn settles(&mut self, world: &World, healed: Instant) {
        // What was said before the end of the fault says nothing of what comes after it.
        let after = world.pulses[EAST].count() + 1;
        let is_over = || {
            let pods = world
                .pages
                .iter()
                .filter(|page| page.page.kinds.contains(&"pods") && page.page.cluster == EAST);
            world.is_well() && pods.map(super::pages::Living::glance).all(|glance| glance.pulse >= after)
        };
        while !is_over() && healed.elapsed() < WELL {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.live = healed.elapsed();
        let stuck: Vec<_> = world
            .watchman
            .noticed()
            .iter()
            .filter(|(_, page)| !page.is_well())
            .map(|(name, _)| name.clone())
            .collect();
        self.must(is_over(), || format!("{WELL:?} after the fault these are not live: {stuck:?}"));
    }

    /// Holds what pages show against what the clusters list, once nothing is written.
    async fn is_equal(&mut self, world: &World) {
        world.pulses.values().for_each(super::truth::Pulse::stop);
        world.pages.iter().for_each(super::pages::Living::show_rows);
        let until = Instant::now() + WELL;
        let mut unequal = world.unequal().await;
        while !unequal.is_empty() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(200)).await;
            unequal = world.unequal().await;
        }
        self.unequal = unequal.len() as u64;
        self.must(unequal.is_empty(), || format!("not what a fresh LIST shows: {}", unequal.join("; ")));
    }

    /// Nothing is left of the fault.
    async fn is_as_before(&mut self, world: &World, before: &Before) {
        let until = Instant::now() + WELL;
        loop {
            let now = Before::of(world).await;
            let is_back = now.descriptors <= before.descriptors + DESCRIPTORS
                && now.streams == before.streams
                // What roles and bindings tell need not be asked of namespaces: fewer will do.
                && now.watches <= before.watches;
            self.grown = now.memory.cast_signed() - before.memory.cast_signed();
            if is_back || Instant::now() > until {
                self.must(is_back, || {
                    format!(
                        "descriptors {} and {}, streams {} and {}, watches {} and {}, before and after",
                        before.descriptors,
                        now.descriptors,
                        before.streams,
                        now.streams,
                        before.watches,
                        now.watches
                    )
                });
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let grown = self.grown;
        self.must(grown < GROWN.cast_signed(), || format!("the process has grown by {grown} bytes"));
        self.must(world.is_ready().await, || "/readyz does not say yes".to_owned());
        let amiss = world.encoded_amiss().await;
        self.must(amiss == 0, || format!("{amiss} frames were encoded more than once, or not"));
    }

    async fn notices(&mut self, world: &World, scenario: &Scenario, began: Instant, before: &Before) {
        let noticed = world.watchman.noticed();
        let is_upstream = scenario.steps.iter().all(|step| step.fault.is_of_the_apiserver());
        self.lists = world.listed().await - before.lists;
        for (living, first) in world.pages.iter().zip(&before.snapshots) {
            let (page, glance) = (living.page, living.glance());
            let seen = noticed[&page.name()];
            self.leaked += glance.leaked;
            // Who has lost a right is given all anew.
            if page.user != "cid" {
                self.snapshots += glance.snapshots - first;
            }
            if page.cluster == WEST && is_upstream {
                self.aside = seen.old;
                self.must(seen.old < ASIDE, || format!("another cluster's rows were {:?} old", seen.old));
                self.must(glance.lost + glance.told == 0, || {
                    "a page of another cluster was told something".to_owned()
                });
                continue;
            }
            let cannot_know = scenario.told == Told::Silence && page.sort == Sort::Single;
            if page.user != "cid" && !cannot_know {
                self.told = self.told.max(seen.told.map(|at| at.saturating_duration_since(began)));
            }
            if !cannot_know {
                self.wrong = self.wrong.max(seen.wrong);
                self.must(seen.wrong < WRONG, || {
                    format!("{} went on saying live for {:?}", page.name(), seen.wrong)
                });
            }
            let is_told = match scenario.told {
                // Who gets a snapshot meanwhile, since a right has ended, is told behind it again.
                Told::Away if page.user == "cid" => (1..=2).contains(&glance.told),
                Told::Away => glance.told == 1 || page.sort == Sort::Polled,
                // A multiplexed stream says at once how old its rows are.
                Told::Nothing => glance.lost == 0 && (glance.told == 0 || page.sort == Sort::Multiplexed),
                Told::Something | Told::Silence => true,
            };
            let (told, lost) = (glance.told, glance.lost);
            self.must(is_told, || format!("{}: told {told} times, and lost {lost} connections", page.name()));
        }
        let (snapshots, lists, leaked) = (self.snapshots, self.lists, self.leaked);
        self.must(snapshots <= scenario.snapshots, || format!("{snapshots} snapshots"));
        self.must(lists <= scenario.lists, || format!("{lists} lists"));
        self.must(leaked == 0, || format!("{leaked} rows were sent to those who may not see them"));
        if let Some(counter) = scenario.counted {
            let count = world.figure(counter).await;
            self.must(count > 0, || format!("{counter} says nothing"));
        }
    }

    async fn is_logged(&mut self, world: World, scenario: &Scenario) {
        let log = world.ends().await;
        let wanted = scenario.logged.filter(|event| !log.contains(*event));
        self.must(wanted.is_none(), || format!("{} is not in the log", wanted.unwrap_or_default()));
        if !self.broken.is_empty()
            && let Ok(folder) = std::env::var("FORETOP_CHAOS_LOGS")
        {
            std::fs::write(format!("{folder}/{}.log", scenario.name.replace('/', " in a ")), &log)
                .expect("a folder that can be written");
        }
        let panicked = log.lines().find(|line| line.contains("panicked"));
        self.must(panicked.is_none(), || format!("it panicked: {}", panicked.unwrap_or_default()));
    }
}
