//! TCP connections, direct or through a proxy, that count themselves: how many are open is a figure that shows whether watches share them. Each notes when bytes last
//! came on it: as of then its peer was there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::{BoxError, Service};

use super::proxy::Proxy;
use crate::feed::heard::Pulse;

/// Connects, directly or through a proxy, and counts what it connected.
#[derive(Clone)]
pub(super) struct Dial {
    way: Way,
    /// Time for a proxy's answer, connecting to it included.
    limit: Duration,
    open: Arc<AtomicUsize>,
}

#[derive(Clone)]
enum Way {
    Direct(HttpConnector),
    Through { tunnel: Tunnel<HttpConnector>, proxy: Arc<str> },
}

/// Why there is no connection through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("through the proxy {proxy}")]
struct NoTunnel {
    proxy: Arc<str>,
    source: BoxError,
}

impl Dial {
    pub(super) fn new(
        tcp: HttpConnector,
        proxy: Option<&Proxy>,
        limit: Duration,
        open: &Arc<AtomicUsize>,
    ) -> Self {
        let way = match proxy {
            None => Way::Direct(tcp),
            Some(proxy) => Way::Through { tunnel: proxy.tunnel(tcp), proxy: proxy.name().into() },
        };
        Dial { way, limit, open: Arc::clone(open) }
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Counted>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Counted>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.way {
            Way::Direct(tcp) => tcp.poll_ready(cx).map_err(Into::into),
            Way::Through { tunnel, .. } => tunnel.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting: Connecting = match &mut self.way {
            Way::Direct(tcp) => {
                let connecting = tcp.call(to);
                Box::pin(async move { Ok(connecting.await?) })
            }
            Way::Through { tunnel, proxy } => {
                let (connecting, proxy) = (tunnel.call(with_port(to)), Arc::clone(proxy));
                let limited = tokio::time::timeout(self.limit, connecting);
                Box::pin(async move {
                    let connected = limited.await.map_err(BoxError::from).and_then(|done| Ok(done?));
                    connected.map_err(|source| NoTunnel { proxy, source }.into())
                })
            }
        };
        let open = Arc::clone(&self.open);
        Box::pin(async move {
            let stream = connecting.await?.into_inner();
            open.fetch_add(1, Relaxed);
            Ok(TokioIo::new(Counted { stream, open, pulse: Arc::default() }))
        })
    }
}

type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, BoxError>> + Send>>;

/// A tunnel to a URL without a port leads to 443, whatever its scheme.
fn with_port(to: Uri) -> Uri {
    let Some(host) = to.host().filter(|_| to.port().is_none() && to.scheme_str() == Some("http")) else {
        return to;
    };
    let named = Uri::builder().scheme("http").authority(format!("{host}:80")).path_and_query("/").build();
    named.unwrap_or(to)
}

/// A connection that counts as open until it is dropped, and notes when its peer was last heard of.
pub(super) struct Counted {
    stream: TcpStream,
    open: Arc<AtomicUsize>,
    pulse: Arc<Pulse>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

impl Connection for Counted {
    /// Each answer that comes on it brings its pulse.
    fn connected(&self) -> Connected {
        Connected::new().extra(Arc::clone(&self.pulse))
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.pulse.beat();
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }
}
