//! Who asks.

mod bearer;
mod header;
mod oidc;
mod session;

pub use bearer::BearerAuth;
pub use header::HeaderAuth;
pub use oidc::Oidc;
pub use session::Session;

use super::grammar::{Choice, MustBeSaid, Text, Words};
use super::table::{Section, Table};

/// Who asks.
#[derive(Clone, Debug)]
pub struct Auth {
    /// How identities come about; there is no default in a file: it must be said.
    pub mode: AuthMode,
    /// The identity of everyone in `dev`.
    pub dev: DevIdentity,
    /// The trusted proxy of `header`.
    pub header: HeaderAuth,
    /// Bearer tokens of API clients.
    pub bearer: BearerAuth,
    /// The provider of `oidc`.
    pub oidc: Oidc,
    /// Sessions of `oidc`.
    pub session: Session,
    /// Lets `dev` listen beyond loopback. Only the flag `--insecure` sets it.
    pub insecure: bool,
}

/// How identities come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Everyone is the dev identity.
    Dev,
    /// A trusted proxy says who asks.
    Header,
    /// Browsers sign in with an `OpenID` Connect provider.
    Oidc,
    /// Bearer tokens only.
    Bearer,
}

impl AuthMode {
    /// The word for it in the settings, `/api/auth/config` and `/api/auth/whoami`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            AuthMode::Dev => "dev",
            AuthMode::Header => "header",
            AuthMode::Oidc => "oidc",
            AuthMode::Bearer => "bearer",
        }
    }
}

/// The identity of everyone in `dev`.
#[derive(Clone, Debug)]
pub struct DevIdentity {
    /// Subject.
    pub subject: String,
    /// E-mail.
    pub email: String,
    /// Groups.
    pub groups: Vec<String>,
}

impl Default for Auth {
    fn default() -> Self {
        Auth {
            mode: AuthMode::Dev,
            dev: DevIdentity {
                subject: "dev@local".into(),
                email: "dev@local".into(),
                groups: vec!["dev".into()],
            },
            header: HeaderAuth::default(),
            bearer: BearerAuth::default(),
            oidc: Oidc::default(),
            session: Session::default(),
            insecure: false,
        }
    }
}

const MODES: &[(&str, AuthMode)] = &[
    ("dev", AuthMode::Dev),
    ("header", AuthMode::Header),
    ("oidc", AuthMode::Oidc),
    ("bearer", AuthMode::Bearer),
];

impl Section for Auth {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "mode",
            &mut self.mode,
            MustBeSaid(Choice(MODES)),
            "How identities come about. `dev`: everyone is the identity of `auth.dev`. `header`: a trusted proxy says who asks. \
             `oidc`: browsers sign in with an OpenID Connect provider. `bearer`: only API clients with tokens. There is no default: it must be set.",
        );
        table.section("dev", "The identity of everyone, in `auth.mode: dev`.", &mut self.dev);
        table.section("header", "The trusted proxy of `auth.mode: header`.", &mut self.header);
        table.section(
            "bearer",
            "Bearer tokens of API clients, in `auth.mode: bearer`, or beside `oidc` or `header`.",
            &mut self.bearer,
        );
        table.section(
            "oidc",
            "The provider that browsers sign in with, in `auth.mode: oidc`.",
            &mut self.oidc,
        );
        table.section("session", "Sessions of signed-in browsers, in `auth.mode: oidc`.", &mut self.session);
    }
}

impl Section for DevIdentity {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting("subject", &mut self.subject, Text, "The user's name.");
        table.setting("email", &mut self.email, Text, "The user's e-mail.");
        table.setting("groups", &mut self.groups, Words, "The user's groups.");
    }
}
