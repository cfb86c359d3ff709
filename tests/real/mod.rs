//! The real apiserver that `tests/apiserver/run.sh` started: what the tests do to it, and what they read from it.
//!
//! Without the environment variable [`CLUSTER`] there is none, and the tests that need one pass without having run.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

pub mod object;
pub mod patch;
pub mod world;

use std::path::{Path, PathBuf};
use std::time::Duration;

use foretop::kind::{Kind, Page};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use object::Thing;

/// Names the directory in which `cluster.sh` keeps the running cluster.
pub const CLUSTER: &str = "FORETOP_E2E_CLUSTER";

/// How long the apiserver may take for any one answer.
const ANSWER: Duration = Duration::from_secs(20);

/// A running apiserver.
pub struct Real {
    directory: PathBuf,
    client: kube::Client,
}

impl Real {
    /// The cluster that the environment names; `None`, and a line that says so, where it names none.
    pub async fn from_env() -> Option<Real> {
        let Some(directory) = std::env::var_os(CLUSTER).map(PathBuf::from) else {
            println!("skipped: set {CLUSTER} (make e2e)");
            return None;
        };
        let client = client(&directory).await;
        Some(Real { directory, client })
    }

    /// The kubeconfig, with the contexts `admin`, `writer`, `alice` and `bob`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// A client for what the calls below do not cover.
    pub fn raw(&self) -> kube::Client {
        self.client.clone()
    }

    /// Runs a command of `cluster.sh` and returns what it printed.
    pub async fn control(&self, command: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apiserver/cluster.sh");
        let mut call = std::process::Command::new(script);
        call.arg(&self.directory).arg(command);
        let output = tokio::task::spawn_blocking(move || call.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts the apiserver that was killed, and waits until it is ready.
    pub async fn start(&mut self) {
        self.control("start").await;
        // Its tokens may be others now, and none of the old connections is of use.
        self.client = client(&self.directory).await;
    }

    /// The body of any request that must succeed.
    pub async fn call(&self, verb: &str, path: &str, body: Option<&Value>) -> String {
        self.attempt(verb, path, body).await.unwrap_or_else(|error| panic!("{verb} {path}: {error}"))
    }

    /// The body of any request.
    pub async fn attempt(&self, verb: &str, path: &str, body: Option<&Value>) -> Result<String, kube::Error> {
        self.attempt_as(&[], verb, path, body).await
    }

    /// The body of any request, with these headers beside the usual ones (impersonation).
    pub async fn attempt_as(
        &self,
        headers: &[(&str, String)],
        verb: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, kube::Error> {
        let kind_of_body = if verb == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let mut request = http::Request::builder()
            .method(verb)
            .uri(path)
            .header("content-type", kind_of_body)
            .header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request =
            request.body(body.map(|body| body.to_string().into_bytes()).unwrap_or_default()).unwrap();
        let answer = tokio::time::timeout(ANSWER, self.client.request_text(request)).await;
        answer.unwrap_or_else(|_| panic!("{verb} {path}: no answer within {ANSWER:?}"))
    }

    /// Creates an object with its status, as it looks in version `turn` of it.
    pub async fn create(&self, thing: &Thing, turn: u64) {
        self.call("POST", &thing.collection(), Some(&object::object(thing, turn))).await;
        if let Some(status) = object::status(thing, turn) {
            self.call("PATCH", &format!("{}/status", thing.path()), Some(&json!({ "status": status }))).await;
        }
    }

    /// Merges a change into an object.
    pub async fn patch(&self, thing: &Thing, patch: &patch::Patch) {
        let path = format!("{}{}", thing.path(), patch.subresource);
        self.call("PATCH", &path, Some(&patch.body)).await;
    }

    /// Deletes an object at once, without waiting for controllers and a kubelet that are not there.
    pub async fn delete(&self, thing: &Thing) {
        let at_once = json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"});
        self.call("DELETE", &thing.path(), Some(&at_once)).await;
        match thing.kind.name {
            "namespaces" => {
                let mut namespace: Value =
                    serde_json::from_str(&self.call("GET", &thing.path(), None).await).unwrap();
                namespace["spec"]["finalizers"] = json!([]);
                self.call("PUT", &format!("{}/finalize", thing.path()), Some(&namespace)).await;
            }
            "pvs" | "pvcs" => {
                let released = json!({"metadata": {"finalizers": null}});
                self.call("PATCH", &thing.path(), Some(&released)).await;
            }
            _ => {}
        }
    }

    /// What the apiserver counts under this name for requests on pods with this verb.
    pub async fn requests_on_pods(&self, metric: &str, verb: &str) -> u64 {
        let text = self.call("GET", "/metrics", None).await;
        let verb = format!("verb=\"{verb}\"");
        let counted = |line: &&str| {
            line.starts_with(&format!("{metric}{{"))
                && line.contains("resource=\"pods\"")
                && line.contains(&verb)
        };
        let number = |line: &str| line.rsplit(' ').next().and_then(|number| number.parse::<u64>().ok());
        text.lines().filter(counted).filter_map(number).sum()
    }

    /// What the apiserver's own LIST holds, through Foretop's projection.
    pub async fn list(&self, kind: &Kind, namespace: Option<&str>) -> Page {
        let body = self.call("GET", &object::collection(kind, namespace), None).await;
        (kind.decode_page)(body.as_bytes()).unwrap_or_else(|error| panic!("{kind:?}: {error}"))
    }
}

async fn client(directory: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(directory.join("kubeconfig")).unwrap();
    let writer = KubeConfigOptions { context: Some("writer".into()), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &writer).await.unwrap();
    kube::Client::try_from(config).unwrap()
}
