//! Which requests are meant for this server, and made by its own pages: `Host`, `Origin` and `Sec-Fetch-*`.
//!
//! A browser sends its user's cookies to whom the user never meant to speak to. Two lies are told to it: that a name of the attacker's has
//! our address (DNS rebinding; the `Host` gives it away), and that a page of another site may ask us (`Origin` and `Sec-Fetch-Site` give
//! that away; no page can set them). [`Origins::admit`] is asked about every request before anything else is done about it; it only computes.
//!
//! - **Host**: `server.publicUrl` and `server.hosts`, whatever the port, unless an entry of the latter names one. Without a `publicUrl`: loopback
//!   names. Where the target is in absolute form, its authority counts and `Host` is ignored (RFC 9112, 3.2.2).
//! - **No host** (HTTP/1.0, or an empty `Host`): no browser sends that. It is answered on loopback and for trusted proxies.
//! - **Origin**: the server's own, or one of `cors.allowedOrigins`. Where there is none, a request from another site or another subdomain is
//!   answered only if a user followed a link to a page or to the sign-in.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::{Authority, Cidr, Cors, Origin, Server};
use crate::wire::refusal::Refusal;

/// Header fields of an answer that tell the browser, and caches, who may read it.
pub type Sharing = Arc<[(&'static str, Box<str>)]>;

/// The headers of answers that pages of listed origins may read.
const EXPOSED: &str = "ETag, Retry-After, X-Request-Id, Foretop-Scope, Foretop-As-Of, Foretop-Age-Ms";

/// Routes of the API that another site may link to: signing in begins at a link and comes back from the provider; signing out asks first.
const LINKED: [&str; 5] = [
    "/api/auth/login",
    "/api/auth/callback",
    "/api/auth/logout",
    "/api/auth/logout/everywhere",
    "/api/auth/loggedout",
];

/// Which origins are answered.
#[derive(Debug)]
pub struct Origins {
    public: Option<Origin>,
    hosts: Vec<Authority>,
    allowed: Vec<(Origin, Sharing)>,
    /// For answers to everyone who is not of a listed origin.
    others: Sharing,
    trusted_proxies: Vec<Cidr>,
}

/// A request, as far as its head does not say it in a header.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its target's path.
    pub path: &'a str,
    /// Its target's authority, where that is in absolute form.
    pub authority: Option<&'a str>,
    /// The other end of its connection.
    pub peer: IpAddr,
}

/// What a browser says of how a request came about.
#[derive(Default)]
struct Fetch<'a> {
    host: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    site: Option<&'a [u8]>,
    mode: Option<&'a [u8]>,
    dest: Option<&'a [u8]>,
}

impl Origins {
    /// The origins of a configuration.
    #[must_use]
    pub fn new(server: &Server, cors: &Cors) -> Self {
        let vary = || ("Vary", "Origin".into());
        let shared = |origin: &Origin| -> Sharing {
            [
                ("Access-Control-Allow-Origin", origin.to_string().into()),
                ("Access-Control-Allow-Credentials", "true".into()),
                ("Access-Control-Expose-Headers", EXPOSED.into()),
                vary(),
            ]
            .into()
        };
        Origins {
            public: server.public_url.clone(),
            hosts: server.hosts.clone(),
            allowed: cors.allowed_origins.iter().map(|origin| (origin.clone(), shared(origin))).collect(),
            // Without a listed origin, no answer depends on it.
            others: cors.allowed_origins.first().map(|_| vary()).into_iter().collect(),
            trusted_proxies: server.trusted_proxies.clone(),
        }
    }

    /// Whether a request may be answered, and who may read the answer.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] for a host that is none, [`Refusal::WrongHost`] for one that is another's, [`Refusal::CrossSite`] for a request
    /// that another site has made.
    pub fn admit<'a>(
        &self,
        asked: &Asked<'a>,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Sharing, Refusal> {
        let fetch = Fetch::of(headers)?;
        let authority = self.authority(asked, &fetch)?;
        let Some(origin) = fetch.origin else {
            let meant = fetch.is_of_this_site() || fetch.is_followed_link(asked);
            return if meant { Ok(self.others.clone()) } else { Err(Refusal::CrossSite) };
        };
        let origin = text(origin).and_then(|origin| origin.parse().ok()).ok_or(Refusal::CrossSite)?;
        if let Some((_, sharing)) = self.allowed.iter().find(|(allowed, _)| *allowed == origin) {
            return Ok(sharing.clone());
        }
        if self.is_own(&origin, authority.as_ref()) {
            Ok(self.others.clone())
        } else {
            Err(Refusal::CrossSite)
        }
    }

    /// Whom the request is for, where it says that.
    fn authority(&self, asked: &Asked<'_>, fetch: &Fetch<'_>) -> Result<Option<Authority>, Refusal> {
        let given = match asked.authority {
            Some(authority) => authority.as_bytes(),
            None => fetch.host.unwrap_or_default(),
        };
        if given.is_empty() {
            let near = asked.peer.to_canonical().is_loopback()
                || self.trusted_proxies.iter().any(|block| block.contains(asked.peer));
            return if near { Ok(None) } else { Err(Refusal::WrongHost) };
        }
        let authority = text(given).and_then(|text| text.parse().ok()).ok_or(Refusal::BadRequest)?;
        if self.answers_to(&authority) { Ok(Some(authority)) } else { Err(Refusal::WrongHost) }
    }

    fn answers_to(&self, authority: &Authority) -> bool {
        let public = match &self.public {
            Some(public) => public.host == authority.host,
            None => authority.host.is_loopback(),
        };
        let further = |host: &Authority| {
            host.host == authority.host && (host.port.is_none() || host.port == authority.port)
        };
        public || self.hosts.iter().any(further)
    }

    /// Whether the origin is the one that the request is for. At the public URL it is that URL; elsewhere the scheme is not known here,
    /// since a proxy in front may have ended TLS.
    fn is_own(&self, origin: &Origin, authority: Option<&Authority>) -> bool {
        match (&self.public, authority) {
            (Some(public), None) => public == origin,
            (Some(public), Some(authority)) if public.host == authority.host => public == origin,
            (_, Some(authority)) => origin.is_at(authority),
            (None, None) => false,
        }
    }
}

impl<'a> Fetch<'a> {
    /// A header that comes twice is nothing that a browser sends.
    fn of(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Self, Refusal> {
        let mut fetch = Fetch::default();
        for (name, value) in headers {
            let (field, why) = match name.len() {
                4 if name.eq_ignore_ascii_case("host") => (&mut fetch.host, Refusal::BadRequest),
                6 if name.eq_ignore_ascii_case("origin") => (&mut fetch.origin, Refusal::CrossSite),
                14 if name.eq_ignore_ascii_case("sec-fetch-site") => (&mut fetch.site, Refusal::CrossSite),
                14 if name.eq_ignore_ascii_case("sec-fetch-mode") => (&mut fetch.mode, Refusal::CrossSite),
                14 if name.eq_ignore_ascii_case("sec-fetch-dest") => (&mut fetch.dest, Refusal::CrossSite),
                _ => continue,
            };
            if field.replace(value.trim_ascii()).is_some() {
                return Err(why);
            }
        }
        Ok(fetch)
    }

    /// Whether no other site had a hand in it, as far as the browser says. A subdomain is another site here.
    fn is_of_this_site(&self) -> bool {
        matches!(self.site, None | Some(b"same-origin" | b"none"))
    }

    /// Whether a user followed a link, in a tab of its own, to what may be linked to.
    fn is_followed_link(&self, asked: &Asked<'_>) -> bool {
        let api = ["/api/", "/debug/", "/metrics"].iter().any(|prefix| asked.path.starts_with(prefix));
        matches!(asked.method, "GET" | "HEAD")
            && self.mode == Some(b"navigate")
            && matches!(self.dest, None | Some(b"document"))
            && (!api || LINKED.contains(&asked.path))
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "/api/clusters/c/pods";

    fn origins(public: &str, hosts: &[&str], allowed: &[&str]) -> Origins {
        let server = Server {
            public_url: (!public.is_empty()).then(|| public.parse().expect("an origin")),
            hosts: hosts.iter().map(|host| host.parse().expect("a host")).collect(),
            trusted_proxies: vec!["10.0.0.0/8".parse().expect("a block")],
            ..Server::default()
        };
        let allowed_origins = allowed.iter().map(|origin| origin.parse().expect("an origin")).collect();
        Origins::new(&server, &Cors { allowed_origins })
    }

    fn ask(origins: &Origins, line: &str, headers: &[(&str, &str)]) -> Result<Sharing, Refusal> {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let asked = Asked { method, path, authority: None, peer: IpAddr::from([203, 0, 113, 9]) };
        origins.admit(&asked, headers.iter().map(|(name, value)| (*name, value.as_bytes())))
    }

    fn host(origins: &Origins, host: &str) -> Result<(), Refusal> {
        ask(origins, &format!("GET {LIST}"), &[("Host", host)]).map(drop)
    }

    #[test]
    fn without_a_public_url_only_loopback_names_are_answered() {
        let origins = origins("", &[], &[]);
        for right in ["localhost", "LocalHost.:8080", "127.0.0.1:1", "127.8.8.8", "[::1]", "[::1]:8080"] {
            assert_eq!(host(&origins, right), Ok(()), "{right}");
        }
        for wrong in
            ["rebound.example", "localhost.example", "10.0.0.1", "0.0.0.0", "127.1", "[::]", "foretop"]
        {
            assert_eq!(host(&origins, wrong), Err(Refusal::WrongHost), "{wrong}");
        }
    }

    #[test]
    fn with_one_it_and_its_further_names_are() {
        let origins = origins("https://foretop.example", &["foretop.ops.svc", "10.1.2.3:8080"], &[]);
        for right in [
            "foretop.example",
            "FORETOP.example.:443",
            "foretop.example:8443",
            "foretop.ops.svc:80",
            "10.1.2.3:8080",
        ] {
            assert_eq!(host(&origins, right), Ok(()), "{right}");
        }
        for wrong in
            ["localhost", "127.0.0.1", "a.foretop.example", "foretop.example.evil", "10.1.2.3", "10.1.2.3:80"]
        {
            assert_eq!(host(&origins, wrong), Err(Refusal::WrongHost), "{wrong}");
        }
    }

    #[test]
    fn a_host_that_is_none_is_a_bad_request() {
        let origins = origins("https://foretop.example", &[], &[]);
        for bad in [
            "foretop.example@evil",
            "evil/foretop.example",
            "foretop.example evil",
            "foretop.example:x",
            "[::1",
        ] {
            assert_eq!(host(&origins, bad), Err(Refusal::BadRequest), "{bad}");
        }
        let twice = [("Host", "foretop.example"), ("host", "foretop.example")];
        assert_eq!(ask(&origins, "GET /", &twice).map(drop), Err(Refusal::BadRequest));
    }

    #[test]
    fn no_host_is_for_those_who_are_near() {
        let origins = origins("https://foretop.example", &[], &[]);
        for (peer, expected) in [
            ("127.0.0.1", Ok(())),
            ("::1", Ok(())),
            ("::ffff:127.0.0.1", Ok(())),
            ("10.2.3.4", Ok(())),
            ("203.0.113.9", Err(Refusal::WrongHost)),
        ] {
            let asked =
                Asked { method: "GET", path: LIST, authority: None, peer: peer.parse().expect("an address") };
            for headers in [&[][..], &[("Host", &b""[..])]] {
                assert_eq!(origins.admit(&asked, headers.iter().copied()).map(drop), expected, "{peer}");
            }
        }
    }

    #[test]
    fn an_absolute_target_says_whom_it_is_for() {
        let origins = origins("https://foretop.example", &[], &[]);
        for (authority, host, expected) in [
            ("foretop.example", "evil.example", Ok(())),
            ("evil.example", "foretop.example", Err(Refusal::WrongHost)),
            ("foretop.example@evil.example", "foretop.example", Err(Refusal::BadRequest)),
        ] {
            let peer = IpAddr::from([127, 0, 0, 1]);
            let asked = Asked { method: "GET", path: LIST, authority: Some(authority), peer };
            let headers = [("host", host.as_bytes())];
            assert_eq!(origins.admit(&asked, headers.into_iter()).map(drop), expected, "{authority}");
        }
    }

    #[test]
    fn another_origin_is_refused_unless_it_is_listed() {
        let origins =
            origins("https://foretop.example", &["inner.example"], &["https://portal.example:8443"]);
        let from = |host: &str, origin: &str| {
            let headers = [("Host", host), ("Origin", origin), ("Sec-Fetch-Site", "cross-site")];
            ask(&origins, &format!("GET {LIST}"), &headers).map(|sharing| sharing.len())
        };
        for foreign in [
            "null",
            "",
            "https://evil.example",
            "http://foretop.example",
            "https://foretop.example:8443",
            "https://a.foretop.example",
            "https://portal.example",
            "http://portal.example:8443",
            "https://foretop.example/",
            "https://foretop.example https://evil.example",
            "*",
        ] {
            assert_eq!(from("foretop.example", foreign), Err(Refusal::CrossSite), "{foreign}");
        }
        assert_eq!(from("foretop.example", "https://foretop.example"), Ok(1), "its own: only `Vary`");
        assert_eq!(from("inner.example:8080", "http://inner.example:8080"), Ok(1));
        assert_eq!(from("inner.example:8080", "http://inner.example"), Err(Refusal::CrossSite));
        assert_eq!(from("foretop.example", "https://portal.example:8443"), Ok(4));
        let twice = [
            ("Host", "foretop.example"),
            ("Origin", "https://foretop.example"),
            ("Origin", "https://evil.example"),
        ];
        assert_eq!(ask(&origins, &format!("GET {LIST}"), &twice).map(drop), Err(Refusal::CrossSite));
    }

    #[test]
    fn a_listed_origin_is_named_exactly() {
        let origins = origins("", &[], &["https://Portal.example"]);
        let headers = [("Host", "localhost"), ("Origin", "https://portal.example")];
        let sharing = ask(&origins, "GET /", &headers).expect("it is listed");
        assert_eq!(sharing[0], ("Access-Control-Allow-Origin", "https://portal.example".into()));
        assert_eq!(sharing[1], ("Access-Control-Allow-Credentials", "true".into()));
        assert!(sharing.contains(&("Vary", "Origin".into())));
        let own = [("Host", "localhost:80"), ("Origin", "http://localhost")];
        assert_eq!(&*ask(&origins, "GET /", &own).expect("its own"), [("Vary", "Origin".into())]);
    }

    #[test]
    fn other_sites_may_only_link_to_pages_and_to_the_sign_in() {
        let origins = origins("https://foretop.example", &[], &[]);
        let from = |site: &str, mode: &str, dest: &str, line: &str| {
            let headers = [
                ("Host", "foretop.example"),
                ("Sec-Fetch-Site", site),
                ("Sec-Fetch-Mode", mode),
                ("Sec-Fetch-Dest", dest),
            ];
            ask(&origins, line, &headers).map(drop)
        };
        for site in ["cross-site", "same-site", "something-new"] {
            for page in ["/", "/clusters/c/pods", "/api/auth/login", "/api/auth/callback", "/api/auth/logout"]
            {
                assert_eq!(
                    from(site, "navigate", "document", &format!("GET {page}")),
                    Ok(()),
                    "{site} {page}"
                );
                for dest in ["iframe", "object", "image"] {
                    let line = format!("GET {page}");
                    assert_eq!(from(site, "navigate", dest, &line), Err(Refusal::CrossSite), "{dest} {page}");
                }
                let posted = from(site, "navigate", "document", &format!("POST {page}"));
                assert_eq!(posted, Err(Refusal::CrossSite), "{page}");
                assert_eq!(
                    from(site, "no-cors", "image", &format!("GET {page}")),
                    Err(Refusal::CrossSite),
                    "{page}"
                );
            }
            for route in [
                LIST,
                "/api/clusters/c/pods/watch",
                "/api/auth/whoami",
                "/api/auth/login/x",
                "/debug/streams",
            ] {
                let followed = from(site, "navigate", "document", &format!("GET {route}"));
                assert_eq!(followed, Err(Refusal::CrossSite), "{site} {route}");
            }
        }
        for site in ["same-origin", "none"] {
            assert_eq!(from(site, "cors", "empty", &format!("GET {LIST}")), Ok(()), "{site}");
        }
    }
}
