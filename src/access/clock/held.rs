//! A clock that stands still while anybody has something to do, and is then moved on by the test: one of each thread.
//!
//! Everything has to run on the one thread of [`runtime`], and whatever waits for a time has to wait by this clock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

/// The most steps of all tasks together in which they come to rest.
const STEPS: u32 = 1_000_000;

struct Held {
    now: Instant,
    waiting: BTreeMap<(Instant, u64), Waker>,
    count: u64,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// Holds this thread's clock from now on, and gives it a runtime which gives way to the test only when nobody can do anything.
pub fn runtime() -> Runtime {
    let held = Held { now: Instant::now(), waiting: BTreeMap::new(), count: 0 };
    HELD.set(Some(held));
    Builder::new_current_thread().enable_all().event_interval(STEPS).build().expect("a runtime")
}

/// The time, where this thread's clock is held.
pub fn now() -> Option<Instant> {
    HELD.with_borrow(|held| held.as_ref().map(|held| held.now))
}

fn with<T>(what: impl FnOnce(&mut Held) -> T) -> T {
    HELD.with_borrow_mut(|held| what(held.as_mut().expect("the clock is held")))
}

/// Waits until then.
pub struct Until {
    until: Instant,
    number: u64,
}

impl Until {
    pub fn new(until: Instant) -> Self {
        let number = with(|held| {
            held.count += 1;
            held.count
        });
        Until { until, number }
    }
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        with(|held| {
            if held.now >= self.until {
                return Poll::Ready(());
            }
            held.waiting.insert((self.until, self.number), context.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        with(|held| held.waiting.remove(&(self.until, self.number)));
    }
}

/// Lets everybody do what they can, then moves the clock on to the next time that somebody waits for, if it is not after `until`.
async fn step(until: Instant) -> bool {
    yield_now().await;
    let wakers = with(|held| {
        let (next, _) = *held.waiting.first_key_value()?.0;
        let next = Some(next).filter(|next| *next <= until)?;
        held.now = held.now.max(next);
        let later = held.waiting.split_off(&(held.now, u64::MAX));
        Some(std::mem::replace(&mut held.waiting, later))
    });
    let is_moved = wakers.is_some();
    wakers.into_iter().flatten().for_each(|(_, waker)| waker.wake());
    is_moved
}

/// Moves the clock on to then, with all that happens on the way.
pub async fn pass_until(until: Instant) {
    while step(until).await {}
    with(|held| held.now = held.now.max(until));
    yield_now().await;
}

/// Moves the clock on by so much.
pub async fn pass(time: Duration) {
    pass_until(now().expect("the clock is held") + time).await;
}

/// Moves the clock on until the work is done.
pub async fn done<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let task = tokio::spawn(work);
    loop {
        yield_now().await;
        if task.is_finished() {
            return task.await.expect("it does not panic");
        }
        let far = now().expect("the clock is held") + Duration::from_hours(24);
        assert!(step(far).await, "it waits for nothing that will come");
    }
}
