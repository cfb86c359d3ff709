//! One typed tree of settings: file, environment, flags.
//!
//! Later sources win: the defaults (of the structs here), the file, the environment, the flags. [`load()`] reads them all and
//! either gives the whole tree or every mistake at once; a value that cannot be read is never replaced by a default.
//!
//! Every setting has a default, a range and a line in `docs/configuration.md`; a test keeps that page equal to this code. All of
//! it comes from one table (`table`): a new setting is a field with its doc, a default, and a row in its section's `settings`.

mod access;
mod audit;
mod auth;
mod authorization;
mod changes;
mod cidr;
mod console;
mod contradictions;
mod cors;
mod feeds;
mod grammar;
mod journal;
pub mod kinds;
mod load;
mod manage;
mod mistake;
mod origin;
mod overviews;
mod periscope;
mod process;
mod reference;
mod server;
mod sources;
mod state;
mod streams;
mod table;
mod tenants;
mod tls;
mod unknown;
mod upstream;
mod watch;
pub(crate) mod yaml;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use access::{Access, AccessUpstream};
pub use audit::Audit;
pub use auth::{Auth, AuthMode, BearerAuth, DevIdentity, HeaderAuth, Oidc, Session};
pub use authorization::{Authorization, AuthorizationMode, Tier};
pub use changes::changes;
pub use cidr::{Cidr, NotACidr};
pub use console::Console;
pub use cors::Cors;
pub use feeds::Feeds;
pub use grammar::is_safe_url;
pub use journal::Journal;
pub use load::{Loaded, load, read};
pub use manage::Manage;
pub use mistake::{Mistake, Mistakes};
pub(crate) use mistake::{cut, quoted};
pub use origin::{Authority, HostName, NotAnOrigin, Origin};
pub use overviews::Overviews;
pub use process::{Drain, Log, Memory};
pub use reference::reference;
pub use server::Server;
pub use sources::{AuthFile, File, Flag, Sources};
pub use state::State;
pub use streams::{Refusal, Streams};
pub use tenants::{DEFAULT_TENANT, TenantRule, Tenants};
pub use tls::Tls;
pub use upstream::Upstream;
pub use watch::{Place, Watch};

use grammar::OptionalPath;
use table::{Section, Table};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// All settings.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Listening, cores, request heads.
    pub server: Server,
    /// Other sites' pages that may ask.
    pub cors: Cors,
    /// The front end.
    pub console: Console,
    /// Who asks.
    pub auth: Auth,
    /// As whom apiservers are asked about a user.
    pub authorization: Authorization,
    /// How users' rights are asked for.
    pub access: Access,
    /// Which kinds have streams, and what is kept warm.
    pub watch: Watch,
    /// Limits and timing of streams.
    pub streams: Streams,
    /// Who shares this server with whom.
    pub tenants: Tenants,
    /// How much of the past is retained.
    pub journal: Journal,
    /// Feeds' life.
    pub feeds: Feeds,
    /// What overviews may start.
    pub overviews: Overviews,
    /// How apiservers are spoken to.
    pub upstream: Upstream,
    /// Ceilings for the process.
    pub memory: Memory,
    /// What has to survive a restart.
    pub state: State,
    /// Shutting down.
    pub drain: Drain,
    /// The listener for those who run the process.
    pub manage: Manage,
    /// What is recorded of who saw what.
    pub audit: Audit,
    /// Log output.
    pub log: Log,
    /// The registry file of clusters (`clusters:`).
    pub clusters_file: Option<PathBuf>,
}

impl Section for Config {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "clustersFile",
            &mut self.clusters_file,
            OptionalPath,
            "The registry of clusters, a file of its own, read again when it changes. A relative path starts at the working directory.",
        );
        table.section("server", "Listening, cores, request heads.", &mut self.server);
        table.section("cors", "Other sites' pages that may ask.", &mut self.cors);
        table.section("console", "The front end.", &mut self.console);
        table.section("auth", "Who asks.", &mut self.auth);
        table.section("authorization", "As whom apiservers are asked about a user.", &mut self.authorization);
        table.section("access", "How users' rights are asked for.", &mut self.access);
        table.section("watch", "Which kinds have streams, and what is kept warm.", &mut self.watch);
        table.section("streams", "Limits and timing of streams.", &mut self.streams);
        table.section(
            "tenants",
            "Who shares this server with whom, and how much each may have.",
            &mut self.tenants,
        );
        table.section(
            "journal",
            "How much of the past is retained for tabs that come back.",
            &mut self.journal,
        );
        table.section(
            "feeds",
            "The life of feeds; a feed is all there is of one kind of one cluster.",
            &mut self.feeds,
        );
        table.section(
            "overviews",
            "What the fleet page, dashboards and searches may start.",
            &mut self.overviews,
        );
        table.section("upstream", "How apiservers are spoken to.", &mut self.upstream);
        table.section("memory", "Ceilings for the process.", &mut self.memory);
        table.section("state", "What has to survive a restart.", &mut self.state);
        table.section("drain", "Shutting down.", &mut self.drain);
        table.section("manage", "The listener for those who run the process.", &mut self.manage);
        table.section(
            "audit",
            "What is recorded of who saw what. Without an output there is no audit.",
            &mut self.audit,
        );
        table.section("log", "Log output, on standard output.", &mut self.log);
    }
}
