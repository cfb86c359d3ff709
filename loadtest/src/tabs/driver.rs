//! The process of tabs: one thread, one epoll set, one buffer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::feed::Feed;
use super::line::Line;
use super::tab::{Phase, Tab};
use super::totals::{Fault, Totals};
use super::{Answer, Order, Plan, Progress, State};
use crate::clock;

const BUFFER: usize = 256 * 1024;
const EVENTS: usize = 1024;
/// How long orders may lie unread.
const TURN: Duration = Duration::from_millis(2);
/// Tabs on loopback come from so many addresses, so that none runs out of ports.
const ADDRESSES: usize = 50;

/// Runs a process of tabs until its standard input ends.
///
/// # Errors
/// When the plan cannot be read, or the system gives no epoll set.
pub fn serve() -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let plan: Plan = serde_json::from_str(&line)?;
    crate::sampler::pin(None, &plan.cpus)?;
    let (send, orders) = channel();
    std::thread::spawn(move || {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        let orders = lines.map_while(|line| serde_json::from_str(&line).ok());
        orders.into_iter().try_for_each(|order| send.send(order))
    });
    Driver::new(plan)?.run(&orders)
}

/// Tabs that are being opened.
#[derive(Default)]
struct Ramp {
    /// The tabs, the last first.
    left: Vec<usize>,
    per_second: f64,
    began: u64,
    begun: u64,
}

struct Driver {
    plan: Plan,
    set: OwnedFd,
    tabs: Vec<Tab>,
    feeds: Vec<Feed>,
    totals: Totals,
    ramp: Ramp,
    stalled: usize,
    buffer: Vec<u8>,
}

impl Driver {
    fn new(plan: Plan) -> io::Result<Self> {
        let tab = |number| {
            let (view, user) = plan.place(plan.first + number);
            Tab::new(view, user, (plan.lanes > 0).then(|| Line::of(plan.lanes(view))))
        };
        Ok(Driver {
            set: epoll::create(CreateFlags::CLOEXEC)?,
            tabs: (0..plan.tabs).map(tab).collect(),
            feeds: plan.views.iter().map(|_| Feed::default()).collect(),
            totals: Totals::new(plan.checks, plan.views.iter().map(|view| view.group).collect()),
            ramp: Ramp::default(),
            stalled: 0,
            buffer: vec![0; BUFFER],
            plan,
        })
    }

    fn run(mut self, orders: &Receiver<Order>) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let turn = Timespec::try_from(TURN).expect("a short time");
        loop {
            loop {
                match orders.try_recv() {
                    Ok(order) => self.obey(&order)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            self.open_due();
            match epoll::wait(&self.set, rustix::buffer::spare_capacity(&mut events), Some(&turn)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let number = usize::try_from(event.data.u64()).expect("a tab's number");
                self.ready(number);
            }
        }
    }

    fn obey(&mut self, order: &Order) -> io::Result<()> {
        match *order {
            Order::Open { tabs, per_second } => {
                let closed =
                    (0..tabs.min(self.tabs.len())).filter(|at| self.tabs[*at].phase == Phase::Closed);
                let closed: Vec<usize> = closed.collect();
                self.begin_ramp(closed, per_second);
            }
            Order::Reopen { tabs, per_second } => {
                let again: Vec<usize> = (0..tabs.min(self.tabs.len())).collect();
                for at in &again {
                    self.tabs[*at].disconnect();
                }
                self.begin_ramp(again, per_second);
            }
            Order::Stall(tabs) => self.stall(tabs),
            Order::Report => return answer(&Answer::Report(Box::new(self.totals.report()))),
            Order::Progress => return answer(&Answer::Progress(self.progress())),
            Order::States => return answer(&Answer::States(self.states())),
        }
        Ok(())
    }

    fn begin_ramp(&mut self, mut tabs: Vec<usize>, per_second: f64) {
        tabs.reverse();
        self.ramp = Ramp { left: tabs, per_second, began: clock::now(), begun: 0 };
    }

    /// Begins the connections that are due.
    fn open_due(&mut self) {
        if self.ramp.left.is_empty() {
            return;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of tabs")]
        let due = match self.ramp.per_second {
            rate if rate > 0.0 => ((clock::now() - self.ramp.began) as f64 / 1e6 * rate) as u64 + 1,
            _ => u64::MAX,
        };
        while self.ramp.begun < due {
            let Some(number) = self.ramp.left.pop() else { return };
            self.ramp.begun += 1;
            self.open(number);
        }
    }

    fn open(&mut self, number: usize) {
        let now = clock::now();
        let tab = &mut self.tabs[number];
        let connected = connect(self.plan.address, self.plan.first + number).and_then(|socket| {
            let data = EventData::new_u64(number as u64);
            epoll::add(&self.set, &socket, data, EventFlags::OUT)?;
            Ok(socket)
        });
        match connected {
            Ok(socket) => tab.connect(socket, now),
            Err(_) => self.totals.fault(Fault::Lost, tab.view, tab.last_id),
        }
    }

    fn stall(&mut self, tabs: usize) {
        let (less, more) = (self.stalled.min(tabs), self.stalled.max(tabs).min(self.tabs.len()));
        let flags = if tabs > self.stalled { EventFlags::empty() } else { EventFlags::IN };
        for (number, tab) in self.tabs[less..more].iter().enumerate() {
            let Some(socket) = &tab.socket else { continue };
            // It fails only for a socket that is closed, which then is noticed.
            let _ = epoll::modify(&self.set, socket, EventData::new_u64((less + number) as u64), flags);
        }
        self.stalled = tabs;
    }

    fn ready(&mut self, number: usize) {
        let tab = &mut self.tabs[number];
        if tab.phase == Phase::Connecting {
            return self.ask(number);
        }
        let Some(socket) = &mut tab.socket else { return };
        let received = socket.read(&mut self.buffer);
        let now = clock::now();
        match received {
            Ok(count @ 1..) => {
                self.totals.bytes += count as u64;
                self.totals.reads += 1;
                if tab.take(&self.buffer[..count], &mut self.feeds, &mut self.totals, now).is_err() {
                    tab.disconnect();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => {
                self.totals.fault(Fault::Lost, tab.view, tab.last_id);
                tab.disconnect();
            }
        }
    }

    /// Sends the request on a socket that has come to be connected.
    fn ask(&mut self, number: usize) {
        let tab = &mut self.tabs[number];
        let request = request(&self.plan, tab);
        let Some(socket) = &mut tab.socket else { return };
        let asked = socket.write_all(request.as_bytes()).and_then(|()| {
            let data = EventData::new_u64(number as u64);
            Ok(epoll::modify(&self.set, socket.as_fd(), data, EventFlags::IN)?)
        });
        if let Ok(()) = asked {
            tab.phase = Phase::Head;
        } else {
            self.totals.fault(Fault::Lost, tab.view, tab.last_id);
            tab.disconnect();
        }
    }

    fn progress(&self) -> Progress {
        let open = self.tabs.iter().filter(|tab| tab.phase != Phase::Closed).count();
        let live = self.tabs.iter().filter(|tab| tab.live).count();
        Progress { open, live, frames: self.totals.frames(), bytes: self.totals.bytes }
    }

    fn states(&self) -> Vec<State> {
        let mut states = BTreeMap::<(usize, u64), usize>::new();
        for tab in self.tabs.iter().filter(|tab| tab.live) {
            let own = tab.line.is_none().then(|| (tab.view, tab.shown.hash()));
            let lanes = tab.line.iter().flat_map(Line::states);
            for state in own.into_iter().chain(lanes) {
                *states.entry(state).or_default() += 1;
            }
        }
        states.into_iter().map(|((view, hash), tabs)| State { view, hash, tabs }).collect()
    }
}

fn answer(answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    io::stdout().lock().write_all(&line)
}

/// Begins a connection, on loopback from one of several addresses.
fn connect(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if address.is_ipv4() && address.ip().is_loopback() {
        let own = u8::try_from(1 + number % ADDRESSES).expect("few addresses");
        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, own), 0))?;
    }
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

fn request(plan: &Plan, tab: &Tab) -> String {
    let body = tab.line.as_ref().map(|line| line.asks(&plan.views));
    let target = match &body {
        Some(_) => "POST /api/stream",
        None => &format!("GET {}", plan.views[tab.view].path),
    };
    let mut request = format!("{target} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n", plan.host);
    if plan.users > 0 {
        let _ = write!(request, "X-Forwarded-User: load-{}\r\n", tab.user);
    }
    for header in &plan.headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    if tab.last_id > 0 {
        let _ = write!(request, "Last-Event-ID: {}\r\n", tab.last_id);
    }
    if let Some(body) = &body {
        let _ = write!(
            request,
            "Content-Type: application/json\r\nOrigin: http://{}\r\nContent-Length: {}\r\n",
            plan.host,
            body.len()
        );
    }
    request.push_str("\r\n");
    request.push_str(body.as_deref().unwrap_or_default());
    request
}
