//! Requests to the run's own processes: to the simulated apiservers, and for the server's figures.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Far more than any of these takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody answers there.
    #[error("http://{0}{1}: {2}")]
    Connection(SocketAddr, String, std::io::Error),
    /// The answer breaks off.
    #[error("http://{0}{1}: {2}")]
    Broken(SocketAddr, String, hyper::Error),
    /// Another status than 200.
    #[error("http://{0}{1} answers {2}")]
    Status(SocketAddr, String, u16),
    /// No answer in time.
    #[error("http://{0}{1}: no answer within a minute")]
    Late(SocketAddr, String),
}

/// GETs a path.
///
/// # Errors
/// When the answer is not whole, or not 200.
pub async fn get(address: SocketAddr, path: &str) -> Result<Bytes, HttpError> {
    get_from(address, &address.to_string(), path).await
}

/// GETs a path of a host.
///
/// # Errors
/// When the answer is not whole, or not 200.
pub async fn get_from(address: SocketAddr, host: &str, path: &str) -> Result<Bytes, HttpError> {
    ask(address, host, "GET", path, Bytes::new()).await
}

/// POSTs JSON to a path.
///
/// # Errors
/// When the answer is not whole, or not 200.
pub async fn post(address: SocketAddr, path: &str, body: &serde_json::Value) -> Result<Bytes, HttpError> {
    ask(address, &address.to_string(), "POST", path, body.to_string().into()).await
}

async fn ask(
    address: SocketAddr,
    host: &str,
    method: &str,
    path: &str,
    body: Bytes,
) -> Result<Bytes, HttpError> {
    let answered = tokio::time::timeout(PATIENCE, answer(address, host, method, path, body)).await;
    answered.unwrap_or_else(|_| Err(HttpError::Late(address, path.to_owned())))
}

async fn answer(
    address: SocketAddr,
    host: &str,
    method: &str,
    path: &str,
    body: Bytes,
) -> Result<Bytes, HttpError> {
    let broken = |error| HttpError::Broken(address, path.to_owned(), error);
    let socket = TcpStream::connect(address).await;
    let socket = socket.map_err(|error| HttpError::Connection(address, path.to_owned(), error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .header("x-forwarded-user", "load-operator")
        .body(Full::new(body))
        .expect("the method and the path are the harness's own");
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
    connection.abort();
    if status.is_success() {
        Ok(body)
    } else {
        Err(HttpError::Status(address, path.to_owned(), status.as_u16()))
    }
}
