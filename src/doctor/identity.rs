//! Whether the identity provider can be asked, and its keys are of use.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Check, Finding};
use crate::config::{AuthMode, BearerAuth, Config};
use crate::identity::jwks::{Jwks, KeysError};
use crate::identity::keys::ASYMMETRIC;
use crate::identity::provider_http::CallError;

pub(super) fn checks(config: &Arc<Config>) -> Vec<Check> {
    let auth = &config.auth;
    let mut checks = Vec::new();
    if auth.mode == AuthMode::Oidc {
        let settings = BearerAuth {
            issuer: auth.oidc.issuer.clone(),
            ca_file: auth.oidc.ca_file.clone(),
            algorithms: ASYMMETRIC.into(),
            jwks_url: None,
            ..BearerAuth::default()
        };
        checks.push(of_issuer(settings));
        let files = auth.session.keys.iter().cloned().chain(auth.oidc.client_secret_file.clone());
        checks.extend(files.map(of_secret));
    }
    if auth.bearer.is_on() {
        checks.push(of_issuer(auth.bearer.clone()));
    }
    if auth.mode == AuthMode::Header
        && auth.header.trusted_peers.is_empty()
        && auth.header.trusted_names.is_empty()
    {
        let found = Finding::broken(
            "nobody may say who a user is, so nobody gets in",
            "put the proxy's addresses into `auth.header.trustedPeers`, or its certificate's names into `trustedNames`",
        );
        checks.push(Check::new("identity", "the proxy that signs in", std::future::ready(vec![found])));
    }
    checks
}

fn of_issuer(settings: BearerAuth) -> Check {
    let of = format!("issuer {}", settings.issuer);
    Check::new("identity", of, async move {
        let jwks = match Jwks::new(&settings) {
            Ok(jwks) => jwks,
            Err(error) => return vec![Finding::broken(error.to_string(), "mend the `caFile`")],
        };
        match jwks.look().await {
            Ok(keys) => vec![Finding::fine(format!("its metadata, and {keys} keys"))],
            Err(error) => vec![Finding::broken(error.to_string(), fix(&error))],
        }
    })
}

fn fix(error: &KeysError) -> &'static str {
    match error {
        KeysError::Call(CallError::Unreachable(why))
            if why.contains("certificate") || why.contains("UnknownIssuer") =>
        {
            "give the authority that signed its certificate (`auth.oidc.caFile`, `auth.bearer.caFile`; the chart: `trust`)"
        }
        KeysError::Call(CallError::Unreachable(_)) => {
            "look at the issuer's URL, at DNS, at the policy that lets traffic out, and at HTTPS_PROXY and NO_PROXY"
        }
        KeysError::Call(CallError::Status(_)) | KeysError::Discovery => {
            "the issuer's URL must be the one below which /.well-known/openid-configuration is (a realm's or tenant's path belongs to it)"
        }
        KeysError::OtherIssuer => "write the issuer exactly as its metadata has it, to the last slash",
        KeysError::Unsafe => "have the provider publish its keys at an https URL",
        KeysError::Set(_) => {
            "have the provider sign by an algorithm of `auth.bearer.algorithms`, or allow the one that it signs by"
        }
        KeysError::Call(CallError::TooLong) => "what answers there is no identity provider",
    }
}

/// A file with a secret: that it is there, and not what is in it.
fn of_secret(path: PathBuf) -> Check {
    let of = path.display().to_string();
    Check::new("identity", of, async move {
        let fix = "mount the Secret, and let this user read it";
        match tokio::fs::read(&path).await {
            Ok(text) if text.trim_ascii().is_empty() => vec![Finding::broken("it is empty", fix)],
            Ok(_) => vec![Finding::fine("it can be read")],
            Err(error) => vec![Finding::broken(format!("it cannot be read: {error}"), fix)],
        }
    })
}
