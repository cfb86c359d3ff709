//! The listener for those who run the process.

use std::net::SocketAddr;

use super::grammar::AddressOrOff;
use super::table::{Section, Table};

/// The listener for those who run the process.
#[derive(Clone, Debug)]
pub struct Manage {
    /// Its address; `None`: there is none.
    pub listen: Option<SocketAddr>,
}

impl Default for Manage {
    fn default() -> Self {
        Manage { listen: Some(SocketAddr::from(([127, 0, 0, 1], 8081))) }
    }
}

impl Section for Manage {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "listen",
            &mut self.listen,
            AddressOrOff,
            "Address of the management listener: `/metrics`, `/readyz` in detail, `/healthz`, `/debug/threads`, `/debug/memory`. It asks nobody who \
             they are and names no user, but clusters: keep it where only operators and their Prometheus reach it. `off`: there is none.",
        );
    }
}
