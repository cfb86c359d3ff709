//! One HTTP client to an apiserver: kube's `Client` over a stack of our own, since kube's speaks HTTP/1.1 only.
//!
//! HTTP/2 by ALPN for `https`, by prior knowledge for `http` (a simulated apiserver); HTTP/1.1 for peers that know nothing
//! else (`kubectl proxy`). An HTTP/2 client is one connection. Pings notice a peer that is gone without a word; no layer
//! here retries anything.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::AuthInfo;
use tower::{BoxError, ServiceBuilder};

use super::credentials::Login;
use super::dial::Dial;
use super::fault::{CallError, describe};
use super::proxy::Proxy;
use crate::certificate::first_end_in_pem;
use crate::config;

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http2,
    Http1,
}

/// HTTP/2 flow-control windows, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    pub(super) stream: u32,
    pub(super) connection: u32,
}

/// Windows of the connection for unary calls: 16 pages of a list at once do not wait for each other.
const UNARY: Windows = Windows { stream: 4 * 1024 * 1024, connection: 64 * 1024 * 1024 };

/// An HTTP/1.1 connection that was idle for so long is closed.
const IDLE: Duration = Duration::from_secs(90);

/// A cluster's address, TLS and login: all that a client is made of.
pub(super) struct Recipe {
    config: kube::Config,
    /// Who we are to the apiserver.
    pub(super) login: Login,
    /// When the certificate ends by which the kubeconfig has us sign in, where it has one.
    pub(super) certificate_ends: Option<Timestamp>,
    connector: Connector,
}

enum Connector {
    Plain(Dial),
    Tls {
        /// Offers HTTP/2 alone, so that a peer without it is noticed.
        http2: HttpsConnector<Dial>,
        http1: Box<HttpsConnector<Dial>>,
    },
}

impl Recipe {
    /// Gets everything ready. Blocks: it reads files, and may run an exec plugin.
    ///
    /// # Errors
    /// Credentials or certificates that cannot be had or are not what they should be.
    pub(super) fn prepare(
        config: kube::Config,
        settings: &config::Upstream,
        open: &Arc<AtomicUsize>,
    ) -> Result<Self, CallError> {
        let login = Login::prepare(&config)?;
        let certificate_ends = certificate_of(&config.auth_info).and_then(|pem| first_end_in_pem(&pem));
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.connect_timeout));
        let dial = Dial::new(tcp, Proxy::to(&config)?.as_ref(), settings.connect_timeout, open);
        if config.cluster_url.scheme_str() != Some("https") {
            return Ok(Recipe { config, login, certificate_ends, connector: Connector::Plain(dial) });
        }
        let mut for_tls = config.clone();
        if login.has_header() {
            // Else the exec plugin would be run once more, in search of a client certificate.
            for_tls.auth_info.exec = None;
        }
        let tls = for_tls.rustls_client_config().map_err(|error| CallError::Credentials(describe(&error)))?;
        let schemes = |tls| -> Result<_, CallError> {
            let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
            let Some(name) = &config.tls_server_name else {
                return Ok(builder);
            };
            let name = name.clone().try_into();
            let name = name.map_err(|_| CallError::Request("tls-server-name is no host name".into()))?;
            Ok(builder.with_server_name_resolver(FixedServerNameResolver::new(name)))
        };
        let http2 = schemes(tls.clone())?.enable_http2().wrap_connector(dial.clone());
        let http1 = schemes(tls)?.enable_http1().wrap_connector(dial);
        Ok(Recipe {
            config,
            login,
            certificate_ends,
            connector: Connector::Tls { http2, http1: Box::new(http1) },
        })
    }

    /// A client for unary calls.
    pub(super) fn unary(
        &self,
        protocol: Protocol,
        settings: &config::Upstream,
    ) -> Result<kube::Client, CallError> {
        self.client(protocol, UNARY, settings)
    }

    /// A client for watches.
    pub(super) fn watches(
        &self,
        protocol: Protocol,
        settings: &config::Upstream,
    ) -> Result<kube::Client, CallError> {
        let windows =
            Windows { stream: settings.watch_stream_window, connection: settings.watch_connection_window };
        debug_assert!(
            settings.watches_per_connection * (windows.stream as usize) < windows.connection as usize,
            "watches that nobody reads would stall all others on their connection"
        );
        self.client(protocol, windows, settings)
    }

    fn client(
        &self,
        protocol: Protocol,
        windows: Windows,
        settings: &config::Upstream,
    ) -> Result<kube::Client, CallError> {
        match (&self.connector, protocol) {
            (Connector::Plain(dial), _) => self.stack(dial.clone(), protocol, windows, settings),
            (Connector::Tls { http2, .. }, Protocol::Http2) => {
                self.stack(http2.clone(), protocol, windows, settings)
            }
            (Connector::Tls { http1, .. }, Protocol::Http1) => {
                self.stack(http1.clone(), protocol, windows, settings)
            }
        }
    }

    fn stack<C: Connect + Clone + Send + Sync + 'static>(
        &self,
        connector: C,
        protocol: Protocol,
        windows: Windows,
        settings: &config::Upstream,
    ) -> Result<kube::Client, CallError> {
        let http: legacy::Client<C, Body> = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http2_only(protocol == Protocol::Http2)
            // Without a timer hyper sends no pings, and says nothing.
            .timer(TokioTimer::new())
            .http2_initial_stream_window_size(windows.stream)
            .http2_initial_connection_window_size(windows.connection)
            .http2_keep_alive_interval(settings.ping)
            .http2_keep_alive_timeout(settings.ping_timeout)
            .http2_keep_alive_while_idle(true)
            .build(connector);
        let extra = self.config.extra_headers_layer();
        let service = ServiceBuilder::new()
            .layer(self.config.base_uri_layer())
            .layer(extra.map_err(|error| CallError::Request(describe(&error)))?)
            .map_err(BoxError::from)
            .service(http);
        Ok(ClientBuilder::new(service, self.config.default_namespace.clone()).build())
    }
}

/// The client certificate of a kubeconfig, in PEM. What cannot be read is told by whoever needs it.
fn certificate_of(login: &AuthInfo) -> Option<Vec<u8>> {
    match (&login.client_certificate_data, &login.client_certificate) {
        (Some(data), _) => STANDARD.decode(data).ok(),
        (None, Some(path)) => std::fs::read(path).ok(),
        (None, None) => None,
    }
}
