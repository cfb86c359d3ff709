//! Why a stream ends, as logs and audit records say it.

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client has closed its end, or cannot be reached.
    ClientGone,
    /// Foretop's own account may not list or watch this kind there.
    Forbidden,
    /// The cluster does not know the kind.
    Absent,
    /// The cluster refuses Foretop's credentials.
    Unauthenticated,
    /// The cluster did not answer in time.
    Unavailable,
    /// The cluster was removed.
    Gone,
    /// The user may no longer list and watch this.
    Denied,
    /// The user may see other namespaces than before, and it stood amid a frame.
    ScopeChanged,
    /// Nobody answers who could say what the user may see.
    AuthzUnavailable,
    /// What proved who asks is over, or was revoked.
    AuthExpired,
    /// It was open for as long as a stream may be; its client comes back.
    Rotated,
    /// It was shed at a ceiling of memory, or took nothing for too long.
    Backpressure,
    /// This server goes.
    ServerShutdown,
    /// The kernel does not watch over its socket.
    NoEpoll,
}

impl Reason {
    /// Every one, in the order of their declaration.
    pub const ALL: [Reason; 14] = [
        Reason::ClientGone,
        Reason::Forbidden,
        Reason::Absent,
        Reason::Unauthenticated,
        Reason::Unavailable,
        Reason::Gone,
        Reason::Denied,
        Reason::ScopeChanged,
        Reason::AuthzUnavailable,
        Reason::AuthExpired,
        Reason::Rotated,
        Reason::Backpressure,
        Reason::ServerShutdown,
        Reason::NoEpoll,
    ];

    /// The word in logs and audit records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::ClientGone => "client_gone",
            Reason::Forbidden => "forbidden",
            Reason::Absent => "absent",
            Reason::Unauthenticated => "unauthenticated",
            Reason::Unavailable => "unavailable",
            Reason::Gone => "gone",
            Reason::Denied => "denied",
            Reason::ScopeChanged => "scope_changed",
            Reason::AuthzUnavailable => "authz_unavailable",
            Reason::AuthExpired => "auth_expired",
            Reason::Rotated => "rotated",
            Reason::Backpressure => "backpressure",
            Reason::ServerShutdown => "server_shutdown",
            Reason::NoEpoll => "no_epoll",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn each_stands_at_its_number() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{reason:?}");
        }
        assert_eq!(Reason::NoEpoll as usize + 1, Reason::ALL.len());
    }
}
