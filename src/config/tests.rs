//! Whole trees: what is read from where, and every mistake at once.

use std::time::Duration;

use proptest::prelude::*;

use super::table::{Row, Table, Visit};
use super::yaml::Node;
use super::{AuthMode, Config, File, Flag, Mistakes, Refusal, Sources, Tier, load, reference, sources};

/// A file's text, environment and flags.
fn sources(
    text: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> Sources {
    Sources {
        file: Some(File { name: "foretop.yaml".into(), text: text.into() }),
        auth_file: None,
        environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        flags: flags.iter().map(|(name, key, value)| Flag { name, key, value: (*value).into() }).collect(),
        insecure: false,
    }
}

/// The mistakes, as they are printed.
fn mistakes(
    text: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> Vec<String> {
    let Mistakes(found) = load(&sources(text, environment, flags)).expect_err("mistakes");
    found.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_mistakes(text: &str, expected: &[&str]) {
    let found = mistakes(text, &[], &[]);
    assert_eq!(found, expected, "\n{text}\nfound:\n{}\n", found.join("\n"));
}

#[test]
fn every_part_of_a_file_is_read() {
    let text = "
clustersFile: clusters.yaml
auth: {mode: header, header: {trustedPeers: [10.0.0.0/8, \"::1\"]}}
authorization: {mode: tier, groupTiers: {ops: admin, \"cn=dev,dc=example\": write}}
server: {listen: \"0.0.0.0:9000\", cores: 4, publicUrl: \"https://Foretop.example:443\", hosts: [\"a.svc:80\", \"[::1]\"]}
cors: {allowedOrigins: [\"https://portal.example\"]}
streams:
  perUser: 0
  stall: 1h30m
  window: 0
  retry: {min: 1s, max: 2500ms}
  refusal: event
  notsentLowat: 32KiB
journal: {maxBytes: 1MiB}
log: {json: true, level: \"info,foretop::cluster=debug\"}
watch: {kinds: off}
";
    let loaded = load(&sources(text, &[], &[])).expect("no mistakes");
    let config = loaded.config;
    assert_eq!(config.clusters_file.as_deref(), Some("clusters.yaml".as_ref()));
    assert_eq!(config.auth.mode, AuthMode::Header);
    assert!(config.auth.header.trusted_peers[1].contains("::1".parse().expect("an address")));
    assert_eq!((config.server.listen.port(), config.server.cores), (9000, 4));
    assert_eq!(config.server.public_url, "https://foretop.example".parse().ok());
    assert_eq!(config.server.hosts, ["a.svc:80", "[::1]"].map(|host| host.parse().expect("a host")));
    assert_eq!(config.cors.allowed_origins, ["https://portal.example".parse().expect("an origin")]);
    let streams = config.streams;
    assert_eq!((streams.per_user, streams.refusal, streams.notsent_lowat), (0, Refusal::Event, 32 << 10));
    assert_eq!((streams.stall, streams.window), (Duration::from_mins(90), Duration::ZERO));
    assert_eq!(streams.retry, (Duration::from_secs(1), Duration::from_millis(2500)));
    assert_eq!(config.journal.max_bytes, 1 << 20);
    assert_eq!((config.log.json, config.log.level.as_str()), (true, "info,foretop::cluster=debug"));
    assert!(config.watch.kinds.is_empty());
    let ops = ("ops".to_owned(), Tier::Admin);
    assert_eq!(config.authorization.group_tiers, [ops, ("cn=dev,dc=example".to_owned(), Tier::Write)]);
    assert_eq!(loaded.set, 21);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn flags_win_over_environment_and_environment_over_file() {
    let text = "auth: {mode: dev}\nserver: {listen: \"127.0.0.1:1\", cores: 1}\nstreams: {perUser: 1}\n";
    let environment = [("FORETOP_SERVER_LISTEN", "127.0.0.1:2"), ("FORETOP_SERVER_CORES", "2")];
    let config = load(&sources(text, &environment, &[("--listen", "server.listen", "127.0.0.1:3")]))
        .expect("right")
        .config;
    assert_eq!((config.server.listen.port(), config.server.cores, config.streams.per_user), (3, 2, 1));
}

#[test]
fn contract_names_and_their_aliases() {
    let base = ("FORETOP_AUTH_MODE", "dev");
    for (environment, per_user) in [
        (vec![base, ("PERISCOPE_WATCH_PER_USER_LIMIT", "7")], 7),
        (vec![base, ("FORETOP_WATCH_PER_USER_LIMIT", " 8 ")], 8),
        (vec![base, ("FORETOP_WATCH_PER_USER_LIMIT", "8"), ("PERISCOPE_WATCH_PER_USER_LIMIT", "8")], 8),
    ] {
        let loaded = load(&sources("", &environment, &[])).expect("right");
        assert_eq!((loaded.config.streams.per_user, loaded.warnings.len()), (per_user, 0), "{environment:?}");
    }
    let both = [base, ("FORETOP_WATCH_STREAMS", "off"), ("PERISCOPE_WATCH_STREAMS", "all")];
    let loaded = load(&sources("", &both, &[])).expect("right");
    assert!(loaded.config.watch.kinds.is_empty());
    assert_eq!(
        loaded.warnings,
        [
            "FORETOP_WATCH_STREAMS=`off` and PERISCOPE_WATCH_STREAMS=`all` differ; FORETOP_WATCH_STREAMS counts"
        ]
    );
    let clusters = [base, ("PERISCOPE_CLUSTERS_FILE", "/etc/clusters.yaml")];
    let config = load(&sources("", &clusters, &[])).expect("right").config;
    assert_eq!(config.clusters_file.as_deref(), Some("/etc/clusters.yaml".as_ref()));
}

#[test]
fn all_mistakes_of_all_sources_at_once() {
    let text = "
auth: {mode: oicd}
server:
  listen: \":8080\"
  headBytes: 16MB
streams:
  perUser: many
  per_core: 5
  stall: 10s
  retry: {min: 1, max: 1s}
jurnal:
  age: 5m
perUser: 3
log: verbose
";
    let environment = [("FORETOP_DRAIN_WINDOW", "ten"), ("FORETOP_STREAMS_PER_USR", "5")];
    let found = mistakes(text, &environment, &[("--cores", "server.cores", "-1")]);
    assert_eq!(
        found,
        [
            "foretop.yaml:2: auth.mode: `oicd` is not one of the words; right would be `dev` or `header` or `oidc` or `bearer`",
            "foretop.yaml:4: server.listen: `:8080` is not an IP address and a port; right would be `0.0.0.0:8080` for all interfaces",
            "foretop.yaml:5: server.headBytes: `16MB` has a unit that is not known; right would be a size, 1KiB to 256KiB, such as `16KiB`",
            "foretop.yaml:7: streams.perUser: `many` is not a whole number; right would be a whole number, 0 to 1000000, such as `60`",
            "foretop.yaml:8: streams.per_core: no setting has this name; right would be `streams.perCore`",
            "foretop.yaml:9: streams.stall: `10s` is out of range; right would be a duration, 2m30s to 24h, such as `5m`",
            "foretop.yaml:10: streams.retry.min: `1` has no unit; right would be a duration, 1s to 5m, such as `2s`",
            "foretop.yaml:11: jurnal: no setting has this name; right would be `journal`",
            "foretop.yaml:13: perUser: no setting has this name; right would be `streams.perUser`",
            "foretop.yaml:14: log: this is a section and not a setting; right would be a map with settings such as `json`",
            "--cores: server.cores: `-1` is not a whole number; right would be a whole number, 0 to 1024, such as `0`",
            "FORETOP_DRAIN_WINDOW: drain.window: `ten` does not start with a number; right would be a duration, 0 to 1h, such as `20s`",
            "FORETOP_STREAMS_PER_USR: no setting has this variable; right would be `FORETOP_STREAMS_PER_USER`",
        ],
        "\n{}\n",
        found.join("\n")
    );
}

#[test]
fn values_of_the_wrong_shape() {
    assert_mistakes(
        "auth: {mode: [dev]}\nstreams:\n  perUser:\n  lag: {a: 1}\nserver:\n  cores: 1.5\n  controlThreads: 1000\nlog: {json: yes, level: inof}\n",
        &[
            "foretop.yaml:1: auth.mode: is a list; right would be `dev` or `header` or `oidc` or `bearer`",
            "foretop.yaml:3: streams.perUser: has no value; right would be a whole number, 0 to 1000000, such as `60`",
            "foretop.yaml:4: streams.lag: is a map; right would be a size, 16KiB to 64MiB, such as `256KiB`",
            "foretop.yaml:6: server.cores: `1.5` is not a whole number; right would be a whole number, 0 to 1024, such as `0`",
            "foretop.yaml:7: server.controlThreads: `1000` is out of range; right would be a whole number, 1 to 256, such as `2`",
            "foretop.yaml:8: log.json: `yes` is not a switch; right would be `true` or `false`, such as `false`",
            "foretop.yaml:8: log.level: `inof` is not a level; right would be `info`",
        ],
    );
}

#[test]
fn a_text_is_never_what_yaml_made_of_it() {
    assert_mistakes(
        "auth:\n  mode: dev\n  dev:\n    subject: 1.10\n    email: \"1.10\"\n    groups:\n      - a\n      - true\n",
        &[
            "foretop.yaml:4: auth.dev.subject: YAML understands this as `1.1`; right would be the same text in quotes",
            "foretop.yaml:8: auth.dev.groups: YAML understands this as `true`; right would be the same text in quotes",
        ],
    );
}

#[test]
fn each_item_of_a_list_has_its_line() {
    assert_mistakes(
        "auth:\n  mode: header\n  header:\n    trustedPeers:\n      - 10.0.0.0/8\n      - 10.0.0.0/40\n      - proxy.example\n      - [a]\nauthorization: {mode: shared}\n",
        &[
            "foretop.yaml:8: auth.header.trustedPeers: an item is a list; right would be a list of addresses or CIDR blocks",
        ],
    );
    assert_mistakes(
        "auth:\n  mode: header\n  header:\n    trustedPeers:\n      - 10.0.0.0/8\n      - 10.0.0.0/40\n      - proxy.example\nauthorization: {mode: shared}\n",
        &[
            "foretop.yaml:6: auth.header.trustedPeers: `10.0.0.0/40` needs 0 to 32 bits behind the slash; right would be a list of addresses or CIDR blocks",
            "foretop.yaml:7: auth.header.trustedPeers: `proxy.example` does not start with an IP address; right would be a list of addresses or CIDR blocks",
        ],
    );
}

#[test]
fn unknown_kinds_name_the_nearest() {
    assert_mistakes(
        "auth: {mode: dev}\nwatch:\n  kinds: cores\n",
        &["foretop.yaml:3: watch.kinds: `cores` is neither a kind nor a group; right would be `core`"],
    );
    assert_mistakes(
        "auth: {mode: dev}\nwatch:\n  kinds:\n    - core\n    - wrokloads\n    - Storage\n",
        &[
            "foretop.yaml:5: watch.kinds: `wrokloads` is neither a kind nor a group; right would be `workloads`",
            "foretop.yaml:6: watch.kinds: `Storage` is neither a kind nor a group; right would be `storage`",
        ],
    );
    assert_mistakes(
        "auth: {mode: dev}\nwatch: {kinds: []}\n",
        &["foretop.yaml:2: watch.kinds: is an empty list; right would be `off` for no kinds, or `all`"],
    );
    assert_mistakes(
        "auth: {mode: dev}\nwatch: {prewarm: [pods, /pods]}\n",
        &[
            "foretop.yaml:2: watch.prewarm: `pods` is not a cluster and a kind; right would be a list of `CLUSTER/KIND` or `*/KIND`",
            "foretop.yaml:2: watch.prewarm: `/pods` is not a cluster and a kind; right would be a list of `CLUSTER/KIND` or `*/KIND`",
        ],
    );
}

#[test]
fn kinds_and_prewarm() {
    let text = "auth: {mode: dev}\nwatch:\n  kinds: [nodes, core]\n  prewarm: [prod/pods, \"*/nodes\", arn:aws:eks:eu/x/pods]\n";
    let watch = load(&sources(text, &[], &[])).expect("right").config.watch;
    assert_eq!(watch.kinds.iter().map(|kind| kind.name).collect::<Vec<_>>(), ["pods", "events", "nodes"]);
    let prewarm: Vec<_> = watch.prewarm.iter().map(|(cluster, kind)| (cluster.as_str(), kind.name)).collect();
    assert_eq!(prewarm, [("prod", "pods"), ("*", "nodes"), ("arn:aws:eks:eu/x", "pods")]);
    assert_mistakes(
        "auth: {mode: dev}\nwatch:\n  kinds: core\n  prewarm: [prod/pod, prod/hpas]\n",
        &[
            "foretop.yaml:4: watch.prewarm: `pod` is not a kind; right would be `prod/pods`",
            "foretop.yaml:4: watch.prewarm: `hpas` is not a kind; right would be `prod/horizontalpodautoscalers`",
        ],
    );
    assert_mistakes(
        "auth: {mode: dev}\nwatch:\n  kinds: core\n  prewarm: [prod/nodes]\n",
        &[
            "foretop.yaml:4: watch.prewarm: `prod/nodes` is kept warm, but has no stream; right would be `watch.kinds` with `nodes`, or no `prod/nodes` here",
        ],
    );
}

#[test]
fn what_users_may_see_must_be_said_and_make_sense() {
    let header = "auth: {mode: header, header: {trustedPeers: [\"::1\"]}}\n";
    for (rest, expected) in [
        (
            "",
            "foretop.yaml:1: auth.mode: nobody has said what users may see; right would be `tier`, `raw`, or `shared` to let everyone who is signed in see what Foretop's account sees",
        ),
        (
            "authorization: {mode: open}\n",
            "foretop.yaml:2: authorization.mode: `open` is not one of the words; right would be `shared` or `tier` or `raw`",
        ),
        (
            "authorization: {mode: raw, groupPrefix: \"\"}\n",
            "foretop.yaml:2: authorization.groupPrefix: without a prefix, groups of the identity provider are groups of the clusters; right would be a prefix such as `periscope:`, or `authorization.allowUnprefixed: true`",
        ),
        (
            "authorization: {mode: raw, userPrefix: \"system:\"}\n",
            "foretop.yaml:2: authorization.userPrefix: names that start with `system:` are Kubernetes' own, and are refused; right would be another prefix, such as `periscope:`",
        ),
        (
            "authorization: {mode: shared, groupTiers: {ops: admin}}\n",
            "foretop.yaml:2: authorization.groupTiers: tiers mean nothing in `authorization.mode: shared`; right would be `authorization.mode: tier`, or no tiers",
        ),
        (
            "authorization:\n  mode: tier\n  groupTiers:\n    ops: root\n",
            "foretop.yaml:5: authorization.groupTiers: group `ops` `root` is not one of the words; right would be `read` or `triage` or `write` or `maintain` or `admin`",
        ),
        (
            "authorization: {mode: raw}\naccess: {deniedLife: 20s}\n",
            "foretop.yaml:3: access.deniedLife: a right that was just given would be missed for longer than one that was taken; right would be at most `access.allowedLife`, 10s",
        ),
    ] {
        assert_mistakes(&format!("{header}{rest}"), &[expected]);
    }
    load(&sources("auth: {mode: dev}\n", &[], &[])).expect("`shared` is implied in dev");
    let unprefixed = "authorization: {mode: raw, groupPrefix: \"\", allowUnprefixed: true}\n";
    load(&sources(&format!("{header}{unprefixed}"), &[], &[])).expect("it was said twice");
    let environment = [
        ("FORETOP_AUTHORIZATION_MODE", "tier"),
        ("FORETOP_AUTHORIZATION_GROUP_TIERS", "ops=admin, dev=read"),
    ];
    let config = load(&sources(header, &environment, &[])).expect("right").config;
    assert_eq!(config.authorization.group_tiers[1], ("dev".to_owned(), Tier::Read));
}

#[test]
fn contradictions_are_told_where_they_were_set() {
    assert_mistakes(
        "auth: {mode: dev}\ntenants:\n  bytesPerSecond: 1KiB\n",
        &[
            "foretop.yaml:3: tenants.bytesPerSecond: 1KiB per second are not enough for a tenant's heartbeats; right would be `0` for no limit, or at least 16KiB",
        ],
    );
    assert_mistakes(
        "auth: {mode: dev}\nserver:\n  listen: 0.0.0.0:80\n",
        &[
            "foretop.yaml:3: server.listen: `auth.mode: dev` would let everyone who reaches 0.0.0.0:80 in; right would be `127.0.0.1:80`, or the flag `--insecure`",
        ],
    );
    assert_mistakes(
        "auth: {mode: header, header: {trustedPeers: 10.0.0.1}}\nserver:\n  listen: 0.0.0.0:80\nauthorization: {mode: shared}\n",
        &[
            "foretop.yaml:3: server.listen: 0.0.0.0:80 is reached from beyond this machine, but without `server.publicUrl` only loopback names are answered; right would be a `server.publicUrl` beside it, such as `https://foretop.example`",
        ],
    );
    assert_mistakes(
        "auth: {mode: dev}\nserver:\n  publicUrl: foretop.example/\n  hosts: [\"a:b\"]\ncors:\n  allowedOrigins:\n    - https://portal.example/\n    - \"*\"\n",
        &[
            "foretop.yaml:3: server.publicUrl: `foretop.example/` does not start with `https://` or `http://`; right would be `https://foretop.example`",
            "foretop.yaml:4: server.hosts: `a:b` has no port of 0 to 65535 behind its colon; right would be a list of host names, each with a port or without",
            "foretop.yaml:7: cors.allowedOrigins: `https://portal.example/` has something behind host and port; right would be `https://portal.example`",
            "foretop.yaml:8: cors.allowedOrigins: `*` does not start with `https://` or `http://`; right would be a list of origins such as `https://portal.example`",
        ],
    );
    assert_mistakes(
        "auth: {mode: dev}\nserver:\n  tls:\n    listen: 0.0.0.0:443\n    certFile: tls.crt\n",
        &[
            "foretop.yaml:4: server.tls.listen: `auth.mode: dev` would let everyone who reaches 0.0.0.0:443 in; right would be `127.0.0.1:443`, or the flag `--insecure`",
            "foretop.yaml:4: server.tls.listen: TLS needs a certificate and its key; right would be `server.tls.certFile` and `server.tls.keyFile` beside it",
        ],
    );
    assert_mistakes(
        "streams: {perUser: 1}\n",
        &[
            "foretop.yaml: auth.mode: nobody has said how identities come about; right would be `oidc`, `header`, `bearer`, or `dev` to let everyone in as one user",
        ],
    );
    assert_mistakes(
        "auth:\n  mode: header\n  header: {user: X-User, groups: x-user}\nauthorization: {mode: shared}\n",
        &[
            "foretop.yaml:2: auth.mode: `auth.mode: header` trusts nobody's headers, so nobody could sign in; right would be the addresses of the proxy, such as `10.0.0.0/8`",
            "foretop.yaml:3: auth.header.groups: user and groups come from the same header; right would be two different headers",
        ],
    );
    assert_mistakes(
        "auth: {mode: dev}
streams:
  retry: {min: 5s, max: 4s}
  perUser: 20000
  lag: 16KiB
server:
  targetBytes: 16KiB
journal:
  maxBytes: 1GiB
  age: 10s
memory:
  limit: 512MiB
upstream:
  watchesPerConnection: 128
  watchTimeout:
    min: 10m
",
        &[
            "foretop.yaml:3: streams.retry.min: the span from 5s to 4s is empty; right would be a `min` that is not above `max`",
            "foretop.yaml:4: streams.perUser: all streams of a user are on one core, which takes 16000; right would be at most `streams.perCore`, 16000",
            "foretop.yaml:5: streams.lag: a stream would count as late before its socket is full; right would be more than `streams.notsentLowat`, 16KiB",
            "foretop.yaml:7: server.targetBytes: a request's head holds its target, and would be refused first; right would be less than `server.headBytes`, 16KiB",
            "foretop.yaml:9: journal.maxBytes: one feed may retain more than all together; right would be at most `journal.totalBytes`, 512MiB",
            "foretop.yaml:12: memory.limit: the journals alone may reach `memory.limit`, where streams are refused; right would be less than `memory.limit`, 512MiB",
            "foretop.yaml:14: upstream.watchesPerConnection: 128 watches of 256KiB fill a connection window of 32MiB, and one slow watch would stall all; right would be `watchesPerConnection` × `watchStreamWindow` (32MiB) below `watchConnectionWindow`",
            "foretop.yaml:16: upstream.watchTimeout.min: the span from 10m to 5m is empty; right would be a `min` that is not above `max`",
        ],
    );
}

#[test]
fn streams_begin_anew_before_their_session_goes_idle() {
    let with = |session: &str, streams: &str| {
        format!(
            "auth:\n  mode: oidc\n  oidc: {{issuer: https://a.example, clientId: x}}\n  session: {{keys: [key], {session}}}\nstreams: {{{streams}}}\n\
             state: {{dir: state}}\nserver: {{publicUrl: https://b.example}}\nauthorization: {{mode: shared}}\n"
        )
    };
    let wrong = "a live stream renews its session where it begins anew, and here the session would go idle before; right would be a \
                 `streams.maxAge` of at most two thirds of `auth.session.idleTimeout`, 10m";
    assert_mistakes(
        &with("idleTimeout: 15m", "perUser: 1"),
        &[&format!("foretop.yaml:4: auth.session.idleTimeout: {wrong}")],
    );
    for streams in ["maxAge: 11m", "maxAge: 0s"] {
        let expected = format!("foretop.yaml:5: streams.maxAge: {wrong}");
        assert_mistakes(&with("idleTimeout: 15m", streams), &[&expected]);
    }
    for (session, streams) in [
        ("idleTimeout: 15m", "maxAge: 10m"),
        ("idleTimeout: 0s", "maxAge: 0s"),
        ("idleTimeout: 15m, liveStreamCounts: false", "maxAge: 20m"),
    ] {
        load(&sources(&with(session, streams), &[], &[])).expect("right");
    }
}

#[test]
fn nothing_is_said_to_contradict_what_could_not_be_read() {
    assert_mistakes(
        "auth: {mode: dev}\njournal: {maxBytes: 1GiB, totalBytes: much}\n",
        &[
            "foretop.yaml:2: journal.totalBytes: `much` does not start with a number; right would be a size, 1MiB to 1024GiB, such as `512MiB`",
        ],
    );
}

#[test]
fn insecure_lets_dev_listen_anywhere() {
    let mut sources = sources("auth: {mode: dev}\nserver: {listen: \"0.0.0.0:80\"}\n", &[], &[]);
    sources.insecure = true;
    assert!(load(&sources).expect("right").config.auth.insecure);
    assert_mistakes(
        "auth: {mode: dev, insecure: true}\n",
        &["foretop.yaml:1: auth.insecure: no setting has this name; right would be `auth.header`"],
    );
}

#[test]
fn a_file_that_is_no_yaml_is_one_mistake_with_its_line() {
    let found = mistakes(
        "auth: {mode: dev}\nstreams:\n  perUser: 5\n perCore: 6\n",
        &[("FORETOP_SERVER_CORES", "x")],
        &[],
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("foretop.yaml:4: this is not YAML that can be read: "), "{found:?}");
    assert!(found[1].starts_with("FORETOP_SERVER_CORES: server.cores: "), "{found:?}");
    assert_mistakes(
        "- a\n",
        &[
            "foretop.yaml:1: this is no map; right would be a YAML map of settings",
            "foretop.yaml: auth.mode: nobody has said how identities come about; right would be `oidc`, `header`, `bearer`, or `dev` to let everyone in as one user",
        ],
    );
    assert_mistakes(
        "auth: {mode: dev}\nstreams.perUser: 5\n",
        &["foretop.yaml:2: streams.perUser: a key with a dot; right would be `perUser:` below `streams:`"],
    );
}

#[test]
fn strangers_with_our_prefix_are_only_warned_of() {
    let environment = [
        ("FORETOP_AUTH_MODE", "dev"),
        ("FORETOP_FIXTURES", "x"),
        ("FORETOP_PORT", "tcp://10.0.0.1:80"),
        ("PERISCOPE_AUTH_FILE", "x"),
        ("PERISCOPE_AUDIT_ENABLED", "x"),
    ];
    let loaded = load(&sources("", &environment, &[])).expect("right");
    assert_eq!(
        loaded.warnings,
        [
            "FORETOP_FIXTURES: no setting has this variable; it is ignored",
            "PERISCOPE_AUDIT_ENABLED: no setting has this variable; it is ignored"
        ]
    );
}

#[test]
fn no_two_settings_share_a_variable() {
    let page = reference();
    let mut names: Vec<&str> = page.split('`').filter(|word| word.starts_with(sources::PREFIX)).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(names.contains(&"FORETOP_UPSTREAM_WATCH_LIST_IDLE"));
}

/// Reads each setting's default as an operator would write it.
struct DefaultsReadBack;

impl Visit for DefaultsReadBack {
    fn section(&mut self, _: &str, _: &'static str) {}

    fn setting(&mut self, row: Row<'_>) {
        let shown = row.field.show();
        if !shown.is_empty() {
            assert_eq!(row.field.read(&Node::scalar(&shown)), Ok(()), "{}: {shown}", row.key);
            assert_eq!(row.field.show(), shown, "{}", row.key);
        }
        assert!(row.says.ends_with('.'), "{}", row.key);
    }
}

#[test]
fn every_default_is_in_its_own_range() {
    let mut config = Config::default();
    Table::walk(&mut config, &mut DefaultsReadBack);
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}

proptest! {
    #[test]
    fn no_file_panics_and_no_mistake_breaks_its_line(text in "([ \\-]{0,4}[a-zA-Z.*&{\\[\"']{0,12}(: ?[\\PC\\x00-\\x1f]{0,20})?\n){0,8}") {
        if let Err(Mistakes(found)) = load(&sources(&text, &[], &[])) {
            for mistake in found {
                let line = mistake.to_string();
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }

    #[test]
    fn no_value_of_any_setting_panics(key in 0usize..60, value in "\\PC{0,20}") {
        let page = reference();
        let names: Vec<&str> = page.split('`').filter(|word| word.starts_with(sources::PREFIX)).collect();
        let name = names[key % names.len()];
        let _ = load(&sources("auth: {mode: dev}", &[(name, &value)], &[]));
    }
}
