//! Looks again and again at how short memory is, and says by the ledger what is to be shed; on the control plane, so that no core reads a file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::feed::ledger::Ledger;
use crate::memory::pressure::{Measure, Measures, Pressure, Shedding};
use crate::memory::{self, Room};

/// How often it is looked: a wave of connections takes no longer.
const EVERY: Duration = Duration::from_millis(250);

/// Threads give back what is free no more often than once in so many looks.
const COLLECTS_EVERY: u32 = 4;

/// Looks as long as the process lives.
pub(super) async fn follow(ledger: Arc<Ledger>, room: Option<Room>) {
    let mut clock = tokio::time::interval(EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut pressure = Pressure::default();
    for look in 0u32.. {
        clock.tick().await;
        let measures = measures(&ledger, room.as_ref());
        let before = pressure.level();
        let level = pressure.look(&measures, Instant::now());
        ledger.shed(level, &measures);
        if level != before {
            tell(level, &measures);
        }
        if level >= Shedding::Journals && look.is_multiple_of(COLLECTS_EVERY) {
            // What is given up is not given back before each thread does so.
            memory::ask();
        }
    }
}

fn measures(ledger: &Ledger, room: Option<&Room>) -> Measures {
    let counted = Measure { taken: ledger.total() as u64, of: ledger.limit() as u64 };
    let real = room.and_then(|room| Some(Measure { taken: room.taken_now()?, of: room.bytes }));
    Measures { counted, real }
}

fn tell(level: Shedding, measures: &Measures) {
    let Measures { counted, real } = measures;
    let (taken, room) = real.map_or((0, 0), |real| (real.taken, real.of));
    if level == Shedding::Nothing {
        return tracing::info!(counted = counted.taken, taken, "memory.calm");
    }
    tracing::warn!(
        level = level.name(),
        counted = counted.taken,
        limit = counted.of,
        taken,
        room,
        "memory.shedding: there is little left"
    );
}
