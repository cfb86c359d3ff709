//! From what the registry says of a cluster to kube's configuration of it.

use kube::config::{Kubeconfig, KubeconfigError};

use super::fault::{describe, plain};
use super::spec::{Backend, ClusterSpec};

/// Why a cluster cannot even be tried. No text holds a piece of the kubeconfig, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig cannot be read, or does not lead to a server.
    #[error("cluster {cluster}: kubeconfig: {why}")]
    Kubeconfig {
        /// The cluster's name.
        cluster: String,
        /// Escaped and bounded.
        why: String,
    },
    /// The pod has no service account, or this is no pod.
    #[error("cluster {cluster}: in-cluster: {why}")]
    InCluster {
        /// The cluster's name.
        cluster: String,
        /// Escaped and bounded.
        why: String,
    },
}

/// Reads what a spec names. Blocks on small files; asks no network and runs no plugin.
pub(super) fn load(spec: &ClusterSpec) -> Result<kube::Config, ClusterError> {
    let cluster = spec.name.to_string();
    match spec.backend {
        Backend::InCluster => kube::Config::incluster()
            .map_err(|error| ClusterError::InCluster { cluster, why: describe(&error) }),
        Backend::Kubeconfig => {
            kubeconfig(spec).map_err(|why| ClusterError::Kubeconfig { cluster, why: plain(&why) })
        }
    }
}

fn kubeconfig(spec: &ClusterSpec) -> Result<kube::Config, String> {
    let mut kubeconfig = match (&spec.kubeconfig_text, &spec.kubeconfig_path) {
        (Some(text), _) => Kubeconfig::from_yaml(text.as_str()).map_err(why)?,
        (None, Some(path)) => Kubeconfig::read_from(path).map_err(why)?,
        (None, None) => return Err("none is given".into()),
    };
    if spec.kubeconfig_context.is_some() {
        kubeconfig.current_context.clone_from(&spec.kubeconfig_context);
    }
    let proxied = proxy_of(&kubeconfig);
    let config = kube::Config::try_from(kubeconfig).map_err(why)?;
    if proxied {
        return Err("its `proxy-url` is not supported; reach the server directly".into());
    }
    match (config.cluster_url.scheme_str(), config.cluster_url.authority()) {
        (Some("http" | "https"), Some(_)) => Ok(config),
        _ => Err("its `server` is no http or https URL".into()),
    }
}

/// Whether the current context's cluster is behind a proxy. (`HTTPS_PROXY` does not count: connections are direct.)
fn proxy_of(kubeconfig: &Kubeconfig) -> bool {
    let context =
        kubeconfig.contexts.iter().find(|named| Some(&named.name) == kubeconfig.current_context.as_ref());
    let Some(context) = context.and_then(|named| named.context.as_ref()) else {
        return false;
    };
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster);
    let url = cluster.and_then(|named| named.cluster.as_ref()?.proxy_url.as_ref());
    url.is_some_and(|url| !url.is_empty())
}

/// A parser's message may quote the text around the mistake, so of it only the place is told.
fn why(error: KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => format!("is no kubeconfig: line {}, column {}", place.line(), place.column()),
            None => "is no kubeconfig".into(),
        },
        other => describe(&other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "{apiVersion: v1, kind: Config, current-context: one,
        clusters: [{name: a, cluster: {server: 'https://a.example:6443'}}, {name: b, cluster: {server: 'http://b.example', proxy-url: 'http://p'}}, {name: c, cluster: {server: 'ftp://c'}}],
        contexts: [{name: one, context: {cluster: a, user: u}}, {name: two, context: {cluster: b, user: u}}, {name: three, context: {cluster: c, user: u}}],
        users: []}";

    fn why_not(spec: &ClusterSpec) -> String {
        load(spec).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn the_context_chooses_the_server() {
        let config = load(&ClusterSpec::from_kubeconfig_text("x", YAML, None)).unwrap();
        assert_eq!(config.cluster_url, "https://a.example:6443");
        let config = load(&ClusterSpec::from_url("x", "http://127.0.0.1:8001")).unwrap();
        assert_eq!(config.cluster_url, "http://127.0.0.1:8001");
    }

    #[test]
    fn what_cannot_work_is_said_at_once() {
        let two = ClusterSpec::from_kubeconfig_text("x", YAML, Some("two"));
        assert!(why_not(&two).contains("proxy-url"));
        let three = ClusterSpec::from_kubeconfig_text("x", YAML, Some("three"));
        assert!(why_not(&three).contains("no http or https URL"));
        let four = ClusterSpec::from_kubeconfig_text("x", YAML, Some("four"));
        assert!(why_not(&four).contains("four"));
        let mut file = ClusterSpec::new("x", Backend::Kubeconfig);
        file.kubeconfig_path = Some("/no/such/file".into());
        assert!(why_not(&file).contains("/no/such/file"));
    }

    #[test]
    fn a_broken_kubeconfig_is_not_quoted() {
        let yaml = "users: [{name: u, user: {token: [topsecret]}}]";
        let said = why_not(&ClusterSpec::from_kubeconfig_text("x", yaml, None));
        assert!(said.contains("line 1") && !said.contains("topsecret"), "{said}");
    }
}
