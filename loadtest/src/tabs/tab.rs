//! One tab: a socket, how far in the stream it is, and what it shows. It holds no bytes that another tab has too.

use std::cell::RefCell;
use std::net::TcpStream;
use std::rc::Rc;

use super::chunks::Chunks;
use super::event;
use super::feed::{Delta, Feed, Meaning};
use super::line::Line;
use super::recording::Recording;
use super::rows::Shown;
use super::totals::{Fault, Totals};

/// A block of which more than this has come without its end is recorded once for all tabs.
const LONG: usize = 16 * 1024;
/// For so long a connection that has come back says nothing of other frames, in microseconds.
const YOUNG: u64 = 2_000_000;
/// The longest head that is waited for.
const LONGEST_HEAD: usize = 16 * 1024;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not connected.
    Closed,
    /// The request is to be sent as soon as the socket takes it.
    Connecting,
    /// The head of the answer is awaited.
    Head,
    /// In the stream.
    Body(Chunks),
}

/// A tab.
pub struct Tab {
    /// Its place in the plan's views.
    pub view: usize,
    /// Whose it is.
    pub user: usize,
    /// Its connection, if it has one.
    pub socket: Option<TcpStream>,
    /// Where the connection stands.
    pub phase: Phase,
    /// The newest id that it has seen; 0 before any.
    pub last_id: u64,
    /// When it last began to connect.
    pub began: u64,
    /// Whether it shows anything since then.
    pub live: bool,
    /// What it shows.
    pub shown: Shown,
    /// Its views, where it has several on its connection; then `shown` and `last_id` are of none.
    pub line: Option<Line>,
    /// Whether it may be told something twice: it has just come back.
    resumed: bool,
    /// Whether it has come back on this connection.
    came_back: bool,
    carry: Vec<u8>,
    long: Option<(Rc<RefCell<Recording>>, usize)>,
}

/// The connection is of no more use.
pub struct Broken;

impl Tab {
    /// A tab that is not open yet.
    pub fn new(view: usize, user: usize, line: Option<Line>) -> Self {
        Tab {
            view,
            user,
            socket: None,
            phase: Phase::Closed,
            last_id: 0,
            began: 0,
            live: false,
            shown: Shown::default(),
            line,
            resumed: false,
            came_back: false,
            carry: Vec::new(),
            long: None,
        }
    }

    /// Begins anew on a new connection; what is shown stays.
    pub fn connect(&mut self, socket: TcpStream, now: u64) {
        self.socket = Some(socket);
        self.phase = Phase::Connecting;
        self.began = now;
        self.live = false;
        self.resumed = self.last_id != 0;
        self.came_back = self.resumed;
        if let Some(line) = &mut self.line {
            line.connect();
        }
        self.close_block();
    }

    /// Lets the connection go.
    pub fn disconnect(&mut self) {
        self.socket = None;
        self.phase = Phase::Closed;
        self.live = false;
        self.close_block();
    }

    fn close_block(&mut self) {
        self.carry.clear();
        self.long = None;
    }

    /// Takes what was received at `now`.
    ///
    /// # Errors
    /// When the answer is a refusal, or is not what HTTP allows.
    pub fn take(
        &mut self,
        received: &[u8],
        feeds: &mut [Feed],
        totals: &mut Totals,
        now: u64,
    ) -> Result<(), Broken> {
        let answer: Vec<u8>;
        let mut bytes = received;
        if self.phase == Phase::Head {
            self.carry.extend_from_slice(bytes);
            let Some(end) = memchr::memmem::find(&self.carry, b"\r\n\r\n") else {
                return if self.carry.len() > LONGEST_HEAD {
                    Err(self.fault(totals, Fault::Malformed))
                } else {
                    Ok(())
                };
            };
            answer = std::mem::take(&mut self.carry);
            let (said, rest) = answer.split_at(end + 4);
            self.phase = Phase::Body(self.framing(said, totals)?);
            bytes = rest;
        }
        let Phase::Body(mut chunks) = self.phase else { return Ok(()) };
        loop {
            match chunks.next(&mut bytes) {
                Ok(Some(payload)) => self.take_payload(payload, feeds, totals, now),
                Ok(None) => break,
                Err(_) => return Err(self.fault(totals, Fault::Malformed)),
            }
        }
        self.phase = Phase::Body(chunks);
        // Whoever was denied a view asks for all of them again, each from where it stands.
        if self.line.as_ref().is_some_and(|line| line.is_refused) { Err(Broken) } else { Ok(()) }
    }

    fn framing(&self, head: &[u8], totals: &mut Totals) -> Result<Chunks, Broken> {
        if !head.starts_with(b"HTTP/1.1 200") && !head.starts_with(b"HTTP/1.0 200") {
            return Err(self.fault(totals, Fault::Refused));
        }
        let chunked =
            String::from_utf8_lossy(head).to_ascii_lowercase().contains("transfer-encoding: chunked");
        Ok(if chunked { Chunks::Size(0) } else { Chunks::Plain })
    }

    fn fault(&self, totals: &mut Totals, fault: Fault) -> Broken {
        totals.fault(fault, self.view, self.last_id);
        Broken
    }

    fn take_payload(&mut self, mut payload: &[u8], feeds: &mut [Feed], totals: &mut Totals, now: u64) {
        while !payload.is_empty() {
            if self.long.is_some() {
                payload = self.take_long(payload, feeds, totals, now);
                continue;
            }
            if self.carry.is_empty() {
                let Some(at) = memchr::memmem::find(payload, b"\n\n") else {
                    self.keep(payload, feeds);
                    return;
                };
                let (block, rest) = payload.split_at(at + 2);
                self.take_block(block, feeds, totals, now);
                payload = rest;
                continue;
            }
            let Some(taken) = end_behind(&self.carry, payload) else {
                self.keep(payload, feeds);
                return;
            };
            self.carry.extend_from_slice(&payload[..taken]);
            let mut block = std::mem::take(&mut self.carry);
            self.take_block(&block, feeds, totals, now);
            block.clear();
            self.carry = block;
            payload = &payload[taken..];
        }
    }

    /// Keeps what has come of a block until the rest comes; of a long one, a place in its recording.
    fn keep(&mut self, payload: &[u8], feeds: &mut [Feed]) {
        self.carry.extend_from_slice(payload);
        // Of a line it is not known yet whose block it is; there the parts of a list are short.
        if self.carry.len() < LONG || self.line.is_some() {
            return;
        }
        let carry = std::mem::take(&mut self.carry);
        let shared = event::without_retry(&carry);
        self.long = Some((feeds[self.view].recording(shared), shared.len()));
    }

    fn take_long<'a>(
        &mut self,
        payload: &'a [u8],
        feeds: &mut [Feed],
        totals: &mut Totals,
        now: u64,
    ) -> &'a [u8] {
        let Some((recording, mut place)) = self.long.take() else { return payload };
        let Ok(taken) = recording.borrow_mut().take(&mut place, payload) else {
            let _ = self.fault(totals, Fault::SnapshotDiffers);
            return &[];
        };
        match recording.borrow().block_at(place) {
            Some(block) => self.take_block(block, feeds, totals, now),
            None => self.long = Some((recording.clone(), place)),
        }
        &payload[taken..]
    }

    fn take_block(&mut self, block: &[u8], feeds: &mut [Feed], totals: &mut Totals, now: u64) {
        let event = event::read(block);
        totals.event(event.name);
        if let Some(line) = &mut self.line {
            line.take(event, feeds, totals, now);
            if line.is_live() {
                self.come_alive(totals, now);
            }
            return;
        }
        if let Some(id) = event.id {
            if id < self.last_id {
                let _ = self.fault(totals, Fault::IdBackwards);
            }
            self.last_id = id;
        }
        if event.name == b"relist" {
            self.last_id = 0;
        }
        if !totals.checks {
            self.come_alive(totals, now);
            return;
        }
        let feed = &mut feeds[self.view];
        // What it is told twice may also come a moment later, behind something new.
        let is_young = self.came_back && now - self.began < YOUNG;
        let (meaning, contradicts) = feed.read(&event, self.resumed || is_young);
        if contradicts && !self.came_back {
            let _ = self.fault(totals, Fault::TwoFramesForOneId);
        }
        match meaning {
            Meaning::Delta(delta) => self.show(delta, feed, totals, now),
            Meaning::Snapshot(snapshot) => self.shown.become_like(&snapshot.shown),
            Meaning::Malformed => drop(self.fault(totals, Fault::Malformed)),
            Meaning::Nothing => return,
        }
        self.resumed = false;
        self.come_alive(totals, now);
    }

    fn show(&mut self, delta: Delta, feed: &Feed, totals: &mut Totals, now: u64) {
        self.shown.set(&feed.index, delta.number, delta.bytes);
        if let Some(stamp) = delta.stamp {
            totals.delta(self.view, stamp, now);
        }
    }

    fn come_alive(&mut self, totals: &mut Totals, now: u64) {
        if !self.live {
            self.live = true;
            totals.first_row(now - self.began);
        }
    }
}

/// How much of `payload` belongs to the block that `carry` began, if it ends there.
fn end_behind(carry: &[u8], payload: &[u8]) -> Option<usize> {
    if carry.ends_with(b"\n") && payload.starts_with(b"\n") {
        return Some(1);
    }
    memchr::memmem::find(payload, b"\n\n").map(|at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabs::rows;
    use foretop::kind::Rv;
    use foretop::wire::sse::{self, Op};

    const NOW: u64 = 5_000_000;

    fn row(name: &str, restarts: u64) -> String {
        format!(r#"{{"name":"{name}","namespace":"shop","restarts":{restarts}}}"#)
    }

    fn snapshot(out: &mut Vec<u8>, id: u64, rows: &[String]) {
        sse::write_retry(out, 2000 + id);
        let list = format!(r#"{{"resourceVersion":"{id}","items":[{}]}}"#, rows.join(","));
        sse::write_chunk(out, format!("event: snapshot\nid: {id}\ndata: {list}\n\n").as_bytes());
    }

    fn delta(out: &mut Vec<u8>, op: Op, id: u64, row: &str) {
        sse::write_delta(out, op, Some(Rv(id.into())), row.as_bytes());
    }

    fn stream(rows: &[String]) -> Vec<u8> {
        let mut out = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        snapshot(&mut out, 10, rows);
        sse::write_heartbeat(&mut out, None);
        delta(&mut out, Op::Modified, 11, &row("pod-1", 4_999_000));
        delta(&mut out, Op::Deleted, 12, &row("pod-2", 1));
        delta(&mut out, Op::Added, 13, &row("new", 4_000_000));
        sse::write_heartbeat(&mut out, Some(Rv(15)));
        out
    }

    fn wanted(rows: &[String]) -> u64 {
        let kept =
            rows.iter().filter(|row| !row.contains("\"pod-1\"") && !row.contains("\"pod-2\"")).cloned();
        let rows = kept.chain([row("pod-1", 4_999_000), row("new", 4_000_000)]);
        rows::hash(rows.map(|row| rows::read(row.as_bytes()).unwrap()))
    }

    fn open() -> Tab {
        let mut tab = Tab::new(0, 0, None);
        tab.phase = Phase::Head;
        tab
    }

    fn take(tab: &mut Tab, bytes: &[u8], feed: &mut Feed, totals: &mut Totals) {
        assert!(tab.take(bytes, std::slice::from_mut(feed), totals, NOW).is_ok());
    }

    #[test]
    fn a_tab_shows_what_it_was_told_wherever_the_bytes_are_cut() {
        let rows: Vec<String> = (0..5).map(|n| row(&format!("pod-{n}"), n)).collect();
        let bytes = stream(&rows);
        let (mut feed, mut totals) = (Feed::default(), Totals::new(true, vec![0]));
        for cut in 0..bytes.len() {
            let mut tab = open();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                take(&mut tab, piece, &mut feed, &mut totals);
            }
            assert_eq!((tab.shown.hash(), tab.last_id, tab.live), (wanted(&rows), 15, true), "cut at {cut}");
        }
        let report = totals.report();
        assert!(report.faults.is_empty(), "{:?}", report.examples);
        let tabs = bytes.len() as u64;
        assert_eq!(report.frames, 5 * tabs);
        // One was due 1 ms ago, one a second.
        assert_eq!(report.latency[0].iter().map(|(_, count)| count).sum::<u64>(), 2 * tabs);
    }

    #[test]
    fn tabs_in_the_midst_of_a_long_snapshot_share_its_bytes() {
        let rows: Vec<String> = (0..2000).map(|n| row(&format!("pod-{n}"), n)).collect();
        let bytes = stream(&rows);
        let (mut feed, mut totals) = (Feed::default(), Totals::new(true, vec![0]));
        let (mut fast, mut slow) = (open(), open());
        for (fast_piece, slow_piece) in bytes.chunks(30_000).zip(bytes.chunks(20_000)) {
            take(&mut fast, fast_piece, &mut feed, &mut totals);
            take(&mut slow, slow_piece, &mut feed, &mut totals);
        }
        assert!(slow.carry.is_empty() && slow.long.is_some());
        for piece in bytes.chunks(20_000).skip(bytes.chunks(30_000).len()) {
            take(&mut slow, piece, &mut feed, &mut totals);
        }
        assert_eq!((fast.shown.hash(), slow.shown.hash()), (wanted(&rows), wanted(&rows)));
        assert!(totals.report().faults.is_empty());
    }

    #[test]
    fn what_no_tab_should_see_is_a_fault() {
        let (mut feed, mut totals) = (Feed::default(), Totals::new(true, vec![0]));
        let mut bytes = stream(&[row("pod-1", 1)]);
        delta(&mut bytes, Op::Modified, 14, &row("pod-1", 2));
        delta(&mut bytes, Op::Modified, 20, &row("pod-1", 3));
        take(&mut open(), &bytes, &mut feed, &mut totals);
        let mut other = stream(&[row("pod-1", 1)]);
        delta(&mut other, Op::Modified, 20, &row("pod-1", 4));
        take(&mut open(), &other, &mut feed, &mut totals);
        let mut refused = open();
        assert!(
            refused
                .take(b"HTTP/1.1 503 Busy\r\n\r\n", std::slice::from_mut(&mut feed), &mut totals, NOW)
                .is_err()
        );
        let faults: Vec<Fault> = totals.report().faults.into_keys().collect();
        assert_eq!(faults, [Fault::Refused, Fault::IdBackwards, Fault::TwoFramesForOneId]);
    }
}
