//! The connections that watches share.
//!
//! An apiserver takes 100 streams on a connection, and the 101st waits without an error; so a connection is given a bounded
//! number of watches, and the next watch gets a new one. Unary calls never run here, where they would wait too. A [`Slot`]
//! is a watch's place; dropping it gives the place back.

use std::sync::{Arc, Mutex};

use super::fault::CallError;

/// The connections.
pub(super) struct Pool {
    /// The most watches on one.
    most: usize,
    connections: Mutex<Vec<Arc<Shared>>>,
}

struct Shared {
    client: kube::Client,
    /// Guarded by the pool's lock.
    watches: Mutex<usize>,
}

impl Pool {
    /// A pool without a connection yet.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Pool { most: most.max(1), connections: Mutex::default() })
    }

    /// A place on the first connection that has one, else on one that `connect` makes.
    ///
    /// # Errors
    /// Those of `connect`.
    pub(super) fn take(
        self: &Arc<Self>,
        connect: impl FnOnce() -> Result<kube::Client, CallError>,
    ) -> Result<Slot, CallError> {
        let mut connections = self.connections.lock().expect("no panic under this lock");
        let free = connections.iter().find(|shared| *shared.watches() < self.most);
        let shared = if let Some(shared) = free {
            Arc::clone(shared)
        } else {
            let shared = Arc::new(Shared { client: connect()?, watches: Mutex::new(0) });
            connections.push(Arc::clone(&shared));
            shared
        };
        *shared.watches() += 1;
        Ok(Slot { pool: Arc::clone(self), shared })
    }

    fn give_back(&self, shared: &Arc<Shared>) {
        let mut connections = self.connections.lock().expect("no panic under this lock");
        *shared.watches() -= 1;
        // One without watches is kept for the next; a second one is closed.
        if connections.iter().filter(|shared| *shared.watches() == 0).count() > 1 {
            connections.retain(|other| !Arc::ptr_eq(other, shared));
        }
    }
}

impl Shared {
    fn watches(&self) -> std::sync::MutexGuard<'_, usize> {
        self.watches.lock().expect("no panic under this lock")
    }
}

/// A watch's place on a connection.
pub(super) struct Slot {
    pool: Arc<Pool>,
    shared: Arc<Shared>,
}

impl Slot {
    /// The connection.
    pub(super) fn client(&self) -> &kube::Client {
        &self.shared.client
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.give_back(&self.shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cell::Cell;

    #[expect(clippy::unnecessary_wraps, reason = "it stands in for what may fail")]
    fn client() -> Result<kube::Client, CallError> {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::ready(Ok::<_, tower::BoxError>(http::Response::new(kube::client::Body::empty())))
        });
        Ok(kube::Client::new(service, "default"))
    }

    fn spread(pool: &Pool) -> Vec<usize> {
        pool.connections.lock().unwrap().iter().map(|shared| *shared.watches()).collect()
    }

    #[tokio::test]
    async fn watches_fill_one_connection_after_the_other() {
        let pool = Pool::new(80);
        let made = Cell::new(0);
        let connect = || {
            made.set(made.get() + 1);
            client()
        };
        let mut slots: Vec<Slot> = (0..200).map(|_| pool.take(connect).unwrap()).collect();
        assert_eq!((spread(&pool), made.get()), (vec![80, 80, 40], 3));
        slots.drain(..5);
        slots.push(pool.take(connect).unwrap());
        assert_eq!((spread(&pool), made.get()), (vec![76, 80, 40], 3));
        drop(slots);
        assert_eq!(spread(&pool), [0]);
    }

    #[tokio::test]
    async fn a_connection_that_cannot_be_made_takes_no_place() {
        let pool = Pool::new(1);
        let failing = || Err(CallError::Request("no".into()));
        assert!(pool.take(failing).is_err());
        assert!(spread(&pool).is_empty());
    }
}
