//! Whether a cluster's apiserver answers, which version it is, and whether it takes Foretop for somebody; then what rests on that.

use std::sync::Arc;

use super::{Finding, clock, rights, watching};
use crate::cluster::{CallError, Cluster, ClusterError};
use crate::config::Config;

/// A cluster that cannot even be tried.
pub(super) fn unusable(error: &ClusterError) -> Finding {
    let fix = match error {
        ClusterError::Kubeconfig { .. } => {
            "mend the kubeconfig, or the registry's entry that leads to it; a Secret that was not mounted looks like this too"
        }
        ClusterError::InCluster { .. } => {
            "run it in a pod whose ServiceAccount has a token (`automountServiceAccountToken`), or reach the cluster by a kubeconfig"
        }
    };
    Finding::broken(error.to_string(), fix)
}

pub(super) async fn check(cluster: Arc<Cluster>, config: Arc<Config>) -> Vec<Finding> {
    let answer = match cluster.get_raw("/version").await {
        Ok(answer) => answer,
        Err(error) => return vec![unreached(&error)],
    };
    let version = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
    let version = version.as_ref().and_then(|version| version.get("gitVersion")?.as_str());
    let first = match (answer.status, version) {
        (200, Some(version)) => Finding::fine(crate::cluster::plain(version)),
        (401, _) => return vec![refused()],
        // What is not said of the version may still be said of everything else.
        (403, _) => Finding::fine("it answers, and does not tell its version"),
        (200, None) => {
            return vec![Finding::broken(
                "what answers there is no apiserver",
                "look at the kubeconfig's `server`, and at what stands between here and there",
            )];
        }
        (status, _) => {
            return vec![Finding::broken(
                format!("it answers {status} when it is asked for its version"),
                "look at the apiserver's own health (`/readyz?verbose`), and at what stands before it",
            )];
        }
    };
    let (clock, watching, rights) = tokio::join!(
        clock::check(&cluster),
        watching::check(&cluster, &config),
        rights::check(&cluster, &config)
    );
    [vec![first], clock, watching, rights].concat()
}

/// An apiserver that does not take Foretop for anybody.
pub(super) fn refused() -> Finding {
    Finding::broken(
        "it refuses these credentials (401)",
        "renew the kubeconfig's token or client certificate; an exec plugin may need the rights of a cloud account",
    )
}

fn unreached(error: &CallError) -> Finding {
    let fix = match error {
        CallError::Credentials(_) => {
            "these credentials cannot be had: look at the token file or the exec plugin that the kubeconfig names, run as Foretop runs it"
        }
        CallError::Unreachable(why) if why.contains("certificate") || why.contains("UnknownIssuer") => {
            "give the authority that signed the apiserver's certificate (`certificate-authority-data`, or `caFile` in the registry), or renew that certificate"
        }
        CallError::Unreachable(why) if why.contains("dns") || why.contains("lookup") => {
            "the name of the kubeconfig's `server` is not resolved here: look at DNS, and at the policy that lets DNS out"
        }
        CallError::Unreachable(_) => {
            "look at the kubeconfig's `server`, at firewalls and network policies between here and there, and at HTTPS_PROXY and NO_PROXY"
        }
        CallError::TimedOut { .. } => {
            "packets get lost on the way, or the apiserver is overloaded: try `curl -k SERVER/version` from here"
        }
        CallError::Request(_) | CallError::TooLong { .. } => {
            "look at the kubeconfig: its `server` is not an apiserver's"
        }
    };
    Finding::broken(format!("it is not reached: {error}"), fix)
}
