//! What clients meet at the public URL: its certificate, its versions of HTTP, and whether Foretop is behind it and takes the name for its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_rustls::ConfigBuilderExt;
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Check, Finding, Visit, certificate};
use crate::cluster::plain;
use crate::config::HostName;

/// Time for a connection with its handshake, and for an answer.
const TIME: Duration = Duration::from_secs(8);

pub(super) fn checks(visit: &Visit, url: &Uri) -> Vec<Check> {
    let (for_tls, for_front) = (visit.clone(), visit.clone());
    let (tls_url, front_url) = (url.clone(), url.clone());
    vec![
        Check::new("tls", url.to_string(), async move { tls(&for_tls, &tls_url).await }),
        Check::new("front", url.to_string(), async move { front(&for_front, &front_url).await }),
    ]
}

async fn tls(visit: &Visit, url: &Uri) -> Vec<Finding> {
    let Some(host) = url.host() else { return Vec::new() };
    if url.scheme_str() != Some("https") {
        let local = host.parse::<HostName>().is_ok_and(|host| host.is_loopback());
        if local {
            return vec![Finding::fine("cleartext, on this machine")];
        }
        let fix = "let a proxy or `server.tls` speak TLS: sessions and rows can be read on the way, and browsers keep to six connections";
        return vec![Finding::broken("it is spoken to in cleartext", fix)];
    }
    match handshake(visit, url, host).await {
        Ok(findings) => findings,
        Err(finding) => vec![finding],
    }
}

async fn handshake(visit: &Visit, url: &Uri, host: &str) -> Result<Vec<Finding>, Finding> {
    let trust = "give `--ca-file` where a private authority signed it";
    let mut client = client(visit.authorities.as_deref()).map_err(|why| Finding::broken(why, trust))?;
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let bare = host.trim_matches(['[', ']']);
    let name = ServerName::try_from(bare.to_owned())
        .map_err(|_| Finding::broken("its host is no name", "mend the URL"))?;
    let connecting = async {
        let socket = TcpStream::connect((bare, url.port_u16().unwrap_or(443))).await?;
        TlsConnector::from(Arc::new(client)).connect(name, socket).await
    };
    let connected = tokio::time::timeout(TIME, connecting).await;
    let reach = "look at DNS, at the load balancer, and at what lets traffic there";
    let connected = connected.map_err(|_| Finding::broken("no handshake in time", reach))?;
    let stream = connected.map_err(|error| {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(why)) => {
                let fix = "renew the certificate, have it name this host, and show the whole chain with it; `--ca-file` where a private authority signed it";
                Finding::broken(format!("clients do not trust its certificate: {}", plain(&why.to_string())), fix)
            }
            _ => Finding::broken(format!("no handshake: {}", plain(&error.to_string())), reach),
        }
    })?;
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().unwrap_or_default();
    let versions = match session.alpn_protocol() {
        Some(b"h2") => Finding::fine("HTTP/2"),
        _ => Finding::doubtful(
            "HTTP/1.1 and no HTTP/2: a browser opens six connections there, for all tabs together",
            "let the proxy in front speak HTTP/2 to browsers (nginx: `listen … ssl http2`)",
        ),
    };
    Ok(vec![certificate::of_chain(chain, Timestamp::now()), versions.by("http")])
}

fn client(authorities: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(path) = authorities else {
        let builder = builder.with_native_roots().map_err(|error| format!("no authorities here: {error}"))?;
        return Ok(builder.with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    let unusable = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    for root in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
        roots.add(root.map_err(|error| unusable(&error))?).map_err(|error| unusable(&error))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Whether Foretop answers there, and to that name.
async fn front(visit: &Visit, url: &Uri) -> Vec<Finding> {
    let answered = match http(visit) {
        Ok(client) => client.get(below(url, "/readyz")).timeout(TIME).send().await,
        Err(why) => return vec![Finding::broken(why, "mend the file")],
    };
    let answer = match answered {
        Ok(answer) => answer,
        Err(error) => {
            let what = format!("no answer: {}", told(&error));
            return vec![Finding::broken(
                what,
                "look at DNS, at the load balancer, and at what stands before Foretop",
            )];
        }
    };
    vec![judge(answer.status().as_u16(), visit, url)]
}

fn judge(status: u16, visit: &Visit, url: &Uri) -> Finding {
    match status {
        200 => {}
        421 => {
            let fix = "set `server.publicUrl` to this URL, or add its host to `server.hosts`; or have the proxy pass `Host` on as it came";
            return Finding::broken("Foretop does not take this name for its own (421)", fix);
        }
        502..=504 => {
            let what = format!("the proxy does not reach a Foretop that is ready ({status})");
            return Finding::broken(
                what,
                "look whether one is ready (`/readyz` of a pod says why not), and at the way from the proxy to it",
            );
        }
        301 | 302 | 303 | 307 | 308 => {
            let fix = "let `/readyz`, `/healthz` and `/api` pass to Foretop; sign-in is its own business, or the proxy's by `auth_request`";
            return Finding::doubtful(format!("something in front redirects ({status})"), fix);
        }
        other => {
            let what = format!(
                "`/readyz` is answered with {other}: this is no Foretop, or the path is changed on the way"
            );
            return Finding::broken(what, "have the proxy pass all paths below / on as they are");
        }
    }
    let named = visit.config.server.public_url.as_ref();
    let is_it = |origin: &crate::config::Origin| {
        let port = url.port_u16().unwrap_or(if origin.secure { 443 } else { 80 });
        let host = url.host().and_then(|host| host.parse::<HostName>().ok());
        origin.secure == (url.scheme_str() == Some("https"))
            && origin.port == port
            && host.as_ref() == Some(&origin.host)
    };
    match named {
        Some(origin) if !is_it(origin) => Finding::doubtful(
            "Foretop answers there, but its `server.publicUrl` is another",
            "set `server.publicUrl` to what browsers have in their address bar: requests of its own pages are else another site's",
        ),
        _ => Finding::fine("Foretop answers"),
    }
}

/// A client that follows nothing, and is trusted with the visit's header fields by its callers.
pub(super) fn http(visit: &Visit) -> Result<reqwest::Client, String> {
    let tls = client(visit.authorities.as_deref())?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(TIME)
        .user_agent(concat!("foretop-doctor/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| told(&error))
}

/// A path below the public URL.
pub(super) fn below(url: &Uri, path: &str) -> String {
    format!("{}{path}", url.to_string().trim_end_matches('/'))
}

/// An error with what caused it, and without the URL.
pub(super) fn told(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() { "it breaks off".into() } else { plain(&text) }
}
