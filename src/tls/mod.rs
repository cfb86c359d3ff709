//! TLS on a listener of its own (`server.tls`), for deployments without a terminating proxy.
//!
//! A task per connection ends TLS and hands a core **one end of a pair of Unix sockets** as the connection, with the client's address and the
//! names of its certificate; bytes are pumped both ways. So cores, rows and order are the same as for cleartext, and a core never waits for a
//! handshake. What it costs is paid by TLS streams alone: each encrypts its own copy of what the core shares, and owns a task, two further
//! descriptors and the state of its encryption. These tasks have threads of their own (`server.tls.threads`), so that a flood of handshakes
//! takes no time from the control plane.
//!
//! TLS 1.2 and 1.3; ALPN `http/1.1` alone; sessions are resumed by tickets, whose keys live until the next reload. [`certificate`] follows the
//! files, [`pump`] moves the bytes.

mod certificate;
mod pump;

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use self::certificate::TlsError;
use self::certificate::{Files, names};
use self::pump::Pump;
use crate::certificate::Ends;
use crate::config::{Config, Tls};
use crate::core::listener::{TOLD_EVERY, listen};
use crate::core::{Command, CoreHandle, Moved};
use crate::identity::addresses::{Addresses, Seat};
use crate::identity::{Peer, TlsPeer};
use crate::wire::head::{self, After, Version};
use crate::wire::refusal::Refusal;

/// Time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Handshakes under way at once; further connections are closed at once.
const HANDSHAKES: usize = 1024;

/// Of these, from one address.
const HANDSHAKES_PER_ADDRESS: usize = 128;

/// How long a process that has no descriptors left does not accept.
const PAUSE: Duration = Duration::from_millis(250);

/// What the kernel holds of one direction between core and pump: little, so that lag shows in the stream's place.
const PAIR_BYTES: usize = 16 * 1024;

/// What waits encrypted for the client's socket.
const CIPHER_BYTES: usize = 16 * 1024;

/// The listener, and the threads that its connections live on. All of them end with it.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    /// When the certificate ends that it shows.
    pub ends: Arc<Ends>,
    accepting: AbortHandle,
    runtime: Option<Runtime>,
}

/// What all connections share.
struct Shared {
    config: ArcSwap<ServerConfig>,
    cores: Arc<[CoreHandle]>,
    next_core: AtomicUsize,
    handshakes: Arc<Semaphore>,
    addresses: Arc<Mutex<Addresses>>,
    notsent_lowat: u32,
    stall: Duration,
}

impl Listening {
    /// Listens, if the configuration says so.
    ///
    /// # Errors
    /// Certificates that cannot be used, an address that cannot be listened on.
    pub fn start(config: &Config, cores: &Arc<[CoreHandle]>) -> Result<Option<Self>, TlsError> {
        let Tls { listen: Some(address), cert_file: Some(certificate), key_file: Some(key), .. } =
            &config.server.tls
        else {
            return Ok(None);
        };
        let mut files = Files::new(certificate, key, config.server.tls.client_ca_file.as_deref());
        let shared = Arc::new(Shared {
            config: ArcSwap::new(files.load()?),
            cores: cores.clone(),
            next_core: AtomicUsize::new(0),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            addresses: Arc::new(Mutex::new(Addresses::new(
                HANDSHAKES_PER_ADDRESS,
                &config.server.trusted_proxies,
            ))),
            notsent_lowat: config.streams.notsent_lowat,
            stall: config.streams.stall,
        });
        let cannot_listen = |source| TlsError::Listen { address: *address, source };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.server.tls.threads)
            .thread_name("tls")
            .enable_all()
            .build()
            .map_err(cannot_listen)?;
        let listener = {
            let _inside = runtime.enter();
            listen(*address).and_then(|socket| TcpListener::from_std(socket.into())).map_err(cannot_listen)?
        };
        let address = listener.local_addr().map_err(cannot_listen)?;
        let ends = files.ends.clone();
        runtime.spawn(follow(files, shared.clone()));
        let accepting = runtime.spawn(accept(listener, shared)).abort_handle();
        tracing::info!(%address, "tls.started");
        Ok(Some(Listening { address, ends, accepting, runtime: Some(runtime) }))
    }

    /// Accepts no more; what is open goes on.
    pub fn close(&self) {
        self.accepting.abort();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped by a task of the control plane, where nothing may block.
            runtime.shutdown_background();
        }
    }
}

/// Takes new certificates as the files change; bad ones keep the old, and are told once.
async fn follow(mut files: Files, shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(certificate::EVERY).await;
        match files.look() {
            None => {}
            Some(Ok(config)) => {
                shared.config.store(config);
                tracing::info!("tls.reloaded");
            }
            Some(Err(error)) => tracing::error!("tls.bad_files: the old certificate stays: {error}"),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut told: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => shared.clone().take(stream, address),
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) =>
            {
                if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                    told = Some(Instant::now());
                    tracing::warn!("tls.no_descriptors: accepting pauses");
                }
                tokio::time::sleep(PAUSE).await;
            }
            // A connection that was reset before it was accepted.
            Err(_) => {}
        }
    }
}

impl Shared {
    /// Spawns a connection's task, unless too many are in their handshake.
    fn take(self: Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let Some(seat) = Seat::take(&self.addresses, address.ip()) else { return };
        let Ok(place) = self.handshakes.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            let shaken = tokio::time::timeout(HANDSHAKE, self.handshake(stream)).await;
            drop((seat, place));
            match shaken {
                Ok(Ok(stream)) => self.serve(stream, address).await,
                Ok(Err(error)) => tracing::debug!(%address, %error, "tls.refused"),
                Err(_) => tracing::debug!(%address, "tls.refused: no handshake in time"),
            }
        });
    }

    async fn handshake(&self, mut stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let _ = stream.set_nodelay(true);
        // A kernel that knows no such option serves as well, with more memory.
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(self.notsent_lowat);
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            // No record of TLS begins with a letter, and each request does.
            let refusal = head::refusal(
                Version::Http11,
                "-",
                (Refusal::NeedsTls, Refusal::NeedsTls.message()),
                false,
                false,
                After::Close,
                &[],
            );
            stream.write_all(&refusal).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "cleartext HTTP"));
        }
        let acceptor = TlsAcceptor::from(self.config.load_full());
        acceptor.accept_with(stream, |session| session.set_buffer_limit(Some(CIPHER_BYTES))).await
    }

    /// Hands a core the connection, and pumps until it ends.
    async fn serve(&self, stream: TlsStream<TcpStream>, address: SocketAddr) {
        let names = stream.get_ref().1.peer_certificates().map(names).unwrap_or_default();
        let peer = Peer { address, tls: Some(Arc::new(TlsPeer { names })) };
        let (ours, theirs) = match pair() {
            Ok(pair) => pair,
            Err(error) => return tracing::warn!(%error, "tls.no_pair"),
        };
        let moved = Moved { socket: theirs.into(), peer, read: Vec::new() };
        let core = self.next_core.fetch_add(1, Relaxed) % self.cores.len();
        // A core that does not keep up with its mail takes no more; the client tries again.
        if self.cores[core].tell(Command::Connection(moved)).is_ok() {
            Pump::new(stream, ours, self.stall).run().await;
        }
    }
}

/// The two ends of a connection between a pump and a core.
fn pair() -> io::Result<(tokio::net::UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    for end in [&ours, &theirs] {
        end.set_nonblocking(true)?;
        socket2::SockRef::from(end).set_send_buffer_size(PAIR_BYTES)?;
    }
    Ok((tokio::net::UnixStream::from_std(ours)?, theirs))
}
