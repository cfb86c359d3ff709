//! What is read again while a server runs: the registry of clusters and the settings, as their files change and on SIGHUP.
//!
//! Some settings take effect at once; of every other that has changed the log says that it needs a restart. A file with a mistake changes
//! nothing, and is told once.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Server;
use crate::cluster::{RegistryFile, reload};
use crate::config::{self, Config, Mistakes, Sources};

/// The settings that take effect without a restart.
pub const RELOADED: [&str; 6] =
    ["watch.prewarm", "watch.siblings", "watch.siblingsEvery", "drain.lame", "drain.window", "log.level"];

/// Where the settings are read again, and who else is to hear of them.
pub struct Settings {
    reread: Box<dyn Fn() -> Result<Sources, Mistakes> + Send>,
    set_log_level: Box<dyn Fn(&str) + Send>,
    /// What the sources said last: a mistake is told once.
    seen: Option<Result<String, String>>,
}

impl Settings {
    /// Read again from there; the log's level is set by that.
    pub fn new(
        reread: impl Fn() -> Result<Sources, Mistakes> + Send + 'static,
        set_log_level: impl Fn(&str) + Send + 'static,
    ) -> Self {
        Settings { reread: Box::new(reread), set_log_level: Box::new(set_log_level), seen: None }
    }

    /// The settings, if their files are not as they were.
    fn look(&mut self) -> Option<Result<Config, Mistakes>> {
        let read = (self.reread)();
        let texts = read.as_ref().map(texts).map_err(ToString::to_string);
        let is_first = self.seen.is_none();
        if self.seen.as_ref() == Some(&texts) {
            return None;
        }
        self.seen = Some(texts);
        // What the process started with is in force.
        (!is_first).then(|| read.and_then(|sources| config::load(&sources)).map(|loaded| loaded.config))
    }
}

/// All that a source says which may change while the process runs.
fn texts(sources: &Sources) -> String {
    let files = sources.file.iter().chain(sources.auth_file.as_ref().map(|auth| &auth.file));
    files.map(|file| file.text.as_str()).collect::<Vec<_>>().join("\0")
}

/// SIGHUPs from now on, which no longer end the process.
///
/// # Errors
/// When signals cannot be received.
pub fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Follows both files for as long as it is polled.
pub async fn follow(
    server: &Server,
    mut registry: Option<RegistryFile>,
    mut settings: Settings,
    mut config: Config,
    mut hangups: Signal,
) -> std::convert::Infallible {
    settings.look();
    loop {
        if woken(&mut hangups).await {
            tracing::info!("server.reloading: a SIGHUP");
        }
        if let Some(read) = settings.look() {
            take_settings(server, &settings, read, &mut config);
        }
        let Some(file) = &mut registry else { continue };
        match file.look().await {
            None => {}
            Some(Ok(changes)) => server.apply(changes, &file.registry().clusters, &config),
            Some(Err(mistakes)) => {
                for mistake in mistakes.0 {
                    tracing::error!("clusters.bad_file: the old registry stays: {mistake}");
                }
            }
        }
    }
}

/// Waits until it is time to look: because of a signal, or since a while has passed.
async fn woken(hangup: &mut Signal) -> bool {
    tokio::select! {
        _ = hangup.recv() => true,
        () = tokio::time::sleep(reload::EVERY) => false,
    }
}

fn take_settings(server: &Server, settings: &Settings, read: Result<Config, Mistakes>, config: &mut Config) {
    let new = match read {
        Ok(new) => new,
        Err(mistakes) => {
            for mistake in mistakes.0 {
                tracing::error!("settings.bad_file: the old settings stay: {mistake}");
            }
            return;
        }
    };
    let changed = config::changes(config, &new);
    for key in &changed {
        if RELOADED.contains(&key.as_str()) {
            tracing::info!(setting = key, "settings.reloaded");
        } else {
            tracing::warn!(setting = key, "settings.needs_restart: the old value stays until then");
        }
    }
    let is_other = |keys: &[&str]| changed.iter().any(|key| keys.contains(&key.as_str()));
    config.watch.prewarm = new.watch.prewarm;
    config.watch.siblings = new.watch.siblings;
    config.watch.siblings_every = new.watch.siblings_every;
    config.drain = new.drain;
    config.log.level = new.log.level;
    if is_other(&["watch.prewarm"]) {
        server.prewarm(config);
    }
    if is_other(&["watch.siblings", "watch.siblingsEvery"]) {
        // Nobody waits for their first word: this server has said ready, or will without it.
        drop(server.follow_siblings(config));
    }
    if is_other(&["log.level"]) {
        (settings.set_log_level)(&config.log.level);
    }
    server.drain.store(Arc::new(config.drain.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reloaded_are_settings() {
        let page = config::reference();
        for key in RELOADED {
            assert!(page.contains(&format!("| `{key}` |")), "{key}");
        }
    }
}
