//! From what the registry says of a cluster to kube's configuration of it.

use std::path::Path;
use std::sync::Arc;

use http::Uri;
use kube::config::{Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::fault::{describe, plain};
use super::kubeconfigs;
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
    let whole = match (&spec.kubeconfig_text, &spec.kubeconfig_path) {
        (Some(text), _) => Kubeconfig::from_yaml(text.as_str()).map(Arc::new).map_err(why)?,
        (None, Some(path)) => kubeconfigs::read(path).map_err(why)?,
        (None, None) => return Err("none is given".into()),
    };
    let kubeconfig = kubeconfigs::only(&whole, spec.kubeconfig_context.as_ref());
    let proxy = proxy_of(&kubeconfig)?;
    let mut config = kube::Config::try_from(kubeconfig).map_err(why)?;
    // What kube takes from the environment here knows no `NO_PROXY`.
    config.proxy_url = proxy;
    if let (None, Some(path)) = (&config.root_cert, &spec.ca_file) {
        config.root_cert = Some(authorities(path)?);
    }
    match (config.cluster_url.scheme_str(), config.cluster_url.authority()) {
        (Some("http" | "https"), Some(_)) => Ok(config),
        _ => Err("its `server` is no http or https URL".into()),
    }
}

/// The proxy that the current context's cluster is behind.
fn proxy_of(kubeconfig: &Kubeconfig) -> Result<Option<Uri>, String> {
    let context =
        kubeconfig.contexts.iter().find(|named| Some(&named.name) == kubeconfig.current_context.as_ref());
    let Some(context) = context.and_then(|named| named.context.as_ref()) else {
        return Ok(None);
    };
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster);
    let url = cluster.and_then(|named| named.cluster.as_ref()?.proxy_url.as_deref());
    // It may hold a password, so it is not quoted.
    let url = url.filter(|url| !url.is_empty()).map(str::parse).transpose();
    url.map_err(|_| "its `proxy-url` is no URL of a proxy".into())
}

/// The certificates of a registry entry's `caFile`.
fn authorities(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let unusable = |error: &dyn std::fmt::Display| format!("caFile {}: {error}", path.display());
    let text = std::fs::read(path).map_err(|error| unusable(&error))?;
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&text)
        .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(&error))?;
    if certificates.is_empty() { Err(unusable(&"it holds no certificate in PEM")) } else { Ok(certificates) }
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
    fn the_proxy_is_the_one_that_the_kubeconfig_names() {
        let of =
            |context| load(&ClusterSpec::from_kubeconfig_text("x", YAML, Some(context))).unwrap().proxy_url;
        assert_eq!((of("one"), of("two")), (None, Some(Uri::from_static("http://p"))));
    }

    #[test]
    fn a_ca_file_counts_where_the_kubeconfig_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        let mut spec = ClusterSpec::from_kubeconfig_text("x", YAML, None);
        spec.ca_file = Some(path.clone());
        assert!(why_not(&spec).contains("ca.crt"));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(why_not(&spec).contains("no certificate in PEM"));
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        std::fs::write(&path, made.cert.pem()).unwrap();
        assert_eq!(load(&spec).unwrap().root_cert, Some(vec![made.cert.der().to_vec()]));
    }

    #[test]
    fn what_cannot_work_is_said_at_once() {
        let yaml = YAML.replace("http://p", "//ann:topsecret@ p");
        let two = why_not(&ClusterSpec::from_kubeconfig_text("x", &yaml, Some("two")));
        assert!(two.contains("proxy-url") && !two.contains("topsecret"), "{two}");
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
