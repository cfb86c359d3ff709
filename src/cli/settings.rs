//! Where each subcommand's settings come from.

use std::path::Path;
use std::process::ExitCode;

use foretop::config::{self, AuthFile, Config, File, Flag, Loaded, Mistake, Mistakes, Sources};

use super::{Demo, Serve, log};

impl Serve {
    pub fn flags(&self) -> Vec<Flag> {
        common_flags(self.listen.as_ref(), self.cores.as_ref(), self.console.as_ref())
    }
}

impl Demo {
    /// The demo says itself what a file would have to say.
    pub fn flags(&self) -> Vec<Flag> {
        let mut flags = common_flags(self.listen.as_ref(), self.cores.as_ref(), self.console.as_ref());
        flags.push(Flag { name: "demo", key: "auth.mode", value: "dev".into() });
        flags
    }
}

fn common_flags(listen: Option<&String>, cores: Option<&String>, console: Option<&String>) -> Vec<Flag> {
    let flag = |name, key| move |value: &String| Flag { name, key, value: value.clone() };
    let listen = listen.map(flag("--listen", "server.listen"));
    let cores = cores.map(flag("--cores", "server.cores"));
    let console = console.map(flag("--console", "console.dir"));
    listen.into_iter().chain(cores).chain(console).collect()
}

/// A file, the reference's auth file where this process's environment names one, that environment, and flags.
pub fn from_file(path: &Path, flags: Vec<Flag>, insecure: bool) -> Result<Sources, Mistakes> {
    let name = path.display().to_string();
    let auth_file = AuthFile::of_process().map_err(|mistake| Mistakes(vec![mistake]))?;
    match std::fs::read_to_string(path) {
        Ok(text) => {
            Ok(Sources { file: Some(File { name, text }), auth_file, ..without_file(flags, insecure) })
        }
        Err(error) => Err(Mistakes(vec![Mistake::unreadable(name, &error)])),
    }
}

/// This process's environment, and flags.
pub fn without_file(flags: Vec<Flag>, insecure: bool) -> Sources {
    Sources { file: None, auth_file: None, environment: Sources::process_environment(), flags, insecure }
}

/// Goes on with the settings, and with what sets the log's level later, unless they hold a mistake: then all of them are printed, and nothing
/// is started.
pub fn with_settings(
    sources: Result<Sources, Mistakes>,
    go_on: impl FnOnce(Config, Box<dyn Fn(&str) + Send>) -> ExitCode,
) -> ExitCode {
    match sources.and_then(|sources| config::load(&sources)) {
        Ok(Loaded { config, warnings, .. }) => {
            let log::Started { written_at_the_end, set_level } = log::start(&config.log);
            for warning in warnings {
                tracing::warn!("settings.warning: {warning}");
            }
            let code = go_on(config, set_level);
            drop(written_at_the_end);
            code
        }
        Err(mistakes) => {
            eprintln!("{mistakes}");
            ExitCode::FAILURE
        }
    }
}
