//! What the registry says of one cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How a cluster is reached. The names are Periscope's, and `/api/clusters` shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Through a kubeconfig.
    Kubeconfig,
    /// Through the service account of the pod that Foretop runs in.
    InCluster,
}

impl Backend {
    /// The word in the registry file and in `/api/clusters`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Backend::Kubeconfig => "kubeconfig",
            Backend::InCluster => "in-cluster",
        }
    }
}

/// A kubeconfig that was given as text. It may hold credentials, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KubeconfigText(Arc<str>);

impl KubeconfigText {
    /// The YAML.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KubeconfigText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a kubeconfig)")
    }
}

/// One entry of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSpec {
    /// Unique, and safe in a URL path segment: see [`name_is_safe`].
    pub name: Arc<str>,
    /// How it is reached.
    pub backend: Backend,
    /// Shown by `/api/clusters`; empty where the registry says none.
    pub arn: String,
    /// Shown by `/api/clusters`; empty where the registry says none.
    pub region: String,
    /// The kubeconfig's file.
    pub kubeconfig_path: Option<PathBuf>,
    /// The kubeconfig's context; `None`: its current one.
    pub kubeconfig_context: Option<String>,
    /// Who signs the apiserver's certificate, in PEM, where the kubeconfig does not say it; `None`: whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// A kubeconfig made in the process (demo, tests); it wins over the path.
    pub kubeconfig_text: Option<KubeconfigText>,
    /// A label such as `prod`; empty where the registry says none.
    pub environment: String,
    /// Labels.
    pub tags: BTreeMap<String, String>,
    /// The tenants whose users see it; of no effect where no tenants are configured.
    pub tenants: Vec<Arc<str>>,
    /// `exec.enabled`, by default true: shown by `/api/clusters`, and of no other effect here.
    pub exec_enabled: bool,
}

impl ClusterSpec {
    /// A cluster with nothing but a name and a backend.
    #[must_use]
    pub fn new(name: &str, backend: Backend) -> Self {
        ClusterSpec {
            name: name.into(),
            backend,
            arn: String::new(),
            region: String::new(),
            kubeconfig_path: None,
            kubeconfig_context: None,
            ca_file: None,
            kubeconfig_text: None,
            environment: String::new(),
            tags: BTreeMap::new(),
            tenants: Vec::new(),
            exec_enabled: true,
        }
    }

    /// A cluster behind a kubeconfig that the process itself made.
    #[must_use]
    pub fn from_kubeconfig_text(name: &str, yaml: &str, context: Option<&str>) -> Self {
        ClusterSpec {
            kubeconfig_text: Some(KubeconfigText(yaml.into())),
            kubeconfig_context: context.map(str::to_owned),
            ..ClusterSpec::new(name, Backend::Kubeconfig)
        }
    }

    /// A cluster at a URL that asks for no credentials, such as a simulated apiserver or `kubectl proxy`.
    #[must_use]
    pub fn from_url(name: &str, url: &str) -> Self {
        // JSON is YAML, and quotes whatever the URL holds.
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
            "current-context": "c",
        });
        ClusterSpec::from_kubeconfig_text(name, &kubeconfig.to_string(), None)
    }
}

/// Whether a cluster's name can stand in a URL path segment, a log line and a metric label as it is: 1 to 253 characters
/// of `A-Z a-z 0-9 - . _ ~ : @`, but not `.` or `..`, which URL parsers resolve away.
#[must_use]
pub fn name_is_safe(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
    (1..=253).contains(&name.len()) && name.bytes().all(allowed) && name != "." && name != ".."
}
