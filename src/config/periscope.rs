//! The reference's auth file (`PERISCOPE_AUTH_FILE`) and mode (`PERISCOPE_AUTH_MODE`), as one more source of our settings, below all others.
//!
//! The reference takes an unknown mode for `dev`, which lets everyone in, and passes over keys that it does not know. Here both are mistakes, as
//! everywhere; and what has no equivalent is said.

use std::collections::BTreeMap;

use super::Mistake;
use super::load::Place;
use super::mistake::{nearest, quoted};
use super::sources::{AuthFile, Sources};
use super::yaml::{Entry, Node, Value};

/// The variable that names the file.
pub(crate) const FILE: &str = "PERISCOPE_AUTH_FILE";

/// The variable with the mode.
pub(crate) const MODE: &str = "PERISCOPE_AUTH_MODE";

/// What a key of the file is to us.
enum Meaning {
    /// A setting of ours with the same values.
    Is(&'static str),
    /// The same, where an empty text means that it is not set.
    IsUnlessEmpty(&'static str),
    /// The client's secret, or where it is.
    Secret,
    /// Where the provider sends the browser back to: the server's public URL, and the contract's route.
    Redirect,
    /// Nothing, and why.
    Nothing(&'static str),
}

use Meaning::{Is, IsUnlessEmpty, Nothing, Redirect, Secret};

const KEYS: [(&str, Meaning); 22] = [
    ("oidc.issuer", IsUnlessEmpty("auth.oidc.issuer")),
    ("oidc.clientID", IsUnlessEmpty("auth.oidc.clientId")),
    ("oidc.clientSecret", Secret),
    ("oidc.redirectURL", Redirect),
    ("oidc.scopes", Is("auth.oidc.scopes")),
    ("oidc.audience", Nothing("no audience is asked for at sign-in; see auth.bearer.audiences for tokens")),
    ("oidc.providerName", IsUnlessEmpty("auth.oidc.providerName")),
    ("oidc.postLogoutRedirect", IsUnlessEmpty("auth.oidc.postLogoutRedirect")),
    ("session.cookieName", Nothing("the session's cookie has a name of its own, which begins with __Host-")),
    ("session.cookieDomain", Nothing("a __Host- cookie goes to this very host and has no domain")),
    ("session.idleTimeout", Is("auth.session.idleTimeout")),
    ("session.absoluteTimeout", Is("auth.session.absoluteTimeout")),
    ("authorization.mode", IsUnlessEmpty("authorization.mode")),
    ("authorization.allowedGroups", Is("authorization.allowedGroups")),
    ("authorization.groupsClaim", IsUnlessEmpty("auth.oidc.groupsClaim")),
    ("authorization.groupTiers", Is("authorization.groupTiers")),
    ("authorization.defaultTier", IsUnlessEmpty("authorization.defaultTier")),
    ("authorization.groupPrefix", Is("authorization.groupPrefix")),
    ("authorization.canICacheTTL", Is("authorization.canICacheTTL")),
    ("dev.subject", IsUnlessEmpty("auth.dev.subject")),
    ("dev.email", IsUnlessEmpty("auth.dev.email")),
    ("dev.groups", Is("auth.dev.groups")),
];

/// What stands in the file, or the variable, for a setting of ours.
pub(crate) struct Given {
    /// As mistakes are to name it.
    pub key: String,
    pub place: Place,
    pub node: Node,
}

/// What the reference's file and variable say, by our settings' keys.
#[derive(Default)]
pub(crate) struct Periscope {
    given: BTreeMap<&'static str, Given>,
    pub mistakes: Vec<Mistake>,
    pub warnings: Vec<String>,
}

impl Periscope {
    /// Reads both.
    pub fn read(sources: &Sources) -> Self {
        let mut found = Periscope::default();
        if let Some(file) = &sources.auth_file {
            found.file(file);
        }
        found.mode(sources);
        found
    }

    /// What it says for this setting.
    pub fn given(&self, setting: &str) -> Option<&Given> {
        self.given.get(setting)
    }

    /// The variable, trimmed and in lower case as the reference reads it; without it a file with an issuer means `oidc`.
    fn mode(&mut self, sources: &Sources) {
        let said = sources.environment.get(MODE).map(|mode| mode.trim().to_lowercase());
        if let Some(mode) = said.filter(|mode| !mode.is_empty()) {
            let place = Place { source: MODE.into(), line: None };
            let given = Given { key: "auth.mode".into(), place, node: Node::scalar(&mode) };
            self.given.insert("auth.mode", given);
        } else if let Some(issuer) = self.given.get("auth.oidc.issuer") {
            let given =
                Given { key: issuer.key.clone(), place: issuer.place.clone(), node: Node::scalar("oidc") };
            self.given.insert("auth.mode", given);
        }
    }

    fn file(&mut self, source: &AuthFile) {
        let file = &source.file;
        let root = match Node::parse(&file.text) {
            Ok(root) => root,
            Err(syntax) => {
                let what = format!("this is not YAML that can be read: {}", syntax.what);
                return self.mistake(source, syntax.line, "", what, "the reference's auth file");
            }
        };
        match &root.value {
            Value::Nothing => {}
            Value::Map(sections) => sections.iter().for_each(|section| self.section(source, section)),
            _ => self.mistake(source, root.line, "", "this is no map".into(), "the reference's auth file"),
        }
    }

    fn section(&mut self, source: &AuthFile, section: &Entry) {
        let prefix = format!("{}.", section.key);
        if !KEYS.iter().any(|(key, _)| key.starts_with(&prefix)) {
            let right = "`oidc`, `session`, `authorization` or `dev`";
            return self.mistake(
                source,
                section.line,
                &section.key,
                "the auth file has no such section".into(),
                right,
            );
        }
        match &section.node.value {
            Value::Nothing => {}
            Value::Map(entries) => entries.iter().for_each(|entry| self.entry(source, &prefix, entry)),
            _ => {
                self.mistake(
                    source,
                    section.line,
                    &section.key,
                    "this is no map".into(),
                    "a map of its keys",
                );
            }
        }
    }

    fn entry(&mut self, source: &AuthFile, prefix: &str, entry: &Entry) {
        let key = format!("{prefix}{}", entry.key);
        let Some((_, meaning)) = KEYS.iter().find(|(known, _)| *known == key) else {
            let right = nearest(&key, KEYS.iter().map(|(known, _)| (*known, *known)));
            let right = right.map_or_else(String::new, |near| format!("`{near}`"));
            return self.mistake(source, entry.line, &key, "the auth file has no such key".into(), &right);
        };
        let is_empty = matches!(&entry.node.value, Value::Nothing)
            || matches!(&entry.node.value, Value::Scalar(text) if text.trim().is_empty());
        match meaning {
            Nothing(why) if !is_empty => {
                self.warnings.push(format!(
                    "{}: {key} has no equivalent here, and is ignored: {why}",
                    source.file.name
                ));
            }
            IsUnlessEmpty(_) | Secret | Redirect | Nothing(_) if is_empty => {}
            Is(setting) | IsUnlessEmpty(setting) => self.give(source, setting, key, entry.node.clone()),
            Secret => self.secret(source, key, &entry.node),
            Redirect => self.redirect(source, key, &entry.node),
            Nothing(_) => {}
        }
    }

    /// A literal, `${NAME}` of the environment, or `file://PATH`.
    fn secret(&mut self, source: &AuthFile, key: String, node: &Node) {
        let Value::Scalar(text) = &node.value else {
            return self.give(source, "auth.oidc.clientSecret", key, node.clone());
        };
        if let Some(path) = text.strip_prefix("file://") {
            return self.give(
                source,
                "auth.oidc.clientSecretFile",
                key,
                Node { line: node.line, ..Node::scalar(path) },
            );
        }
        if let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| scheme.starts_with("aws-")) {
            let what = format!("secrets are not fetched from `{scheme}`");
            let right = "the secret mounted as a file, and `file:///PATH` here";
            return self.mistake(source, node.line, &key, what, right);
        }
        let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
            return self.give(source, "auth.oidc.clientSecret", key, node.clone());
        };
        if let Some(secret) = source.environment.get(name) {
            self.give(
                source,
                "auth.oidc.clientSecret",
                key,
                Node { line: node.line, ..Node::scalar(secret) },
            );
        } else {
            let what = format!("the environment has no variable {}", quoted(name));
            self.mistake(source, node.line, &key, what, "a variable that is set, or `file:///PATH`");
        }
    }

    fn redirect(&mut self, source: &AuthFile, key: String, node: &Node) {
        let text = if let Value::Scalar(text) = &node.value { text.as_str() } else { "" };
        if let Some(url) = text.strip_suffix("/api/auth/callback") {
            self.give(source, "server.publicUrl", key, Node { line: node.line, ..Node::scalar(url) });
        } else {
            let what = format!("{} is not where browsers come back to", quoted(text));
            self.mistake(source, node.line, &key, what, "`server.publicUrl` + `/api/auth/callback`");
        }
    }

    fn give(&mut self, source: &AuthFile, setting: &'static str, key: String, node: Node) {
        let place = Place { source: source.file.name.clone(), line: node.line };
        self.given.insert(setting, Given { key, place, node });
    }

    fn mistake(&mut self, source: &AuthFile, line: Option<u32>, key: &str, what: String, right: &str) {
        let source = source.file.name.clone();
        self.mistakes.push(Mistake { source, line, key: key.to_owned(), what, right: right.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources::File;
    use super::super::table::{Row, Table, Visit};
    use super::super::{AuthMode, AuthorizationMode, Config, read};
    use secrecy::ExposeSecret;

    use super::*;

    const FILE_TEXT: &str = "\
oidc:
  issuer: https://issuer.example
  clientID: foretop
  clientSecret: ${THE_SECRET}
  redirectURL: https://foretop.example/api/auth/callback
  scopes: [openid, email]
  audience: ''
  providerName: Okta
session:
  idleTimeout: 40m
  absoluteTimeout: 4h
  cookieName: mine
authorization:
  mode: tier
  groupsClaim: roles
  groupTiers: {sre: admin}
  defaultTier: ''
";

    fn sources(text: &str, mode: Option<&str>) -> Sources {
        let file = File { name: "auth.yaml".into(), text: text.into() };
        let environment = BTreeMap::from([("THE_SECRET".into(), "s3cret".into())]);
        Sources {
            auth_file: Some(AuthFile { file, environment }),
            environment: mode.map(|mode| (MODE.to_owned(), mode.to_owned())).into_iter().collect(),
            ..Sources::default()
        }
    }

    /// The mistakes about the auth file or mode, one a line.
    fn mistakes(text: &str, mode: Option<&str>) -> String {
        let (_, mistakes) = read(&sources(text, mode));
        let about = |mistake: &&Mistake| mistake.source == "auth.yaml" || mistake.source == MODE;
        let lines: Vec<String> = mistakes.iter().filter(about).map(ToString::to_string).collect();
        lines.iter().map(|line| line.clone() + "\n").collect()
    }

    #[test]
    fn its_file_is_a_source_of_our_settings() {
        let (loaded, _) = read(&sources(FILE_TEXT, None));
        let config = loaded.config;
        assert_eq!(config.auth.mode, AuthMode::Oidc, "an issuer means oidc");
        assert_eq!(config.auth.oidc.issuer, "https://issuer.example");
        assert_eq!(config.auth.oidc.client_id, "foretop");
        assert_eq!(config.auth.oidc.groups_claim, "roles");
        assert_eq!(config.auth.oidc.provider_name.as_deref(), Some("Okta"));
        assert_eq!(
            config.server.public_url.map(|url| url.to_string()).as_deref(),
            Some("https://foretop.example")
        );
        assert_eq!(config.auth.session.idle_timeout.as_secs(), 40 * 60);
        assert_eq!(config.authorization.mode, AuthorizationMode::Tier);
        assert_eq!(config.authorization.group_tiers.len(), 1);
        assert_eq!(config.auth.oidc.client_secret.expect("a secret").expose_secret(), "s3cret");
        let [warning] = &loaded.warnings[..] else { panic!("{:?}", loaded.warnings) };
        assert!(warning.contains("session.cookieName") && warning.contains("no equivalent"), "{warning}");
    }

    #[test]
    fn every_other_source_is_above_it() {
        let mut sources = sources(FILE_TEXT, Some(" DEV "));
        assert_eq!(read(&sources).0.config.auth.mode, AuthMode::Dev);
        sources.environment.insert("FORETOP_AUTH_OIDC_CLIENT_ID".into(), "other".into());
        let text = "auth: {mode: header, oidc: {issuer: 'https://ours.example'}}\n".into();
        sources.file = Some(File { name: "foretop.yaml".into(), text });
        let auth = read(&sources).0.config.auth;
        assert_eq!(auth.mode, AuthMode::Header, "no left-over variable opens what a file has closed");
        assert_eq!(
            (auth.oidc.issuer.as_str(), auth.oidc.client_id.as_str()),
            ("https://ours.example", "other")
        );
    }

    #[test]
    fn nothing_falls_back_to_open() {
        let said = mistakes("", Some("oicd"));
        assert!(said.starts_with("PERISCOPE_AUTH_MODE: auth.mode: `oicd` is not one of the words"), "{said}");
        let said = mistakes("oidc:\n  issuer: https://a.example\n  clientId: x\n", None);
        assert!(said.lines().any(|line| line == "auth.yaml:3: oidc.clientId: the auth file has no such key; right would be `oidc.clientID`"), "{said}");
        for (text, says) in [
            ("odic: {issuer: x}", "auth.yaml:1: odic: the auth file has no such section"),
            ("oidc: x", "auth.yaml:1: oidc: this is no map"),
            ("- oidc", "auth.yaml:1: this is no map"),
            ("oidc: {", "auth.yaml:"),
            ("\noidc:\n  issuer: http://a.example\n", "auth.yaml:3: oidc.issuer: `http://a.example` is not"),
            (
                "authorization: {mode: open}",
                "auth.yaml:1: authorization.mode: `open` is not one of the words",
            ),
        ] {
            let said = mistakes(text, None);
            assert!(said.lines().any(|line| line.starts_with(says)), "{text}: {said}");
        }
        let (_, mistakes) = read(&sources("dev: {subject: ann}\n", None));
        assert!(
            mistakes.iter().any(|mistake| mistake.key == "auth.mode"),
            "a file without an issuer means no mode"
        );
    }

    #[test]
    fn a_secret_is_found_or_a_mistake_and_never_shown() {
        let with = |secret: &str| format!("oidc:\n  clientSecret: {secret}\n");
        let (loaded, _) = read(&sources(&with("file:///run/secret"), None));
        let path = loaded.config.auth.oidc.client_secret_file.expect("a path");
        assert_eq!(path.to_str(), Some("/run/secret"));
        for secret in ["aws-secretsmanager://arn/x", "aws-ssm:///x"] {
            let said = mistakes(&with(secret), None);
            assert!(
                said.contains("auth.yaml:2: oidc.clientSecret") && said.contains("mounted as a file"),
                "{said}"
            );
            assert!(!said.contains("arn/x"), "{said}");
        }
        assert!(mistakes(&with("${NOT_SET}"), None).contains("`NOT_SET`"));
        assert!(!mistakes(&with("[s3cret]"), None).contains("s3cret"));
    }

    #[test]
    fn a_redirect_elsewhere_is_a_mistake() {
        let said = mistakes("oidc: {redirectURL: 'https://a.example/oauth2/callback'}", None);
        assert!(said.contains("oidc.redirectURL") && said.contains("/api/auth/callback"), "{said}");
    }

    #[test]
    fn every_key_means_a_setting_that_there_is() {
        struct Keys(Vec<String>);
        impl Visit for Keys {
            fn section(&mut self, _: &str, _: &'static str) {}
            fn setting(&mut self, row: Row<'_>) {
                self.0.push(row.key);
            }
        }
        let mut keys = Keys(Vec::new());
        Table::walk(&mut Config::default(), &mut keys);
        for (key, meaning) in &KEYS {
            if let Is(setting) | IsUnlessEmpty(setting) = meaning {
                assert!(keys.0.iter().any(|known| known == setting), "{key}: {setting}");
            }
        }
    }
}
