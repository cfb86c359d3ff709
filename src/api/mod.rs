//! The control plane's HTTP: everything that is neither a stream nor a list.
//!
//! A core that reads such a request moves the socket here, with what was read of it; one request is answered, and the connection closes.

mod admin;
mod auth;
mod can_i;
mod clusters;
pub mod console;
mod debug;
mod detail;
mod elsewhere;
mod explain;
mod health;
mod in_path;
mod limits;
pub mod manage;
pub mod metrics;
mod origin;
mod overview;
mod process;
mod serving;
mod sites;
mod views;

use std::convert::Infallible;
use std::io::Cursor;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, mpsc};

use self::admin::Admins;
use self::console::files::Console;
use self::limits::Limits;
use self::overview::Overviews;
use self::serving::Bounds;
use crate::access::{self, Access};
use crate::audit::{Audit, Who};
use crate::certificate::Ends;
use crate::cluster::Clusters;
use crate::config::{AuthMode, Cidr, Config};
use crate::core::refusals::Refusals;
use crate::core::start::Driver;
use crate::core::{CoreHandle, Everywhere, Moved};
use crate::feed::hub::Hub;
use crate::feed::ledger::Ledger;
use crate::identity::addresses::{Addresses, Seat};
use crate::identity::origin::Origins;
use crate::identity::{Authenticator, Identified, Identity, Peer, Verified};
use crate::kind::Kind;
use crate::wire::refusal::Refusal;

/// Connections that may wait to be taken over.
pub const WAITING: usize = 1024;

/// Connections that are served at once.
const AT_ONCE: usize = 256;

/// Of these, from one address: a client that is slow with its bodies holds up only its like.
const AT_ONCE_PER_ADDRESS: usize = 64;

/// What the routes show.
pub struct Api {
    hub: Arc<Hub>,
    clusters: Arc<Clusters>,
    cores: Arc<[CoreHandle]>,
    origins: Arc<Origins>,
    trusted_proxies: Vec<Cidr>,
    authenticator: Arc<Authenticator>,
    access: Arc<Access>,
    audit: Audit,
    ledger: Arc<Ledger>,
    limits: Limits,
    driver: Driver,
    /// What the control plane has refused.
    refused: Refusals,
    kinds: Vec<&'static Kind>,
    mode: AuthMode,
    admins: Admins,
    overviews: Overviews,
    console: Console,
    wants_console: bool,
    bounds: Bounds,
    body_bytes: usize,
    ready: AtomicBool,
    draining: AtomicBool,
    /// When the certificate of the TLS listener ends, where there is one.
    certificate: OnceLock<Option<Arc<Ends>>>,
}

impl Api {
    /// The routes of a server.
    #[must_use]
    pub fn new(
        config: &Config,
        everywhere: &Everywhere,
        clusters: &Arc<Clusters>,
        cores: &Arc<[CoreHandle]>,
        origins: Arc<Origins>,
        driver: Driver,
        console: Console,
    ) -> Arc<Self> {
        Arc::new(Api {
            hub: everywhere.hub.clone(),
            clusters: clusters.clone(),
            cores: cores.clone(),
            origins,
            trusted_proxies: config.server.trusted_proxies.clone(),
            authenticator: everywhere.authenticator.clone(),
            access: everywhere.access.clone(),
            audit: everywhere.audit.clone(),
            ledger: everywhere.ledger.clone(),
            limits: Limits::new(config),
            driver,
            refused: Refusals::default(),
            kinds: config.watch.kinds.clone(),
            mode: config.auth.mode,
            admins: Admins::new(config),
            overviews: Overviews::new(&config.overviews),
            console,
            wants_console: config.console.built_in,
            bounds: Bounds::new(&config.server),
            body_bytes: config.server.body_bytes,
            ready: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            certificate: OnceLock::new(),
        })
    }

    /// The certificate of the TLS listener, where there is one, ends then; said once.
    pub fn shows_certificate(&self, ends: Option<Arc<Ends>>) {
        self.certificate.get_or_init(|| ends);
    }

    /// Says ready from now on.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// As whom somebody asks a cluster of theirs.
    ///
    /// # Errors
    /// [`Refusal::UnknownCluster`] where it is none of theirs; why they ask no cluster.
    fn asks_as(&self, asker: &Asker, cluster: &str) -> Result<access::Asker, Refusal> {
        if !self.hub.knows(cluster) || !self.access.admits(&asker.identity, cluster) {
            return Err(Refusal::UnknownCluster);
        }
        self.access.mapping.map(&asker.identity)
    }

    /// Says not ready from now on.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }
}

/// Serves the connections that cores move here.
pub async fn serve(api: Arc<Api>, mut moved: mpsc::Receiver<Moved>) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let addresses = Arc::new(Mutex::new(Addresses::new(AT_ONCE_PER_ADDRESS, &api.trusted_proxies)));
    while let Some(connection) = moved.recv().await {
        let Some(seat) = Seat::take(&addresses, connection.peer.address.ip()) else { continue };
        let Ok(permit) = at_once.clone().acquire_owned().await else { return };
        let api = api.clone();
        tokio::spawn(async move {
            serve_one(api, connection).await;
            drop((permit, seat));
        });
    }
}

async fn serve_one(api: Arc<Api>, Moved { socket, peer, read }: Moved) {
    let Ok(stream) = tokio::net::TcpStream::from_std(std::net::TcpStream::from(socket)) else { return };
    let (reader, writer) = stream.into_split();
    let connection = tokio::io::join(Cursor::new(read).chain(reader), writer);
    let bounds = api.bounds;
    serving::answer(connection, routes(api, peer), bounds).await;
}

/// Who asks, and from where.
#[derive(Clone)]
struct Asker {
    identity: Identity,
}

fn routes(api: Arc<Api>, peer: Peer) -> Router {
    let for_admins = Router::new()
        .route("/debug/streams", get(debug::streams))
        .route("/debug/feeds", get(debug::feeds))
        .route("/debug/limits", get(limits::limits))
        .route("/api/access/explain", get(explain::explain))
        .layer(axum::middleware::from_fn_with_state(api.clone(), admin::only));
    let known = Router::new()
        .route("/api/auth/whoami", get(auth::whoami))
        .route("/api/whoami", get(auth::short_whoami))
        .route("/api/features", get(clusters::features))
        .route("/api/clusters", get(clusters::clusters))
        .route("/api/clusters/{cluster}/can-i", post(can_i::can_i))
        .route("/api/fleet", get(overview::fleet))
        .route("/api/clusters/{cluster}/dashboard", get(overview::dashboard))
        .route("/api/clusters/{cluster}/search", get(overview::search))
        .route("/api/clusters/{cluster}/crds", get(overview::crds))
        .route("/api/clusters/{cluster}/{branch}", axum::routing::any(elsewhere::branch))
        .route("/api/clusters/{cluster}/{kind}/{*rest}", get(detail::object).fallback(elsewhere::write))
        .merge(for_admins)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state((api.clone(), peer.clone()), authenticate));
    let meant_for_us = Router::new()
        .route("/api/auth/config", get(auth::config))
        .route("/api/auth/login", get(auth::sign_in::login))
        .route("/api/auth/callback", get(auth::sign_in::callback))
        .route("/api/auth/logout", get(auth::sign_out::logout))
        .route("/api/auth/logout/everywhere", get(auth::sign_out::logout_everywhere))
        .route("/api/auth/loggedout", get(auth::sign_out::logged_out))
        .route("/api/auth/backchannel-logout", post(auth::sign_out::backchannel))
        .method_not_allowed_fallback(method_not_allowed)
        .merge(known)
        .layer(axum::middleware::from_fn_with_state(api.clone(), console::serve))
        .layer(axum::middleware::from_fn_with_state((api.clone(), peer.clone()), sites::admit));
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .method_not_allowed_fallback(method_not_allowed)
        .merge(meant_for_us)
        .layer(DefaultBodyLimit::max(api.body_bytes))
        .layer(axum::middleware::from_fn_with_state((api.clone(), peer), origin::of_request))
        .with_state(api)
}

async fn authenticate(
    State((api, peer)): State<(Arc<Api>, Peer)>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let verified = match api.authenticator.identify(&peer, headers.iter().copied()) {
        Ok(Identified::As(verified)) => Ok(verified),
        Ok(Identified::Stale(stale)) => api.authenticator.clone().refresh(stale).await,
        Err(why) => Err(why),
    };
    match verified {
        Ok(Verified { identity, cookies }) => {
            let who = Who::of(&identity, &api.access.tenants);
            request.extensions_mut().insert(Asker { identity });
            // Whoever answers goes by the identity: what it was read from has done its work, and what others have put there does none.
            for name in api.authenticator.credentials() {
                request.headers_mut().remove(name);
            }
            let mut response = next.run(request).await;
            response.extensions_mut().insert(who);
            for cookie in cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(why) => {
            let (method, uri, headers) = (request.method(), request.uri(), request.headers());
            let to_sign_in = auth::sign_in::instead_of_401(&api, method, uri, headers);
            to_sign_in
                .filter(|_| why == Refusal::Unauthenticated)
                .unwrap_or_else(|| refuse(why, accepts_json(&request)))
        }
    }
}

async fn not_found(State(api): State<Arc<Api>>, request: Request) -> Response {
    if request.uri().path() == "/" && !accepts_json(&request) {
        return console::none(api.wants_console);
    }
    refuse(Refusal::NotFound, accepts_json(&request))
}

/// The `Allow` header is put in by the router.
async fn method_not_allowed() -> Result<Response, Infallible> {
    Ok(StatusCode::METHOD_NOT_ALLOWED.into_response())
}

fn accepts_json(request: &Request) -> bool {
    wants_json(request.headers())
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get("accept").and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .any(|part| part.split(';').next().is_some_and(|media| media.trim() == "application/json"))
}

fn refuse(why: Refusal, accepts_json: bool) -> Response {
    let (status, _) = why.status();
    let (content_type, body) = why.body(accepts_json);
    let status = StatusCode::from_u16(status).expect("refusals have valid statuses");
    let headers = [
        ("content-type", content_type),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ];
    let mut response = (status, headers, body).into_response();
    response.extensions_mut().insert(why);
    if let Some(challenge) = why.challenge() {
        response.headers_mut().insert("www-authenticate", HeaderValue::from_static(challenge));
    }
    response
}

/// JSON as the reference writes it: HTML-sensitive characters escaped, and a newline at the end. It is of this moment and for this user.
fn json(value: &impl serde::Serialize) -> Response {
    let Ok(text) = serde_json::to_string(value) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut body = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match character {
            '<' => body.push_str("\\u003c"),
            '>' => body.push_str("\\u003e"),
            '&' => body.push_str("\\u0026"),
            '\u{2028}' => body.push_str("\\u2028"),
            '\u{2029}' => body.push_str("\\u2029"),
            other => body.push(other),
        }
    }
    body.push('\n');
    ([("content-type", "application/json"), ("cache-control", "no-store")], body).into_response()
}
