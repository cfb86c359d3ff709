//! The listener of one simulated cluster, or of a fleet: takes connections and hands requests to their cluster.
//!
//! One task owns the socket and every connection's task, so that stopping it closes them all.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::answer;
use super::body::{Body, BrokenOff};
use super::status::no_such_path;
use super::world::World;

/// What the real one announces.
const MAX_CONCURRENT_STREAMS: u32 = 100;
const BIND_AGAIN: Duration = Duration::from_millis(50);

/// Which clusters a listener serves.
#[derive(Clone)]
pub enum Routes {
    /// One, at the root.
    Root(Arc<World>),
    /// Several, each below `/clusters/{name}`.
    Fleet(Arc<[Arc<World>]>),
}

impl Routes {
    fn route<'a>(&self, path: &'a str) -> Option<(&Arc<World>, &'a str)> {
        match self {
            Routes::Root(world) => Some((world, path)),
            Routes::Fleet(worlds) => {
                let rest = path.strip_prefix("/clusters/")?;
                let (name, own) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                worlds.iter().find(|world| world.name == name).map(|world| (world, own))
            }
        }
    }
}

enum Order {
    Refuse(Option<Duration>),
    Accept,
    Stop(oneshot::Sender<()>),
}

/// A handle to the task that owns a listener.
#[derive(Clone)]
pub struct Listener {
    addr: SocketAddr,
    shared: bool,
    orders: mpsc::UnboundedSender<Order>,
    drops: broadcast::Sender<String>,
}

impl Listener {
    /// Listens, and serves until stopped.
    pub async fn bind(addr: SocketAddr, routes: Routes) -> std::io::Result<Self> {
        let socket = TcpListener::bind(addr).await?;
        let addr = socket.local_addr()?;
        let (orders, received) = mpsc::unbounded_channel();
        let drops = broadcast::Sender::new(64);
        let shared = matches!(routes, Routes::Fleet(_));
        let serving =
            Serving { addr, routes, drops: drops.clone(), connections: JoinSet::new(), until: None };
        tokio::spawn(serving.run(Some(socket), received));
        Ok(Listener { addr, shared, orders, drops })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the socket and every connection, and returns when they are closed.
    pub async fn stop(&self) {
        let (stopped, done) = oneshot::channel();
        if self.orders.send(Order::Stop(stopped)).is_ok() {
            let _ = done.await;
        }
    }

    /// Closes the socket and every connection soon.
    pub fn close(&self) {
        let (stopped, _) = oneshot::channel();
        self.order(Order::Stop(stopped));
    }

    /// Closes the connections on which a cluster was asked.
    pub fn drop_connections(&self, name: &str) {
        // Without connections nobody receives it.
        let _ = self.drops.send(name.to_owned());
    }

    /// Whether a fleet shares it.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Refuses new connections, for a time or until told otherwise.
    pub fn refuse(&self, time: Option<Duration>) {
        self.order(Order::Refuse(time));
    }

    /// Takes new connections again.
    pub fn accept_again(&self) {
        self.order(Order::Accept);
    }

    fn order(&self, order: Order) {
        // A stopped listener refuses anyway.
        let _ = self.orders.send(order);
    }
}

struct Serving {
    addr: SocketAddr,
    routes: Routes,
    drops: broadcast::Sender<String>,
    connections: JoinSet<()>,
    /// When to listen again.
    until: Option<Instant>,
}

impl Serving {
    async fn run(mut self, mut socket: Option<TcpListener>, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    None => return,
                    Some(Order::Stop(stopped)) => {
                        drop(socket);
                        self.connections.shutdown().await;
                        drop(orders);
                        let _ = stopped.send(());
                        return;
                    }
                    Some(Order::Refuse(time)) => {
                        socket = None;
                        self.until = time.map(|time| Instant::now() + time);
                    }
                    Some(Order::Accept) => self.until = Some(Instant::now()),
                },
                stream = accepted(socket.as_ref()) => self.connect(stream),
                () = due(self.until) => self.listen_again(&mut socket).await,
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    fn connect(&mut self, stream: TcpStream) {
        // Latency only; a socket that is gone already is noticed later.
        let _ = stream.set_nodelay(true);
        self.connections.spawn(connection(stream, self.routes.clone(), self.drops.subscribe()));
    }

    async fn listen_again(&mut self, socket: &mut Option<TcpListener>) {
        self.until = None;
        if socket.is_some() {
            return;
        }
        match TcpListener::bind(self.addr).await {
            Ok(bound) => *socket = Some(bound),
            // Another process may hold the port for a moment.
            Err(_) => self.until = Some(Instant::now() + BIND_AGAIN),
        }
    }
}

async fn accepted(socket: Option<&TcpListener>) -> TcpStream {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        match socket.accept().await {
            Ok((stream, _)) => return stream,
            // Out of descriptors: others close sooner or later.
            Err(_) => sleep(BIND_AGAIN).await,
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What the requests of one connection share.
#[derive(Default)]
struct Peer {
    asked: OnceLock<String>,
    goaway: Notify,
}

async fn connection(stream: TcpStream, routes: Routes, mut drops: broadcast::Receiver<String>) {
    let peer = Arc::new(Peer::default());
    if let Routes::Root(world) = &routes {
        peer.meet(world);
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(MAX_CONCURRENT_STREAMS);
    let service = {
        let peer = peer.clone();
        service_fn(move |request| serve(peer.clone(), routes.clone(), request))
    };
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            // How a connection ended is the client's to notice.
            _ = serving.as_mut() => return,
            name = drops.recv() => if name.ok().as_ref() == peer.asked.get() { return },
            () = peer.goaway.notified() => serving.as_mut().graceful_shutdown(),
        }
    }
}

async fn serve(
    peer: Arc<Peer>,
    routes: Routes,
    request: Request<Incoming>,
) -> Result<Response<Body>, BrokenOff> {
    let path = request.uri().path().to_owned();
    if let (Routes::Fleet(worlds), Some(command)) = (&routes, path.strip_prefix("/_sim/")) {
        return answer::to_all(worlds, command, request).await;
    }
    let Some((world, own)) = routes.route(&path) else { return Ok(no_such_path()) };
    peer.meet(world);
    let answer = answer::answer(world, own, request).await?;
    if answer.goaway {
        peer.goaway.notify_one();
    }
    Ok(answer.response)
}

impl Peer {
    fn meet(&self, world: &World) {
        if self.asked.set(world.name.clone()).is_ok() {
            world.counters.connection();
        }
    }
}
