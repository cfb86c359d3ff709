//! The registry file: which clusters there are.
//!
//! Periscope's `clusters:` YAML is accepted as it is. Reading it yields either all its clusters or every mistake in it at
//! once, each with its key path and line; a key that Periscope does not know is a mistake, since it is most likely a
//! misspelt one. Two of Periscope's backends have no counterpart here, and their mistakes name the way round.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::spec::{Backend, ClusterSpec, name_is_safe};
use crate::config::yaml::{Entry, Node, Value};
use crate::config::{self, Mistake, Mistakes, cut, quoted};

/// The clusters of one version of the registry, in the file's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// In the file's order, which `/api/clusters` keeps.
    pub clusters: Vec<Arc<ClusterSpec>>,
}

/// What became different from one version of the registry to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Clusters that are new.
    pub added: Vec<Arc<ClusterSpec>>,
    /// Names of clusters that are gone.
    pub removed: Vec<Arc<str>>,
    /// Clusters of a known name whose entry is another.
    pub changed: Vec<Arc<ClusterSpec>>,
}

const ENTRY_KEYS: [&str; 11] = [
    "name",
    "backend",
    "arn",
    "region",
    "kubeconfigPath",
    "kubeconfigContext",
    "caFile",
    "environment",
    "tags",
    "tenants",
    "exec",
];
const EXEC_KEYS: [&str; 6] = [
    "enabled",
    "serverIdleSeconds",
    "idleWarnSeconds",
    "heartbeatSeconds",
    "maxSessionsPerUser",
    "maxSessionsTotal",
];

impl Registry {
    /// Reads a registry file's text, where no tenants are configured; `source` is the file's name, as mistakes are to give it.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(source: &str, text: &str) -> Result<Self, Mistakes> {
        Registry::parse_for(&config::Tenants::default(), source, text)
    }

    /// Reads a registry file's text for these tenants: where there are rules, each cluster says whose it is.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse_for(tenants: &config::Tenants, source: &str, text: &str) -> Result<Self, Mistakes> {
        let mut reader = Reader {
            source,
            tenants: tenants.names(),
            must_name_tenants: !tenants.rules.is_empty(),
            clusters: Vec::new(),
            names: BTreeMap::new(),
            mistakes: Vec::new(),
        };
        match Node::parse(text) {
            Ok(document) => reader.document(&document),
            Err(syntax) => {
                let what = format!("this is not YAML that can be read: {}", syntax.what);
                reader.wrong("", syntax.line, what, A_REGISTRY);
            }
        }
        if reader.mistakes.is_empty() {
            return Ok(Registry { clusters: reader.clusters });
        }
        Err(Mistakes(reader.mistakes))
    }

    /// The cluster of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<ClusterSpec>> {
        self.clusters.iter().find(|spec| &*spec.name == name)
    }

    /// What `next` has that this has not, and the other way round.
    #[must_use]
    pub fn changes_to(&self, next: &Registry) -> Changes {
        let mut changes = Changes::default();
        for spec in &next.clusters {
            match self.get(&spec.name) {
                None => changes.added.push(Arc::clone(spec)),
                Some(old) if old != spec => changes.changed.push(Arc::clone(spec)),
                Some(_) => {}
            }
        }
        let gone = self.clusters.iter().filter(|spec| next.get(&spec.name).is_none());
        changes.removed = gone.map(|spec| Arc::clone(&spec.name)).collect();
        changes
    }
}

const A_REGISTRY: &str = "a YAML map with the key `clusters`";

/// The contract knows two more backends.
const BACKENDS: &str = "`kubeconfig` or `in-cluster`";

const INSTEAD_OF_EKS: &str = "`kubeconfig`, with a kubeconfig whose user runs the exec plugin `aws eks get-token` \
                              (`aws eks update-kubeconfig` writes one)";

const INSTEAD_OF_AGENT: &str = "`kubeconfig`, with a kubeconfig whose server Foretop can reach, or `in-cluster`, with \
                                Foretop inside that cluster";

/// Walks the tree and gathers clusters and mistakes.
struct Reader<'a> {
    source: &'a str,
    /// The tenants that there are.
    tenants: Vec<Arc<str>>,
    must_name_tenants: bool,
    clusters: Vec<Arc<ClusterSpec>>,
    /// The line on which each name was first used.
    names: BTreeMap<String, Option<u32>>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn wrong(&mut self, key: &str, line: Option<u32>, what: impl Into<String>, right: impl Into<String>) {
        let (source, key) = (self.source.to_owned(), key.to_owned());
        self.mistakes.push(Mistake { source, line, key, what: what.into(), right: right.into() });
    }

    fn document(&mut self, document: &Node) {
        let entries = match &document.value {
            Value::Map(entries) => entries,
            Value::Nothing => return,
            other => return self.wrong("", document.line, is(other), A_REGISTRY),
        };
        self.only_known_keys("", entries, &["clusters"]);
        let Some(clusters) = entries.iter().find(|entry| entry.key == "clusters") else {
            return self.wrong("clusters", None, "is missing", "`clusters: []` for an empty registry");
        };
        match &clusters.node.value {
            Value::Nothing => {}
            Value::List(list) => {
                for (index, entry) in list.iter().enumerate() {
                    self.cluster(&format!("clusters[{index}]"), entry);
                }
            }
            other => self.wrong("clusters", clusters.node.line, is(other), "a list of clusters"),
        }
    }

    fn only_known_keys(&mut self, path: &str, entries: &[Entry], known: &[&str]) {
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let right = format!("one of {}", known.join(", "));
            self.wrong(&join(path, &cut(&entry.key)), entry.line, "is no key that belongs here", right);
        }
    }

    fn cluster(&mut self, path: &str, node: &Node) {
        let Value::Map(entries) = &node.value else {
            return self.wrong(path, node.line, is(&node.value), "a map with at least `name` and `backend`");
        };
        let before = self.mistakes.len();
        self.only_known_keys(path, entries, &ENTRY_KEYS);
        let name = self.name(path, entries, node.line);
        let backend = self.backend(path, entries, node.line);
        let kubeconfig_path = self.text(path, entries, "kubeconfigPath");
        if backend == Some(Backend::Kubeconfig) && kubeconfig_path.is_none() {
            let right = "the path of a kubeconfig, which the backend `kubeconfig` needs";
            self.wrong(&join(path, "kubeconfigPath"), node.line, "is missing", right);
        }
        let spec = ClusterSpec {
            arn: self.text(path, entries, "arn").unwrap_or_default(),
            region: self.text(path, entries, "region").unwrap_or_default(),
            kubeconfig_path: kubeconfig_path.map(Into::into),
            kubeconfig_context: self.text(path, entries, "kubeconfigContext"),
            ca_file: self.text(path, entries, "caFile").map(Into::into),
            environment: self.text(path, entries, "environment").unwrap_or_default(),
            tags: self.tags(path, entries),
            tenants: self.tenants(path, entries, node.line),
            exec_enabled: self.exec_enabled(path, entries),
            ..ClusterSpec::new(&name.unwrap_or_default(), backend.unwrap_or(Backend::Kubeconfig))
        };
        if self.mistakes.len() == before {
            self.clusters.push(Arc::new(spec));
        }
    }

    fn name(&mut self, path: &str, entries: &[Entry], line: Option<u32>) -> Option<String> {
        let key = join(path, "name");
        let line = find(entries, "name").map_or(line, |node| node.line);
        let mistakes = self.mistakes.len();
        let Some(name) = self.text(path, entries, "name") else {
            if self.mistakes.len() == mistakes {
                self.wrong(&key, line, "is missing", "a name of its own for each cluster");
            }
            return None;
        };
        if !name_is_safe(&name) {
            let what = format!("{} cannot stand in a URL", quoted(&name));
            let right = "1 to 253 of A-Z a-z 0-9 - . _ ~ : @, and not `.` or `..`";
            self.wrong(&key, line, what, right);
            return None;
        }
        match self.names.get(&name) {
            None => drop(self.names.insert(name.clone(), line)),
            Some(first) => {
                let first = first.map(|line| format!(" on line {line}")).unwrap_or_default();
                let what = format!("{} is also the name of the cluster{first}", quoted(&name));
                self.wrong(&key, line, what, "a name of its own for each cluster");
            }
        }
        Some(name)
    }

    fn backend(&mut self, path: &str, entries: &[Entry], line: Option<u32>) -> Option<Backend> {
        let line = find(entries, "backend").map_or(line, |node| node.line);
        let mistakes = self.mistakes.len();
        let said = self.text(path, entries, "backend");
        if self.mistakes.len() > mistakes {
            return None;
        }
        let (what, right) = match said.as_deref() {
            Some("kubeconfig") => return Some(Backend::Kubeconfig),
            Some("in-cluster") => return Some(Backend::InCluster),
            Some("eks") => ("`eks` is not supported".to_owned(), INSTEAD_OF_EKS),
            None => ("is missing, which means `eks`, and that is not supported".to_owned(), INSTEAD_OF_EKS),
            Some("agent") => ("`agent` is not supported".to_owned(), INSTEAD_OF_AGENT),
            Some(other) => (format!("{} is no backend", quoted(other)), BACKENDS),
        };
        self.wrong(&join(path, "backend"), line, what, right);
        None
    }

    fn tags(&mut self, path: &str, entries: &[Entry]) -> BTreeMap<String, String> {
        let path = join(path, "tags");
        let Some(node) = find(entries, "tags") else {
            return BTreeMap::new();
        };
        let Value::Map(tags) = &node.value else {
            self.wrong(&path, node.line, is(&node.value), "a map of texts");
            return BTreeMap::new();
        };
        let names = tags.iter().map(|entry| entry.key.clone());
        names.filter_map(|name| self.text(&path, tags, &name).map(|text| (name, text))).collect()
    }

    fn tenants(&mut self, path: &str, entries: &[Entry], line: Option<u32>) -> Vec<Arc<str>> {
        let path = join(path, "tenants");
        let known = format!("of {}", self.tenants.join(", "));
        let Some(node) = find(entries, "tenants") else {
            if self.must_name_tenants {
                let right = format!("a list {known}: a cluster without tenants would be nobody's");
                self.wrong(&path, line, "is missing", right);
            }
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            self.wrong(&path, node.line, is(&node.value), format!("a list {known}"));
            return Vec::new();
        };
        if items.is_empty() && self.must_name_tenants {
            self.wrong(&path, node.line, "is empty", format!("a list {known}"));
        }
        let mut tenants = Vec::new();
        for item in items {
            let named = match &item.value {
                Value::Scalar(text) => self.tenants.iter().find(|tenant| ***tenant == **text).cloned(),
                _ => None,
            };
            match named {
                Some(tenant) => tenants.push(tenant),
                None => self.wrong(
                    &path,
                    item.line,
                    format!("{}, which is no tenant", is(&item.value)),
                    format!("one {known}"),
                ),
            }
        }
        tenants
    }

    fn exec_enabled(&mut self, path: &str, entries: &[Entry]) -> bool {
        let path = join(path, "exec");
        let Some(node) = find(entries, "exec") else {
            return true;
        };
        let Value::Map(exec) = &node.value else {
            self.wrong(&path, node.line, is(&node.value), "a map");
            return true;
        };
        self.only_known_keys(&path, exec, &EXEC_KEYS);
        for name in &EXEC_KEYS[1..] {
            let Some(node) = find(exec, name) else { continue };
            if !matches!(&node.value, Value::Understood(number) if number.parse::<u64>().is_ok()) {
                self.wrong(&join(&path, name), node.line, is(&node.value), "a whole number, not negative");
            }
        }
        let Some(node) = find(exec, "enabled") else { return true };
        switch(&node.value).unwrap_or_else(|| {
            self.wrong(&join(&path, "enabled"), node.line, is(&node.value), "`true` or `false`");
            true
        })
    }

    /// The text under a key; none where the key is absent, empty or null, or where it is a mistake.
    fn text(&mut self, path: &str, entries: &[Entry], key: &str) -> Option<String> {
        let node = find(entries, key)?;
        match &node.value {
            Value::Scalar(text) => (!text.is_empty()).then(|| text.clone()),
            // An integer or a boolean is as good as text (`tags: {tier: 1}`); of a fraction, the text was lost.
            Value::Understood(text) if text.parse::<i128>().is_ok() || text.parse::<bool>().is_ok() => {
                Some(text.clone())
            }
            Value::Understood(text) => {
                let what = format!("YAML understands this as {}", quoted(text));
                self.wrong(&join(path, &cut(key)), node.line, what, "the same text in quotes");
                None
            }
            other => {
                self.wrong(&join(path, &cut(key)), node.line, is(other), "a text");
                None
            }
        }
    }
}

/// A switch, in every spelling that Periscope's YAML has for one.
fn switch(value: &Value) -> Option<bool> {
    let (Value::Scalar(text) | Value::Understood(text)) = value else { return None };
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    }
}

/// What stands where something else should.
fn is(value: &Value) -> String {
    match value {
        Value::Nothing => "has no value".into(),
        Value::Scalar(text) | Value::Understood(text) => format!("is {}", quoted(text)),
        Value::List(_) => "is a list".into(),
        Value::Map(_) => "is a map".into(),
    }
}

/// The value of a key; `key:` with nothing behind it counts as absent.
fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Node> {
    let entry = entries.iter().find(|entry| entry.key == key)?;
    (entry.node.value != Value::Nothing).then_some(&entry.node)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let found = Registry::parse("clusters.yaml", text).expect_err("there is a mistake in it");
        found.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn periscopes_file_is_read_as_it_is() {
        let text = "
clusters:
  - name: prod-eu
    backend: kubeconfig
    kubeconfigPath: /etc/kube/prod
    caFile: /etc/kube/ca.crt
    kubeconfigContext: admin@prod
    arn: arn:aws:eks:eu-west-1:1:cluster/prod
    region: eu-west-1
    environment: prod
    tags: {tier: 1, team: core, open: true, shut: no, weight: '1.10'}
    exec:
      enabled: false
      serverIdleSeconds: 600
  - name: here
    backend: in-cluster
    tags:
";
        let registry = Registry::parse("clusters.yaml", text).unwrap();
        let [prod, here] = &*registry.clusters else { panic!("{registry:?}") };
        assert_eq!(&*prod.name, "prod-eu");
        assert_eq!(prod.kubeconfig_path.as_deref(), Some("/etc/kube/prod".as_ref()));
        assert_eq!(prod.ca_file.as_deref(), Some("/etc/kube/ca.crt".as_ref()));
        assert_eq!(prod.kubeconfig_context.as_deref(), Some("admin@prod"));
        assert_eq!(prod.arn, "arn:aws:eks:eu-west-1:1:cluster/prod");
        assert_eq!(prod.tags["tier"], "1");
        assert_eq!(prod.tags["open"], "true");
        assert_eq!(prod.tags["shut"], "no", "as it is written, not as YAML 1.1 understands it");
        assert_eq!(prod.tags["weight"], "1.10");
        assert!(!prod.exec_enabled);
        assert_eq!(here.backend, Backend::InCluster);
        assert!(here.exec_enabled);
    }

    #[test]
    fn an_empty_registry_is_no_mistake() {
        for text in ["", "  \n", "# none\n", "clusters:", "clusters: []", "clusters: null\n"] {
            assert_eq!(Registry::parse("clusters.yaml", text), Ok(Registry::default()), "{text:?}");
        }
    }

    #[test]
    fn every_mistake_is_found_at_once_with_its_place() {
        let text = "clusters:
  - name: a/b
    backend: kubeconfig
    kubeconfigpath: /x
  - backend: in-cluster
    exec: {enabled: 3, heartbeatSeconds: -1}
  - name: one
    backend: docker
  - name: one
    backend: in-cluster
    region: [eu]
    environment: 1.0
  - just text
misspelt: 1
";
        let found = mistakes(text);
        let starts = [
            "clusters.yaml:14: misspelt: is no key that belongs here; right would be one of clusters",
            "clusters.yaml:4: clusters[0].kubeconfigpath: is no key",
            "clusters.yaml:2: clusters[0].name: `a/b` cannot stand in a URL; right would be 1 to 253 of",
            "clusters.yaml:2: clusters[0].kubeconfigPath: is missing; right would be the path",
            "clusters.yaml:5: clusters[1].name: is missing",
            "clusters.yaml:6: clusters[1].exec.heartbeatSeconds: is `-1`; right would be a whole number",
            "clusters.yaml:6: clusters[1].exec.enabled: is `3`; right would be `true` or `false`",
            "clusters.yaml:8: clusters[2].backend: `docker` is no backend; right would be `kubeconfig` or `in-cluster`",
            "clusters.yaml:9: clusters[3].name: `one` is also the name of the cluster on line 7",
            "clusters.yaml:11: clusters[3].region: is a list; right would be a text",
            "clusters.yaml:12: clusters[3].environment: YAML understands this as `1.0`; right would be the same text in quotes",
            "clusters.yaml:13: clusters[4]: is `just text`; right would be a map",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found:?} should start with {start:?}");
        }
    }

    fn blue_and_red() -> config::Tenants {
        let rule = |name: &str| config::TenantRule {
            name: name.into(),
            groups: vec![name.into()],
            ..config::TenantRule::default()
        };
        config::Tenants { rules: vec![rule("blue"), rule("red")], ..config::Tenants::default() }
    }

    #[test]
    fn a_cluster_lists_its_tenants_where_there_are_some() {
        let text = "clusters:\n- name: a\n  backend: in-cluster\n  tenants: [blue, red]\n";
        let registry = Registry::parse_for(&blue_and_red(), "clusters.yaml", text).unwrap();
        assert_eq!(registry.get("a").unwrap().tenants, ["blue".into(), "red".into()]);
        assert!(
            mistakes(text)[0].contains("which is no tenant; right would be one of default"),
            "none are configured"
        );
        for (tenants, place) in [
            ("", "clusters.yaml:2: clusters[0].tenants: is missing"),
            ("  tenants: []\n", "clusters.yaml:4: clusters[0].tenants: is empty"),
            (
                "  tenants: blue\n",
                "clusters.yaml:4: clusters[0].tenants: is `blue`; right would be a list of blue, red",
            ),
            (
                "  tenants:\n  - blue\n  - grey\n",
                "clusters.yaml:6: clusters[0].tenants: is `grey`, which is no tenant",
            ),
        ] {
            let text = format!("clusters:\n- name: a\n  backend: in-cluster\n{tenants}");
            let found = Registry::parse_for(&blue_and_red(), "clusters.yaml", &text).expect_err("a mistake");
            assert_eq!(found.0.len(), 1);
            assert!(found.0[0].to_string().starts_with(place), "{}", found.0[0]);
        }
    }

    #[test]
    fn backends_that_are_not_there_name_the_way_round() {
        let eks = mistakes("clusters:\n- name: a\n  backend: eks\n  region: eu\n");
        assert!(eks[0].contains("`eks` is not supported") && eks[0].contains("aws eks get-token"), "{eks:?}");
        let silent = mistakes("clusters:\n- name: a\n  arn: x\n");
        assert!(silent[0].contains("means `eks`") && silent[0].contains("aws eks get-token"), "{silent:?}");
        let agent = mistakes("clusters:\n- name: a\n  backend: agent\n");
        assert!(agent[0].contains("`agent` is not supported; right would be `kubeconfig`"), "{agent:?}");
    }

    #[test]
    fn what_is_no_yaml_is_one_mistake_with_a_line_and_without_control_characters() {
        let found = mistakes("clusters:\n  - name: [\u{1b}[31m\n");
        assert_eq!(found.len(), 1);
        assert!(!found[0].chars().any(char::is_control), "{found:?}");
        let twice = mistakes("clusters: []\nclusters: []\n");
        assert!(twice[0].starts_with("clusters.yaml:2"), "{twice:?}");
    }

    #[test]
    fn what_is_switched_off_is_so_in_every_spelling() {
        for (word, enabled) in [("true", true), ("yes", true), ("On", true), ("no", false), ("OFF", false)] {
            let text = format!("clusters: [{{name: a, backend: in-cluster, exec: {{enabled: {word}}}}}]");
            let registry = Registry::parse("clusters.yaml", &text).unwrap();
            assert_eq!(registry.get("a").unwrap().exec_enabled, enabled, "{word}");
        }
    }

    #[test]
    fn names_that_a_url_would_change_are_refused() {
        for good in ["a", "prod-eu.1", "admin@prod", "arn:aws:eks", &"x".repeat(253)] {
            assert!(name_is_safe(good), "{good:?}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a%2f", "a?", "a#b", "ä", "a\n", "*", &"x".repeat(254)] {
            assert!(!name_is_safe(bad), "{bad:?}");
        }
    }

    #[test]
    fn changes_are_told_by_name() {
        let read = |text: &str| Registry::parse("clusters.yaml", text).unwrap();
        let old = read(
            "clusters: [{name: a, backend: in-cluster}, {name: b, backend: in-cluster}, {name: c, backend: in-cluster}]",
        );
        let new = read(
            "clusters: [{name: d, backend: in-cluster}, {name: c, backend: in-cluster}, {name: b, backend: in-cluster, region: x}]",
        );
        let changes = old.changes_to(&new);
        assert_eq!(changes.added, [Arc::clone(new.get("d").unwrap())]);
        assert_eq!(changes.changed, [Arc::clone(new.get("b").unwrap())]);
        assert_eq!(changes.removed, ["a".into()]);
        assert_eq!(new.changes_to(&new), Changes::default());
    }
}
