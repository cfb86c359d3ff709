//! What whoever waits for a run sees: a bar over the phase, and a live line.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::scenario::{Phase, Storm};
use crate::tabs::Progress;

/// The bar of a run; where standard error is no terminal, a line per phase.
pub struct Show {
    bar: ProgressBar,
}

impl Default for Show {
    fn default() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{spinner} {prefix} [{bar:30}] {msg}");
        bar.set_style(style.expect("the template is valid"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Show { bar }
    }
}

impl Show {
    /// Says what is being done.
    pub fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() {
            eprintln!("{what}");
        }
    }

    /// A phase begins.
    pub fn begin(&self, phase: &Phase, tabs: usize) {
        self.bar.set_prefix(phase.name.clone());
        self.bar.set_length(tabs as u64);
        let storm =
            if matches!(phase.storm, Storm::None) { String::new() } else { format!(", {:?}", phase.storm) };
        self.say(&format!(
            "{}: {tabs} tabs, {} changes a second{storm}",
            phase.name,
            phase.rate + phase.noisy
        ));
    }

    /// How far the tabs are.
    pub fn progress(&self, progress: &Progress) {
        self.bar.set_position(progress.live as u64);
        let megabytes = progress.bytes as f64 / 1e6;
        self.bar.set_message(format!(
            "{} of {} open tabs live, {} frames, {megabytes:.1} MB",
            progress.live, progress.open, progress.frames
        ));
    }

    /// The run is over.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
