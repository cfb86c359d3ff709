//! One grant's life: its questions are asked, asked again on a clock and when something was touched, until nobody holds it.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::Access;
use super::candidates::Known;
use super::grant::{Grant, GrantKey, Ruling};
use super::patience::{Limits, Patience, Upstream};
use super::question::{Answer, Question, Unsaid, What};
use super::reviewer::{Fresh, Reply, Reviewer};
use super::touch::{About, Touches};
use super::turns::Lane;
use super::verdicts::{Verdicts, Where};
use crate::feed::{FeedKey, KubeUser, Scope, State};

/// Answers that come within this time of the first make one ruling: each new set of namespaces costs its streams a snapshot.
const TOGETHER: Duration = Duration::from_millis(250);

/// What was not said is asked again after this long, and longer each time up to the other.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// Who could see the whole cluster and no longer may is denied after this long, unless it is known by then what they may still see.
const NARROWING: Duration = Duration::from_secs(2);

/// How often it is looked whether rows flow, while an answer is due.
const LOOK: Duration = Duration::from_secs(1);

/// News for a grant's task.
pub enum News {
    /// Somebody needs a ruling that is fresh.
    Wanted,
    /// Rights may have changed; in this namespace only.
    Touched(Option<Arc<str>>),
    /// Its cluster is another one now.
    Ended,
}

/// How far a grant's task has come, for those who wait for it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// When the question of the oldest answer that the ruling rests on was sent; `None` before there is a ruling.
    pub asked: Option<Instant>,
    /// Questions that were not answered.
    pub unsaid: u64,
    /// Questions that were.
    pub said: u64,
    /// The cluster is away, and the ruling still counts.
    pub graced: bool,
}

/// A grant that is kept up to date.
pub struct Live {
    /// The grant.
    pub grant: Arc<Grant>,
    /// How far its task has come.
    pub told: watch::Receiver<Told>,
    news: UnboundedSender<News>,
    /// Questions answered, and questions in all, 32 bits each.
    progress: AtomicU64,
}

impl Live {
    /// A grant about which nothing is known yet, and its task.
    pub fn start(
        access: &Arc<Access>,
        key: GrantKey,
        user: Arc<KubeUser>,
        reviewer: Arc<Reviewer>,
    ) -> Arc<Self> {
        let (news, to_hear) = unbounded_channel();
        let (tell, told) = watch::channel(Told::default());
        let namespaced = key.kind.namespaced;
        let now = Instant::now();
        let live = Arc::new(Live {
            grant: Arc::new(Grant::new(key, Ruling::Unavailable)),
            told,
            news,
            progress: AtomicU64::new(0),
        });
        let (to, replies) = unbounded_channel();
        let (to_further, further) = unbounded_channel();
        let settings = &access.settings;
        let limits =
            Limits { every: settings.review_every, silence: settings.silence, grace: settings.grace };
        let task = Task {
            verdicts: Verdicts::new(live.grant.key.wanted.clone(), namespaced),
            access: Arc::downgrade(access),
            live: live.clone(),
            user,
            reviewer,
            tell,
            patience: Patience::new(limits, now),
            rests_on: None,
            under_way: HashMap::new(),
            exploring: 0,
            unsaid: BTreeSet::new(),
            unreached: false,
            failures: 0,
            again: None,
            settle: None,
            narrowing: None,
            due: now + settings.review_every,
            wanted: None,
            touches: Touches::default(),
            candidates: None,
            to,
            to_further,
        };
        tokio::spawn(task.run(to_hear, replies, further));
        live
    }

    /// Tells its task something.
    pub fn tell(&self, news: News) {
        // A task that has ended is no longer found.
        let _ = self.news.send(news);
    }

    /// How many of how many questions are answered.
    pub fn progress(&self) -> (u32, u32) {
        let both = self.progress.load(Relaxed);
        let low = u32::try_from(both & u64::from(u32::MAX)).expect("32 bits");
        (u32::try_from(both >> 32).expect("32 bits"), low)
    }
}

struct Task {
    access: Weak<Access>,
    live: Arc<Live>,
    user: Arc<KubeUser>,
    reviewer: Arc<Reviewer>,
    tell: watch::Sender<Told>,
    verdicts: Verdicts,
    patience: Patience,
    /// When the question of the oldest answer that the ruling rests on was sent.
    rests_on: Option<Instant>,
    /// Replies that are waited for, of questions that a ruling rests on.
    under_way: HashMap<Where, u32>,
    /// Replies to further questions.
    exploring: usize,
    /// Questions to be asked again, as they were not answered.
    unsaid: BTreeSet<Where>,
    /// Whether the apiserver was not reached when it was last asked.
    unreached: bool,
    /// Rounds of asking in a row that did not answer everything.
    failures: u32,
    again: Option<Instant>,
    /// When the answers that are here make a ruling, whatever is still under way.
    settle: Option<Instant>,
    /// When who could see the whole cluster is denied.
    narrowing: Option<Instant>,
    /// When the clock asks.
    due: Instant,
    /// Since when somebody waits for a ruling that is fresh.
    wanted: Option<Instant>,
    touches: Touches,
    candidates: Option<watch::Receiver<Known>>,
    to: UnboundedSender<Reply>,
    to_further: UnboundedSender<Reply>,
}

impl Task {
    async fn run(
        mut self,
        mut news: UnboundedReceiver<News>,
        mut replies: UnboundedReceiver<Reply>,
        mut further: UnboundedReceiver<Reply>,
    ) {
        self.ask_all(Fresh::Cached, Lane::Urgent);
        loop {
            let until = self.wakes(Instant::now());
            tokio::select! {
                Some(reply) = replies.recv() => self.learn(reply),
                Some(reply) = further.recv() => self.learn_further(reply),
                heard = news.recv() => match heard {
                    Some(News::Wanted) => self.wanted = Some(Instant::now()),
                    Some(News::Touched(namespace)) => self.touches.touch(Instant::now(), namespace.as_ref()),
                    Some(News::Ended) | None => return self.publish(Ruling::Unavailable, Instant::now()),
                },
                () = changed(&mut self.candidates) => self.nominate(),
                () = tokio::time::sleep_until(until.into()) => {}
            }
            if !self.turn(Instant::now()) {
                return;
            }
        }
    }

    /// When there is something to do though nothing comes.
    fn wakes(&self, now: Instant) -> Instant {
        let looks = self.is_late(now).then(|| now + LOOK);
        let clock = (now < self.due).then_some(self.due);
        let times = [looks, clock, self.again, self.settle, self.narrowing, self.touches.next()];
        times.into_iter().flatten().min().unwrap_or(now + LOOK)
    }

    /// Whether the ruling rests on answers that should have been confirmed.
    fn is_late(&self, now: Instant) -> bool {
        self.failures > 0 || now >= self.due
    }

    /// Does what is due. Returns whether the task goes on.
    fn turn(&mut self, now: Instant) -> bool {
        if self.settle.is_some_and(|settle| settle <= now || self.under_way.is_empty()) {
            self.rule(now);
        }
        if self.narrowing.is_some_and(|narrowing| narrowing <= now) {
            self.narrowing = None;
            self.publish(Ruling::Denied { namespace: None }, now);
        }
        if let Some(about) = self.touches.take(now) {
            self.nominate();
            self.ask_about(&about, now);
        }
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
            for place in std::mem::take(&mut self.unsaid) {
                self.ask(place, Fresh::Since(now), Lane::Urgent);
            }
        }
        if self.under_way.is_empty()
            && let Some(wanted) = self.wanted.take()
        {
            self.refresh(wanted, now);
        }
        if now >= self.due && self.under_way.is_empty() && !self.on_the_clock(now) {
            return false;
        }
        self.look(now);
        true
    }

    /// The clock's turn. Returns whether the task goes on.
    fn on_the_clock(&mut self, now: Instant) -> bool {
        // Until now nobody had a reason to doubt that it is there.
        if self.failures == 0 {
            self.patience.pass(now, Upstream::Here);
        }
        let is_needed = self.live.is_held() || self.is_graced();
        if !is_needed && self.access.upgrade().is_none_or(|access| access.forget(&self.live)) {
            return false;
        }
        self.set_due(now);
        // Nobody sees anything by another ruling; who wants one asks for it.
        if matches!(self.live.grant.ruling().0, Ruling::Allowed(_)) {
            self.ask_all(Fresh::Since(now), Lane::Clock);
            self.explore(now, Lane::Explore);
        }
        true
    }

    fn set_due(&mut self, now: Instant) {
        let every = self.access.upgrade().map_or(LOOK, |access| access.settings.review_every);
        // Earlier by up to a fifth, so that what began together is not asked together for ever.
        self.due = now + every.mul_f64(0.8 + 0.2 * fastrand::f64());
    }

    /// Somebody needs a fresh ruling: what it rests on is asked, unless what is known was fresh when they came.
    fn refresh(&mut self, wanted: Instant, now: Instant) {
        let Some(access) = self.access.upgrade() else { return };
        let life = access.life(&self.live.grant.ruling().0);
        if self.rests_on.is_some_and(|asked| asked + life > wanted) {
            return;
        }
        let young = access.settings.denied_life / 2;
        self.ask_all(Fresh::Since(now.checked_sub(young).unwrap_or(now)), Lane::Urgent);
    }

    fn ask_all(&mut self, fresh: Fresh, lane: Lane) {
        self.nominate();
        for place in self.verdicts.questions() {
            self.ask(place, fresh, lane);
        }
    }

    /// Asks what may show more.
    fn explore(&mut self, now: Instant, lane: Lane) {
        if self.exploring > 0 && lane == Lane::Explore {
            return;
        }
        for place in self.verdicts.further() {
            self.exploring += 1;
            self.reviewer.ask(&self.question(place), Fresh::Since(now), lane, &self.to_further);
        }
    }

    fn ask_about(&mut self, about: &About, now: Instant) {
        match about {
            About::All => {
                self.ask_all(Fresh::Since(now), Lane::Urgent);
                self.explore(now, Lane::Urgent);
            }
            About::Namespaces(names) => {
                let questions = [self.verdicts.questions(), self.verdicts.further()].concat();
                for place in questions {
                    if place.as_ref().is_some_and(|name| names.contains(name)) {
                        self.ask(place, Fresh::Since(now), Lane::Urgent);
                    }
                }
            }
        }
    }

    fn question(&self, namespace: Where) -> Question {
        Question { user: self.user.clone(), what: What::Rows(self.live.grant.key.kind), namespace }
    }

    fn ask(&mut self, namespace: Where, fresh: Fresh, lane: Lane) {
        let question = self.question(namespace);
        *self.under_way.entry(question.namespace.clone()).or_default() += 1;
        self.reviewer.ask(&question, fresh, lane, &self.to);
    }

    fn learn(&mut self, Reply { namespace, answer, asked }: Reply) {
        if let Some(count) = self.under_way.get_mut(&namespace) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&namespace);
            }
        }
        match answer {
            Answer::Allowed => self.said(namespace, true, asked),
            Answer::Denied => self.said(namespace, false, asked),
            Answer::Unsaid(why) => self.not_said(namespace, &why),
        }
    }

    fn learn_further(&mut self, Reply { namespace, answer, asked }: Reply) {
        self.exploring -= 1;
        match answer {
            Answer::Allowed => self.said(namespace, true, asked),
            Answer::Denied => self.said(namespace, false, asked),
            // The clock asks again; nobody sees anything by it.
            Answer::Unsaid(_) => {}
        }
    }

    fn said(&mut self, namespace: Where, allowed: bool, asked: Instant) {
        self.unreached = false;
        self.unsaid.remove(&namespace);
        let of_the_whole = namespace.is_none();
        self.verdicts.learn(namespace, allowed, asked);
        let now = Instant::now();
        self.settle.get_or_insert(now + TOGETHER);
        if of_the_whole && self.verdicts.is_union() {
            if matches!(self.live.grant.ruling().0, Ruling::Allowed(Scope::All)) {
                self.narrowing.get_or_insert(now + NARROWING);
            }
            self.nominate();
        }
        let (answered, all) = self.verdicts.progress();
        self.live.progress.store(u64::from(answered) << 32 | u64::from(all), Relaxed);
        self.tell.send_modify(|told| told.said += 1);
    }

    fn not_said(&mut self, namespace: Where, why: &Unsaid) {
        self.unreached = matches!(why, Unsaid::Unreached(_));
        self.unsaid.insert(namespace);
        if self.again.is_none() {
            let factor = 1u32 << self.failures.min(8);
            let wait = (AGAIN.0 * factor).min(AGAIN.1).mul_f64(0.75 + 0.5 * fastrand::f64());
            self.again = Some(Instant::now() + wait);
            self.failures += 1;
        }
        let graced = self.is_graced();
        self.tell.send_modify(|told| {
            told.unsaid += 1;
            told.graced = graced;
        });
    }

    /// Whether the ruling counts though nobody can be asked.
    fn is_graced(&self) -> bool {
        let is_allowed = matches!(self.live.grant.ruling().0, Ruling::Allowed(_));
        is_allowed && self.failures > 0 && self.upstream() == Upstream::Away && !self.patience.is_over()
    }

    /// The namespaces that a union may be of may be others.
    fn nominate(&mut self) {
        if !self.verdicts.is_union() {
            self.candidates = None;
            return;
        }
        let Some(access) = self.access.upgrade() else { return };
        let key = &self.live.grant.key;
        if let Some(names) = access.namespaces.nominated(&key.cluster, &self.user, key.kind) {
            self.take_candidates(&access, names);
            return;
        }
        let all = self.candidates.get_or_insert_with(|| access.namespaces.of(&key.cluster));
        let known = all.borrow_and_update().clone();
        if let Some(names) = known {
            self.take_candidates(&access, names.to_vec());
        }
    }

    fn take_candidates(&mut self, access: &Access, mut names: Vec<Arc<str>>) {
        let most = access.settings.most_namespaces as usize;
        if names.len() > most {
            let cluster = &self.live.grant.key.cluster;
            tracing::warn!(
                %cluster, namespaces = names.len(), most,
                "access.too_many_namespaces: nobody's right to each is asked for; see access.mostNamespaces"
            );
            names.clear();
        }
        self.verdicts.nominate(names);
        self.settle.get_or_insert_with(Instant::now);
        for place in self.verdicts.unanswered() {
            if !self.unsaid.contains(&place) && !self.under_way.contains_key(&place) {
                self.ask(place, Fresh::Cached, Lane::Urgent);
            }
        }
    }

    /// Makes a ruling of the answers that are here.
    fn rule(&mut self, now: Instant) {
        self.settle = None;
        if self.unsaid.is_empty() && self.under_way.is_empty() {
            self.failures = 0;
            self.again = None;
        }
        let Some((ruling, asked)) = self.verdicts.ruling() else { return };
        self.narrowing = None;
        if self.rests_on.is_none() {
            self.set_due(asked);
        }
        self.rests_on = Some(asked);
        self.patience.confirmed(asked);
        self.patience.pass(now, self.upstream());
        let counts = !matches!(ruling, Ruling::Allowed(_)) || !self.patience.is_over();
        self.publish(if counts { ruling } else { Ruling::Unavailable }, asked);
    }

    /// Looks how long the ruling still counts.
    fn look(&mut self, now: Instant) {
        let upstream = if self.is_late(now) { self.upstream() } else { Upstream::Here };
        self.patience.pass(now, upstream);
        let graced = self.is_graced();
        self.tell.send_if_modified(|told| std::mem::replace(&mut told.graced, graced) != graced);
        if self.patience.is_over() && matches!(self.live.grant.ruling().0, Ruling::Allowed(_)) {
            let cluster = &self.live.grant.key.cluster;
            tracing::warn!(%cluster, user = ?self.user.name, "access.unconfirmed: nobody says any more what they may see");
            self.publish(Ruling::Unavailable, now);
        }
    }

    /// Whether rows can come.
    fn upstream(&self) -> Upstream {
        let key = &self.live.grant.key;
        let feed = self.access.upgrade().and_then(|access| {
            let own = FeedKey::own(key.cluster.clone(), key.kind);
            access.hub.find(&own).map(|feed| feed.state())
        });
        match feed {
            Some(State::Live) => Upstream::Here,
            Some(State::Away { .. }) => Upstream::Away,
            _ if self.unreached => Upstream::Away,
            _ => Upstream::Here,
        }
    }

    fn publish(&self, ruling: Ruling, asked: Instant) {
        let is_first = self.tell.borrow().asked.is_none();
        let is_another = self.live.grant.decide(ruling, asked);
        // Nobody has seen the grant before its first ruling.
        if is_another
            && !is_first
            && let Some(access) = self.access.upgrade()
        {
            access.tell_cores(&self.live.grant);
        }
        self.tell.send_modify(|told| told.asked = Some(asked));
    }
}

impl Live {
    /// Whether anybody but its task and the map of grants holds it.
    pub fn is_held(self: &Arc<Self>) -> bool {
        Arc::strong_count(&self.grant) > 1
    }
}

/// Waits until there are other candidates; for ever where there are none to wait for.
async fn changed(candidates: &mut Option<watch::Receiver<Known>>) {
    if let Some(names) = candidates
        && names.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
