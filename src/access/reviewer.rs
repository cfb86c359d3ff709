//! Asks one cluster: each question once at a time whoever waits for it, in fair turns, at a bounded pace.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::authorizer::Authorizer;
use super::clock;
use super::counters::AccessCounters;
use super::question::{Answer, Question, Unsaid, What};
use super::turns::{Lane, Pace, Turns};
use crate::config;
use crate::feed::KubeUser;

/// Reviews in flight: more give an apiserver no further throughput.
const IN_FLIGHT: usize = 16;

/// How often answers that are too old for anybody are forgotten.
const SWEEP: Duration = Duration::from_secs(5);

/// An apiserver that has too much to do is left alone no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How old an answer may be.
#[derive(Clone, Copy, Debug)]
pub enum Fresh {
    /// As old as the settings let it be.
    Cached,
    /// Its question was sent then, or later.
    Since(Instant),
}

/// An answer, for who waited for it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Of the question: where.
    pub namespace: Option<Arc<str>>,
    /// The answer.
    pub answer: Answer,
    /// When its question was sent.
    pub asked: Instant,
}

struct Waiter {
    since: Option<Instant>,
    to: UnboundedSender<Reply>,
}

/// What is known and under way of one question.
#[derive(Default)]
struct Asked {
    known: Option<(Answer, Instant)>,
    /// In flight since.
    sent: Option<Instant>,
    /// Waits for its turn in this lane.
    queued: Option<Lane>,
    waiting: Vec<Waiter>,
}

struct State {
    asked: HashMap<Question, Asked>,
    turns: Turns<Arc<KubeUser>, Question>,
    pace: Pace,
    /// The apiserver has asked to be left alone until then.
    paused: Instant,
    swept: Instant,
}

/// Asks one cluster.
pub struct Reviewer {
    cluster: Arc<str>,
    authorizer: Arc<dyn Authorizer>,
    settings: config::Access,
    /// How long what somebody has asked about themselves is known.
    check_life: Duration,
    counters: Arc<AccessCounters>,
    state: Mutex<State>,
    queued: Notify,
    places: Arc<Semaphore>,
    ended: AtomicBool,
}

impl Reviewer {
    /// A reviewer, and its task, which runs until [`Reviewer::end`].
    pub fn start(
        cluster: Arc<str>,
        authorizer: Arc<dyn Authorizer>,
        settings: config::Access,
        check_life: Duration,
        counters: Arc<AccessCounters>,
    ) -> Arc<Self> {
        let now = clock::now();
        let state = State {
            asked: HashMap::new(),
            turns: Turns::default(),
            pace: Pace::new(settings.reviews_per_second, now),
            paused: now,
            swept: now,
        };
        let reviewer = Arc::new(Reviewer {
            cluster,
            authorizer,
            settings,
            check_life,
            counters,
            state: Mutex::new(state),
            queued: Notify::new(),
            places: Arc::new(Semaphore::new(IN_FLIGHT)),
            ended: AtomicBool::new(false),
        });
        tokio::spawn(reviewer.clone().run());
        reviewer
    }

    /// Nothing is asked any more; who waits is told nothing.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.queued.notify_one();
    }

    /// Asks, or answers at once from what is known. What is sent to `to` may come more than once.
    pub fn ask(&self, question: &Question, fresh: Fresh, lane: Lane, to: &UnboundedSender<Reply>) {
        let mut state = self.lock();
        let now = clock::now();
        let State { asked, turns, .. } = &mut *state;
        let entry = asked.entry(question.clone()).or_default();
        if let Some((answer, at)) = &entry.known
            && self.serves((question, answer), *at, fresh, now)
        {
            // Who asked may be gone.
            let _ =
                to.send(Reply { namespace: question.namespace.clone(), answer: answer.clone(), asked: *at });
            return;
        }
        let since = match fresh {
            Fresh::Cached => None,
            Fresh::Since(since) => Some(since),
        };
        let in_flight = entry.sent.is_some_and(|sent| since.is_none_or(|since| sent >= since));
        entry.waiting.push(Waiter { since, to: to.clone() });
        if in_flight || entry.queued.is_some_and(|queued| queued >= lane) {
            return;
        }
        // Where it waits in the clock's lane already, whichever turn comes first asks it.
        entry.queued = Some(lane);
        turns.push(question.user.clone(), lane, question.clone());
        drop(state);
        self.queued.notify_one();
    }

    fn serves(&self, known: (&Question, &Answer), at: Instant, fresh: Fresh, now: Instant) -> bool {
        match fresh {
            Fresh::Since(since) => at >= since,
            Fresh::Cached => now.saturating_duration_since(at) < self.life(known),
        }
    }

    fn life(&self, (question, answer): (&Question, &Answer)) -> Duration {
        match (&question.what, answer) {
            (_, Answer::Unsaid(_)) => Duration::ZERO,
            (What::Check(_), _) => self.check_life,
            (What::Rows(_), Answer::Allowed) => self.settings.allowed_life,
            (What::Rows(_), Answer::Denied) => self.settings.denied_life,
        }
    }

    async fn run(self: Arc<Self>) {
        while let Ok(place) = self.places.clone().acquire_owned().await {
            let question = loop {
                if self.ended.load(Ordering::Acquire) {
                    return;
                }
                match self.next() {
                    Next::Ask(question) => break question,
                    Next::Wait(wait) => clock::sleep(wait).await,
                    Next::Nothing => self.queued.notified().await,
                }
            };
            tokio::spawn(self.clone().fly(question, place));
        }
    }

    fn next(&self) -> Next {
        let mut state = self.lock();
        let now = clock::now();
        state.sweep(now, self.settings.allowed_life.max(self.check_life));
        if state.turns.is_empty() {
            return Next::Nothing;
        }
        let wait = state.wait(now);
        if !wait.is_zero() {
            return Next::Wait(wait);
        }
        while let Some(question) = state.turns.pop() {
            let Some(asked) = state.asked.get_mut(&question) else { continue };
            asked.waiting.retain(|waiter| !waiter.to.is_closed());
            if asked.queued.take().is_none() || asked.waiting.is_empty() {
                continue;
            }
            asked.sent = Some(now);
            state.pace.take(now);
            return Next::Ask(question);
        }
        Next::Nothing
    }

    /// One question's way to the apiserver and back.
    async fn fly(self: Arc<Self>, question: Question, place: OwnedSemaphorePermit) {
        let asked = clock::now();
        let count = || self.lock().pace.take(clock::now());
        let upstream = self.settings.upstream;
        let answer = question.ask(&*self.authorizer, &self.cluster, upstream, count).await;
        drop(place);
        self.counters.answered(&answer, clock::now().saturating_duration_since(asked));
        if let Answer::Unsaid(why) = &answer {
            tracing::debug!(cluster = %self.cluster, %why, "access.unsaid");
        }
        self.lock().landed(question, answer, asked);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

enum Next {
    Ask(Question),
    Wait(Duration),
    Nothing,
}

impl State {
    /// How long the apiserver is to be left alone.
    fn wait(&mut self, now: Instant) -> Duration {
        self.pace.wait(now).max(self.paused.saturating_duration_since(now))
    }

    fn landed(&mut self, question: Question, answer: Answer, sent: Instant) {
        if let Answer::Unsaid(Unsaid::Refused { status: 429 | 503, retry_after }) = &answer {
            let pause = retry_after.unwrap_or(Duration::from_secs(1)).min(LONGEST_PAUSE);
            self.paused = self.paused.max(clock::now() + pause);
        }
        let Some(asked) = self.asked.get_mut(&question) else { return };
        if asked.sent.is_some_and(|latest| latest <= sent) {
            asked.sent = None;
        }
        let reply = Reply { namespace: question.namespace, answer: answer.clone(), asked: sent };
        for waiter in asked.waiting.extract_if(.., |waiter| waiter.since.is_none_or(|since| sent >= since)) {
            let _ = waiter.to.send(reply.clone());
        }
        let is_said = !matches!(answer, Answer::Unsaid(_));
        if is_said && asked.known.as_ref().is_none_or(|(_, at)| *at <= sent) {
            asked.known = Some((answer, sent));
        }
    }

    fn sweep(&mut self, now: Instant, life: Duration) {
        if now.saturating_duration_since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        self.asked.retain(|_, asked| {
            let fresh = asked.known.as_ref().is_some_and(|(_, at)| now.saturating_duration_since(*at) < life);
            fresh || asked.sent.is_some() || asked.queued.is_some() || !asked.waiting.is_empty()
        });
        self.asked.shrink_to_fit();
    }
}
