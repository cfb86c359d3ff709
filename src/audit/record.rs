//! What is recorded.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::access::Tenants;
use crate::feed::Scope;
use crate::identity::{Identity, SessionRef};

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
    /// Who did it, where that is known.
    pub who: Option<Who>,
    /// From where.
    pub from: Origin,
    /// To what.
    pub target: Option<Target>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stream was opened.
    StreamOpened {
        /// Its number, unique in the process.
        stream: u64,
    },
    /// A stream was closed.
    StreamClosed {
        /// Its number.
        stream: u64,
        /// Why it ended.
        reason: &'static str,
        /// Rows of the snapshots that it was given. What changed afterwards is not counted by the stream, but is among its bytes.
        rows: u64,
        /// Bytes that its socket took.
        bytes: u64,
        /// How long it was open.
        duration: Duration,
    },
    /// A request was denied.
    Denied {
        /// The refusal's code.
        code: &'static str,
        /// The path that was asked for, without its query, where it is no list and no stream.
        path: Option<Box<str>>,
    },
    /// Somebody signed in.
    SignedIn,
    /// Somebody could not sign in.
    SignInFailed {
        /// Why, as a code.
        code: &'static str,
    },
    /// Somebody signed out.
    SignedOut {
        /// All of their sessions, not this one alone.
        everywhere: bool,
    },
    /// Sessions were ended otherwise than by their user.
    Revoked {
        /// By whom or what, as a code.
        by: &'static str,
    },
    /// An admin looked into something.
    Admin {
        /// The path, without its query.
        path: Box<str>,
        /// The user that was asked about.
        about: Option<Box<str>>,
    },
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The user's name.
    pub subject: Arc<str>,
    /// The user's tenant, where tenants are told apart.
    pub tenant: Option<Arc<str>>,
    /// The session.
    pub session: Option<SessionRef>,
}

impl Who {
    /// Whom an identity names, and whose they are among these tenants.
    #[must_use]
    pub fn of(identity: &Identity, tenants: &Tenants) -> Self {
        let tenant = tenants.of(identity).map(|tenant| tenant.name.clone());
        Who { subject: identity.subject.clone(), tenant, session: identity.session.clone() }
    }
}

/// From where a request came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The request's id.
    pub request_id: Box<str>,
}

impl Origin {
    /// From nowhere that is known.
    #[must_use]
    pub fn unknown() -> Self {
        Origin { client: None, request_id: "-".into() }
    }
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The cluster's name.
    pub cluster: Arc<str>,
    /// The kind.
    pub kind: &'static str,
    /// Which namespaces; `None` of a cluster-scoped kind.
    pub scope: Option<Scope>,
}

impl Record {
    /// Something that happened just now.
    #[must_use]
    pub fn new(event: Event, who: Option<Who>, from: Origin) -> Self {
        Record { at: Timestamp::now(), event, who, from, target: None }
    }

    /// And to what.
    #[must_use]
    pub fn about(mut self, target: Option<Target>) -> Self {
        self.target = target;
        self
    }
}
