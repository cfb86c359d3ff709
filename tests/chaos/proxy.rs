//! A wire that can be troubled: it passes bytes between whoever connects and a server behind it, until it is told to do that badly.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::tab::socket::Socket;

/// What is wrong with the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// Every connection is closed, and new ones are at once.
    Cut,
    /// Nothing passes, and no connection is closed; what is under way comes later.
    Stalled,
    /// The same for connections that are open, and for good; new ones are as they should be.
    HalfOpen,
    /// So many bytes pass in a second, of each connection and direction.
    Slow(u32),
    /// Whoever connects, or has connected, is sent bytes that mean nothing.
    Garbage,
}

/// How often bytes pass on a slow wire, and meaningless ones are sent.
const TICK: Duration = Duration::from_millis(50);

#[derive(Clone, Copy)]
struct Order {
    trouble: Trouble,
    /// Orders so far.
    number: u64,
    /// Which of them was the last that cut: who connected before is gone.
    cut: u64,
}

/// The wire, and its near end.
pub struct Proxy {
    pub address: SocketAddr,
    way: Way,
    accepting: JoinHandle<()>,
}

/// What its connections share.
#[derive(Clone)]
struct Way {
    orders: watch::Sender<Order>,
    to: Arc<Mutex<SocketAddr>>,
    certificate: Arc<Mutex<Option<Arc<ServerConfig>>>>,
}

impl Proxy {
    /// A wire to this server.
    pub async fn before(to: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (orders, _) = watch::channel(Order { trouble: Trouble::None, number: 0, cut: 0 });
        let way = Way { orders, to: Arc::new(Mutex::new(to)), certificate: Arc::default() };
        let accepting = tokio::spawn(accept(listener, way.clone()));
        Proxy { address, way, accepting }
    }

    /// The server is there now.
    pub fn leads_to(&self, to: SocketAddr) {
        *self.way.to.lock().expect("nothing panics under this lock") = to;
    }

    /// The near end speaks TLS from the next connection on.
    pub fn speaks_tls(&self, config: ServerConfig) {
        *self.way.certificate.lock().expect("nothing panics under this lock") = Some(Arc::new(config));
    }

    /// From now on this is wrong with it.
    pub fn suffers(&self, trouble: Trouble) {
        self.way.orders.send_modify(|order| {
            order.number += 1;
            order.trouble = trouble;
            if trouble == Trouble::Cut {
                order.cut = order.number;
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.suffers(Trouble::Cut);
    }
}

async fn accept(listener: TcpListener, way: Way) {
    while let Ok((near, _)) = listener.accept().await {
        let order = *way.orders.borrow();
        if order.trouble != Trouble::Cut {
            tokio::spawn(connection(near, way.clone(), order.number));
        }
    }
}

async fn connection(near: TcpStream, way: Way, born: u64) {
    let mut orders = way.orders.subscribe();
    // Whoever connects to a stalled wire is not even greeted.
    if orders.wait_for(|order| order.trouble != Trouble::Stalled).await.is_err() {
        return;
    }
    let _ = near.set_nodelay(true);
    let certificate = way.certificate.lock().expect("nothing panics under this lock").clone();
    let near: Box<dyn Socket> = match certificate {
        None => Box::new(near),
        Some(config) => match TlsAcceptor::from(config).accept(near).await {
            Ok(near) => Box::new(near),
            Err(_) => return,
        },
    };
    let to = *way.to.lock().expect("nothing panics under this lock");
    let Ok(far) = TcpStream::connect(to).await else { return };
    let _ = far.set_nodelay(true);
    let (near_reads, near_writes) = split(near);
    let (far_reads, far_writes) = far.into_split();
    let mut cut = way.orders.subscribe();
    tokio::select! {
        () = carry(near_reads, far_writes, Carrier { orders: orders.clone(), born, is_inwards: true }) => {}
        () = carry(far_reads, near_writes, Carrier { orders, born, is_inwards: false }) => {}
        _ = cut.wait_for(|order| born < order.cut) => {}
    }
}

/// One direction of a connection.
struct Carrier {
    orders: watch::Receiver<Order>,
    /// Orders that there were when it began.
    born: u64,
    /// Whether it leads to the server.
    is_inwards: bool,
}

/// Passes bytes on as they may pass, until either end closes.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut carrier: Carrier) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let order = *carrier.orders.borrow_and_update();
        let most = match order.trouble {
            Trouble::HalfOpen if carrier.born < order.number => return carrier.is_held_for_good().await,
            Trouble::Stalled => {
                carrier.next_order().await;
                continue;
            }
            Trouble::Garbage => {
                if !carrier.is_inwards && to.write_all(&meaningless()).await.is_err() {
                    return;
                }
                tokio::time::sleep(TICK).await;
                continue;
            }
            Trouble::Slow(rate) => (rate as usize / 20).clamp(1, bytes.len()),
            Trouble::None | Trouble::Cut | Trouble::HalfOpen => bytes.len(),
        };
        let count = tokio::select! {
            () = carrier.next_order() => continue,
            read = from.read(&mut bytes[..most]) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => count,
            },
        };
        if matches!(order.trouble, Trouble::Slow(_)) {
            tokio::time::sleep(TICK).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

impl Carrier {
    async fn next_order(&mut self) {
        if self.orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Until the trouble is over, when whoever holds such a connection hears that it is gone.
    async fn is_held_for_good(&mut self) {
        let _ = self.orders.wait_for(|order| order.trouble != Trouble::HalfOpen).await;
    }
}

fn meaningless() -> [u8; 64] {
    std::array::from_fn(|_| fastrand::u8(..))
}
