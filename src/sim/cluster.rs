//! The handle by which tests, the demo and the command line hold a simulated cluster.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::access;
use super::churn::{Churn, Size, build};
use super::clock::Clock;
use super::counters::Counts;
use super::faults::{Command, Faults};
use super::kubeconfig::{self, Entry};
use super::object::{NotAnObject, Object, key};
use super::resource::{self, Resource};
use super::server::{Listener, Routes};
use super::store::Store;
use super::world::World;
use super::{Options, SimError};

const CHURN_TICK: Duration = Duration::from_millis(20);
/// A churn that was held up does not try to make good more than this.
const MOST_WRITES_PER_TICK: usize = 2000;

/// One simulated cluster. Dropping it closes its own listener and ends its churn; a fleet's listener is closed by
/// [`Running::stop`](super::Running::stop).
pub struct Cluster {
    world: Arc<World>,
    listener: Mutex<Listener>,
    /// The path prefix of a cluster in a fleet.
    prefix: String,
    churning: JoinHandle<()>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.churning.abort();
        if self.prefix.is_empty() {
            self.listener().close();
        }
    }
}

impl Cluster {
    /// Builds the first cluster that `options` name and serves it at the root of a listener of its own.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start(options: Options) -> Result<Self, SimError> {
        let world = world(&options, 0);
        let listener = bind(options.listen, Routes::Root(world.clone())).await?;
        Ok(Cluster::over(world, listener, String::new()))
    }

    /// A cluster that is reached by a listener, below a prefix.
    pub(super) fn over(world: Arc<World>, listener: Listener, prefix: String) -> Self {
        world.reached_by(listener.clone());
        let churning = tokio::spawn(churn(world.clone()));
        Cluster { world, listener: Mutex::new(listener), prefix, churning }
    }

    fn listener(&self) -> Listener {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.world.name
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.listener().addr()
    }

    /// Its URL, as a kubeconfig has it.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.addr(), self.prefix)
    }

    /// A kubeconfig with a context per cluster, named as the cluster; the first is current.
    pub fn kubeconfig(clusters: &[&Cluster]) -> String {
        let entry = |cluster: &&Cluster| Entry {
            name: cluster.name().to_owned(),
            url: cluster.url(),
            token: cluster.world.token(),
        };
        kubeconfig::text(&clusters.iter().map(entry).collect::<Vec<_>>())
    }

    /// Closes the listener and every connection, as a killed apiserver does, and holds the churn. In a fleet, whose
    /// listener others use too, requests are broken off instead. Returns when it is done.
    pub async fn stop(&self) {
        self.world.set_down(true);
        if self.prefix.is_empty() {
            self.listener().stop().await;
        } else {
            self.listener().drop_connections(self.name());
        }
    }

    /// Serves again at the same address, after [`stop`](Cluster::stop) or without it. The data is kept; the past is
    /// not, so that every version older than the latest is too old, as after an apiserver's restart.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on again.
    pub async fn restart(&self) -> Result<(), SimError> {
        self.stop().await;
        self.world.store.forget_past();
        if self.prefix.is_empty() {
            let listener = bind(self.addr(), Routes::Root(self.world.clone())).await?;
            self.world.reached_by(listener.clone());
            *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = listener;
        }
        self.world.set_down(false);
        Ok(())
    }

    /// Writes an object, new or not, and returns its resourceVersion. What the simulation itself sets (uid,
    /// creationTimestamp) may be missing.
    ///
    /// # Errors
    ///
    /// When the resource (a plural) is none of the cluster's, or the JSON is none of its objects.
    pub fn put(&self, resource: &str, object: Value) -> Result<u64, SimError> {
        let resource = known(resource)?;
        let uid = self.world.churn.new_uid();
        let (key, object) = Object::from_json(resource, object, &uid, &self.world.clock.now())?;
        Ok(self.world.store.put(resource, &key, &object))
    }

    /// One object as it is stored, without kind and apiVersion; the namespace is empty for cluster-scoped resources.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let resource = resource::by_plural(resource)?;
        self.world.store.get(resource, &key(namespace, name)).map(|object| object.value())
    }

    /// The namespaces (empty for cluster-scoped resources) and names of a resource's objects, in the order of a LIST.
    ///
    /// # Errors
    ///
    /// When the resource is none of the cluster's.
    pub fn names(&self, resource: &str) -> Result<Vec<(String, String)>, SimError> {
        let resource = known(resource)?;
        let page = self.world.store.list(resource, &super::store::Range::default());
        let items = page.map(|page| page.items).unwrap_or_default();
        let split = |key: &str| match key.split_once('/') {
            Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
            None => (String::new(), key.to_owned()),
        };
        Ok(items.iter().map(|(key, _)| split(key)).collect())
    }

    /// Changes an object by a JSON merge patch (RFC 7396) and returns its resourceVersion.
    ///
    /// # Errors
    ///
    /// When there is no such object, or the patch makes it none.
    pub fn patch(&self, resource: &str, namespace: &str, name: &str, patch: &Value) -> Result<u64, SimError> {
        self.change(resource, namespace, name, |object| merge(object, patch))
    }

    /// Writes an object anew with nothing changed that a list shows: a kubelet's heartbeat. Only the times in
    /// managedFields and of the conditions' heartbeats move.
    ///
    /// # Errors
    ///
    /// When there is no such object.
    pub fn touch(&self, resource: &str, namespace: &str, name: &str) -> Result<u64, SimError> {
        let now = Value::from(self.world.clock.now());
        self.change(resource, namespace, name, |object| heartbeat(object, &now))
    }

    fn change(
        &self,
        plural: &str,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<u64, SimError> {
        let missing = || SimError::NoSuchObject { resource: plural.to_owned(), key: key(namespace, name) };
        let mut object = self.get(plural, namespace, name).ok_or_else(missing)?;
        change(&mut object);
        self.put(plural, object)
    }

    /// Deletes an object and returns the delete's resourceVersion. A pod is marked as terminating first, which is a
    /// write of its own.
    ///
    /// # Errors
    ///
    /// When there is no such object.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<u64, SimError> {
        let known = known(resource)?;
        if resource == "pods" {
            let terminating = serde_json::json!({"metadata": {"deletionTimestamp": self.world.clock.now(),
                "deletionGracePeriodSeconds": 30}});
            self.patch(resource, namespace, name, &terminating)?;
        }
        let missing = || SimError::NoSuchObject { resource: resource.to_owned(), key: key(namespace, name) };
        self.world.store.delete(known, &key(namespace, name)).ok_or_else(missing)
    }

    /// Deletes a namespace with everything in it: first what it holds, then itself.
    ///
    /// # Errors
    ///
    /// When there is no such namespace.
    pub fn delete_namespace(&self, name: &str) -> Result<u64, SimError> {
        for resource in resource::RESOURCES.iter().filter(|resource| resource.namespaced) {
            let held = self.names(resource.plural)?.into_iter().filter(|(namespace, _)| namespace == name);
            for (namespace, name) in held {
                self.delete(resource.plural, &namespace, &name)?;
            }
        }
        self.delete("namespaces", "", name)
    }

    /// How many objects a resource has.
    ///
    /// # Errors
    ///
    /// When the resource is none of the cluster's.
    pub fn count(&self, resource: &str) -> Result<usize, SimError> {
        Ok(self.world.store.count(known(resource)?))
    }

    /// The cluster's latest resourceVersion.
    pub fn rv(&self) -> u64 {
        self.world.store.rv()
    }

    /// Makes every older version too old to be named; open watches go on.
    pub fn compact(&self) {
        self.world.obey(Command::Compact);
    }

    /// The faults, to add and to clear.
    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// Does what is commanded, at once.
    pub fn command(&self, command: Command) {
        self.world.obey(command);
    }

    /// Removes every fault, the refusal of connections included.
    pub fn heal(&self) {
        self.world.heal();
    }

    /// Replaces the table of who may do what.
    pub fn set_access(&self, table: access::Table) {
        self.world.access.set(table);
    }

    /// Lets the cluster's roles and bindings decide who may do what, or the table again.
    pub fn set_rbac(&self, on: bool) {
        self.world.rbac.set_on(on);
    }

    /// From now on, roles and bindings count only so long after they were written, as a real authorizer lags its own
    /// watch.
    pub fn set_authorizer_lag(&self, lag: Duration) {
        self.world.rbac.set_lag(lag);
    }

    /// Whether a user, with exactly these groups, may do this with a resource (a plural) in a namespace (empty: all, or
    /// cluster-scoped): what an access review would say.
    ///
    /// # Errors
    ///
    /// When the resource is none of the cluster's.
    pub fn may(
        &self,
        user: &str,
        groups: &[&str],
        verb: &str,
        resource: &str,
        namespace: &str,
    ) -> Result<bool, SimError> {
        let resource = known(resource)?;
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let who = access::Identity { user: user.to_owned(), groups };
        let (group, resource) = (resource.group, resource.plural);
        let question = access::Question { verb, group, resource, namespace, ..access::Question::default() };
        Ok(self.world.allows(&who, &question))
    }

    /// Turns the credentials over: from now on requests must carry this bearer token, if any.
    pub fn set_token(&self, token: Option<String>) {
        self.world.set_token(token);
    }

    /// What was asked of the cluster so far.
    pub fn counters(&self) -> Counts {
        self.world.counters.read()
    }

    /// Makes exactly so many writes of the churn, at once.
    pub fn churn_step(&self, writes: usize) {
        self.world.churn.step(&self.world.store, writes);
    }

    /// Sets the churn of the background in writes per second.
    pub fn set_churn(&self, rate: f64) {
        self.world.churn.set_rate(rate);
    }

    /// Holds the churn of the background, or lets it go on.
    pub fn pause_churn(&self, paused: bool) {
        self.world.churn.pause(paused);
    }

    /// Writes that the churn has made so far.
    pub fn churned(&self) -> u64 {
        self.world.churn.written()
    }
}

/// Builds the cluster at a place in `options`.
pub(super) fn world(options: &Options, index: usize) -> Arc<World> {
    let name = options.clusters.get(index).cloned().unwrap_or_else(|| "sim-1".to_owned());
    let clock = Arc::new(Clock::new(options.time));
    let store = Store::new(options.tuning.history);
    let seed = options.seed.wrapping_add(index as u64);
    let churn: Churn = build(&store, &Size::of(options), seed, clock.clone());
    churn.set_rate(options.churn);
    let token = options.token.clone();
    Arc::new(World::new(name, store, churn, clock, options.tuning.clone(), token, options.rbac))
}

/// Listens on an address.
pub(super) async fn bind(addr: SocketAddr, routes: Routes) -> Result<Listener, SimError> {
    Listener::bind(addr, routes).await.map_err(|source| SimError::Listen { addr, source })
}

fn known(plural: &str) -> Result<&'static Resource, SimError> {
    resource::by_plural(plural).ok_or_else(|| SimError::UnknownResource(plural.to_owned()))
}

impl From<NotAnObject> for SimError {
    fn from(not: NotAnObject) -> Self {
        SimError::NotAnObject(not.to_string())
    }
}

/// Makes the writes of the background; while the cluster is down nobody could write to it.
async fn churn(world: Arc<World>) {
    let mut ticks = interval(CHURN_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    let mut owed = 0.0;
    loop {
        ticks.tick().await;
        if world.churn.rate() <= 0.0 {
            world.churn.is_set().await;
            last = Instant::now();
            continue;
        }
        let passed = last.elapsed().as_secs_f64();
        last = Instant::now();
        if world.is_down() {
            continue;
        }
        owed += passed * world.churn.rate();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // Never negative, and bounded next.
        let due = (owed as usize).min(MOST_WRITES_PER_TICK);
        world.churn.step(&world.store, due);
        owed = owed.fract();
    }
}

fn heartbeat(object: &mut Value, now: &Value) {
    if let Some(entry) =
        object["metadata"]["managedFields"].as_array_mut().and_then(|fields| fields.last_mut())
    {
        entry["time"] = now.clone();
    }
    for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
        for field in ["lastHeartbeatTime", "lastProbeTime"] {
            if let Some(time) = condition.get_mut(field) {
                *time = now.clone();
            }
        }
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (field, value) in patch {
        if value.is_null() {
            target.remove(field);
        } else {
            merge(target.entry(field).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merging_follows_rfc_7396() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut target, &json!({"a": {"b": null, "e": {"f": 3}}, "d": [2]}));
        assert_eq!(target, json!({"a": {"c": 2, "e": {"f": 3}}, "d": [2]}));
    }

    #[test]
    fn a_heartbeat_moves_times_only() {
        let mut node = json!({"metadata": {"managedFields": [{"time": "a"}, {"time": "b"}]},
            "status": {"conditions": [{"lastHeartbeatTime": "a", "lastTransitionTime": "a"}]}});
        heartbeat(&mut node, &json!("now"));
        assert_eq!(
            node,
            json!({"metadata": {"managedFields": [{"time": "a"}, {"time": "now"}]},
            "status": {"conditions": [{"lastHeartbeatTime": "now", "lastTransitionTime": "a"}]}})
        );
    }
}
