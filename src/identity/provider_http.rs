//! HTTPS to the identity provider: through the proxy that `HTTPS_PROXY` and `NO_PROXY` name, trusting the system's authorities or those of a file.
//!
//! No redirect is followed: a provider's documents are where its settings say. Each answer has a time and a size.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// The time for one answer, from its request to its last byte.
const TIME: Duration = Duration::from_secs(10);

/// The time for a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// The longest answer that is taken.
const LONGEST: usize = 1 << 20;

/// A client for one provider.
#[derive(Clone, Debug)]
pub struct ProviderHttp {
    client: reqwest::Client,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file with the authorities is of no use.
    #[error("the authorities in {} cannot be used: {why}", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system gives no authorities, or the proxy's address is none.
    #[error("no HTTPS client for the identity provider: {0}")]
    System(String),
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The provider does not answer, or not in time.
    #[error("the provider does not answer: {0}")]
    Unreachable(String),
    /// Its answer is longer than anybody needs.
    #[error("the provider's answer is longer than {LONGEST} bytes")]
    TooLong,
    /// It answers something else.
    #[error("the provider answers {0}")]
    Status(u16),
}

impl ProviderHttp {
    /// A client that trusts the authorities in this file, or the system's.
    ///
    /// # Errors
    /// Where there are none, or they are no PEM certificates.
    pub fn new(authorities: Option<&Path>) -> Result<Self, ClientError> {
        // Whoever was first has installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIME)
            .connect_timeout(CONNECT_TIME)
            .user_agent(concat!("foretop/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = authorities {
            builder = builder.tls_certs_only(read_authorities(path)?);
        }
        let client = builder.build().map_err(|error| ClientError::System(told(&error)))?;
        Ok(ProviderHttp { client })
    }

    /// The body at this URL.
    ///
    /// # Errors
    /// Where it is not to be had.
    pub async fn get(&self, url: &str) -> Result<Bytes, CallError> {
        let unreachable = |error: reqwest::Error| CallError::Unreachable(told(&error));
        let mut answer = self.client.get(url).send().await.map_err(unreachable)?;
        match answer.status().as_u16() {
            200 => whole(&mut answer).await.map(Bytes::from),
            status => Err(CallError::Status(status)),
        }
    }

    /// The answer to a request of the `OpenID` Connect library.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn call(
        self: Arc<Self>,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, CallError> {
        let unreachable = |error: reqwest::Error| CallError::Unreachable(told(&error));
        let request = reqwest::Request::try_from(request).map_err(unreachable)?;
        let mut answer = self.client.execute(request).await.map_err(unreachable)?;
        let body = whole(&mut answer).await?;
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

async fn whole(answer: &mut reqwest::Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| CallError::Unreachable(told(&error)))? {
        body.extend_from_slice(&piece);
        if body.len() > LONGEST {
            return Err(CallError::TooLong);
        }
    }
    Ok(body)
}

fn read_authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let bad = |why: String| ClientError::Authorities { path: path.into(), why };
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| bad(told(&error)))?;
    if found.is_empty() { Err(bad("there is no PEM certificate in it".into())) } else { Ok(found) }
}

/// An error with what caused it, without the URL, which may hold a code.
fn told(error: &reqwest::Error) -> String {
    let mut text = String::from(if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "no whole answer"
    });
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "no certificate").expect("written");
        let error = ProviderHttp::new(Some(&path)).expect_err("nothing in it").to_string();
        assert!(error.contains("ca.pem"), "{error}");
        assert!(ProviderHttp::new(Some(&dir.path().join("none"))).is_err());
    }
}
