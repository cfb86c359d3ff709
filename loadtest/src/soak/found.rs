//! What a soak has come to: a row for each figure, and what should not be.

use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use foretop::memory::pressure::Shedding;

use super::cgroup::{self, Cgroup};
use super::ground::{Figures, Ground};
use super::hostile::Tally;
use crate::figures::quantile_of;
use crate::run::RunError;
use crate::run::server::Subject;
use crate::sampler::Sample;
use crate::tabs::totals::{Fault, Report};

/// Faults that nothing excuses.
const BAD: [Fault; 4] =
    [Fault::Malformed, Fault::IdBackwards, Fault::TwoFramesForOneId, Fault::SnapshotDiffers];

/// The most that was seen of what comes and goes.
#[derive(Default)]
pub struct Peaks {
    rss: u64,
    counted: u64,
    sockets: u64,
    streams: u64,
    /// Time at each level of shedding.
    levels: [Duration; Shedding::ALL.len()],
    last: Option<Instant>,
}

/// All that is known in the end.
pub struct Seen<'a> {
    /// How much memory there was.
    pub mib: u64,
    /// What it stood on.
    pub ground: &'a Ground,
    /// The most of what came and went.
    pub peaks: Peaks,
    /// What the hostile have come to.
    pub tally: &'a Tally,
    /// What the tabs have counted.
    pub report: Report,
    /// How long it took.
    pub took: Duration,
    /// Tabs that did not show in the end what the clusters hold; or what kept the server from serving on.
    pub unequal: Result<usize, RunError>,
}

/// What came of it.
pub struct Found {
    rows: Vec<(&'static str, String)>,
    /// What should not be.
    pub wrong: Vec<String>,
}

impl Peaks {
    /// Looks at the server, and takes it that nothing was otherwise since the last look.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn look(&mut self, ground: &Ground) -> Result<(), RunError> {
        let figures = ground.figures().await?;
        let level = usize::try_from(figures.of("foretop_memory_shedding")).unwrap_or(usize::MAX);
        let now = Instant::now();
        let passed = now - self.last.replace(now).unwrap_or(now);
        self.levels[level.min(Shedding::ALL.len() - 1)] += passed;
        let most = |peak: &mut u64, value: u64| *peak = value.max(*peak);
        most(&mut self.counted, figures.sum("foretop_memory_bytes"));
        most(&mut self.streams, figures.sum("foretop_streams"));
        most(&mut self.rss, Sample::of(&ground.server.pids()).rss);
        most(&mut self.sockets, counted(ground).sockets);
        Ok(())
    }
}

fn counted(ground: &Ground) -> cgroup::Counted {
    ground.cgroup.as_ref().map(Cgroup::counted).unwrap_or_default()
}

fn entered(figures: &Figures, level: Shedding) -> u64 {
    figures.of(&format!("foretop_memory_sheddings_total{{level=\"{}\"}}", level.name()))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

impl Seen<'_> {
    /// Says it.
    pub async fn found(self) -> Found {
        // Of a server that is gone there are none.
        let figures = self.ground.figures().await.unwrap_or_default();
        Found {
            wrong: self.wrong(&figures),
            rows: self.memory(&figures).into_iter().chain(self.work(&figures)).collect(),
        }
    }

    fn wrong(&self, figures: &Figures) -> Vec<String> {
        let bad = BAD.iter().filter(|fault| self.faults(**fault) > 0);
        let mut wrong: Vec<String> =
            bad.map(|fault| format!("{fault:?}, {} times", self.faults(*fault))).collect();
        match &self.unequal {
            Ok(0) => {}
            Ok(count) => wrong.push(format!("{count} tabs do not show what the clusters hold")),
            Err(error) => wrong.push(format!("the server does not serve on: {error}")),
        }
        let killed = counted(self.ground).killed;
        if killed > 0 {
            wrong.push(format!("{killed} processes were killed for want of memory"));
        }
        if self.ground.cgroup.is_err() && self.peaks.rss > self.mib << 20 {
            wrong.push(format!("it would have been killed with {} of resident memory", mib(self.peaks.rss)));
        }
        if entered(figures, Shedding::Refusing) == 0 {
            wrong.push("the limit was never felt, so this shows nothing".to_owned());
        }
        wrong
    }

    fn faults(&self, fault: Fault) -> u64 {
        self.report.faults.get(&fault).copied().unwrap_or(0)
    }

    fn memory(&self, figures: &Figures) -> Vec<(&'static str, String)> {
        let Seen { ground, peaks, .. } = self;
        let kernel = counted(ground);
        let room = match &ground.cgroup {
            Ok(cgroup) => format!("{} MiB ({})", self.mib, cgroup.version()),
            Err(why) => format!("none ({why})"),
        };
        let levels = Shedding::ALL.iter().zip(peaks.levels);
        let spent = levels.map(|(level, time)| {
            let seconds = time.as_secs_f64();
            match level {
                Shedding::Nothing => format!("nothing {seconds:.0} s"),
                level => format!("{} {seconds:.0} s ({} times)", level.name(), entered(figures, *level)),
            }
        });
        let limit = figures.of("foretop_memory_limit_bytes");
        vec![
            ("cgroup", room),
            ("time", format!("{:.0} s", self.took.as_secs_f64())),
            ("peak of the cgroup, file pages too", mib(kernel.peak)),
            ("peak of resident memory", mib(peaks.rss)),
            ("peak of what is counted", format!("{} of {}", mib(peaks.counted), mib(limit))),
            ("peak of sockets' buffers", mib(peaks.sockets)),
            ("killed for want of memory", kernel.killed.to_string()),
            ("shed", spent.collect::<Vec<_>>().join(", ")),
        ]
    }

    fn work(&self, figures: &Figures) -> Vec<(&'static str, String)> {
        let Seen { peaks, tally, report, .. } = self;
        let late = |quantile| {
            let times = report.latency.first().and_then(|times| quantile_of(times, quantile));
            times.map_or_else(|| "not known".to_owned(), |milliseconds| format!("{milliseconds:.1} ms"))
        };
        let [begun, served, refused] =
            [&tally.begun, &tally.served, &tally.refused].map(|count| count.load(Relaxed));
        let came: u64 = report.first_row.iter().map(|(_, count)| count).sum();
        let opened = figures.sum("foretop_streams_opened_total");
        vec![
            ("streams opened", format!("{opened} (at most {} at once)", peaks.streams)),
            ("streams ended for memory", figures.sum("foretop_streams_shed_total").to_string()),
            (
                "requests refused, full",
                figures.of("foretop_requests_refused_total{code=\"full\"}").to_string(),
            ),
            ("hostile connections", format!("{begun} ({served} answered, {refused} refused)")),
            ("tabs that came (back) and showed something", came.to_string()),
            (
                "of these refused before, or cut",
                format!("{}, {}", self.faults(Fault::Refused), self.faults(Fault::Lost)),
            ),
            ("change to tab, p50", late(0.5)),
            ("change to tab, p99, with what was missed while away", late(0.99)),
            ("tabs unequal", self.unequal.as_ref().map_or_else(|_| "not known".to_owned(), usize::to_string)),
        ]
    }
}

impl Found {
    /// A line for each figure, and for what is wrong.
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.rows {
            let _ = writeln!(text, "{name:width$}  {value}");
        }
        for wrong in &self.wrong {
            let _ = writeln!(text, "WRONG: {wrong}");
        }
        text
    }
}
