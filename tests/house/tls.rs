//! Clients that speak TLS, and the certificates of both sides.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foretop::config::Config;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::patient;

/// Who signs certificates in a test, and the folder that they lie in.
pub struct Authority {
    folder: tempfile::TempDir,
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Signed {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a root");
        Authority {
            folder: tempfile::tempdir().expect("a folder"),
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate with these names.
    pub fn signs(&self, names: &[&str]) -> Signed {
        self.signs_with(names, |_| ())
    }

    /// The same, but nobody has been meant to take it for years.
    pub fn signs_expired(&self, names: &[&str]) -> Signed {
        self.signs_with(names, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1))
    }

    fn signs_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        change(&mut params);
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.contains("://") {
                true => SanType::URI((*name).try_into().expect("a URI")),
                false => SanType::DnsName((*name).try_into().expect("a name")),
            })
            .collect();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Signed { certificate, key }
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the server's certificate and key anew.
    pub fn write(&self, signed: &Signed) {
        replace(&self.path("tls.key"), &signed.key.serialize_pem());
        replace(&self.path("tls.crt"), &signed.certificate.pem());
    }

    /// Has a server with these settings speak TLS on a port of its own, as `localhost`.
    pub fn serves(&self, config: &mut Config) {
        self.write(&self.signs(&["localhost"]));
        replace(&self.path("ca.crt"), &self.certificate.pem());
        config.server.tls.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.server.tls.cert_file = Some(self.path("tls.crt"));
        config.server.tls.key_file = Some(self.path("tls.key"));
    }

    /// A client that trusts it, and shows this certificate.
    pub fn client(&self, shows: Option<&Signed>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_root_certificates(roots);
        match shows {
            None => builder.with_no_client_auth(),
            Some(signed) => {
                let chain: Vec<CertificateDer<'static>> = vec![signed.certificate.der().clone()];
                let key = PrivateKeyDer::try_from(signed.key.serialize_der()).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("they fit")
            }
        }
    }
}

/// At once for who reads it.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("a file");
    std::fs::rename(&new, path).expect("the same folder");
}

/// A connection to `localhost` there.
pub async fn connect(client: ClientConfig, socket: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let name = "localhost".try_into().expect("a name");
    patient("a handshake", TlsConnector::from(Arc::new(client)).connect(name, socket)).await
}
