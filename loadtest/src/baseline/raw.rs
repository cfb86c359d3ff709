//! The physical limit: one thread that gives each frame to each socket, one send a frame, through `io_uring`.
//!
//! It accepts, reads a request up to its blank line, sends the greeting (a head; with a snapshot behind it, the connect storm's limit), and
//! from then on knows a socket and nothing else: no user, no view, no place, no timer. Sockets have the options that Foretop gives
//! its own. What a full socket does not take is kept for it, up to a bound, so that every tab gets every frame and the two servers do the same.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read as _};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use io_uring::{IoUring, opcode, types};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::BaselineError;
use super::feed::Unframed;

/// Sends in one call to the kernel: as many as Foretop's cores make.
const BATCH: usize = 256;

/// `TCP_NOTSENT_LOWAT`, as Foretop sets it by default.
const NOTSENT_LOWAT: i32 = 16 * 1024;

/// What is kept at most for a socket that takes nothing; beyond that it is closed.
const MOST_OWED: usize = 256 * 1024;

const LISTENER: u64 = u64::MAX;
const FEED: u64 = u64::MAX - 1;
const PUBLISHER: u64 = u64::MAX - 2;
/// With a member's index: it is owed something, and takes bytes again.
const MEMBER: u64 = 1 << 32;

/// A socket on its way to being a member.
struct Newcomer {
    socket: OwnedFd,
    /// The request so far; `None` once it was read.
    request: Option<Vec<u8>>,
    /// How much of the greeting it has.
    greeted: usize,
}

struct Raw<'a> {
    epoll: OwnedFd,
    ring: IoUring,
    listener: OwnedFd,
    feed: UnixListener,
    publisher: Option<UnixStream>,
    unframed: Unframed,
    greeting: &'a [u8],
    newcomers: Vec<Option<Newcomer>>,
    free: Vec<usize>,
    /// None where one is gone.
    members: Vec<Option<OwnedFd>>,
    /// What members have still to get, by their index.
    owed: BTreeMap<usize, Vec<u8>>,
}

/// Serves until the process is killed.
///
/// # Errors
/// When a socket or the ring cannot be made.
pub fn serve(listen: SocketAddr, feed: &Path, greeting: &[u8]) -> Result<(), BaselineError> {
    let listener = open_listener(listen).map_err(BaselineError::io("listening"))?;
    let feed = UnixListener::bind(feed).map_err(BaselineError::io("the feed's socket"))?;
    let mut raw = Raw::new(listener, feed, greeting).map_err(BaselineError::io("the ring"))?;
    raw.run().map_err(BaselineError::io("serving"))
}

fn open_listener(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 4096)?;
    Ok(socket)
}

impl<'a> Raw<'a> {
    fn new(listener: OwnedFd, feed: UnixListener, greeting: &'a [u8]) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .build(u32::try_from(BATCH).expect("a small number"))?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        epoll::add(&epoll, &feed, EventData::new_u64(FEED), EventFlags::IN)?;
        Ok(Raw {
            epoll,
            ring,
            listener,
            feed,
            publisher: None,
            unframed: Unframed::default(),
            greeting,
            newcomers: Vec::new(),
            free: Vec::new(),
            members: Vec::new(),
            owed: BTreeMap::new(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(512);
        let mut greet = Vec::new();
        loop {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    FEED => self.take_publisher()?,
                    PUBLISHER => self.publish()?,
                    member if member >= MEMBER => self.pay(index_of(member - MEMBER))?,
                    newcomer => {
                        let index = index_of(newcomer);
                        if self.read_request(index) {
                            greet.push(index);
                        }
                    }
                }
            }
            self.greet(&greet)?;
            greet.clear();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while let Ok(socket) = rustix::net::accept_with(&self.listener, flags) {
            sockopt::set_tcp_nodelay(&socket, true)?;
            set_notsent_lowat(&socket)?;
            let index = self.free.pop().unwrap_or_else(|| {
                self.newcomers.push(None);
                self.newcomers.len() - 1
            });
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&self.epoll, &socket, EventData::new_u64(index as u64), flags)?;
            self.newcomers[index] = Some(Newcomer { socket, request: Some(Vec::new()), greeted: 0 });
        }
        Ok(())
    }

    /// Whether the newcomer's request is there, so that it can be greeted.
    fn read_request(&mut self, index: usize) -> bool {
        let Some(newcomer) = &mut self.newcomers[index] else { return false };
        let Some(request) = &mut newcomer.request else { return true };
        let mut bytes = [0; 2048];
        match rustix::io::read(&newcomer.socket, &mut bytes) {
            Ok(0) => self.forget(index),
            Ok(read) => {
                request.extend_from_slice(&bytes[..read]);
                if request.ends_with(b"\r\n\r\n") {
                    newcomer.request = None;
                    return true;
                }
            }
            Err(rustix::io::Errno::AGAIN) => {}
            Err(_) => self.forget(index),
        }
        false
    }

    /// Sends these newcomers what they have not got of the greeting. Who has it all becomes a member.
    fn greet(&mut self, indexes: &[usize]) -> io::Result<()> {
        for indexes in indexes.chunks(BATCH) {
            let batch: Vec<(RawFd, &[u8])> = indexes
                .iter()
                .filter_map(|index| self.newcomers[*index].as_ref())
                .map(|newcomer| (newcomer.socket.as_raw_fd(), &self.greeting[newcomer.greeted..]))
                .collect();
            let results = send(&mut self.ring, &batch);
            for (index, result) in indexes.iter().zip(results) {
                match result {
                    Ok(taken) => {
                        if let Some(newcomer) = &mut self.newcomers[*index] {
                            newcomer.greeted += taken;
                        }
                        self.welcome(*index)?;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => self.forget(*index),
                }
            }
        }
        Ok(())
    }

    fn welcome(&mut self, index: usize) -> io::Result<()> {
        let whole = self.greeting.len();
        let Some(member) = self.newcomers[index].take_if(|newcomer| newcomer.greeted == whole) else {
            return Ok(());
        };
        self.free.push(index);
        epoll::delete(&self.epoll, &member.socket)?;
        self.members.push(Some(member.socket));
        Ok(())
    }

    fn forget(&mut self, index: usize) {
        self.newcomers[index] = None;
        self.free.push(index);
    }

    fn take_publisher(&mut self) -> io::Result<()> {
        let (publisher, _) = self.feed.accept()?;
        publisher.set_nonblocking(true)?;
        epoll::add(&self.epoll, &publisher, EventData::new_u64(PUBLISHER), EventFlags::IN)?;
        self.publisher = Some(publisher);
        Ok(())
    }

    /// Sends what the publisher has to say.
    fn publish(&mut self) -> io::Result<()> {
        loop {
            let mut bytes = [0; 16 * 1024];
            let Some(publisher) = &mut self.publisher else { return Ok(()) };
            match publisher.read(&mut bytes) {
                Ok(0) => self.publisher = None,
                Ok(read) => self.unframed.push(&bytes[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            while let Some(frame) = self.unframed.take() {
                self.send_to_all(&frame)?;
            }
        }
    }

    fn send_to_all(&mut self, frame: &[u8]) -> io::Result<()> {
        self.owe_more(frame);
        let Raw { members, owed, ring, epoll, .. } = self;
        let there = members.iter().enumerate().filter_map(|(index, member)| Some((index, member.as_ref()?)));
        let there: Vec<(usize, &OwnedFd)> = there.filter(|(index, _)| !owed.contains_key(index)).collect();
        let mut gone = Vec::new();
        for members in there.chunks(BATCH) {
            let batch: Vec<(RawFd, &[u8])> =
                members.iter().map(|(_, member)| (member.as_raw_fd(), frame)).collect();
            for ((index, member), result) in members.iter().zip(send(ring, &batch)) {
                let taken = match result {
                    Ok(taken) => taken,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                    Err(_) => {
                        gone.push(*index);
                        continue;
                    }
                };
                if taken < frame.len() {
                    owed.insert(*index, frame[taken..].to_vec());
                    epoll::add(&*epoll, member, EventData::new_u64(MEMBER + *index as u64), EventFlags::OUT)?;
                }
            }
        }
        for index in gone {
            self.members[index] = None;
        }
        Ok(())
    }

    /// Who is owed something gets the frame behind it; who is owed too much is closed.
    fn owe_more(&mut self, frame: &[u8]) {
        let Raw { members, owed, .. } = self;
        owed.retain(|index, owed| {
            owed.extend_from_slice(frame);
            let stays = owed.len() <= MOST_OWED;
            if !stays {
                members[*index] = None;
            }
            stays
        });
    }

    /// Sends a member what it is owed, as far as its socket takes it.
    fn pay(&mut self, index: usize) -> io::Result<()> {
        let (Some(member), Some(owed)) = (&self.members[index], self.owed.get_mut(&index)) else {
            return Ok(());
        };
        let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
        match rustix::net::send(member, owed, flags) {
            Ok(taken) if taken < owed.len() => drop(owed.drain(..taken)),
            Ok(_) => {
                epoll::delete(&self.epoll, member)?;
                self.owed.remove(&index);
            }
            Err(rustix::io::Errno::AGAIN) => {}
            Err(_) => {
                self.owed.remove(&index);
                self.members[index] = None;
            }
        }
        Ok(())
    }
}

fn index_of(number: u64) -> usize {
    usize::try_from(number).expect("an index")
}

/// Gives a batch to the kernel in one call, and returns what each socket took.
fn send(ring: &mut IoUring, batch: &[(RawFd, &[u8])]) -> Vec<io::Result<usize>> {
    let mut results: Vec<io::Result<usize>> = Vec::with_capacity(batch.len());
    let mut queue = ring.submission();
    for (index, (fd, bytes)) in batch.iter().enumerate() {
        results.push(Ok(0));
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let entry = opcode::Send::new(types::Fd(*fd), bytes.as_ptr(), length)
            .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            .build()
            .user_data(index as u64);
        // SAFETY: the bytes outlive the operation, since all completions are waited for below. The queue has room: it holds a batch,
        // and every call leaves it empty.
        unsafe { queue.push(&entry).expect("the queue was empty and the batch fits") };
    }
    drop(queue);
    let mut open = batch.len();
    while open > 0 {
        match ring.submit_and_wait(open) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Returning with sends under way would let go of bytes that the kernel still reads.
            Err(error) => panic!("io_uring_enter: {error}"),
        }
        for done in ring.completion() {
            let index = usize::try_from(done.user_data()).expect("an index of this batch");
            results[index] =
                usize::try_from(done.result()).map_err(|_| io::Error::from_raw_os_error(-done.result()));
            open -= 1;
        }
    }
    results
}

fn set_notsent_lowat(socket: &OwnedFd) -> io::Result<()> {
    let value = NOTSENT_LOWAT;
    // SAFETY: the option's value is a live integer of the length that is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const value).cast(),
            size_of_val(&value).try_into().expect("a small number"),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
