//! Memory: how much there may be of it, and giving it back.
//!
//! - [`room`]: what the system leaves to the process, by its cgroup or its machine.
//! - [`limit`]: what the process allows itself of that.
//! - [`pressure`]: how short it is, and what is therefore shed.
//! - [`give_back`]: what a wave of connections took goes back to the system.

pub mod give_back;
pub mod limit;
pub mod pressure;
pub mod room;

pub use give_back::{Waves, ask, give_back_if_asked};
pub use limit::Limit;
pub use room::Room;
