//! From a request to a line: its body is read, the line opened, and for each view that needs asking a task waits, so that none waits for another.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use super::adding::{Client, Undecided};
use super::asked::{self, AskedView, Change, MOST_BYTES, Mistake};
use super::lanes::Lanes;
use super::words::Words;
use super::{Line, LineId};
use crate::access::Decision;
use crate::core::asking::ask;
use crate::core::begun::Place;
use crate::core::body::{Body, Length};
use crate::core::connection::Connection;
use crate::core::join::send_whole;
use crate::core::plan::{Manner, Plan, Refused};
use crate::core::reason::Reason;
use crate::core::request::Request;
use crate::core::sessions::unix_ms;
use crate::core::slot::{At, ENDING, Opened, Slot, SlotName, Socket, seconds};
use crate::core::{Cell, Core, start};
use crate::identity::origin::Sharing;
use crate::identity::seal::random;
use crate::identity::{Identified, Identity, Peer};
use crate::wire::head;
use crate::wire::line::{self, Bye, LineName, PROTOCOL};
use crate::wire::refusal::Refusal;

/// How long a decision is waited for before it is looked whether anybody still wants it.
const LOOKS_EVERY: Duration = Duration::from_secs(5);

/// What names this process in the names of its lines.
static REPLICA: LazyLock<u32> = LazyLock::new(|| u32::from_le_bytes(random()));

/// A request for a line, or for other views of one.
pub struct LineWish {
    /// Which line is to be changed; `None`: one is to be opened.
    name: Option<Box<str>>,
    who: Identified,
    body: Length,
    expects_continue: bool,
    keep_alive: bool,
}

impl Core {
    /// What is to be done about a request for a line.
    pub(in crate::core) fn plan_line(
        &mut self,
        name: Option<&str>,
        request: &Request<'_>,
        peer: &Peer,
        manner: &mut Manner,
    ) -> Plan {
        if request.is_preflight() {
            return Plan::Elsewhere;
        }
        manner.accepts_json = true;
        match self.everywhere.origins.admit(&request.asked(peer), request.fields()) {
            Ok(sharing) => manner.sharing = spoken(&sharing),
            Err(why) => return Plan::Refuse(why),
        }
        if request.method != "POST" {
            return Plan::Refuse(Refusal::PostOnly);
        }
        let who = match self.everywhere.authenticator.identify(peer, request.fields()) {
            Ok(who) => who,
            Err(why) => return Plan::Refuse(why),
        };
        if !request.is_json() {
            return Plan::Refuse(Refusal::NotJson);
        }
        let home = self.home(who.identity());
        if home != self.id {
            return Plan::HandOver(home);
        }
        Plan::Line(Box::new(LineWish {
            name: name.map(Into::into),
            who,
            body: request.body.unwrap_or(Length::Known(0)),
            expects_continue: request.expects_continue(),
            keep_alive: request.keep_alive,
        }))
    }

    /// The line of this name, if it is this identity's.
    fn find_line(&self, name: &str, who: &Identity) -> Result<SlotName, Refusal> {
        let name: LineName = name.parse().map_err(|_| Refusal::UnknownStream)?;
        if name.replica != *REPLICA {
            return Err(Refusal::StreamElsewhere);
        }
        let (_, line) =
            self.lines.iter().find(|(_, line)| line.secret == name.secret).ok_or(Refusal::UnknownStream)?;
        let slot = self.slots.named(line.slot).ok_or(Refusal::UnknownStream)?;
        let holder = self.passes.holder(slot.pass);
        let session = |session: Option<&crate::identity::SessionRef>| session.map(|session| session.id);
        let is_theirs = holder.subject == who.subject
            && session(holder.session.as_deref()) == session(who.session.as_ref())
            && !slot.is(ENDING);
        if is_theirs { Ok(line.slot) } else { Err(Refusal::UnknownStream) }
    }

    /// Opens a line without lanes.
    pub(in crate::core) fn open_line(
        &mut self,
        socket: std::os::fd::OwnedFd,
        place: Place,
        who: &Identity,
        manner: &Manner,
        name: LineName,
    ) -> Option<SlotName> {
        let Place { user, tenant } = place;
        let pass = self.passes.acquire_line(user, tenant, who);
        let number = start::next_stream_number();
        let second = seconds(self.started, std::time::Instant::now());
        let id: LineId = self.lines.next();
        let slot = self.slots.insert(|name| Slot {
            at: At::Line(id),
            number,
            sent: 0,
            opened: Opened::at(unix_ms()),
            socket: Socket::Own { fd: socket, progress: second },
            view: 0,
            member: 0,
            pass,
            ending: None,
            generation: name.generation,
            flags: 0,
        });
        let (words, turns, lanes) = (Words::default(), std::collections::VecDeque::new(), Lanes::default());
        let (version, secret) = (manner.version, name.secret);
        self.lines.put(id, Line { slot, secret, user, version, words, turns, current: None, lanes });
        self.counters.opened.add(1);
        tracing::info!(
            id = number,
            actor = &*who.subject,
            request_id = manner.request_id,
            core = self.id,
            "line.opened"
        );
        let watched =
            self.slots.get(slot.id).socket.own().is_some_and(|fd| self.epoll.add_stream(fd, slot).is_ok());
        if !watched {
            self.close(slot.id, Reason::NoEpoll);
            return None;
        }
        Some(slot)
    }
}

/// The fields of an answer, and which protocol is spoken.
fn spoken(sharing: &Sharing) -> Sharing {
    let protocol = ("Foretop-Protocol", PROTOCOL.to_string().into());
    sharing.iter().cloned().chain([protocol]).collect()
}

impl From<Mistake> for Refused {
    fn from(mistake: Mistake) -> Self {
        Refused { why: Refusal::BadViews, words: mistake.to_string().into() }
    }
}

impl Connection {
    /// Opens a line, or changes one. `None`: the connection has become a stream; else whether it takes another request.
    pub(in crate::core) async fn fulfil_line(
        mut self,
        wish: LineWish,
        manner: &Manner,
    ) -> Option<(Box<Self>, bool)> {
        let (expects, keep_alive) = (wish.expects_continue, wish.keep_alive);
        let read = match Body::new(wish.body, MOST_BYTES) {
            Ok(body) => Box::pin(self.read_body(manner, body, expects)).await,
            Err(why) => Err(why),
        };
        let body = match read {
            Ok(body) => body,
            Err(why) => {
                self.refuse(why, manner).await;
                return Some((Box::new(self), false));
            }
        };
        // From here on what follows is the next request.
        let manner = Manner { keep_alive, ..manner.clone() };
        let result = match &wish.name {
            None => match Box::pin(self.begin_line(&body, wish.who, &manner)).await {
                Ok(()) => return None,
                Err((connection, refused)) => {
                    self = *connection;
                    Err(refused)
                }
            },
            Some(name) => Box::pin(self.change_line(name, &body, wish.who, &manner)).await,
        };
        let keep = match result {
            Ok(keep) => keep,
            Err(refused) => self.refuse_saying(&refused, &manner).await,
        };
        Some((Box::new(self), keep))
    }

    async fn begin_line(
        self,
        body: &[u8],
        who: Identified,
        manner: &Manner,
    ) -> Result<(), (Box<Self>, Refused)> {
        let (views, verified, client, place) = match self.prepare_line(body, who, manner).await {
            Ok(prepared) => prepared,
            Err(refused) => return Err((Box::new(self), refused)),
        };
        let name = LineName { replica: *REPLICA, secret: u128::from_le_bytes(random()) };
        let first = self.core.get().first_of_line(&verified.cookies, &client.identity, name, manner);
        let (cell, socket, ..) = self.into_socket();
        let undecided = {
            let mut core = cell.get();
            core.set_options(&socket);
            if !send_whole(&socket, &first) {
                core.leave_place(&place);
                return Ok(());
            }
            let Some(line) = core.open_line(socket, place, &client.identity, manner, name) else {
                return Ok(());
            };
            if core.lame {
                core.say_bye(line.id, Bye::ServerShutdown, Reason::ServerShutdown);
                return Ok(());
            }
            core.add_views(line, views, &client)
        };
        ask_for(&cell, undecided, client);
        Ok(())
    }

    async fn prepare_line(
        &self,
        body: &[u8],
        who: Identified,
        manner: &Manner,
    ) -> Result<(Vec<AskedView>, crate::identity::Verified, Client, Place), Refused> {
        let views = asked::opening(body)?;
        let verified = self.verify(who).await?;
        let client = self.client(verified.identity.clone(), manner)?;
        let place = self.core.get().admit(&verified.identity)?;
        Ok((views, verified, client, place))
    }

    /// Who asks, if they may still ask for anything.
    fn client(&self, identity: Identity, manner: &Manner) -> Result<Client, Refusal> {
        let core = self.core.get();
        if core.is_over(&identity) {
            return Err(Refusal::Unauthenticated);
        }
        let asker = core.everywhere.access.mapping.map(&identity)?;
        Ok(Client { identity, asker, from: manner.origin() })
    }

    async fn change_line(
        &mut self,
        name: &str,
        body: &[u8],
        who: Identified,
        manner: &Manner,
    ) -> Result<bool, Refused> {
        let Change { add, remove } = asked::change(body)?;
        let verified = self.verify(who).await?;
        let client = self.client(verified.identity.clone(), manner)?;
        let line = self.core.get().find_line(name, &client.identity)?;
        let there = self.core.get().already_there(line, &add, &remove);
        if let Some(index) = there {
            let words = format!("add[{index}].ref: the stream has a view of this ref");
            return Err(Refused { why: Refusal::BadViews, words: words.into() });
        }
        let added = add.len();
        let (removed, undecided) = {
            let mut core = self.core.get();
            let removed = core.remove_views(line, &remove);
            (removed, core.add_views(line, add, &client))
        };
        ask_for(&self.core, undecided, client);
        let body = format!("{{\"added\":{added},\"removed\":{removed}}}\n");
        let after = manner.after();
        let answer =
            head::done(manner.version, &manner.request_id, &body, &verified.cookies, after, &manner.sharing);
        Ok(self.write(answer.into_bytes()).await && after == head::After::Keep)
    }
}

impl Core {
    /// The head of a line's response, and its first event.
    fn first_of_line(
        &self,
        cookies: &[Box<str>],
        who: &Identity,
        name: LineName,
        manner: &Manner,
    ) -> Vec<u8> {
        let mut first =
            head::stream(manner.version, &manner.request_id, cookies, &manner.sharing).into_bytes();
        let heartbeat = self.everywhere.streams.heartbeat.min(super::status::SAID_EVERY).as_millis();
        let mut hello = Vec::new();
        let session = self.everywhere.authenticator.session_tag(who);
        line::write_hello(&mut hello, name, &session, heartbeat);
        manner.version.append(&hello, &mut first);
        first
    }
}

/// Asks for what is not decided, each by itself.
fn ask_for(cell: &Rc<Cell>, undecided: Vec<Undecided>, client: Client) {
    let client = Arc::new(client);
    for undecided in undecided {
        drop(monoio::spawn(decide(cell.clone(), undecided, client.clone())));
    }
}

async fn decide(cell: Rc<Cell>, undecided: Undecided, client: Arc<Client>) {
    let access = cell.get().everywhere.access.clone();
    let (line, lane) = (undecided.line, undecided.lane);
    let mut decision = ask(&cell, access.decide(undecided.key.clone(), LOOKS_EVERY)).await;
    loop {
        match decision {
            None => {
                let asked = (&undecided.key, &client.from);
                return cell.get().refuse_lane(line, lane, Refusal::AuthzUnavailable, asked);
            }
            Some(Decision::Made(grant)) => {
                let mut core = cell.get();
                core.learn_grant(&grant);
                return core.decided(undecided, &grant, &client);
            }
            Some(Decision::UnderWay(deciding, _)) => {
                if cell.get().awaited_by(line, lane).is_none() {
                    return;
                }
                decision = ask(&cell, deciding.wait(LOOKS_EVERY)).await;
            }
        }
    }
}
