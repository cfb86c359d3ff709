//! The provider that browsers sign in with.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::config::grammar::{Issuer, OptionalPath, OptionalText, Secret, Text, Words};
use crate::config::table::{Section, Table};

/// The provider that browsers sign in with (`OpenID` Connect Core and Discovery 1.0).
#[derive(Clone, Debug)]
pub struct Oidc {
    /// The issuer's URL; its `/.well-known/openid-configuration` is read. Empty: not set.
    pub issuer: String,
    /// This server's client id at the provider. Empty: not set.
    pub client_id: String,
    /// The client's secret; a public client has none.
    pub client_secret: Option<SecretString>,
    /// A file with the client's secret.
    pub client_secret_file: Option<PathBuf>,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// The claim with the user's groups.
    pub groups_claim: String,
    /// What the sign-in button calls the provider; `None`: guessed from the issuer.
    pub provider_name: Option<String>,
    /// Certificates (PEM) that the provider's must be signed by; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// Where the provider sends a browser that has signed out everywhere.
    pub post_logout_redirect: Option<String>,
}

impl Default for Oidc {
    fn default() -> Self {
        Oidc {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            client_secret_file: None,
            scopes: ["openid", "profile", "email", "offline_access"].map(str::to_owned).into(),
            groups_claim: "groups".into(),
            provider_name: None,
            ca_file: None,
            post_logout_redirect: None,
        }
    }
}

impl Section for Oidc {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "issuer",
            &mut self.issuer,
            Issuer,
            "The provider's issuer, exactly as its tokens name it. Needed in `auth.mode: oidc`.",
        );
        table.setting(
            "clientId",
            &mut self.client_id,
            Text,
            "This server's client at the provider, with the redirect URI `server.publicUrl` + `/api/auth/callback`. \
             Needed in `auth.mode: oidc`.",
        );
        table.setting(
            "clientSecret",
            &mut self.client_secret,
            Secret,
            "The client's secret, better given in the environment or as `clientSecretFile`. A public client has none.",
        );
        table.setting(
            "clientSecretFile",
            &mut self.client_secret_file,
            OptionalPath,
            "A file that holds the client's secret. Read at the start.",
        );
        table.setting(
            "scopes",
            &mut self.scopes,
            Words,
            "The scopes to ask for. `openid` must be among them. Without `offline_access` many providers give no refresh token: groups then stay \
             as they were at sign-in.",
        );
        table.setting(
            "groupsClaim",
            &mut self.groups_claim,
            Text,
            "The claim with the user's groups, in the ID token or, where it is not there, in the answer of the userinfo endpoint.",
        );
        table.setting(
            "providerName",
            &mut self.provider_name,
            OptionalText,
            "What the sign-in button calls the provider. Guessed from the issuer if not set.",
        );
        table.setting(
            "caFile",
            &mut self.ca_file,
            OptionalPath,
            "PEM certificates of the authorities that may have signed the provider's certificate, instead of the system's.",
        );
        table.setting(
            "postLogoutRedirect",
            &mut self.post_logout_redirect,
            OptionalText,
            "Where the provider sends a browser after `/api/auth/logout/everywhere`. `server.publicUrl` + `/api/auth/loggedout` if not set. The provider \
             must know it.",
        );
    }
}
