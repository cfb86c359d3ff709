//! The task that keeps one grant up to date: when its questions are asked, and what it tells of the answers.

mod asking;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::candidates::Known;
use super::grant::Ruling;
use super::live::{Live, News, Told};
use super::patience::{Limits, Patience, Upstream};
use super::reviewer::{Fresh, Reply, Reviewer};
use super::touch::Touches;
use super::turns::Lane;
use super::verdicts::{Verdicts, Where};
use super::{Access, clock};
use crate::feed::{FeedKey, KubeUser, State};

/// How often it is looked whether rows flow, while an answer is due.
const LOOK: Duration = Duration::from_secs(1);

/// The task that keeps a grant up to date.
pub struct Tending {
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

impl Tending {
    /// Tends this grant, which is this user's, until nobody holds it.
    pub fn start(
        access: &Arc<Access>,
        live: Arc<Live>,
        (user, reviewer): (Arc<KubeUser>, Arc<Reviewer>),
        tell: watch::Sender<Told>,
        news: UnboundedReceiver<News>,
    ) {
        let (to, replies) = unbounded_channel();
        let (to_further, further) = unbounded_channel();
        let (now, settings) = (clock::now(), &access.settings);
        let limits =
            Limits { every: settings.review_every, silence: settings.silence, grace: settings.grace };
        let key = &live.grant.key;
        let task = Tending {
            verdicts: Verdicts::new(key.wanted.clone(), key.kind.namespaced),
            access: Arc::downgrade(access),
            live,
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
        tokio::spawn(task.run(news, replies, further));
    }

    async fn run(
        mut self,
        mut news: UnboundedReceiver<News>,
        mut replies: UnboundedReceiver<Reply>,
        mut further: UnboundedReceiver<Reply>,
    ) {
        self.ask_all(Fresh::Cached, Lane::Urgent);
        loop {
            let until = self.wakes(clock::now());
            tokio::select! {
                Some(reply) = replies.recv() => self.learn(reply),
                Some(reply) = further.recv() => self.learn_further(reply),
                heard = news.recv() => match heard {
                    Some(News::Wanted) => self.wanted = Some(clock::now()),
                    Some(News::Touched(at, namespace)) => self.touches.touch(at, namespace.as_ref()),
                    Some(News::Ended) | None => return self.publish(Ruling::Unavailable, clock::now()),
                },
                () = changed(&mut self.candidates) => self.nominate(),
                () = clock::sleep_until(until) => {}
            }
            if !self.turn(clock::now()) {
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
        self.failures > 0 || self.patience.is_due(now)
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
        // Streams that have lost their connection come back by what was decided before.
        let is_needed = self.live.is_held() || self.counts_without_rows();
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

    /// Whether the ruling counts though nobody can be asked.
    fn is_graced(&self) -> bool {
        self.failures > 0 && self.counts_without_rows()
    }

    /// Whether something is allowed, of which no row can come.
    fn counts_without_rows(&self) -> bool {
        let is_allowed = matches!(self.live.grant.ruling().0, Ruling::Allowed(_));
        is_allowed && self.upstream() == Upstream::Away && !self.patience.is_over()
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
            let ruling = self.live.grant.ruling();
            let scope = match &ruling.0 {
                Ruling::Allowed(scope) => scope.clone(),
                Ruling::Denied { .. } | Ruling::Unavailable => key.wanted.as_shared(),
            };
            let eyes = access.eyes(&key.asker, &scope)?;
            let feed = FeedKey::new(key.cluster.clone(), key.kind, eyes);
            access.hub.find_of_source(&feed).map(|feed| feed.state())
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
        let ruled = ruling.clone();
        let is_another = self.live.grant.decide(ruling, asked);
        if (is_another || is_first)
            && let Some(access) = self.access.upgrade()
        {
            access.counters.ruled(&ruled);
            // Nobody has seen the grant before its first ruling.
            if !is_first {
                access.tell_cores(&self.live.grant);
            }
        }
        self.tell.send_modify(|told| told.asked = Some(asked));
    }
}

/// Waits until there are other candidates; for ever where there are none to wait for.
async fn changed(candidates: &mut Option<watch::Receiver<Known>>) {
    if let Some(names) = candidates
        && names.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
