//! Certificates and keys: from files to what a handshake needs, and again when the files change.
//!
//! The contents are compared, not the time stamps: a mounted secret is swapped by a symbolic link. What is bad keeps the old, and is told once.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use xxhash_rust::xxh3::xxh3_128;

use crate::certificate::{Ends, first_end};

/// How often the files are looked at.
pub(super) const EVERY: Duration = Duration::from_secs(2);

/// Why there is no TLS, or no new certificate. No text holds a piece of a file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("{}: this file cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// A file without what it is for.
    #[error("{}: this file holds no {what} in PEM", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// A certificate or key that cannot be used, or that do not belong together.
    #[error("{}: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What TLS says.
        why: String,
    },
}

/// The files, and what was last seen of them.
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    /// Of each file's contents, or of why it cannot be read.
    seen: Vec<u128>,
    /// When what was last loaded ends.
    pub(super) ends: Arc<Ends>,
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Files {
    pub(super) fn new(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Self {
        Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_ca: client_ca.map(Path::to_owned),
            seen: Vec::new(),
            ends: Arc::default(),
        }
    }

    /// What the files say now.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn load(&mut self) -> Result<Arc<ServerConfig>, TlsError> {
        self.seen = self.fingerprints();
        let contents = Contents {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            client_ca: self.client_ca.as_deref().map(read).transpose()?,
        };
        self.server_config(&contents)
    }

    /// What the files say now; `None` if it is what they said before.
    pub(super) fn look(&mut self) -> Option<Result<Arc<ServerConfig>, TlsError>> {
        (self.fingerprints() != self.seen).then(|| self.load())
    }

    fn fingerprints(&self) -> Vec<u128> {
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .map(|path| match std::fs::read(path) {
                Ok(contents) => xxh3_128(&contents),
                Err(error) => xxh3_128(error.to_string().as_bytes()),
            })
            .collect()
    }

    fn server_config(&self, contents: &Contents) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = certificates(&self.certificate, &contents.certificate)?;
        let ends = first_end(&chain);
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_| TlsError::Empty { path: self.key.clone(), what: "private key" })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&self.certificate, &error))?;
        let builder = match (&self.client_ca, &contents.client_ca) {
            (Some(path), Some(contents)) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path, contents)? {
                    roots.add(root).map_err(|error| unusable(path, &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| unusable(path, &error))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| unusable(&self.certificate, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer =
            rustls::crypto::ring::Ticketer::new().map_err(|error| unusable(&self.certificate, &error))?;
        self.ends.set(ends);
        Ok(Arc::new(config))
    }
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), why: error.to_string() }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn certificates(path: &Path, contents: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(contents)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned(), what: "certificate" });
    }
    Ok(certificates)
}

/// The DNS and URI names of a client's certificate, which was verified.
pub(super) fn names(chain: &[CertificateDer<'_>]) -> Vec<String> {
    let Some(certificate) = chain.first().and_then(|first| webpki::EndEntityCert::try_from(first).ok())
    else {
        return Vec::new();
    };
    certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certified(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn bad_files_are_told_once_and_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let mut files = Files::new(&certificate, &key, None);
        let said = |result: Result<Arc<ServerConfig>, TlsError>| match result {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(said(files.load()).contains("tls.crt: this file cannot be read"));
        let one = certified("one.example");
        std::fs::write(&certificate, &one.0).expect("a file");
        std::fs::write(&key, "nonsense").expect("a file");
        let told = said(files.look().expect("it changed"));
        assert!(told.contains("tls.key: this file holds no private key"), "{told}");
        assert!(files.look().is_none(), "told once");
        std::fs::write(&key, &one.1).expect("a file");
        assert_eq!(said(files.look().expect("it changed")), "fine");
        std::fs::write(&key, certified("two.example").1).expect("a file");
        let told = said(files.look().expect("it changed"));
        assert!(told.contains("tls.crt: ") && !told.contains("PRIVATE"), "{told}");
        std::fs::write(&certificate, "").expect("a file");
        let told = said(files.look().expect("it changed"));
        assert!(told.contains("tls.crt: this file holds no certificate"), "{told}");
    }

    #[test]
    fn the_names_of_a_certificate_are_its_dns_and_uri_names() {
        let mut params =
            rcgen::CertificateParams::new(vec!["proxy.example".to_owned(), "10.0.0.1".to_owned()])
                .expect("names");
        params
            .subject_alt_names
            .push(rcgen::SanType::URI("spiffe://example/proxy".try_into().expect("a URI")));
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        assert_eq!(names(&[certificate.der().clone()]), ["proxy.example", "spiffe://example/proxy"]);
    }
}
