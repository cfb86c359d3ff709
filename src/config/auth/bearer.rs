//! Bearer tokens of API clients.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use crate::config::grammar::{Choices, Issuer, OptionalPath, OptionalUrl, Text, Time, Words};
use crate::config::table::{Section, Table};
use crate::config::{HOUR, MINUTE, SECOND};

/// Bearer tokens (JSON Web Tokens, RFC 7519) of API clients.
#[derive(Clone, Debug)]
pub struct BearerAuth {
    /// The issuer, exactly as tokens name it. Empty: no bearer tokens.
    pub issuer: String,
    /// Audiences, of which a token has to name one.
    pub audiences: Vec<String>,
    /// Where the issuer's keys are; `None`: where its discovery document says.
    pub jwks_url: Option<String>,
    /// Algorithms that tokens may be signed by; all asymmetric.
    pub algorithms: Vec<Algorithm>,
    /// The claim with the user's name.
    pub username_claim: String,
    /// The claim with the groups.
    pub groups_claim: String,
    /// By how much clocks may differ.
    pub clock_skew: Duration,
    /// How often the keys are fetched.
    pub refresh: Duration,
    /// For how long keys are used that could not be fetched again.
    pub keep_keys: Duration,
    /// Certificates (PEM) that the issuer's must be signed by; `None`: the system's.
    pub ca_file: Option<PathBuf>,
}

impl BearerAuth {
    /// Whether bearer tokens are taken.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.issuer.is_empty()
    }
}

impl Default for BearerAuth {
    fn default() -> Self {
        BearerAuth {
            issuer: String::new(),
            audiences: Vec::new(),
            jwks_url: None,
            algorithms: vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
            username_claim: "sub".into(),
            groups_claim: "groups".into(),
            clock_skew: Duration::from_secs(30),
            refresh: Duration::from_mins(5),
            keep_keys: Duration::from_hours(24),
            ca_file: None,
        }
    }
}

/// Those that a public key verifies; with a shared secret everyone who verifies could sign.
const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

impl Section for BearerAuth {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "issuer",
            &mut self.issuer,
            Issuer,
            "The issuer, exactly as its tokens name it (`iss`). Not set: no bearer tokens are taken.",
        );
        table.setting(
            "audiences",
            &mut self.audiences,
            Words,
            "The audiences (`aud`) that tokens may be for, of which each must name one. Needed with `issuer`.",
        );
        table.setting(
            "jwksUrl",
            &mut self.jwks_url,
            OptionalUrl,
            "Where the issuer's keys are. If not set, where its `/.well-known/openid-configuration` says.",
        );
        table.setting(
            "algorithms",
            &mut self.algorithms,
            Choices(ALGORITHMS),
            "The algorithms that tokens may be signed by. A key counts for its own `alg`, or for what keys of its type sign with.",
        );
        table.setting(
            "usernameClaim",
            &mut self.username_claim,
            Text,
            "The claim with the user's name. With `email`, an `email_verified` that is there must be true.",
        );
        table.setting(
            "groupsClaim",
            &mut self.groups_claim,
            Text,
            "The claim with the user's groups: a list of texts, or one.",
        );
        self.times(table);
        table.setting(
            "caFile",
            &mut self.ca_file,
            OptionalPath,
            "PEM certificates of the authorities that may have signed the issuer's certificate, instead of the system's.",
        );
    }
}

impl BearerAuth {
    fn times(&mut self, table: &mut Table<'_>) {
        table.setting(
            "clockSkew",
            &mut self.clock_skew,
            Time(Duration::ZERO, 5 * MINUTE),
            "By how much the issuer's clock and this one may differ: a token is taken so much before its `nbf` and after its `exp`.",
        );
        table.setting(
            "refresh",
            &mut self.refresh,
            Time(10 * SECOND, HOUR),
            "How often the issuer's keys are fetched. A token with a key that is not known has them fetched at once, every 10 s at most.",
        );
        table.setting(
            "keepKeys",
            &mut self.keep_keys,
            Time(MINUTE, 720 * HOUR),
            "For how long keys are used that the issuer has not confirmed since. After that no token is taken.",
        );
    }
}
