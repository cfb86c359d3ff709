//! Answers that are no stream and no list: what was wrong, as the contract says it or as JSON.

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The head is not HTTP, or contradicts itself.
    BadRequest,
    /// Cleartext where TLS is spoken.
    NeedsTls,
    /// A namespace of a name that cannot exist.
    BadNamespace,
    /// A `labelSelector` that is none.
    BadSelector,
    /// A `rows` that names no kind of row.
    BadRows,
    /// As many selectors are in use on this cluster's kind as may be.
    TooManySelectors,
    /// Several namespaces, where each user sees by a watch of their own.
    OneNamespace,
    /// No identity.
    Unauthenticated,
    /// A bearer token that is not good.
    BadToken,
    /// No keys to verify bearer tokens with: the issuer has not given them yet, or not for too long.
    NoKeys,
    /// Foretop's account may not list or watch this kind there.
    Forbidden,
    /// The user may not list and watch this.
    Denied,
    /// The identity maps to a Kubernetes name that no user may have.
    IdentityRefused,
    /// Nobody answers who could say what the user may see.
    AuthzUnavailable,
    /// A `Host` that is not this server's.
    WrongHost,
    /// A request that another site has made.
    CrossSite,
    /// Two sorts of credentials in one request.
    TwoCredentials,
    /// An unsafe method without a JSON body.
    NotJson,
    /// A body that holds no checks.
    BadChecks,
    /// More checks than are answered at once.
    TooManyChecks,
    /// A body that asks for no views, or for impossible ones.
    BadViews,
    /// No multiplexed stream of this name, or somebody else's.
    UnknownStream,
    /// A multiplexed stream that another replica has.
    StreamElsewhere,
    /// No such cluster.
    UnknownCluster,
    /// No such route.
    NotFound,
    /// The apiserver does not know the kind.
    Absent,
    /// Another method than GET or HEAD (only GET on a watch).
    MethodNotAllowed {
        /// Whether HEAD is allowed beside GET.
        head: bool,
    },
    /// The head did not come in time.
    Timeout,
    /// A body where none belongs.
    BodyTooLarge,
    /// A body that is longer than may be.
    BodyTooLong,
    /// Another method than POST.
    PostOnly,
    /// The request target is too long.
    UriTooLong,
    /// The user has as many streams as one may have.
    TooManyStreams,
    /// The user's tenant has as many streams as one may have.
    TenantStreams,
    /// The user's tenant opens streams faster than one may.
    TenantConnects,
    /// The user's tenant is sent more bytes of lists per second than one may be.
    TenantBytes,
    /// Connects come faster than the limit.
    TooManyConnects,
    /// The head is too large.
    HeadTooLarge,
    /// A ceiling (memory, streams of a core) is reached.
    Full,
    /// The cluster does not answer, or its list is not here yet.
    Unavailable,
    /// Foretop is shutting down.
    Draining,
    /// Something that the contract has and Foretop leaves to another backend.
    NotHere,
    /// The apiserver was asked and did not answer in time.
    UpstreamTimeout,
    /// The apiserver was asked and answered something else.
    UpstreamFailed,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Refusal; 45] = [
        Refusal::BadRequest,
        Refusal::NeedsTls,
        Refusal::BadNamespace,
        Refusal::BadSelector,
        Refusal::BadRows,
        Refusal::TooManySelectors,
        Refusal::OneNamespace,
        Refusal::Unauthenticated,
        Refusal::BadToken,
        Refusal::NoKeys,
        Refusal::Forbidden,
        Refusal::Denied,
        Refusal::IdentityRefused,
        Refusal::AuthzUnavailable,
        Refusal::WrongHost,
        Refusal::CrossSite,
        Refusal::TwoCredentials,
        Refusal::NotJson,
        Refusal::BadChecks,
        Refusal::TooManyChecks,
        Refusal::BadViews,
        Refusal::UnknownStream,
        Refusal::StreamElsewhere,
        Refusal::UnknownCluster,
        Refusal::NotFound,
        Refusal::Absent,
        Refusal::MethodNotAllowed { head: true },
        Refusal::MethodNotAllowed { head: false },
        Refusal::PostOnly,
        Refusal::Timeout,
        Refusal::BodyTooLarge,
        Refusal::BodyTooLong,
        Refusal::UriTooLong,
        Refusal::TooManyStreams,
        Refusal::TenantStreams,
        Refusal::TenantConnects,
        Refusal::TenantBytes,
        Refusal::TooManyConnects,
        Refusal::HeadTooLarge,
        Refusal::Full,
        Refusal::Unavailable,
        Refusal::Draining,
        Refusal::NotHere,
        Refusal::UpstreamTimeout,
        Refusal::UpstreamFailed,
    ];

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> (u16, &'static str) {
        match self {
            Refusal::BadChecks
            | Refusal::TooManyChecks
            | Refusal::BadViews
            | Refusal::BadRequest
            | Refusal::NeedsTls
            | Refusal::BadNamespace
            | Refusal::BadSelector
            | Refusal::BadRows
            | Refusal::OneNamespace
            | Refusal::TwoCredentials => (400, "Bad Request"),
            Refusal::Unauthenticated | Refusal::BadToken => (401, "Unauthorized"),
            Refusal::Forbidden | Refusal::Denied | Refusal::IdentityRefused | Refusal::CrossSite => {
                (403, "Forbidden")
            }
            Refusal::UnknownCluster | Refusal::NotFound | Refusal::Absent | Refusal::UnknownStream => {
                (404, "Not Found")
            }
            Refusal::MethodNotAllowed { .. } | Refusal::PostOnly => (405, "Method Not Allowed"),
            Refusal::Timeout => (408, "Request Timeout"),
            Refusal::StreamElsewhere => (409, "Conflict"),
            Refusal::BodyTooLarge | Refusal::BodyTooLong => (413, "Content Too Large"),
            Refusal::UriTooLong => (414, "URI Too Long"),
            Refusal::TooManyStreams
            | Refusal::TooManyConnects
            | Refusal::TooManySelectors
            | Refusal::TenantStreams
            | Refusal::TenantConnects
            | Refusal::TenantBytes => (429, "Too Many Requests"),
            Refusal::NotJson => (415, "Unsupported Media Type"),
            Refusal::WrongHost => (421, "Misdirected Request"),
            Refusal::HeadTooLarge => (431, "Request Header Fields Too Large"),
            Refusal::Full
            | Refusal::Unavailable
            | Refusal::AuthzUnavailable
            | Refusal::NoKeys
            | Refusal::Draining => (503, "Service Unavailable"),
            Refusal::NotHere => (501, "Not Implemented"),
            Refusal::UpstreamTimeout => (504, "Gateway Timeout"),
            Refusal::UpstreamFailed => (500, "Internal Server Error"),
        }
    }

    /// The machine-readable code in JSON, logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Refusal::BadRequest => "bad_request",
            Refusal::NeedsTls => "needs_tls",
            Refusal::BadNamespace => "bad_namespace",
            Refusal::BadSelector => "bad_selector",
            Refusal::BadRows => "bad_rows",
            Refusal::TooManySelectors => "too_many_selectors",
            Refusal::OneNamespace => "one_namespace",
            Refusal::Unauthenticated => "unauthenticated",
            Refusal::BadToken => "invalid_token",
            Refusal::NoKeys => "no_keys",
            Refusal::Forbidden => "forbidden",
            Refusal::Denied => "denied",
            Refusal::IdentityRefused => "identity_refused",
            Refusal::AuthzUnavailable => "authz_unavailable",
            Refusal::WrongHost => "wrong_host",
            Refusal::CrossSite => "cross_site",
            Refusal::TwoCredentials => "two_credentials",
            Refusal::NotJson => "not_json",
            Refusal::BadChecks => "bad_checks",
            Refusal::TooManyChecks => "too_many_checks",
            Refusal::BadViews => "bad_views",
            Refusal::UnknownStream => "stream_unknown",
            Refusal::StreamElsewhere => "stream_elsewhere",
            Refusal::BodyTooLong => "body_too_long",
            Refusal::UnknownCluster => "unknown_cluster",
            Refusal::NotFound => "not_found",
            Refusal::Absent => "absent",
            Refusal::MethodNotAllowed { .. } | Refusal::PostOnly => "method_not_allowed",
            Refusal::Timeout => "timeout",
            Refusal::BodyTooLarge => "body_too_large",
            Refusal::UriTooLong => "uri_too_long",
            Refusal::TooManyStreams => "too_many_streams",
            Refusal::TooManyConnects => "too_many_connects",
            Refusal::TenantStreams => "tenant_streams",
            Refusal::TenantConnects => "tenant_connects",
            Refusal::TenantBytes => "tenant_bytes",
            Refusal::HeadTooLarge => "head_too_large",
            Refusal::Full => "full",
            Refusal::Unavailable => "unavailable",
            Refusal::Draining => "draining",
            Refusal::NotHere => "not_here",
            Refusal::UpstreamTimeout => "upstream_timeout",
            Refusal::UpstreamFailed => "upstream_failed",
        }
    }

    /// What a person reads.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Refusal::BadRequest => "the request is not valid HTTP/1.1",
            Refusal::NeedsTls => "this port speaks TLS; ask it by https://",
            Refusal::BadNamespace => "no namespace can have this name",
            Refusal::BadSelector => "labelSelector is no label selector",
            Refusal::BadRows => "rows is plain or full",
            Refusal::TooManySelectors => {
                "too many different label selectors are in use on this kind of this cluster; see feeds.selectorsPerKind"
            }
            Refusal::OneNamespace => "a request names one namespace or none; see access.upstream",
            Refusal::Unauthenticated => "unauthenticated",
            Refusal::BadToken => "the bearer token is not valid here",
            Refusal::NoKeys => "the issuer of bearer tokens gives no keys to verify them with",
            Refusal::Forbidden
            | Refusal::Denied
            | Refusal::Absent
            | Refusal::UpstreamTimeout
            | Refusal::UpstreamFailed => "operation failed",
            Refusal::NotHere => {
                "Foretop has no logs, no shells, no writes and none but its 22 kinds; the proxy in front sends these paths to the backend that has them (docs/api.md)"
            }
            Refusal::IdentityRefused => "this identity maps to a Kubernetes name that no user may have",
            Refusal::AuthzUnavailable => "the cluster does not say what this user may see",
            Refusal::WrongHost => "this server does not answer to this Host; see server.publicUrl",
            Refusal::CrossSite => "requests from other sites are not answered; see cors.allowedOrigins",
            Refusal::TwoCredentials => "a session cookie and an Authorization header are in one request",
            Refusal::NotJson => "this method needs Content-Type: application/json",
            Refusal::BadChecks => "the body is no JSON object with a list of checks",
            Refusal::TooManyChecks => "too many checks (limit 64)",
            Refusal::BadViews => "the body asks for no views",
            Refusal::UnknownStream => "there is no such stream",
            Refusal::StreamElsewhere => "another replica has this stream; close it and open another",
            Refusal::BodyTooLong => "the body is too long (limit 256 KiB)",
            Refusal::UnknownCluster => "cluster not found",
            Refusal::NotFound => "404 page not found",
            Refusal::MethodNotAllowed { .. } | Refusal::PostOnly => "method not allowed",
            Refusal::Timeout => "the request did not arrive in time",
            Refusal::BodyTooLarge => "this route takes no body",
            Refusal::UriTooLong => "the request target is too long",
            Refusal::TooManyStreams => "too many concurrent watch streams for this user",
            Refusal::TooManyConnects => "too many new streams per second",
            Refusal::TenantStreams => "too many concurrent watch streams for this user's tenant",
            Refusal::TenantConnects => "too many new streams per second for this user's tenant",
            Refusal::TenantBytes => "too many bytes of lists per second for this user's tenant",
            Refusal::HeadTooLarge => "the request head is too large",
            Refusal::Full => "this server is full",
            Refusal::Unavailable => "the cluster's list is not available yet",
            Refusal::Draining => "this server is shutting down",
        }
    }

    /// Whether the answer is text, as the contract has it, where the client did not ask for JSON.
    #[must_use]
    const fn is_contract_text(self) -> bool {
        matches!(
            self,
            Refusal::Unauthenticated
                | Refusal::Forbidden
                | Refusal::Denied
                | Refusal::BadChecks
                | Refusal::TooManyChecks
                | Refusal::UnknownCluster
                | Refusal::NotFound
                | Refusal::Absent
                | Refusal::UpstreamTimeout
                | Refusal::UpstreamFailed
                | Refusal::TooManyStreams
        )
    }

    /// The `WWW-Authenticate` that goes with it: the contract's, or, of a bearer token, RFC 6750's.
    #[must_use]
    pub const fn challenge(self) -> Option<&'static str> {
        match self {
            Refusal::Unauthenticated => Some("Cookie realm=\"periscope\""),
            Refusal::BadToken => Some("Bearer error=\"invalid_token\""),
            _ => None,
        }
    }

    /// After how many seconds another try makes sense.
    #[must_use]
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Refusal::TooManyStreams
            | Refusal::TenantStreams
            | Refusal::Full
            | Refusal::Unavailable
            | Refusal::AuthzUnavailable
            | Refusal::NoKeys
            | Refusal::Draining => Some(5),
            Refusal::TooManyConnects | Refusal::TenantConnects | Refusal::TenantBytes => Some(1),
            _ => None,
        }
    }

    /// Whether the connection is of no further use: what follows on it cannot be told apart from the refused request.
    #[must_use]
    pub const fn closes(self) -> bool {
        matches!(
            self,
            Refusal::BadRequest
                | Refusal::NeedsTls
                | Refusal::Timeout
                | Refusal::BodyTooLarge
                | Refusal::BodyTooLong
                | Refusal::UriTooLong
                | Refusal::HeadTooLarge
                | Refusal::TooManyConnects
                | Refusal::Draining
        )
    }

    /// The body and its content type: text as the contract has it, or JSON where the client accepts it or the contract says nothing.
    #[must_use]
    pub fn body(self, accepts_json: bool) -> (&'static str, String) {
        self.body_saying(self.message(), accepts_json)
    }

    /// The same in other words, in which nothing needs escaping.
    #[must_use]
    pub fn body_saying(self, words: &str, accepts_json: bool) -> (&'static str, String) {
        if self.is_contract_text() && !accepts_json {
            return ("text/plain; charset=utf-8", format!("{words}\n"));
        }
        let body = format!(r#"{{"error":{{"code":"{}","message":"{words}"}}}}"#, self.code());
        ("application/json", body + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_are_all_that_have_a_code() {
        let source = include_str!("refusal.rs");
        let codes =
            source.split("const fn code").nth(1).expect("the codes").split("/// What a person").next();
        let named = codes.unwrap_or_default().matches("=> \"").count();
        let mut known: Vec<&str> = Refusal::ALL.iter().map(|why| why.code()).collect();
        known.dedup();
        assert_eq!(known.len(), named, "a refusal is missing in ALL");
    }
}
