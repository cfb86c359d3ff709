//! One watch: what was there, then each event, bookmarks now and then, until its time is over.
//!
//! Invariants: lines come in the order of their versions, none is skipped (a watch whose events ran out of the ring
//! ends); a bookmark never names a version before whose events were sent; a client that does not read holds at most
//! the bounded buffer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::body::{BrokenOff, Chunks};
use super::faults::Fault;
use super::object::Object;
use super::request::ListOptions;
use super::resource::Resource;
use super::selector::Selector;
use super::status::Refusal;
use super::store::{Change, Event, Range};
use super::world::World;

const EVENTS_AT_A_TIME: usize = 64;
const HALF_LINE_STANDS: Duration = Duration::from_millis(50);
const PADDING_CHUNK: usize = 64 * 1024;
/// The real one takes a random time between 30 and 60 min.
const DEFAULT_TIMEOUT_SECONDS: u64 = 1800;

/// The watch is over.
struct Over;

/// A watch that is about to run.
pub struct Watch {
    world: Arc<World>,
    resource: &'static Resource,
    namespace: String,
    selector: Selector,
    options: ListOptions,
    chunks: Chunks,
    /// All events up to this version were sent.
    cursor: u64,
    /// The version of the last bookmark or event that the client saw.
    told: u64,
    ends_at: Instant,
}

struct Signals {
    moved: watch::Receiver<u64>,
    faults: watch::Receiver<()>,
    ended: watch::Receiver<u64>,
}

impl Watch {
    /// A watch that writes into `chunks`.
    pub fn new(
        world: Arc<World>,
        resource: &'static Resource,
        namespace: String,
        selector: Selector,
        options: ListOptions,
        chunks: Chunks,
    ) -> Self {
        let seconds =
            options.timeout_seconds.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_TIMEOUT_SECONDS);
        // A far longer time would overflow an Instant.
        let ends_at = Instant::now() + Duration::from_secs(seconds.min(86_400));
        Watch { world, resource, namespace, selector, options, chunks, cursor: 0, told: 0, ends_at }
    }

    /// Runs until its time is over, the client is gone or too slow, or a fault ends it.
    pub async fn run(mut self) {
        let _open = self.world.counters.open_watch(self.resource.plural);
        let mut signals = Signals {
            moved: self.world.store.moved(self.resource),
            faults: self.world.faults.changed(),
            ended: self.world.ended(self.resource),
        };
        if self.begin(&mut signals).await.is_ok() {
            let Over = self.follow(&mut signals).await;
        }
    }

    /// Everything up to the first live event.
    async fn begin(&mut self, signals: &mut Signals) -> Result<(), Over> {
        if self.strikes(&Fault::WatchGone) {
            let head = self.world.store.rv();
            return self
                .refuse(&Refusal::watch_too_old(self.resource, self.options.rv().unwrap_or(1), head))
                .await;
        }
        if self.options.initial_events() && self.strikes(&Fault::Etcd34) {
            return self.refuse(&Refusal::no_watch_progress()).await;
        }
        self.await_future(signals).await?;
        match self.options.rv() {
            Some(rv) if !self.options.initial_events() => {
                if let Err(old) = self.world.store.may_watch_from(self.resource, rv) {
                    return self.refuse(&Refusal::watch_too_old(self.resource, rv, old.floor)).await;
                }
                self.cursor = rv;
                self.told = rv;
                Ok(())
            }
            _ => self.initial_events().await,
        }
    }

    /// Waits silently for a version that is not there yet.
    async fn await_future(&mut self, signals: &mut Signals) -> Result<(), Over> {
        let Some(rv) = self.options.rv() else { return Ok(()) };
        let give_up = Instant::now() + self.world.tuning.future_wait;
        while self.world.store.rv() < rv {
            // Writes to other resources move the version too, without a signal here.
            let look_again = give_up.min(Instant::now() + Duration::from_millis(50));
            tokio::select! {
                _ = signals.moved.changed() => {}
                () = sleep_until(look_again) => {}
                () = self.chunks.closed() => return Err(Over),
            }
            let current = self.world.store.rv();
            if current < rv && Instant::now() >= give_up {
                return self.refuse(&Refusal::too_large(rv, current)).await;
            }
        }
        Ok(())
    }

    async fn initial_events(&mut self) -> Result<(), Over> {
        let range = Range { namespace: &self.namespace, ..Range::default() };
        let page = self.world.store.list(self.resource, &range).map_err(|_| Over)?;
        for (_, object) in page.items.iter().filter(|(_, object)| self.selector.matches(object)) {
            self.send(self.line(Change::Added, object)).await?;
        }
        self.cursor = page.rv;
        self.told = page.rv;
        let ends_with_bookmark = self.options.initial_events() && self.options.bookmarks();
        if ends_with_bookmark && !self.strikes(&Fault::NoEndBookmark) {
            self.send(self.bookmark(true)).await?;
        }
        Ok(())
    }

    async fn follow(&mut self, signals: &mut Signals) -> Over {
        let mut bookmark_at = Instant::now() + self.world.tuning.bookmark_interval;
        let last_bookmark_at = self.ends_at.checked_sub(self.world.tuning.bookmark_before_end);
        let mut last_bookmark_at = last_bookmark_at.filter(|at| *at > Instant::now());
        loop {
            if let Err(over) = self.catch_up().await {
                return over;
            }
            let next = last_bookmark_at.map_or(bookmark_at, |last| last.min(bookmark_at)).min(self.ends_at);
            tokio::select! {
                _ = signals.moved.changed() => {}
                _ = signals.faults.changed() => {}
                _ = signals.ended.changed() => return Over,
                () = self.chunks.closed() => return Over,
                () = sleep_until(next) => {}
            }
            let now = Instant::now();
            if now >= self.ends_at {
                return Over;
            }
            let last_is_due = last_bookmark_at.is_some_and(|at| now >= at);
            if now >= bookmark_at || last_is_due {
                bookmark_at = now + self.world.tuning.bookmark_interval;
                last_bookmark_at = last_bookmark_at.filter(|_| !last_is_due);
                if let Err(over) = self.regular_bookmark().await {
                    return over;
                }
            }
        }
    }

    /// Sends what happened since the cursor, and what faults want said.
    async fn catch_up(&mut self) -> Result<(), Over> {
        loop {
            if self.is_silent() {
                return Ok(());
            }
            self.line_faults().await?;
            let (events, head) = self
                .world
                .store
                .events_after(self.resource, self.cursor, EVENTS_AT_A_TIME)
                .map_err(|_| Over)?;
            for event in &events {
                if let Some((change, object)) = self.visible(event) {
                    let line = self.line(change, object);
                    self.send(line).await?;
                    self.world.counters.event();
                    self.told = event.object.rv;
                }
                self.cursor = event.object.rv;
            }
            if events.len() < EVENTS_AT_A_TIME {
                self.cursor = self.cursor.max(head);
                return Ok(());
            }
        }
    }

    /// The event as this watch sees it: an object that comes into or leaves what is selected is added or deleted.
    fn visible<'a>(&self, event: &'a Event) -> Option<(Change, &'a Object)> {
        let in_namespace = self.namespace.is_empty()
            || event.key.strip_prefix(self.namespace.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if !in_namespace {
            return None;
        }
        if self.selector.is_empty() {
            return Some((event.change, &event.object));
        }
        let is = event.change != Change::Deleted && self.selector.matches(&event.object);
        let was = event.previous.as_ref().is_some_and(|previous| self.selector.matches(previous));
        match (was, is) {
            (false, false) => None,
            (false, true) => Some((Change::Added, &event.object)),
            (true, true) => Some((Change::Modified, &event.object)),
            (true, false) => Some((Change::Deleted, &event.object)),
        }
    }

    async fn regular_bookmark(&mut self) -> Result<(), Over> {
        let wanted = self.options.bookmarks() && self.resource.watch_cached();
        // Writes to other resources moved the version without waking this watch.
        self.catch_up().await?;
        if !wanted || self.cursor <= self.told || self.is_silent() {
            return Ok(());
        }
        self.told = self.cursor;
        self.send(self.bookmark(false)).await
    }

    async fn line_faults(&mut self) -> Result<(), Over> {
        if self.strikes(&Fault::Garbage) {
            self.send(Bytes::from_static(b"\xff\x00{]garbage\n")).await?;
        }
        if self.strikes(&Fault::HalfLine) {
            let line = self.some_line();
            self.send(line.slice(..line.len() / 2)).await?;
            // Breaking off at once would take back what was not written yet.
            sleep(HALF_LINE_STANDS).await;
            let _ = self.chunks.send(Err(BrokenOff)).await;
            return Err(Over);
        }
        let padding = self.world.faults.take(self.resource.plural, |fault| match fault {
            Fault::LongLine { bytes } => Some(*bytes),
            _ => None,
        });
        match padding {
            Some(padding) => self.long_line(padding).await,
            None => Ok(()),
        }
    }

    async fn long_line(&mut self, padding: usize) -> Result<(), Over> {
        self.send(Bytes::from_static(b"{\"padding\":\"")).await?;
        let chunk = Bytes::from(vec![b'x'; PADDING_CHUNK]);
        for sent in (0..padding).step_by(PADDING_CHUNK) {
            self.send(chunk.slice(..PADDING_CHUNK.min(padding - sent))).await?;
        }
        let line = self.some_line();
        self.send(Bytes::from_static(b"\",")).await?;
        self.send(line.slice(1..)).await
    }

    /// A MODIFIED line that changes nothing, of the first object there is.
    fn some_line(&self) -> Bytes {
        let range = Range { namespace: &self.namespace, limit: 1, ..Range::default() };
        let page = self.world.store.list(self.resource, &range).ok();
        match page.as_ref().and_then(|page| page.items.first()) {
            Some((_, object)) => self.line(Change::Modified, object),
            None => self.bookmark(false),
        }
    }

    fn is_silent(&self) -> bool {
        self.world.faults.stands(self.resource.plural, &Fault::Silent)
    }

    fn strikes(&self, fault: &Fault) -> bool {
        self.world.faults.strikes(self.resource.plural, fault)
    }

    fn line(&self, change: Change, object: &Object) -> Bytes {
        let mut line = Vec::with_capacity(object.len() + 128);
        line.extend_from_slice(b"{\"type\":\"");
        line.extend_from_slice(change.word().as_bytes());
        line.extend_from_slice(b"\",\"object\":");
        object.write_whole(self.resource, &mut line);
        line.extend_from_slice(b"}\n");
        line.into()
    }

    fn bookmark(&self, end: bool) -> Bytes {
        // The real one's DaemonSet conversion always writes this annotation.
        let template = self.resource.plural == "daemonsets";
        let annotations = match (end, template) {
            (false, false) => "",
            (true, false) => r#","annotations":{"k8s.io/initial-events-end":"true"}"#,
            (false, true) => r#","annotations":{"deprecated.daemonset.template.generation":"0"}"#,
            (true, true) => {
                r#","annotations":{"deprecated.daemonset.template.generation":"0","k8s.io/initial-events-end":"true"}"#
            }
        };
        Bytes::from(format!(
            "{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\
             \"metadata\":{{\"resourceVersion\":\"{}\"{annotations}}}{}}}}}\n",
            self.resource.kind,
            self.resource.api_version(),
            self.cursor,
            self.resource.bookmark
        ))
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), Over> {
        self.send(refusal.line()).await?;
        Err(Over)
    }

    /// Hands a line to the connection; a watch that stays full too long is over.
    async fn send(&self, line: Bytes) -> Result<(), Over> {
        match timeout(self.world.tuning.watch_stall, self.chunks.send(Ok(line))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Over),
        }
    }
}
