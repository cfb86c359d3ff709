//! Who may look into what others do, and that they did.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::{Api, Asker, accepts_json, refuse};
use crate::audit::{Event, Origin, Record, Who};
use crate::config::{AuthMode, Config};
use crate::identity::Identity;
use crate::wire::refusal::Refusal;

/// Who is an admin.
#[derive(Clone, Debug)]
pub struct Admins {
    /// In dev there is one user, who is.
    everyone: bool,
    groups: Vec<String>,
}

impl Admins {
    /// The admins of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let everyone = config.auth.mode == AuthMode::Dev;
        Admins { everyone, groups: config.access.admin_groups.clone() }
    }

    /// Whether somebody is one: by a group as it was read from their credentials, before any mapping.
    #[must_use]
    pub fn admits(&self, who: &Identity) -> bool {
        let is_named = |group: &str| self.groups.iter().any(|named| named == group);
        self.everyone || who.groups.iter().any(|group| is_named(group))
    }
}

/// Lets admins in, and records it; nobody else.
pub(super) async fn only(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    Extension(origin): Extension<Origin>,
    request: Request,
    next: Next,
) -> Response {
    if !api.admins.admits(&asker.identity) {
        return refuse(Refusal::Denied, accepts_json(&request));
    }
    api.audit.record(|| {
        let path = request.uri().path().into();
        let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).unwrap_or_default();
        let about = query.0.into_iter().find(|(name, _)| name == "user").map(|(_, user)| user.into());
        Record::new(Event::Admin { path, about }, Some(Who::of(&asker.identity, &api.access.tenants)), origin)
    });
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admins(mode: AuthMode, groups: &[&str]) -> Admins {
        let mut config = Config::default();
        config.auth.mode = mode;
        config.access.admin_groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Admins::new(&config)
    }

    fn member_of(groups: &[&str]) -> Identity {
        Identity {
            subject: "ann".into(),
            email: "".into(),
            groups: groups.iter().map(|group| (*group).into()).collect(),
            session: None,
            until: None,
        }
    }

    #[test]
    fn nobody_is_an_admin_unless_a_group_of_theirs_is_named() {
        assert!(!admins(AuthMode::Header, &[]).admits(&member_of(&["dev", "system:masters", ""])));
        let ops = admins(AuthMode::Header, &["ops"]);
        assert!(ops.admits(&member_of(&["web", "ops"])));
        for groups in [&[][..], &["Ops"], &["ops2"], &["op"]] {
            assert!(!ops.admits(&member_of(groups)), "{groups:?}");
        }
    }

    #[test]
    fn in_dev_everyone_is() {
        assert!(admins(AuthMode::Dev, &[]).admits(&member_of(&[])));
    }
}
