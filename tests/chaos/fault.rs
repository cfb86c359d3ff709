//! Everything that can be done to a world, and undone.

use foretop::sim::Fault as ApiserverFault;
use rustix::process::Signal;

use crate::proxy::Trouble;
use crate::world::World;

/// What goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Between the server and the first cluster's apiserver.
    Upstream(Trouble),
    /// Between the tabs and the server.
    Clients(Trouble),
    /// The apiserver's process dies, and its store does not; what comes back does not know the past.
    ApiserverKilled,
    /// Each watch gets lines that are not JSON.
    GarbageLines,
    /// The apiserver's name leads nowhere, and its connections are cut.
    NameGone,
    /// Its certificate is of long ago, and its connections are cut.
    CertificateExpired,
    /// The server is killed (SIGKILL), and started again in the end.
    ServerKilled,
    /// The server is ended in order (SIGTERM), and started again in the end.
    ServerEnded,
    /// The same, and the disk of its `state.dir` is full.
    ServerEndedOnFullDisk,
    /// The server is stopped (SIGSTOP), as a machine that is suspended.
    ServerFrozen,
    /// The server's clock jumps by so many seconds, and back.
    Clock(i64),
}

impl Fault {
    /// What it needs that this machine does not have.
    pub fn lacks(self, machine: crate::server::Machine) -> Option<&'static str> {
        match self {
            Fault::NameGone | Fault::ServerEndedOnFullDisk if !machine.has_mounts => {
                Some("no process may have mounts of its own here")
            }
            Fault::Clock(_) if !machine.has_clock => {
                Some("there is no libfaketime (Debian: apt-get install faketime)")
            }
            _ => None,
        }
    }

    /// Whether it concerns the first cluster alone.
    pub fn is_of_the_apiserver(self) -> bool {
        use Fault::{ApiserverKilled, CertificateExpired, GarbageLines, NameGone, Upstream};
        matches!(self, Upstream(_) | ApiserverKilled | GarbageLines | NameGone | CertificateExpired)
    }

    pub async fn begin(self, world: &World) {
        match self {
            Fault::Upstream(trouble) => world.upstream.suffers(trouble),
            Fault::Clients(trouble) => world.clients.suffers(trouble),
            Fault::ApiserverKilled => world.east.stop().await,
            Fault::GarbageLines => world.east.faults().add(ApiserverFault::Garbage.times(100_000)),
            Fault::NameGone => {
                world.site.resolves_names(false);
                cut(world);
            }
            Fault::CertificateExpired => {
                world.shows_certificate(true);
                cut(world);
            }
            Fault::ServerKilled => world.server_dies(Signal::KILL).await,
            Fault::ServerEnded | Fault::ServerEndedOnFullDisk => world.server_dies(Signal::TERM).await,
            Fault::ServerFrozen => world.signals(Signal::STOP),
            Fault::Clock(by) => world.site.moves_clock(by),
        }
    }

    pub async fn end(self, world: &World) {
        match self {
            Fault::Upstream(_) => world.upstream.suffers(Trouble::None),
            Fault::Clients(_) => world.clients.suffers(Trouble::None),
            Fault::ApiserverKilled => world.east.restart().await.expect("the address is still free"),
            Fault::GarbageLines => world.east.heal(),
            Fault::NameGone => world.site.resolves_names(true),
            Fault::CertificateExpired => world.shows_certificate(false),
            Fault::ServerKilled | Fault::ServerEnded | Fault::ServerEndedOnFullDisk => world.server_starts(),
            Fault::ServerFrozen => world.signals(Signal::CONT),
            Fault::Clock(_) => world.site.moves_clock(0),
        }
    }
}

fn cut(world: &World) {
    world.upstream.suffers(Trouble::Cut);
    world.upstream.suffers(Trouble::None);
}
