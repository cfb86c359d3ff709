//! The simulated apiservers of a run: where the changes come from, and what must be shown in the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use foretop::kind::{self, Kind};
use serde_json::{Value, json};

use super::http::{self, HttpError};
use super::process::{Process, ProcessError, free_address};
use crate::figures::Asked;
use crate::scenario;
use crate::tabs::rows;

/// A process of simulated apiservers.
pub struct Source {
    /// Its address.
    pub address: SocketAddr,
    /// The kubeconfig of its clusters.
    pub kubeconfig: PathBuf,
    _process: Process,
}

/// What the source has counted since it began.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    requests: u64,
    changes: u64,
    late: f64,
}

impl Source {
    /// Starts it; `folder` holds its files.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(foretop: &Path, folder: &Path, of: &scenario::Source) -> Result<Self, ProcessError> {
        let address = free_address()?;
        let kubeconfig = folder.join("kubeconfig");
        let mut arguments = vec![
            "sim".to_owned(),
            format!("--listen={address}"),
            format!("--clusters={}", of.clusters),
            format!("--pods={}", of.pods),
            format!("--node-name={}", of.node_name),
            format!("--history={}", of.history),
            "--churn=0".to_owned(),
            format!("--kubeconfig-out={}", kubeconfig.display()),
        ];
        arguments.extend(of.bare.then(|| "--bare".to_owned()));
        let mut process = Process::start(foretop, &arguments, &[])?;
        // Said of the last cluster once the kubeconfig is written.
        process.says(&format!("sim-{} is at", of.clusters)).await?;
        Ok(Source { address, kubeconfig, _process: process })
    }

    /// Sets the stamped changes per second over all clusters, and of the first beside that.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn pulse(&self, rate: f64, noisy: f64) -> Result<(), HttpError> {
        http::post(self.address, "/_sim/pulse", &json!({"rate": rate})).await?;
        if noisy > 0.0 {
            http::post(self.address, "/clusters/sim-1/_sim/pulse", &json!({"rate": noisy})).await?;
        }
        Ok(())
    }

    /// Sets the writes per second and cluster as clusters live.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn churn(&self, rate: f64) -> Result<(), HttpError> {
        http::post(self.address, "/_sim/churn", &json!({"rate": rate})).await.map(drop)
    }

    /// Ends every watch, and makes every version before now too old to be named.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn relist_all(&self) -> Result<(), HttpError> {
        for command in ["compact", "end-watches"] {
            http::post(self.address, "/_sim/faults", &json!({"fault": command})).await?;
        }
        Ok(())
    }

    /// The names of a cluster's namespaces.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn namespaces(&self, cluster: &str) -> Result<Vec<String>, HttpError> {
        let list = value(&http::get(self.address, &format!("/clusters/{cluster}/api/v1/namespaces")).await?);
        let items = list["items"].as_array().into_iter().flatten();
        Ok(items.filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned)).collect())
    }

    /// What it has counted so far.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn counted(&self) -> Result<Counted, HttpError> {
        let counters = value(&http::get(self.address, "/_sim/counters").await?);
        let pulse = value(&http::get(self.address, "/_sim/pulse").await?);
        let by_verb = counters["requests"].as_object().into_iter().flat_map(|verbs| verbs.values());
        let counts = by_verb.flat_map(|by| by.as_object().into_iter().flat_map(|by| by.values()));
        Ok(Counted {
            requests: counts.filter_map(Value::as_u64).sum(),
            changes: pulse["made"].as_u64().unwrap_or(0),
            late: pulse["latestMicros"].as_f64().unwrap_or(0.0) / 1000.0,
        })
    }

    /// The hash of what a view must show: the rows (or full rows) of a fresh list, through the library's own projection, by namespace; the
    /// empty one is all of them.
    ///
    /// # Errors
    /// When it does not answer, or with something that is no list.
    pub async fn hashes(
        &self,
        cluster: &str,
        kind: &'static Kind,
        full: bool,
    ) -> Result<BTreeMap<String, u64>, HttpError> {
        let path = format!("/clusters/{cluster}{}", kind.api.path(None));
        let body = http::get(self.address, &path).await?;
        let broken = || HttpError::Status(self.address, path.clone(), 200);
        let decode = if full { kind.detail_page } else { kind.decode_page };
        let page = decode(&body).map_err(|_| broken())?;
        let mut hashes = BTreeMap::<String, u64>::from([(String::new(), 0)]);
        for object in &page.items {
            let shown = object.details.as_ref().map(|details| details.full(&object.row));
            let row = rows::read(&shown.as_ref().unwrap_or(&object.row).json).map_err(|_| broken())?;
            let share = rows::share(row.key, row.bytes);
            let own = Some(&*object.namespace).filter(|namespace| !namespace.is_empty());
            for namespace in std::iter::once("").chain(own) {
                let sum = hashes.entry(namespace.to_owned()).or_default();
                *sum = sum.wrapping_add(share);
            }
        }
        Ok(hashes)
    }
}

impl Counted {
    /// What it counted since then.
    pub fn since(&self, before: &Counted) -> Asked {
        Asked {
            requests: self.requests - before.requests,
            changes: self.changes - before.changes,
            late: self.late,
        }
    }
}

/// Whether what a view of this kind shows is the list and nothing else: not of kinds whose rows follow the clock, or whose lists leave
/// older rows out.
pub fn is_comparable(kind: &Kind) -> bool {
    kind.listing == kind::Listing::ByKey && kind.name != "jobs"
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}
