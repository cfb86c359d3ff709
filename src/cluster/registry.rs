//! The registry file: which clusters there are.
//!
//! Periscope's `clusters:` YAML is accepted as it is. Reading it yields either all its clusters or every mistake in it at
//! once, each with its key path and line; a key that Periscope does not know is a mistake, since it is most likely a
//! misspelt one. Two of Periscope's backends have no counterpart here, and their mistakes name the way round.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::spec::{Backend, ClusterSpec, name_is_safe};
use super::yaml::{self, Node, Value};

/// Something wrong in the registry file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, as a path of keys such as `clusters[2].kubeconfigPath`; empty for the file as a whole.
    pub key: String,
    /// 1-based, where the parser knows it.
    pub line: Option<u64>,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)
    }
}

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

const ENTRY_KEYS: [&str; 9] = [
    "name",
    "backend",
    "arn",
    "region",
    "kubeconfigPath",
    "kubeconfigContext",
    "environment",
    "tags",
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
    /// Reads a registry file's text.
    ///
    /// # Errors
    /// Every mistake in it, in the file's order.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        if text.trim().is_empty() {
            return Ok(Registry::default());
        }
        let mut reader = Reader::default();
        match yaml::parse(text) {
            Ok(document) => reader.document(&document),
            Err((text, line)) => reader.mistakes.push(Mistake { key: String::new(), line, text }),
        }
        if reader.mistakes.is_empty() {
            return Ok(Registry { clusters: reader.clusters });
        }
        Err(reader.mistakes)
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

/// Walks the tree and gathers clusters and mistakes.
#[derive(Default)]
struct Reader {
    clusters: Vec<Arc<ClusterSpec>>,
    /// The line on which each name was first used.
    names: BTreeMap<String, u64>,
    mistakes: Vec<Mistake>,
}

type Entries = [(serde_saphyr::Spanned<String>, Node)];

impl Reader {
    fn wrong(&mut self, key: &str, line: u64, text: impl Into<String>) {
        let line = (line > 0).then_some(line);
        self.mistakes.push(Mistake { key: key.to_owned(), line, text: text.into() });
    }

    fn document(&mut self, document: &Node) {
        let Value::Map(entries) = &document.value else {
            let text = format!("is {}; expected a map with the key `clusters`", document.value.kind());
            return self.wrong("", document.line, text);
        };
        self.only_known_keys("", entries, &["clusters"]);
        let Some((_, clusters)) = entries.iter().find(|(key, _)| key.value == "clusters") else {
            return self.wrong("clusters", 0, "is missing; an empty registry is `clusters: []`");
        };
        match &clusters.value {
            Value::Null => {}
            Value::List(list) => {
                for (index, entry) in list.iter().enumerate() {
                    self.cluster(&format!("clusters[{index}]"), entry);
                }
            }
            other => self.wrong("clusters", clusters.line, format!("is {}; expected a list", other.kind())),
        }
    }

    fn only_known_keys(&mut self, path: &str, entries: &Entries, known: &[&str]) {
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.value.as_str())) {
            let name = super::fault::plain(&key.value);
            let text = format!("is no key that belongs here; those that do: {}", known.join(", "));
            self.wrong(&join(path, &name), key.referenced.line(), text);
        }
    }

    fn cluster(&mut self, path: &str, node: &Node) {
        let Value::Map(entries) = &node.value else {
            let text = format!("is {}; expected a map with at least a `name`", node.value.kind());
            return self.wrong(path, node.line, text);
        };
        let before = self.mistakes.len();
        self.only_known_keys(path, entries, &ENTRY_KEYS);
        let name = self.name(path, entries, node.line);
        let backend = self.backend(path, entries, node.line);
        let kubeconfig_path = self.text(path, entries, "kubeconfigPath");
        if backend == Some(Backend::Kubeconfig) && kubeconfig_path.is_none() {
            let key = join(path, "kubeconfigPath");
            self.wrong(&key, node.line, "is missing; the backend `kubeconfig` needs the path of one");
        }
        let spec = ClusterSpec {
            arn: self.text(path, entries, "arn").unwrap_or_default(),
            region: self.text(path, entries, "region").unwrap_or_default(),
            kubeconfig_path: kubeconfig_path.map(Into::into),
            kubeconfig_context: self.text(path, entries, "kubeconfigContext"),
            environment: self.text(path, entries, "environment").unwrap_or_default(),
            tags: self.tags(path, entries),
            exec_enabled: self.exec_enabled(path, entries),
            ..ClusterSpec::new(&name.unwrap_or_default(), backend.unwrap_or(Backend::Kubeconfig))
        };
        if self.mistakes.len() == before {
            self.clusters.push(Arc::new(spec));
        }
    }

    fn name(&mut self, path: &str, entries: &Entries, line: u64) -> Option<String> {
        let key = join(path, "name");
        let line = find(entries, "name").map_or(line, |node| node.line);
        let mistakes = self.mistakes.len();
        let Some(name) = self.text(path, entries, "name") else {
            if self.mistakes.len() == mistakes {
                self.wrong(&key, line, "is missing; each cluster needs a name of its own");
            }
            return None;
        };
        if !name_is_safe(&name) {
            let text =
                "cannot stand in a URL; a name is 1 to 253 of A-Z a-z 0-9 - . _ ~ : @, and not `.` or `..`";
            self.wrong(&key, line, text);
            return None;
        }
        if let Some(first) = self.names.insert(name.clone(), line) {
            self.wrong(&key, line, format!("is used twice; `{name}` is also the cluster on line {first}"));
            self.names.insert(name.clone(), first);
        }
        Some(name)
    }

    fn backend(&mut self, path: &str, entries: &Entries, line: u64) -> Option<Backend> {
        let key = join(path, "backend");
        let line = find(entries, "backend").map_or(line, |node| node.line);
        let mistakes = self.mistakes.len();
        let said = self.text(path, entries, "backend");
        if self.mistakes.len() > mistakes {
            return None;
        }
        match said.as_deref() {
            Some("kubeconfig") => return Some(Backend::Kubeconfig),
            Some("in-cluster") => return Some(Backend::InCluster),
            Some("eks") => self.wrong(&key, line, format!("`eks` is not supported; {EKS_WAY_ROUND}")),
            None => {
                let text =
                    format!("is missing, which means `eks`, and that is not supported; {EKS_WAY_ROUND}");
                self.wrong(&key, line, text);
            }
            Some("agent") => {
                let text = "`agent` is not supported; use the backend `kubeconfig`, with a kubeconfig whose \
                            server Foretop can reach, or run Foretop inside that cluster with `in-cluster`";
                self.wrong(&key, line, text);
            }
            Some(other) => {
                let text = format!(
                    "`{}` is no backend; there are `kubeconfig` and `in-cluster`",
                    super::fault::plain(other)
                );
                self.wrong(&key, line, text);
            }
        }
        None
    }

    fn tags(&mut self, path: &str, entries: &Entries) -> BTreeMap<String, String> {
        let path = join(path, "tags");
        let Some(node) = find(entries, "tags") else {
            return BTreeMap::new();
        };
        let Value::Map(tags) = &node.value else {
            self.wrong(&path, node.line, format!("is {}; expected a map of texts", node.value.kind()));
            return BTreeMap::new();
        };
        let names = tags.iter().map(|(key, _)| key.value.clone());
        names.filter_map(|name| self.text(&path, tags, &name).map(|text| (name, text))).collect()
    }

    fn exec_enabled(&mut self, path: &str, entries: &Entries) -> bool {
        let path = join(path, "exec");
        let Some(node) = find(entries, "exec") else {
            return true;
        };
        let Value::Map(exec) = &node.value else {
            self.wrong(&path, node.line, format!("is {}; expected a map", node.value.kind()));
            return true;
        };
        self.only_known_keys(&path, exec, &EXEC_KEYS);
        for name in &EXEC_KEYS[1..] {
            let Some(node) = find(exec, name) else { continue };
            if !matches!(node.value, Value::Integer(0..)) {
                let text = format!("is {}; expected a whole number, not negative", node.value.kind());
                self.wrong(&join(&path, name), node.line, text);
            }
        }
        match find(exec, "enabled") {
            None => true,
            Some(Node { value: Value::Bool(enabled), .. }) => *enabled,
            Some(node) => {
                let text = format!("is {}; expected true or false", node.value.kind());
                self.wrong(&join(&path, "enabled"), node.line, text);
                true
            }
        }
    }

    /// The text under a key; none where the key is absent, empty or null, or where it is a mistake.
    fn text(&mut self, path: &str, entries: &Entries, key: &str) -> Option<String> {
        let node = find(entries, key)?;
        match &node.value {
            Value::Text(text) => (!text.is_empty()).then(|| text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            other => {
                let text = format!("is {}; expected a text (in quotes, if need be)", other.kind());
                self.wrong(&join(path, &super::fault::plain(key)), node.line, text);
                None
            }
        }
    }
}

const EKS_WAY_ROUND: &str = "use `backend: kubeconfig` with a kubeconfig whose user runs the exec plugin \
                             `aws eks get-token` (`aws eks update-kubeconfig` writes one)";

/// The value of a key; `key:` with nothing behind it counts as absent.
fn find<'a>(entries: &'a Entries, key: &str) -> Option<&'a Node> {
    let (_, node) = entries.iter().find(|(name, _)| name.value == key)?;
    (!matches!(node.value, Value::Null)).then_some(node)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let found = Registry::parse(text).expect_err("there is a mistake in it");
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn periscopes_file_is_read_as_it_is() {
        let text = "
clusters:
  - name: prod-eu
    backend: kubeconfig
    kubeconfigPath: /etc/kube/prod
    kubeconfigContext: admin@prod
    arn: arn:aws:eks:eu-west-1:1:cluster/prod
    region: eu-west-1
    environment: prod
    tags: {tier: 1, team: core, open: true}
    exec:
      enabled: false
      serverIdleSeconds: 600
  - name: here
    backend: in-cluster
    tags:
";
        let registry = Registry::parse(text).unwrap();
        let [prod, here] = &*registry.clusters else { panic!("{registry:?}") };
        assert_eq!(&*prod.name, "prod-eu");
        assert_eq!(prod.kubeconfig_path.as_deref(), Some("/etc/kube/prod".as_ref()));
        assert_eq!(prod.kubeconfig_context.as_deref(), Some("admin@prod"));
        assert_eq!(prod.arn, "arn:aws:eks:eu-west-1:1:cluster/prod");
        assert_eq!(prod.tags["tier"], "1");
        assert_eq!(prod.tags["open"], "true");
        assert!(!prod.exec_enabled);
        assert_eq!(here.backend, Backend::InCluster);
        assert!(here.exec_enabled);
    }

    #[test]
    fn an_empty_registry_is_no_mistake() {
        for text in ["", "  \n", "clusters:", "clusters: []", "clusters: null\n"] {
            assert_eq!(Registry::parse(text), Ok(Registry::default()), "{text:?}");
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
  - just text
misspelt: 1
";
        let found = mistakes(text);
        let starts = [
            "line 13: misspelt: is no key",
            "line 4: clusters[0].kubeconfigpath: is no key",
            "line 2: clusters[0].name: cannot stand in a URL",
            "line 2: clusters[0].kubeconfigPath: is missing",
            "line 5: clusters[1].name: is missing",
            "line 6: clusters[1].exec.heartbeatSeconds: is a number; expected a whole number",
            "line 6: clusters[1].exec.enabled: is a number; expected true or false",
            "line 8: clusters[2].backend: `docker` is no backend",
            "line 9: clusters[3].name: is used twice; `one` is also the cluster on line 7",
            "line 11: clusters[3].region: is a list",
            "line 12: clusters[4]: is a text; expected a map",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found:?} should start with {start:?}");
        }
    }

    #[test]
    fn backends_that_are_not_there_name_the_way_round() {
        let eks = mistakes("clusters:\n- name: a\n  backend: eks\n  region: eu\n");
        assert!(eks[0].contains("`eks` is not supported") && eks[0].contains("aws eks get-token"), "{eks:?}");
        let silent = mistakes("clusters:\n- name: a\n  arn: x\n");
        assert!(silent[0].contains("means `eks`") && silent[0].contains("aws eks get-token"), "{silent:?}");
        let agent = mistakes("clusters:\n- name: a\n  backend: agent\n");
        assert!(agent[0].contains("`agent` is not supported; use the backend `kubeconfig`"), "{agent:?}");
    }

    #[test]
    fn what_is_no_yaml_is_one_mistake_with_a_line_and_without_control_characters() {
        let found = mistakes("clusters:\n  - name: [\u{1b}[31m\n");
        assert_eq!(found.len(), 1);
        assert!(!found[0].chars().any(char::is_control), "{found:?}");
        let twice = mistakes("clusters: []\nclusters: []\n");
        assert!(twice[0].starts_with("line 2"), "{twice:?}");
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
        let read = |text: &str| Registry::parse(text).unwrap();
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
