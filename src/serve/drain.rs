//! How a server goes: in order, so that whoever watches comes back elsewhere, or here, without having missed anything.

use std::time::{Duration, Instant};

use super::Server;
use crate::core::Command;
use crate::core::counters::{CoreCounters, Level};

/// Time beyond the drain window for streams that take their last event no sooner than allowed; levels are set once a second.
const LAST_STREAMS: Duration = Duration::from_secs(3);

/// Time for lists that are on their way when the last stream has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Time for the audit's last records to be written.
const LAST_RECORDS: Duration = Duration::from_secs(2);

impl Server {
    /// Shuts down in order: not ready but accepting, then every stream is told, then the rest is closed.
    pub async fn drain(&self) {
        tracing::info!("server.draining");
        self.api.set_draining();
        self.tell(|| Command::Lame);
        let drain = self.drain.load_full();
        tokio::time::sleep(drain.lame).await;
        if let Some(tls) = &self.tls {
            tls.close();
        }
        for feed in self.hub.feeds() {
            feed.say_head();
        }
        let until = Instant::now() + drain.window;
        self.tell(|| Command::Drain(until));
        let each = |level: fn(&CoreCounters) -> &Level| {
            self.cores.iter().map(move |core| level(&core.counters).get())
        };
        wait_until(until + LAST_STREAMS, || each(|core| &core.going).all(|going| going == 1)).await;
        wait_until(until + LAST_STREAMS, || each(|core| &core.streams).sum::<u64>() == 0).await;
        wait_until(Instant::now() + LAST_ANSWERS, || each(|core| &core.connections).sum::<u64>() == 0).await;
        tracing::info!(streams = each(|core| &core.streams).sum::<u64>(), "server.drained");
        self.save().await;
        self.audit.flush(LAST_RECORDS);
    }

    /// Saves the feeds, where they are to survive a restart.
    async fn save(&self) {
        let Some(store) = self.shelf.clone() else { return };
        let feeds = self.hub.feeds();
        let saved = tokio::task::spawn_blocking(move || store.save(&feeds));
        if let Err(error) = saved.await {
            tracing::warn!(%error, "state.not_saved: every feed will start cold");
        }
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for core in self.cores.iter() {
            // Only a core that is gone does not hear it.
            let _ = core.tell(command());
        }
    }
}

/// Waits until it is so, or until then.
async fn wait_until(last: Instant, is_so: impl Fn() -> bool) {
    while !is_so() && Instant::now() < last {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
