//! How long a grant lives, by a clock that nobody waits for.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::court::{Court, Failure};
use super::law::{Binding, Rule, Subject, Write};
use super::{access_before, decided, while_time_is_held};
use crate::access::clock::held;
use crate::access::{Access, Asker, Grant, GrantKey, Ruling, Wanted};
use crate::config::Config;
use crate::feed::{KubeUser, Namespaces, Scope};
use crate::kind;

/// Ann, who may list and watch pods in n0.
struct Stage {
    access: Arc<Access>,
    court: Arc<Court>,
}

impl Stage {
    fn set(court: Court) -> Stage {
        let court = Arc::new(court);
        let rule = Rule { verbs: &["list", "watch"], groups: &[""], resources: &["pods"], names: &[] };
        court.obey(Write::Role((None, "reader"), Some(vec![rule])));
        let binding = Binding { of_cluster: true, role: "reader", subjects: vec![Subject::User("ann")] };
        court.obey(Write::Binding((Some("n0"), "ann"), Some(binding)));
        Stage { access: access_before(&court, &Config::default()), court }
    }

    async fn decide(&self) -> Arc<Grant> {
        let wanted = Wanted::Namespaces(Namespaces::new(["n0".into()]).expect("one name"));
        let ann = KubeUser { name: "ann".into(), groups: Box::default() };
        let kind = kind::by_name("pods").expect("a kind of the registry");
        let key = GrantKey { cluster: "east".into(), kind, asker: Asker::User(Arc::new(ann)), wanted };
        held::done(decided(self.access.clone(), key)).await
    }

    fn fail(&self, failure: Option<Failure>) {
        self.court.state().failure = failure;
    }

    fn answered(&self) -> u64 {
        self.court.state().answered
    }
}

fn ruling(grant: &Grant) -> Ruling {
    grant.ruling().0.clone()
}

const ALLOWED: fn() -> Ruling = || Ruling::Allowed(Scope::Namespace("n0".into()));
const SECOND: Duration = Duration::from_secs(1);

fn play<F: Future<Output = ()>>(scene: impl FnOnce(Stage) -> F) {
    while_time_is_held(|sim| async move { scene(Stage::set(Court::new(sim, Rng::with_seed(1)))).await });
}

#[test]
fn a_grant_is_asked_about_while_somebody_holds_it_and_then_forgotten() {
    play(|stage| async move {
        let grant = stage.decide().await;
        assert_eq!((ruling(&grant), stage.answered()), (ALLOWED(), 2));
        held::pass(300 * SECOND).await;
        // Each time two reviews, a little early.
        assert!((2 * 11..=2 * 14).contains(&stage.answered()), "{}", stage.answered());
        assert_eq!(stage.access.clusters(), ["east".into()]);
        drop(grant);
        held::pass(31 * SECOND).await;
        assert!(stage.access.clusters().is_empty(), "nobody's grant is kept");
        let before = stage.answered();
        held::pass(3600 * SECOND).await;
        assert_eq!(stage.answered(), before);
    });
}

#[test]
fn who_comes_back_while_the_cluster_is_away_finds_the_grant_as_it_was_until_the_grace_is_over() {
    play(|stage| async move {
        let grant = stage.decide().await;
        stage.fail(Some(Failure::Unreached));
        held::pass(60 * SECOND).await;
        drop(grant);
        held::pass(120 * SECOND).await;
        assert_eq!(ruling(&*stage.decide().await), ALLOWED());
        held::pass(180 * SECOND).await;
        assert_eq!(ruling(&*stage.decide().await), Ruling::Unavailable);
        stage.fail(None);
        held::pass(10 * SECOND).await;
        assert_eq!(ruling(&*stage.decide().await), ALLOWED());
    });
}

#[test]
fn where_the_cluster_is_there_and_does_not_answer_a_grant_ends_thirty_seconds_after_it_was_due() {
    for failure in [Failure::Unclear, Failure::Busy] {
        play(|stage| async move {
            let grant = stage.decide().await;
            stage.fail(Some(failure));
            held::pass(58 * SECOND).await;
            assert_eq!(ruling(&grant), ALLOWED(), "{failure:?}");
            held::pass(5 * SECOND).await;
            assert_eq!(ruling(&grant), Ruling::Unavailable, "{failure:?}");
        });
    }
}
