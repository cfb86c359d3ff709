//! The chart's files say what the code says: its schema knows every setting and kind, and its roles grant what deploy/rbac grants.
//!
//! `FORETOP_BLESS=1` writes `values.schema.json` and `files/kinds.yaml` anew. What helm makes of the chart is tested by tests/chart/run.sh.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use foretop::config;
use foretop::kind::{self, Group};
use serde::Deserialize;
use serde_json::{Value, json};

const CHART: &str = "deploy/helm/foretop";

/// Settings that have values of their own, or that the chart sets itself, since it knows where things are mounted. A secret has no place in a ConfigMap.
const NOT_IN_CONFIG: [&str; 15] = [
    "clustersFile",
    "server.listen",
    "server.tls.listen",
    "server.tls.certFile",
    "server.tls.keyFile",
    "server.tls.clientCaFile",
    "auth.oidc.clientSecret",
    "auth.oidc.clientSecretFile",
    "auth.oidc.caFile",
    "auth.bearer.caFile",
    "auth.session.keys",
    "watch.kinds",
    "streams.perUser",
    "state.dir",
    "manage.listen",
];

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(at_root(path)).expect("a file of the repository")
}

fn is(path: &str, right: &str) {
    if std::env::var_os("FORETOP_BLESS").is_some() {
        return std::fs::write(at_root(path), right).expect("the file is written");
    }
    let there = std::fs::read_to_string(at_root(path)).unwrap_or_default();
    assert!(there == right, "{path} is not what the code says: FORETOP_BLESS=1 writes it");
}

/// A setting as the reference page has it.
struct Setting {
    key: String,
    is: String,
    range: String,
    says: String,
}

fn settings() -> Vec<Setting> {
    let page = config::reference().replace("\\|", "\u{1}");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let settings = rows.map(|row| {
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        Setting {
            key: cells[1].trim_matches('`').to_owned(),
            is: cells[2].clone(),
            range: cells[4].clone(),
            says: cells[6].clone(),
        }
    });
    settings.collect()
}

/// The words in backquotes, where a text consists of nothing else: `` `a` or `b` ``.
fn choices(text: &str) -> Option<Vec<&str>> {
    text.split(" or ").map(|word| word.strip_prefix('`')?.strip_suffix('`')).collect()
}

fn bounds(range: &str) -> Option<(u64, u64)> {
    let (least, most) = range.split_once(" to ")?;
    Some((least.parse().ok()?, most.parse().ok()?))
}

/// What a value of the setting may be. Foretop itself is stricter, and says more: this is to stop what is misspelt before it is installed.
fn schema_of(setting: &Setting) -> Value {
    let tiers = json!(["none", "read", "triage", "write", "maintain", "admin"]);
    match setting.is.as_str() {
        "a whole number" => {
            let (least, most) = bounds(&setting.range).expect("a whole number has a range");
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        "a duration" => {
            json!({"type": ["string", "integer"], "pattern": "^(0|([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$", "maximum": 0})
        }
        "a size" => json!({"type": ["string", "integer"], "pattern": "^[0-9]+ ?([KMG]iB)?$"}),
        "a size, or `auto`" => {
            json!({"type": ["string", "integer"], "pattern": "^(auto|[0-9]+ ?([KMG]iB)?)$"})
        }
        "`true` or `false`" => json!({"type": "boolean"}),
        "a map from groups to tiers" => json!({"type": "object", "additionalProperties": {"enum": tiers}}),
        list if list.starts_with("a list of maps") => json!({"type": "array", "items": {"type": "object"}}),
        list if list.starts_with("a list of") => {
            json!({"type": ["array", "string"], "items": {"type": "string"}})
        }
        other => match choices(other) {
            Some(words) => json!({"enum": words}),
            None => json!({"type": "string"}),
        },
    }
}

/// The tree of settings, each section closed to keys that it has not.
fn config_schema() -> Value {
    let mut root = json!({"type": "object", "additionalProperties": false, "properties": {}});
    for setting in settings().iter().filter(|setting| !NOT_IN_CONFIG.contains(&setting.key.as_str())) {
        let mut place = &mut root;
        let mut path = setting.key.split('.').peekable();
        while let Some(name) = path.next() {
            let properties = &mut place["properties"];
            if path.peek().is_none() {
                properties[name] = schema_of(setting);
                properties[name]["description"] = json!(setting.says);
            } else if properties.get(name).is_none() {
                properties[name] = json!({"type": "object", "additionalProperties": false, "properties": {}});
            }
            place = &mut place["properties"][name];
        }
    }
    root
}

/// The kinds grammar: a word for all or none, or names with commas, of which some may be empty.
fn kinds_schema() -> Value {
    let names = kind::all().iter().map(|kind| kind.name).chain(Group::ALL.into_iter().map(Group::name));
    let name = names.collect::<Vec<_>>().join("|");
    json!({"type": "string", "pattern": format!(r"^\s*(all|off|none|({name})?(\s*,\s*({name})?)*)\s*$")})
}

/// Puts the parts that the code knows in the place of their names.
fn filled(value: Value) -> Value {
    match value {
        Value::String(text) if text == "KINDS" => kinds_schema(),
        Value::String(text) if text == "CONFIG" => config_schema(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, filled(value))).collect(),
        other => other,
    }
}

#[test]
fn the_schema_knows_every_setting_and_every_kind() {
    let outline: Value = serde_json::from_str(&read("tests/chart/schema.json")).expect("JSON");
    is(&format!("{CHART}/values.schema.json"), &format!("{:#}\n", filled(outline)));
}

#[test]
fn what_the_chart_sets_itself_are_settings() {
    let keys: BTreeSet<String> = settings().into_iter().map(|setting| setting.key).collect();
    for key in NOT_IN_CONFIG {
        assert!(keys.contains(key), "{key} is no setting");
    }
}

#[test]
fn the_chart_knows_where_each_kind_is_served() {
    let mut file =
        "# Written by the code: FORETOP_BLESS=1 cargo test --test chart_files\nkinds:\n".to_owned();
    for kind in kind::all() {
        file += &format!(
            "  - {{name: {}, group: {}, apiGroup: \"{}\", resource: {}}}\n",
            kind.name,
            kind.group.name(),
            kind.api.group,
            kind.api.plural
        );
    }
    is(&format!("{CHART}/files/kinds.yaml"), &file);
}

#[test]
fn chart_and_binary_have_one_version() {
    let chart = read(&format!("{CHART}/Chart.yaml"));
    assert!(chart.contains(&format!("\nappVersion: {}\n", env!("CARGO_PKG_VERSION"))), "{chart}");
}

#[derive(Deserialize)]
struct Manifest {
    kind: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

/// What the cluster roles of a file of manifests grant, right by right: group, resource, verb, and the one name that it is limited to.
fn granted(path: &str) -> BTreeSet<(String, String, String, String)> {
    let text = read(path);
    let manifests = text.split("\n---\n").filter(|part| part.contains("\nkind: ClusterRole\n"));
    let mut granted = BTreeSet::new();
    for manifest in manifests {
        let manifest: Manifest = serde_saphyr::from_str(manifest).expect("a manifest");
        assert_eq!(manifest.kind, "ClusterRole");
        for rule in manifest.rules {
            let names =
                if rule.resource_names.is_empty() { vec![String::new()] } else { rule.resource_names };
            for group in &rule.api_groups {
                for resource in &rule.resources {
                    for verb in &rule.verbs {
                        for name in &names {
                            granted.insert((group.clone(), resource.clone(), verb.clone(), name.clone()));
                        }
                    }
                }
            }
        }
    }
    assert!(!granted.is_empty(), "{path} grants nothing");
    granted
}

#[test]
fn the_charts_roles_grant_what_deploy_rbac_grants() {
    let golden = |mode: &str| granted(&format!("tests/chart/golden/{mode}.yaml"));
    assert_eq!(golden("header"), granted("deploy/rbac/pooled.yaml"));
    assert_eq!(golden("impersonate"), granted("deploy/rbac/impersonate.yaml"));
    let mut both = granted("deploy/rbac/pooled.yaml");
    both.extend(granted("deploy/rbac/watch-rbac.yaml"));
    assert_eq!(golden("oidc"), both);
}

#[test]
fn deploy_rbac_reads_the_registrys_kinds_and_nothing_else() {
    let mut right: BTreeSet<_> = kind::all()
        .iter()
        .flat_map(|kind| ["get", "list", "watch"].map(|verb| [kind.api.group, kind.api.plural, verb, ""]))
        .collect();
    right.insert(["", "namespaces", "get", "kube-system"]);
    right.insert(["authorization.k8s.io", "subjectaccessreviews", "create", ""]);
    let right = right.into_iter().map(|[group, resource, verb, name]| {
        (group.to_owned(), resource.to_owned(), verb.to_owned(), name.to_owned())
    });
    assert_eq!(granted("deploy/rbac/pooled.yaml"), right.collect());
}
