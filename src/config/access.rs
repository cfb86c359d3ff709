//! How users' rights are asked for.

use std::time::Duration;

use super::grammar::{Choice, Switch, Time, Whole, Words};
use super::table::{Section, Table};
use super::{HOUR, MINUTE, SECOND};

/// How users' rights are asked for.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whose watches streams see.
    pub upstream: AccessUpstream,
    /// How often a right is asked for again while a stream depends on it.
    pub review_every: Duration,
    /// How long a right that was granted may open streams and lists without being asked for again.
    pub allowed_life: Duration,
    /// How long a right that was denied is not asked for again.
    pub denied_life: Duration,
    /// Access reviews per second and cluster.
    pub reviews_per_second: u32,
    /// How long streams go on while their cluster cannot be reached.
    pub grace: Duration,
    /// How long streams go on where the cluster can be reached and does not say what their users may see, after the answer was due.
    pub silence: Duration,
    /// Most namespaces of a cluster that are asked about for a user who may not list all of it.
    pub most_namespaces: u32,
    /// Groups whose members may look into what others do.
    pub admin_groups: Vec<String>,
    /// Whether changes of roles and bindings have rights asked for at once.
    pub watch_rbac: bool,
}

/// Whose watches streams see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessUpstream {
    /// Foretop's own account watches each kind once, and each user's right is asked for.
    Pooled,
    /// Each user's own: a watch per user and view, shared by that user's tabs.
    Impersonate,
}

const UPSTREAMS: &[(&str, AccessUpstream)] =
    &[("pooled", AccessUpstream::Pooled), ("impersonate", AccessUpstream::Impersonate)];

impl Default for Access {
    fn default() -> Self {
        Access {
            upstream: AccessUpstream::Pooled,
            review_every: Duration::from_secs(30),
            allowed_life: Duration::from_secs(10),
            denied_life: Duration::from_secs(5),
            reviews_per_second: 100,
            grace: Duration::from_mins(5),
            silence: Duration::from_secs(30),
            most_namespaces: 5000,
            admin_groups: Vec::new(),
            watch_rbac: false,
        }
    }
}

impl Section for Access {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "upstream",
            &mut self.upstream,
            Choice(UPSTREAMS),
            "Whose watches streams see. `pooled`: Foretop's own account watches each kind of a cluster once, and each user's right is asked \
             for. `impersonate`: a watch per user and view, as that user, shared by their tabs; a view is then one namespace or the whole \
             cluster.",
        );
        table.setting(
            "reviewEvery",
            &mut self.review_every,
            Time(SECOND, HOUR),
            "How often a right is asked for again while a stream depends on it. What a stream shows is never older than this and \
             `allowedLife` together, while the cluster answers and `reviewsPerSecond` suffices.",
        );
        table.setting(
            "allowedLife",
            &mut self.allowed_life,
            Time(Duration::ZERO, 10 * MINUTE),
            "How long a right that was granted may open further streams and lists without being asked for again.",
        );
        table.setting(
            "deniedLife",
            &mut self.denied_life,
            Time(Duration::ZERO, 10 * MINUTE),
            "How long a right that was denied is not asked for again. At most `allowedLife`.",
        );
        table.setting(
            "reviewsPerSecond",
            &mut self.reviews_per_second,
            Whole(1, 100_000),
            "Access reviews per second and cluster, shared fairly by the users that wait. A right to a namespace takes two (list and watch).",
        );
        table.setting(
            "grace",
            &mut self.grace,
            Time(Duration::ZERO, HOUR),
            "How long streams go on, and the same users resume them, while their cluster cannot be reached: no new rows can come.",
        );
        table.setting(
            "silence",
            &mut self.silence,
            Time(Duration::ZERO, HOUR),
            "How long streams go on where the cluster can be reached but does not answer access reviews, counted from when the answer was \
             due.",
        );
        table.setting(
            "mostNamespaces",
            &mut self.most_namespaces,
            Whole(1, 100_000),
            "How many namespaces a cluster may have for someone who may not list all of it and names none: each is asked about for each \
             such user. Beyond it they are told to name namespaces.",
        );
        table.setting(
            "adminGroups",
            &mut self.admin_groups,
            Words,
            "Groups, as sign-in gives them, whose members may read `/debug/*` and `/api/access/explain`. In `auth.mode: dev` everyone may.",
        );
        table.setting(
            "watchRbac",
            &mut self.watch_rbac,
            Switch,
            "Watches roles and bindings, and asks again at once about what a change touches.",
        );
    }
}
