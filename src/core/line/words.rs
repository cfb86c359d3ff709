//! What is said to one multiplexed stream alone: `hello`, `view`, `denied`, `bye`, and a comment where nothing else is said.

use std::time::Instant;

use super::LineId;
use crate::core::Core;
use crate::core::slot::{BLOCKED, ENDING, HELD, SlotId, seconds};
use crate::feed::Scope;
use crate::wire::head::Version;
use crate::wire::{line, sse};

/// Whole events, as the body has them, of which some bytes may be sent. A line to which all is said, as most lines are at most times, keeps nothing for words.
#[derive(Default)]
pub struct Words(Option<Box<Unsent>>);

#[derive(Default)]
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Words {
    /// What is not sent yet.
    pub fn unsent(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |words| &words.bytes[words.sent..])
    }

    /// Whether all is sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Appends these chunks.
    pub fn say(&mut self, chunks: &[u8], version: Version) {
        if !chunks.is_empty() {
            version.append(chunks, &mut self.0.get_or_insert_default().bytes);
        }
    }

    /// Appends these chunks, and the end of the body.
    pub fn say_last(&mut self, chunks: &[u8], version: Version) {
        version.append_last(chunks, &mut self.0.get_or_insert_default().bytes);
    }

    /// So many bytes are sent.
    pub fn advance(&mut self, taken: usize) {
        let Some(words) = &mut self.0 else { return };
        words.sent += taken;
        if words.sent == words.bytes.len() {
            self.0 = None;
        }
    }
}

impl Core {
    /// Says this to a line alone.
    pub(super) fn say(&mut self, id: LineId, chunks: &[u8]) {
        let Some(line) = self.lines.get_mut(id) else { return };
        line.words.say(chunks, line.version);
        let slot = line.slot.id;
        self.make_ready(slot);
    }

    /// Tells a lane's client which number its view has. Nothing to say of a stream that is no lane.
    pub(in crate::core) fn say_view(&mut self, id: SlotId, resumed: bool) {
        let slot = self.slots.get(id);
        let (Some(line), view) = (slot.socket.line(), slot.view) else { return };
        let name = self.slots.name(id);
        let view = self.view(view);
        let (number, scope) = (view.serial, view.key.scope.clone());
        let mut chunks = Vec::new();
        let refs = self.lines.get(line).into_iter().flat_map(|line| line.lanes.refs_of(name));
        for view in refs {
            line::write_view(&mut chunks, view, number, names_of(&scope).as_deref(), resumed);
        }
        self.say(line, &chunks);
    }

    /// A comment for lines to which nothing was said for as long as a heartbeat, lest a proxy thinks them dead.
    pub(in crate::core) fn ping_lines(&mut self, now: Instant) {
        let now = seconds(self.started, now);
        // A second early, since seconds are what is counted.
        let most = u32::try_from(self.everywhere.streams.heartbeat.as_secs()).unwrap_or(u32::MAX) - 1;
        let is_silent = |slot: SlotId| {
            let slot = self.slots.get(slot);
            let last = slot.progress().unwrap_or(now);
            now.saturating_sub(last) >= most && !slot.is(BLOCKED | HELD | ENDING)
        };
        let silent: Vec<_> =
            self.lines.iter().filter(|(_, line)| is_silent(line.slot.id)).map(|(id, _)| id).collect();
        let mut ping = Vec::new();
        sse::write_heartbeat(&mut ping, None);
        for line in silent {
            self.say(line, &ping);
        }
    }
}

/// The namespaces of a scope; `None` for all.
fn names_of(scope: &Scope) -> Option<Vec<&str>> {
    match scope {
        Scope::All => None,
        Scope::Namespace(name) => Some(vec![name]),
        Scope::Set(set) => Some(set.names().iter().map(|name| &**name).collect()),
    }
}
