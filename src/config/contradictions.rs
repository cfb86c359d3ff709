//! Settings that are right each by itself and wrong together.

use std::collections::{BTreeMap, BTreeSet};

use super::grammar::{show_duration, show_size};
use super::load::Place;
use super::sources::File;
use super::{AccessUpstream, AuthMode, AuthorizationMode, Config, KIB, Mistake};

/// The least quota of bytes per second that a tenant can live with.
const LEAST_BYTES: u64 = 16 * KIB;

/// What is known of the values' origins.
pub(crate) struct Known<'a> {
    pub places: &'a BTreeMap<String, Place>,
    /// Settings that could not be read: what they would contradict cannot be said.
    pub bad: &'a BTreeSet<String>,
    pub file: Option<&'a File>,
}

/// Finds the contradictions of a tree.
pub(crate) fn find(config: &Config, known: &Known<'_>, mistakes: &mut Vec<Mistake>) {
    let mut rules = Rules { known, mistakes };
    rules.listeners(config);
    rules.identity(config);
    rules.sign_in(config);
    rules.bearer(config);
    rules.authorization(config);
    rules.access(config);
    rules.manage(config);
    rules.kinds(config);
    rules.streams(config);
    rules.tenants(config);
    rules.memory(config);
    rules.upstream(config);
}

struct Rules<'a> {
    known: &'a Known<'a>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Rules<'_> {
    fn listeners(&mut self, config: &Config) {
        let (server, dev) = (&config.server, config.auth.mode == AuthMode::Dev);
        for (key, address) in
            [("server.listen", Some(server.listen)), ("server.tls.listen", server.tls.listen)]
        {
            let Some(address) = address.filter(|address| !address.ip().to_canonical().is_loopback()) else {
                continue;
            };
            self.check(
                !dev || config.auth.insecure,
                &[key, "auth.mode"],
                || format!("`auth.mode: dev` would let everyone who reaches {address} in"),
                || format!("`127.0.0.1:{}`, or the flag `--insecure`", address.port()),
            );
            self.check(
                dev || server.public_url.is_some(),
                &[key, "server.publicUrl"],
                || {
                    format!(
                        "{address} is reached from beyond this machine, but without `server.publicUrl` only loopback names are answered"
                    )
                },
                || "a `server.publicUrl` beside it, such as `https://foretop.example`".into(),
            );
        }
        let tls = &server.tls;
        self.check(
            tls.listen.is_none() || (tls.cert_file.is_some() && tls.key_file.is_some()),
            &["server.tls.listen", "server.tls.certFile", "server.tls.keyFile"],
            || "TLS needs a certificate and its key".into(),
            || "`server.tls.certFile` and `server.tls.keyFile` beside it".into(),
        );
    }

    fn identity(&mut self, config: &Config) {
        let auth = &config.auth;
        self.check(
            self.known.places.contains_key("auth.mode"),
            &["auth.mode"],
            || "nobody has said how identities come about".into(),
            || "`oidc`, `header`, `bearer`, or `dev` to let everyone in as one user".into(),
        );
        self.check(
            auth.mode != AuthMode::Oidc || config.server.public_url.is_some(),
            &["server.publicUrl", "auth.mode"],
            || "`auth.mode: oidc` must tell the provider where to send browsers back to".into(),
            || "the URL that browsers know, such as `https://foretop.example`".into(),
        );
        self.check(
            auth.mode != AuthMode::Header
                || !auth.header.trusted_peers.is_empty()
                || !auth.header.trusted_names.is_empty(),
            &["auth.header.trustedPeers", "auth.header.trustedNames", "auth.mode"],
            || "`auth.mode: header` trusts nobody's headers, so nobody could sign in".into(),
            || "the addresses of the proxy, such as `10.0.0.0/8`".into(),
        );
        self.check(
            !auth.header.user.eq_ignore_ascii_case(&auth.header.groups),
            &["auth.header.groups", "auth.header.user"],
            || "user and groups come from the same header".into(),
            || "two different headers".into(),
        );
    }

    fn sign_in(&mut self, config: &Config) {
        let (oidc, session) = (&config.auth.oidc, &config.auth.session);
        let is_on = config.auth.mode == AuthMode::Oidc;
        let needed: [(bool, &str, &str); 4] = [
            (
                oidc.issuer.is_empty(),
                "auth.oidc.issuer",
                "the provider's issuer, such as `https://sso.example`",
            ),
            (oidc.client_id.is_empty(), "auth.oidc.clientId", "the id that the provider has for this server"),
            (
                session.keys.is_empty(),
                "auth.session.keys",
                "a file of random bytes, such as `openssl rand -base64 48` writes",
            ),
            (
                config.state.dir.is_none(),
                "state.dir",
                "a directory that survives restarts, such as `/var/lib/foretop`",
            ),
        ];
        for (missing, key, right) in needed {
            let what = || format!("`auth.mode: oidc` needs `{key}`");
            self.check(!(is_on && missing), &[key, "auth.mode"], what, || right.to_owned());
        }
        self.check(
            oidc.client_secret.is_none() || oidc.client_secret_file.is_none(),
            &["auth.oidc.clientSecretFile", "auth.oidc.clientSecret"],
            || "the client's secret is given twice".into(),
            || "either `clientSecret` or `clientSecretFile`".into(),
        );
        self.check(
            oidc.scopes.iter().any(|scope| scope == "openid"),
            &["auth.oidc.scopes"],
            || "without the scope `openid` a provider tells nobody's name".into(),
            || "a list with `openid` in it".into(),
        );
        self.check(
            session.idle_timeout <= session.absolute_timeout,
            &["auth.session.idleTimeout", "auth.session.absoluteTimeout"],
            || "a session would go idle after it is over".into(),
            || format!("at most `absoluteTimeout`, {}", show_duration(session.absolute_timeout)),
        );
        let counts = is_on && session.live_stream_counts && !session.idle_timeout.is_zero();
        let max_age = config.streams.max_age;
        let longest = session.idle_timeout * 2 / 3;
        self.check(
            !counts || (!max_age.is_zero() && max_age <= longest),
            &["streams.maxAge", "auth.session.idleTimeout"],
            || "a live stream renews its session where it begins anew, and here the session would go idle before".into(),
            || format!("a `streams.maxAge` of at most two thirds of `auth.session.idleTimeout`, {}", show_duration(longest)),
        );
    }

    fn authorization(&mut self, config: &Config) {
        let authorization = &config.authorization;
        self.check(
            config.auth.mode == AuthMode::Dev || self.known.places.contains_key("authorization.mode"),
            &["authorization.mode", "auth.mode"],
            || "nobody has said what users may see".into(),
            || {
                "`tier`, `raw`, or `shared` to let everyone who is signed in see what Foretop's account sees"
                    .into()
            },
        );
        self.check(
            authorization.mode != AuthorizationMode::Raw
                || authorization.allow_unprefixed
                || !authorization.group_prefix.is_empty(),
            &["authorization.groupPrefix", "authorization.mode"],
            || "without a prefix, groups of the identity provider are groups of the clusters".into(),
            || "a prefix such as `periscope:`, or `authorization.allowUnprefixed: true`".into(),
        );
        for (key, prefix) in [
            ("authorization.groupPrefix", &authorization.group_prefix),
            ("authorization.userPrefix", &authorization.user_prefix),
        ] {
            self.check(
                !prefix.trim_start().starts_with("system:"),
                &[key],
                || "names that start with `system:` are Kubernetes' own, and are refused".into(),
                || "another prefix, such as `periscope:`".into(),
            );
        }
        let has_tiers = !authorization.group_tiers.is_empty() || authorization.default_tier.is_some();
        self.check(
            authorization.mode == AuthorizationMode::Tier || !has_tiers,
            &["authorization.groupTiers", "authorization.defaultTier", "authorization.mode"],
            || format!("tiers mean nothing in `authorization.mode: {}`", authorization.mode.word()),
            || "`authorization.mode: tier`, or no tiers".into(),
        );
    }

    fn access(&mut self, config: &Config) {
        let access = &config.access;
        self.check(
            access.denied_life <= access.allowed_life,
            &["access.deniedLife", "access.allowedLife"],
            || "a right that was just given would be missed for longer than one that was taken".into(),
            || format!("at most `access.allowedLife`, {}", show_duration(access.allowed_life)),
        );
        let impersonates = access.upstream == AccessUpstream::Impersonate;
        self.check(
            !impersonates || config.authorization.mode != AuthorizationMode::Shared,
            &["access.upstream", "authorization.mode"],
            || "in `authorization.mode: shared` nobody is a user whom one could impersonate".into(),
            || "`pooled`, or `authorization.mode: tier` or `raw`".into(),
        );
        self.check(
            !impersonates || config.watch.prewarm.is_empty(),
            &["watch.prewarm", "access.upstream"],
            || "with `access.upstream: impersonate` nothing is watched before a user asks".into(),
            || "no `watch.prewarm`".into(),
        );
    }

    fn bearer(&mut self, config: &Config) {
        let (mode, bearer) = (config.auth.mode, &config.auth.bearer);
        self.check(
            mode != AuthMode::Bearer || bearer.is_on(),
            &["auth.bearer.issuer", "auth.mode"],
            || "`auth.mode: bearer` takes nobody's tokens, so nobody could sign in".into(),
            || "the issuer of the tokens, such as `https://issuer.example`".into(),
        );
        self.check(
            mode != AuthMode::Dev || !bearer.is_on(),
            &["auth.bearer.issuer", "auth.mode"],
            || "in `auth.mode: dev` everyone is the dev identity, whatever their token says".into(),
            || "another `auth.mode`, or no `auth.bearer.issuer`".into(),
        );
        self.check(
            bearer.is_on() != bearer.audiences.is_empty(),
            &["auth.bearer.audiences", "auth.bearer.issuer"],
            || {
                "tokens need an issuer and an audience: one alone would let in what was made for others"
                    .into()
            },
            || "both `auth.bearer.issuer` and `auth.bearer.audiences`".into(),
        );
        self.check(
            bearer.refresh <= bearer.keep_keys,
            &["auth.bearer.keepKeys", "auth.bearer.refresh"],
            || "keys would be forgotten before they are fetched again".into(),
            || format!("at least `auth.bearer.refresh`, {}", show_duration(bearer.refresh)),
        );
    }

    fn manage(&mut self, config: &Config) {
        let listen = config.server.listen;
        self.check(
            config.manage.listen != Some(listen) || listen.port() == 0,
            &["manage.listen", "server.listen"],
            || "the management listener would have the address of the server's".into(),
            || "an address of its own, or `off`".into(),
        );
    }

    fn kinds(&mut self, config: &Config) {
        for (cluster, kind) in &config.watch.prewarm {
            self.check(
                config.watch.kinds.contains(kind),
                &["watch.prewarm", "watch.kinds"],
                || format!("`{cluster}/{}` is kept warm, but has no stream", kind.name),
                || format!("`watch.kinds` with `{}`, or no `{cluster}/{}` here", kind.name, kind.name),
            );
        }
    }

    fn streams(&mut self, config: &Config) {
        let streams = &config.streams;
        self.check(
            streams.retry.0 <= streams.retry.1,
            &["streams.retry.min", "streams.retry.max"],
            || {
                format!(
                    "the span from {} to {} is empty",
                    show_duration(streams.retry.0),
                    show_duration(streams.retry.1)
                )
            },
            || "a `min` that is not above `max`".into(),
        );
        self.check(
            streams.retry.1 < config.journal.age,
            &["journal.age", "streams.retry.max"],
            || {
                "a client that waits for `streams.retry.max` comes back when the journal has forgotten it"
                    .into()
            },
            || format!("more than `streams.retry.max`, {}", show_duration(streams.retry.1)),
        );
        self.check(
            streams.per_user <= streams.per_core,
            &["streams.perUser", "streams.perCore"],
            || format!("all streams of a user are on one core, which takes {}", streams.per_core),
            || format!("at most `streams.perCore`, {}", streams.per_core),
        );
        self.check(
            u64::from(streams.per_core) <= config.server.connections_per_core as u64,
            &["streams.perCore", "server.connectionsPerCore"],
            || format!("a core takes only {} connections", config.server.connections_per_core),
            || format!("at most `server.connectionsPerCore`, {}", config.server.connections_per_core),
        );
        self.check(
            u64::from(streams.notsent_lowat) < streams.lag as u64,
            &["streams.lag", "streams.notsentLowat"],
            || "a stream would count as late before its socket is full".into(),
            || format!("more than `streams.notsentLowat`, {}", show_size(streams.notsent_lowat.into())),
        );
        self.check(
            config.server.target_bytes < config.server.head_bytes,
            &["server.targetBytes", "server.headBytes"],
            || "a request's head holds its target, and would be refused first".into(),
            || format!("less than `server.headBytes`, {}", show_size(config.server.head_bytes as u64)),
        );
    }

    fn tenants(&mut self, config: &Config) {
        let bytes = config.tenants.bytes_per_second as u64;
        self.check(
            bytes == 0 || bytes >= LEAST_BYTES,
            &["tenants.bytesPerSecond"],
            || format!("{} per second are not enough for a tenant's heartbeats", show_size(bytes)),
            || format!("`0` for no limit, or at least {}", show_size(LEAST_BYTES)),
        );
    }

    fn memory(&mut self, config: &Config) {
        let journal = &config.journal;
        self.check(
            journal.max_bytes <= journal.total_bytes,
            &["journal.maxBytes", "journal.totalBytes"],
            || "one feed may retain more than all together".into(),
            || format!("at most `journal.totalBytes`, {}", show_size(journal.total_bytes as u64)),
        );
        // One that nobody names is divided as it comes out.
        let Some(limit) = config.memory.limit else { return };
        self.check(
            journal.total_bytes < limit,
            &["journal.totalBytes", "memory.limit"],
            || "the journals alone may reach `memory.limit`, where streams are refused".into(),
            || format!("less than `memory.limit`, {}", show_size(limit as u64)),
        );
    }

    fn upstream(&mut self, config: &Config) {
        let upstream = &config.upstream;
        let windows = upstream.watches_per_connection as u64 * u64::from(upstream.watch_stream_window);
        self.check(
            windows < u64::from(upstream.watch_connection_window),
            &[
                "upstream.watchConnectionWindow",
                "upstream.watchStreamWindow",
                "upstream.watchesPerConnection",
            ],
            || {
                format!(
                    "{} watches of {} fill a connection window of {}, and one slow watch would stall all",
                    upstream.watches_per_connection,
                    show_size(upstream.watch_stream_window.into()),
                    show_size(upstream.watch_connection_window.into())
                )
            },
            || {
                format!(
                    "`watchesPerConnection` × `watchStreamWindow` ({}) below `watchConnectionWindow`",
                    show_size(windows)
                )
            },
        );
        let (min, max) = upstream.watch_timeout;
        self.check(
            min <= max,
            &["upstream.watchTimeout.min", "upstream.watchTimeout.max"],
            || format!("the span from {} to {} is empty", show_duration(min), show_duration(max)),
            || "a `min` that is not above `max`".into(),
        );
    }

    /// Unless it holds, the mistake is told where the first of the keys that anybody set was set.
    fn check(&mut self, holds: bool, keys: &[&str], what: impl Fn() -> String, right: impl Fn() -> String) {
        if holds || keys.iter().any(|key| self.known.bad.contains(*key)) {
            return;
        }
        let set = keys.iter().find_map(|key| self.known.places.get_key_value(*key));
        let (key, place) = match set {
            Some((key, place)) => (key.as_str(), place.clone()),
            None => (keys[0], self.unset()),
        };
        self.mistakes.push(Mistake {
            source: place.source,
            line: place.line,
            key: key.to_owned(),
            what: what(),
            right: right(),
        });
    }

    fn unset(&self) -> Place {
        let source = self.known.file.map_or_else(|| "defaults".to_owned(), |file| file.name.clone());
        Place { source, line: None }
    }
}
