//! All that one simulated cluster is, apart from the listener it is reached by.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::access::{Access, Identity, Question};
use super::churn::Churn;
use super::clock::Clock;
use super::counters::Counters;
use super::faults::{Command, Faults};
use super::object::Object;
use super::pulse::Pulse;
use super::rbac::Rbac;
use super::resource::{self, RESOURCES, Resource};
use super::server::Listener;
use super::store::Store;

/// The times and sizes of a simulated apiserver that tests want other than the real one's.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Time between two bookmarks of a watch. Default 1 min, as the real one.
    pub bookmark_interval: Duration,
    /// How long before a watch's timeout its last bookmark comes. Default 2 s, as the real one.
    pub bookmark_before_end: Duration,
    /// How long a request for a version from the future waits for it. Default 3 s, as the real one.
    pub future_wait: Duration,
    /// Events kept per resource. Default 8192.
    pub history: usize,
    /// Lines that wait in a watch whose client does not read, beside what the connection holds. Default 100.
    pub watch_buffer: usize,
    /// How long a full watch may stay full before it is ended cleanly. Default 10 s.
    pub watch_stall: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            bookmark_interval: Duration::from_mins(1),
            bookmark_before_end: Duration::from_secs(2),
            future_wait: Duration::from_secs(3),
            history: 8192,
            watch_buffer: 100,
            watch_stall: Duration::from_secs(10),
        }
    }
}

/// One simulated cluster.
pub struct World {
    /// Its name.
    pub name: String,
    /// Its objects.
    pub store: Store,
    /// What it does wrong.
    pub faults: Faults,
    /// Who may do what in it, unless its roles and bindings decide.
    pub access: Access,
    /// What its roles and bindings allow.
    pub rbac: Rbac,
    /// What was asked of it.
    pub counters: Arc<Counters>,
    /// Its times and sizes.
    pub tuning: Tuning,
    /// Its time.
    pub clock: Arc<Clock>,
    /// What happens in it.
    pub churn: Churn,
    /// The writes that come at set times.
    pub pulse: Pulse,
    token: Mutex<Option<String>>,
    ended: Vec<watch::Sender<u64>>,
    down: AtomicBool,
    listener: Mutex<Option<Listener>>,
}

impl World {
    /// A cluster around a store that `churn` has filled.
    pub fn new(
        name: String,
        store: Store,
        churn: Churn,
        clock: Arc<Clock>,
        tuning: Tuning,
        token: Option<String>,
        rbac: bool,
    ) -> Self {
        store.forget_past();
        World {
            name,
            rbac: Rbac::new(rbac, &store),
            store,
            faults: Faults::default(),
            access: Access::default(),
            counters: Arc::default(),
            tuning,
            clock,
            churn,
            pulse: Pulse::default(),
            token: Mutex::new(token),
            ended: RESOURCES.iter().map(|_| watch::Sender::new(0)).collect(),
            down: AtomicBool::new(false),
            listener: Mutex::new(None),
        }
    }

    /// Says by which listener the cluster is reached.
    pub fn reached_by(&self, listener: Listener) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    fn listener(&self) -> Option<Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether somebody may do what is asked.
    pub fn allows(&self, who: &Identity, question: &Question<'_>) -> bool {
        let decided = self.rbac.allows(&self.store, who, question, Instant::now());
        decided.unwrap_or_else(|| self.access.allows(who, question))
    }

    /// Whether requests are broken off.
    pub fn is_down(&self) -> bool {
        self.down.load(SeqCst)
    }

    /// Breaks requests off, or answers them again.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, SeqCst);
    }

    /// The bearer token that requests must carry, if any.
    pub fn token(&self) -> Option<String> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Turns the credentials over.
    pub fn set_token(&self, token: Option<String>) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// A receiver that changes when the open watches of a resource are to end.
    pub fn ended(&self, resource: &Resource) -> watch::Receiver<u64> {
        self.ended[resource.index].subscribe()
    }

    /// Does what is commanded.
    pub fn obey(self: &Arc<Self>, command: Command) {
        match command {
            Command::DropConnections => self.drop_connections(),
            Command::Refuse { seconds } => self.refuse(seconds.map(Duration::from_secs)),
            Command::EndWatches { resource } => self.end_watches(resource.as_deref()),
            Command::Compact => self.store.compact(),
            Command::Rewind { by } => {
                self.store.rewind(by);
                self.rbac.begin_again(&self.store);
                self.drop_connections();
            }
            Command::ReplaceKubeSystem => self.replace_kube_system(),
        }
    }

    /// Removes every fault, the refusal of connections included.
    pub fn heal(&self) {
        self.faults.clear();
        match self.listener() {
            Some(listener) if !listener.is_shared() => listener.accept_again(),
            _ => self.set_down(false),
        }
    }

    /// A shared listener goes on listening; only this cluster's requests are broken off.
    fn refuse(self: &Arc<Self>, time: Option<Duration>) {
        match self.listener() {
            Some(listener) if !listener.is_shared() => return listener.refuse(time),
            _ => self.set_down(true),
        }
        let Some(time) = time else { return };
        let world = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            world.set_down(false);
        });
    }

    fn drop_connections(&self) {
        if let Some(listener) = self.listener() {
            listener.drop_connections(&self.name);
        }
    }

    fn end_watches(&self, plural: Option<&str>) {
        for resource in &RESOURCES {
            if plural.is_none_or(|plural| plural == resource.plural) {
                self.ended[resource.index].send_modify(|count| *count += 1);
            }
        }
    }

    fn replace_kube_system(&self) {
        let namespaces = resource::named("namespaces");
        let Some(old) = self.store.get(namespaces, "kube-system") else { return };
        let mut value = old.value();
        let uid = self.churn.new_uid();
        value["metadata"]["uid"] = uid.as_str().into();
        let (key, new) = Object::from_json(namespaces, value, &uid, &self.clock.now())
            .expect("the stored namespace is an object");
        self.store.delete(namespaces, &key);
        self.store.put(namespaces, &key, &new);
    }
}
