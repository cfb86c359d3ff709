//! From a socket to a request: a task per connection that reads heads and answers them (`answer`), until the connection becomes a stream, moves
//! elsewhere, or closes.
//!
//! Nothing here is ever cancelled: a read whose time is over is ended by shutting its socket down.

mod answer;

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use monoio::io::AsyncWriteRentExt;
use monoio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::Shutdown;

use super::begun::Place;
use super::body::Body;
use super::deadlines::Deadline;
use super::plan::{Manner, Plan};
use super::request::{self, Parsed};
use super::socket::{self, Shutdowner};
use super::{Cell, Moved};
use crate::identity::Peer;
use crate::wire::head;
use crate::wire::refusal::Refusal;

/// A connection being read.
pub(super) struct Connection {
    pub(super) core: Rc<Cell>,
    pub(super) stream: TcpStream,
    peer: Peer,
    deadline: Rc<Deadline>,
    /// What was read and not used.
    read: Vec<u8>,
    /// Requests answered on it.
    answered: u32,
    /// The place of a stream whose head is out, and whose right is not decided yet.
    pub(super) begun: Option<Place>,
}

/// What a head was read to.
enum Next {
    /// There is one in the buffer.
    Head,
    /// Refused before there was one.
    Refused(Refusal),
    /// The peer is gone, or was idle for long.
    Gone,
}

/// Serves a connection to its end.
pub async fn serve(core: Rc<Cell>, accepted: Moved) {
    let Moved { socket, peer, read } = accepted;
    let Ok(stream) = TcpStream::from_std(std::net::TcpStream::from(socket)) else {
        return core.get().addresses.leave(peer.address.ip());
    };
    let deadline = core.get().connections.add(Shutdowner::of(&stream));
    let connection = Connection { core, stream, peer, deadline, read, answered: 0, begun: None };
    connection.run().await;
}

impl Connection {
    async fn run(mut self) {
        loop {
            let next = self.read_head().await;
            // On the heap, and only from the head to its answer: what most connections do at most times is to wait for a head.
            let Some(connection) = Box::pin(self.answer(next)).await else { return };
            self = connection;
        }
    }

    fn longest(&self) -> request::Longest {
        let core = self.core.get();
        let server = &core.everywhere.server;
        request::Longest { head: server.head_bytes, target: server.target_bytes }
    }

    /// Reads until there is a whole head, within its time and size. While it waits it holds no buffer but for what was read.
    async fn read_head(&mut self) -> Next {
        let mut began = None;
        loop {
            if let Some(next) = self.look() {
                return next;
            }
            self.set_deadline(&mut began);
            if !self.read_more().await {
                if self.deadline.passed.get() && !self.read.is_empty() {
                    return Next::Refused(Refusal::Timeout);
                }
                return Next::Gone;
            }
        }
    }

    /// How long the peer may take for what is read next. `began`: when the head was first waited for.
    fn set_deadline(&self, began: &mut Option<Instant>) {
        let core = self.core.get();
        let server = &core.everywhere.server;
        if self.read.is_empty() && self.answered > 0 {
            return self.deadline.wait_idly(server.idle_timeout);
        }
        let waited = began.get_or_insert_with(Instant::now).elapsed();
        self.deadline.set(server.head_timeout.saturating_sub(waited), Shutdown::Read);
    }

    /// Reads behind what is there already, within the time that is set. Returns whether anything came.
    async fn read_more(&mut self) -> bool {
        let came = loop {
            match self.receive() {
                Ok(received) => break received > 0,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => break false,
            }
            if self.stream.readable(false).await.is_err() {
                break false;
            }
        };
        self.deadline.clear();
        came
    }

    /// Takes what the peer has sent, without waiting. (On its own, as [`Connection::look`] is.)
    fn receive(&mut self) -> Result<usize, Errno> {
        let mut piece = [0; 4096];
        let received = socket::receive(&self.stream, &mut piece)?;
        self.read.extend_from_slice(&piece[..received]);
        Ok(received)
    }

    /// Reads a body, which is taken out of what was read.
    ///
    /// # Errors
    /// It is no body, too long, or not here in time.
    pub(super) async fn read_body(
        &mut self,
        manner: &Manner,
        mut body: Body,
        mut expects_continue: bool,
    ) -> Result<Vec<u8>, Refusal> {
        let began = Instant::now();
        loop {
            let used = body.take(&self.read[manner.length..])?;
            self.read.drain(manner.length..manner.length + used);
            if body.is_whole() {
                return Ok(body.into_bytes());
            }
            if std::mem::take(&mut expects_continue) && !self.write(head::CONTINUE.to_vec()).await {
                return Err(Refusal::Timeout);
            }
            let time = self.core.get().everywhere.server.head_timeout;
            self.deadline.set(time.saturating_sub(began.elapsed()), Shutdown::Read);
            if !self.read_more().await {
                return Err(Refusal::Timeout);
            }
        }
    }

    /// What was read, if that is enough to go on. (On its own, since what it needs room for would else be part of the task while it waits.)
    fn look(&self) -> Option<Next> {
        let mut headers = request::no_headers();
        match request::parse(&self.read, self.longest(), &mut headers) {
            Parsed::Whole(_) => Some(Next::Head),
            Parsed::Refused(why) => Some(Next::Refused(why)),
            Parsed::Partial => None,
        }
    }

    fn plan(&self) -> Option<(Plan, Manner)> {
        let mut headers = request::no_headers();
        let Parsed::Whole(request) = request::parse(&self.read, self.longest(), &mut headers) else {
            return None;
        };
        let mut core = self.core.get();
        let mut manner = Manner::of(&request, &self.peer, &mut core);
        let plan = core.plan(&request, &self.peer, &mut manner);
        let asked = core.asked(&request, &plan, &self.peer);
        Some((plan, Manner { asked, ..manner }))
    }

    /// Writes all of it. Returns whether the peer took it in time.
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> bool {
        self.deadline.set(WRITE_TIME, Shutdown::Both);
        let (result, _) = self.stream.write_all(bytes).await;
        self.deadline.clear();
        result.is_ok()
    }

    /// Forgets the connection; its socket closes with it.
    fn end(self) {
        self.core.get().forget(&self.deadline, &self.peer);
    }

    /// Gives the socket away.
    pub(super) fn into_socket(self) -> (Rc<Cell>, OwnedFd, Peer, Vec<u8>) {
        self.core.get().forget(&self.deadline, &self.peer);
        (self.core, socket::take(self.stream), self.peer, self.read)
    }
}

/// Time for a peer to take an answer.
const WRITE_TIME: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_is_read_is_a_small_task() {
        fn size<A, B, F: Future>(_: fn(A, B) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(serve) <= 768, "it takes {}", size(serve));
    }
}
