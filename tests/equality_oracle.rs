//! Whatever happens, in whatever order: in the end every tab shows what a fresh LIST shows.
//!
//! A seed decides what happens; a failure names it, and `FORETOP_ORACLE_SEED` plays it again (as far as threads allow).
//! `FORETOP_ORACLE_SECONDS` makes the run longer.

mod fresh;
mod house;
mod tab;

use std::time::{Duration, Instant};

use fastrand::Rng;
use foretop::config::Config;
use foretop::sim::{Cluster, Command, Fault};
use house::{EAST, House, cluster};
use tab::state::State;
use tab::{Following, Open, Tab};

const KINDS: [&str; 8] =
    ["pods", "pods", "pods", "deployments", "replicasets", "endpointslices", "nodes", "jobs"];
const TABS: usize = 40;

fn settings() -> Config {
    let mut config = house::config();
    config.streams.per_user = 0;
    config.streams.lag = 16 * 1024;
    config.streams.heartbeat = Duration::from_secs(1);
    config.streams.ahead = Duration::from_secs(1);
    config.journal.max_bytes = 64 * 1024;
    config.feeds.away_after = Duration::from_millis(700);
    config.feeds.linger = Duration::from_secs(2);
    let upstream = &mut config.upstream;
    upstream.answer_timeout = Duration::from_secs(1);
    upstream.page_timeout = Duration::from_secs(1);
    upstream.watch_list_idle = Duration::from_secs(1);
    upstream.max_backoff = Duration::from_millis(400);
    upstream.page_size = 20;
    upstream.line_bytes = 64 * 1024;
    config
}

/// A tab as its user treats it.
enum Page {
    /// It reads whatever comes.
    Open(Following),
    /// It is connected, and reads only now and then.
    Slow(Tab),
    /// Its connection is closed; it will come back with its newest id.
    Closed(Tab),
}

struct Play {
    house: House,
    random: Rng,
    pages: Vec<(&'static str, Option<String>, Option<Page>)>,
}

impl Play {
    async fn new(seed: u64) -> Play {
        let mut options = cluster(EAST, 60);
        options.seed = seed;
        options.tuning.history = 2000;
        options.tuning.future_wait = Duration::from_millis(200);
        options.tuning.bookmark_interval = Duration::from_millis(500);
        let house = House::start(&settings(), vec![options]).await;
        let mut random = Rng::with_seed(seed);
        let mut pages = Vec::new();
        for _ in 0..TABS {
            let kind = KINDS[random.usize(..KINDS.len())];
            let namespace = random.bool().then(|| some_namespace(&mut random, house.east(), kind)).flatten();
            pages.push((kind, namespace, None));
        }
        let mut play = Play { house, random, pages };
        for number in 0..TABS {
            let tab = play.opened(number).await;
            play.pages[number].2 = Some(tab);
        }
        play
    }

    async fn opened(&mut self, number: usize) -> Page {
        let (kind, namespace, _) = &self.pages[number];
        let mut open = Open::watch(self.house.address(), EAST, kind, namespace.as_deref());
        if self.random.bool() {
            open = open.receive_buffer(4096);
        }
        if self.random.u8(..5) == 0 {
            open = open.http10();
        }
        Page::Open(Tab::open(open).await.follow())
    }

    /// Something happens.
    async fn act(&mut self) {
        match self.random.u8(..100) {
            0..35 => self.house.east().churn_step(self.random.usize(1..40)),
            35..45 => {
                let pods = self.house.east().names("pods").expect("a resource");
                let (from, writes) = (self.random.usize(..pods.len().max(1)), self.random.usize(1..500));
                fresh::restart(self.house.east(), &pods[from..], writes);
            }
            45..80 => self.treat_a_tab().await,
            80..97 => self.break_something(),
            97 => self.house.east().command(Command::Rewind { by: self.random.u64(1..40) }),
            _ => {
                self.house.east().stop().await;
                self.house.east().churn_step(self.random.usize(..200));
                // Sometimes long enough for tabs to be told.
                tokio::time::sleep(Duration::from_millis(self.random.u64(..3000))).await;
                self.house.east().restart().await.expect("the address is still free");
            }
        }
    }

    async fn treat_a_tab(&mut self) {
        let number = self.random.usize(..TABS);
        let page = self.pages[number].2.take().expect("a page is put back at once");
        let choice = self.random.u8(..4);
        let next = match (page, choice) {
            (Page::Open(tab), 0..2) => Page::Slow(tab.stop().await),
            (Page::Open(tab), 2) => closed(tab.stop().await),
            (Page::Open(tab), _) => Page::Open(tab),
            (Page::Slow(mut tab), 0..3) => {
                let _ = tokio::time::timeout(Duration::from_millis(5), tab.read(2048)).await;
                Page::Slow(tab)
            }
            (Page::Slow(tab), _) => Page::Open(tab.follow()),
            (Page::Closed(mut tab), _) => {
                tab.reconnect().await;
                Page::Open(tab.follow())
            }
        };
        self.pages[number].2 = Some(next);
    }

    fn break_something(&mut self) {
        let east = self.house.east();
        let kind = KINDS[self.random.usize(..KINDS.len())];
        let once = [
            Fault::WatchGone,
            Fault::ContinueGone,
            Fault::GateOff,
            Fault::Etcd34,
            Fault::NoEndBookmark,
            Fault::Garbage,
            Fault::HalfLine,
            Fault::LongLine { bytes: 100_000 },
            Fault::Internal,
            Fault::Goaway,
            Fault::TooManyRequests { retry_after: 0 },
        ];
        match self.random.u8(..10) {
            0..5 => east.faults().add(once[self.random.usize(..once.len())].on(kind).times(1)),
            5 => east.command(Command::DropConnections),
            6 => east.command(Command::EndWatches { resource: None }),
            7 => {
                east.compact();
                east.command(Command::EndWatches { resource: Some(kind.into()) });
            }
            8 => east.faults().add(Fault::Silent.on(kind)),
            _ => east.heal(),
        }
    }

    /// All is well again, everyone reads on, and everyone shows what a fresh LIST shows.
    async fn settles(mut self) -> Result<(), String> {
        let east = self.house.east();
        east.heal();
        for (number, kind) in KINDS.into_iter().enumerate() {
            fresh::mark(east, kind, &format!("the-end-{number}"));
        }
        for (kind, namespace, page) in &mut self.pages {
            let mut tab = match page.take().expect("a page is put back at once") {
                Page::Open(tab) => tab,
                Page::Slow(tab) => tab.follow(),
                Page::Closed(mut tab) => {
                    tab.reconnect().await;
                    tab.follow()
                }
            };
            let ended = tab.state().end.is_some();
            if ended {
                let mut back = tab.stop().await;
                back.reconnect().await;
                tab = back.follow();
            }
            let wanted = fresh::list(self.house.east(), kind, namespace.as_deref()).await;
            let equal =
                |state: &State| state.rows.len() == wanted.len() && state.rows.hash() == wanted.hash();
            if !tab.reach(equal).await {
                let state = tab.state();
                return Err(format!(
                    "{kind} in {namespace:?}: end {:?}, events {:?}, relists {:?}; {}",
                    state.end,
                    state.counts,
                    state.relists,
                    fresh::difference(&state.rows, &wanted)
                ));
            }
        }
        for kind in KINDS {
            // Not every play opens a tab of every kind.
            if !fresh::feed(self.house.address(), EAST, kind).await.is_null() {
                fresh::encoded_once(self.house.address(), EAST, kind).await;
            }
        }
        Ok(())
    }
}

fn closed(mut tab: Tab) -> Page {
    tab.disconnect();
    Page::Closed(tab)
}

fn some_namespace(random: &mut Rng, cluster: &Cluster, kind: &str) -> Option<String> {
    let names = cluster.names(kind).ok()?;
    let (namespace, _) = names.get(random.usize(..names.len().max(1)))?;
    Some(namespace.clone()).filter(|namespace| !namespace.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tab_equals_a_fresh_list_in_the_end() {
    let seed =
        std::env::var("FORETOP_ORACLE_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(fresh::from_env("FORETOP_ORACLE_SECONDS", 12) as u64);
    let mut round = seed;
    while Instant::now() < until {
        let mut play = Play::new(round).await;
        let acts = play.random.usize(100..250);
        for _ in 0..acts {
            play.act().await;
            // Somewhat of time for what was done to be noticed; nothing depends on how much.
            tokio::time::sleep(Duration::from_millis(play.random.u64(..12))).await;
        }
        let settled = play.settles().await;
        assert_eq!(settled, Ok(()), "FORETOP_ORACLE_SEED={round}");
        round = round.wrapping_add(1);
    }
}
