//! What somebody asks about themselves, for the buttons of a page: any verb on any resource. What a user sees does not depend on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use super::question::{Answer, Check, Question, Unsaid, What};
use super::reviewer::Fresh;
use super::turns::Lane;
use super::{Access, Asker, GrantKey, Ruling, clock};
use crate::cluster::CallError;
use crate::feed::KubeUser;

/// How long anybody waits for an answer, in the queue and from the apiserver.
const PATIENCE: Duration = Duration::from_secs(10);

/// A check, and in which namespace; `None`: in the whole cluster.
pub type CheckedWhere = (Arc<Check>, Option<Arc<str>>);

/// An answer.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What is known.
    pub answer: Answer,
    /// When the cluster was asked; `None`: it has not answered.
    pub asked: Option<Instant>,
}

impl Access {
    /// Whether somebody may do these things in a cluster, in their order. Each is asked for in the user's turn, behind whatever streams wait for, and
    /// is known for `authorization.canICacheTTL`, unless it is to be asked `anew`.
    pub async fn check(
        &self,
        cluster: &Arc<str>,
        asker: &Asker,
        checks: &[CheckedWhere],
        anew: bool,
    ) -> Vec<Checked> {
        let user = match asker {
            Asker::User(user) => user.clone(),
            Asker::Own => Arc::new(KubeUser { name: "".into(), groups: Box::default() }),
        };
        let reviewer = self.reviewer(cluster);
        let began = clock::now();
        let fresh = if anew { Fresh::Since(began) } else { Fresh::Cached };
        let until = tokio::time::Instant::now() + PATIENCE;
        let ask = |(check, namespace): &CheckedWhere| {
            let (to, replies) = unbounded_channel();
            let what = What::Check(check.clone());
            let question = Question { user: user.clone(), what, namespace: namespace.clone() };
            reviewer.ask(&question, fresh, Lane::Explore, &to);
            replies
        };
        let waiting: Vec<_> = checks.iter().map(ask).collect();
        let mut answers = Vec::with_capacity(waiting.len());
        for mut replies in waiting {
            let reply = tokio::time::timeout_at(until, replies.recv()).await.ok().flatten();
            answers.push(match reply {
                Some(reply) => Checked { answer: reply.answer, asked: Some(reply.asked) },
                None => Checked { answer: Answer::Unsaid(too_late()), asked: None },
            });
        }
        answers
    }

    /// What is decided at present about a question on which streams depend, when it was, and in how long it is asked again.
    #[must_use]
    pub fn decided(&self, key: &GrantKey) -> Option<(Ruling, Duration, Duration)> {
        let live = self.grants().get(key).cloned()?;
        let decided = live.grant.ruling();
        let age = clock::now().saturating_duration_since(decided.1);
        Some((decided.0.clone(), age, self.settings.review_every.saturating_sub(age)))
    }
}

fn too_late() -> Unsaid {
    Unsaid::Unreached(CallError::TimedOut { what: "the access review", limit: PATIENCE })
}

impl Unsaid {
    /// Why there is no answer, in the reference's words for clusters in trouble.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Unsaid::Unreached(CallError::TimedOut { .. }) => "timeout",
            Unsaid::Unreached(CallError::Credentials(_)) | Unsaid::Refused { status: 401 | 403, .. } => {
                "auth_failed"
            }
            Unsaid::Unreached(_) => "apiserver_unreachable",
            Unsaid::Refused { .. } | Unsaid::Unclear => "unknown",
        }
    }
}
