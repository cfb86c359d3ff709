//! The processes of tabs of one run, as the run holds them.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::totals::Report;
use super::{Answer, Order, Plan, Progress, State};

/// Tabs per process: below what a process may have of descriptors in most places.
const PER_PROCESS: usize = 18_000;

/// Why tabs do not do what they are told.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A process cannot be started or told anything.
    #[error("a process of tabs cannot be used: {0}")]
    Process(#[from] io::Error),
    /// A process answers otherwise than asked, or no longer.
    #[error("a process of tabs has ended, or answers what was not asked")]
    Answer,
}

struct Process {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    tabs: usize,
}

/// All tabs of a run. Dropping it ends their processes.
pub struct Fleet {
    processes: Vec<Process>,
}

impl Fleet {
    /// Starts as many processes as `plan.tabs` need, but at least `at_least`, and shares the tabs out among them. None is open yet.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub async fn start(plan: &Plan, at_least: usize) -> Result<Self, FleetError> {
        let count = plan.tabs.div_ceil(PER_PROCESS).max(at_least).max(1);
        let mut processes = Vec::new();
        let mut first = plan.first;
        for number in 0..count {
            let tabs = plan.tabs / count + usize::from(number < plan.tabs % count);
            let plan = Plan { first, tabs, ..plan.clone() };
            processes.push(Process::start(&plan).await?);
            first += tabs;
        }
        Ok(Fleet { processes })
    }

    /// Opens tabs until so many are open, so many a second in all; returns at once.
    ///
    /// # Errors
    /// When a process cannot be told.
    pub async fn open(&mut self, tabs: usize, per_second: f64) -> Result<(), FleetError> {
        self.share(tabs, per_second, |tabs, per_second| Order::Open { tabs, per_second }).await
    }

    /// Closes so many tabs and opens them again with their last ids, so many a second in all; returns at once.
    ///
    /// # Errors
    /// When a process cannot be told.
    pub async fn reopen(&mut self, tabs: usize, per_second: f64) -> Result<(), FleetError> {
        self.share(tabs, per_second, |tabs, per_second| Order::Reopen { tabs, per_second }).await
    }

    /// Lets so many tabs read nothing; 0 lets all read again.
    ///
    /// # Errors
    /// When a process cannot be told.
    pub async fn stall(&mut self, tabs: usize) -> Result<(), FleetError> {
        self.share(tabs, 0.0, |tabs, _| Order::Stall(tabs)).await
    }

    async fn share(
        &mut self,
        tabs: usize,
        per_second: f64,
        order: fn(usize, f64) -> Order,
    ) -> Result<(), FleetError> {
        let all: usize = self.processes.iter().map(|process| process.tabs).sum();
        let per_second = per_second / self.processes.len() as f64;
        for process in &mut self.processes {
            let own = (tabs * process.tabs).div_ceil(all.max(1)).min(process.tabs);
            process.tell(&order(own, per_second)).await?;
        }
        Ok(())
    }

    /// How far things are, in all.
    ///
    /// # Errors
    /// When a process has ended.
    pub async fn progress(&mut self) -> Result<Progress, FleetError> {
        let mut sum = Progress::default();
        for answer in self.ask(&Order::Progress).await? {
            let Answer::Progress(one) = answer else { return Err(FleetError::Answer) };
            sum.open += one.open;
            sum.live += one.live;
            sum.frames += one.frames;
            sum.bytes += one.bytes;
        }
        Ok(sum)
    }

    /// What was counted since the last report, in all.
    ///
    /// # Errors
    /// When a process has ended.
    pub async fn report(&mut self) -> Result<Report, FleetError> {
        let mut sum = Report::default();
        for answer in self.ask(&Order::Report).await? {
            let Answer::Report(one) = answer else { return Err(FleetError::Answer) };
            sum.add(*one);
        }
        Ok(sum)
    }

    /// What the tabs show: of each view, the hashes and how many tabs show each.
    ///
    /// # Errors
    /// When a process has ended.
    pub async fn states(&mut self) -> Result<Vec<State>, FleetError> {
        let mut sum = BTreeMap::<(usize, u64), usize>::new();
        for answer in self.ask(&Order::States).await? {
            let Answer::States(states) = answer else { return Err(FleetError::Answer) };
            for state in states {
                *sum.entry((state.view, state.hash)).or_default() += state.tabs;
            }
        }
        Ok(sum.into_iter().map(|((view, hash), tabs)| State { view, hash, tabs }).collect())
    }

    /// Asks all at once, so that their windows are the same.
    async fn ask(&mut self, order: &Order) -> Result<Vec<Answer>, FleetError> {
        for process in &mut self.processes {
            process.tell(order).await?;
        }
        let mut answers = Vec::new();
        for process in &mut self.processes {
            let line = process.answers.next_line().await?.ok_or(FleetError::Answer)?;
            answers.push(serde_json::from_str(&line).map_err(|_| FleetError::Answer)?);
        }
        Ok(answers)
    }
}

impl Process {
    async fn start(plan: &Plan) -> Result<Self, FleetError> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("tabs")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().ok_or(FleetError::Answer)?;
        let answers = BufReader::new(child.stdout.take().ok_or(FleetError::Answer)?).lines();
        let mut process = Process { _child: child, orders, answers, tabs: plan.tabs };
        process.tell(plan).await?;
        Ok(process)
    }

    async fn tell(&mut self, what: &impl serde::Serialize) -> Result<(), FleetError> {
        let mut line = serde_json::to_vec(what).map_err(io::Error::from)?;
        line.push(b'\n');
        self.orders.write_all(&line).await?;
        Ok(())
    }
}
