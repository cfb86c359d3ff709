//! TLS on a listener of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::grammar::{AddressOrOff, OptionalPath, Whole};
use super::table::{Section, Table};

/// TLS on a listener of its own.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Its address; `None`: no TLS.
    pub listen: Option<SocketAddr>,
    /// The certificate's chain, in PEM.
    pub cert_file: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    pub key_file: Option<PathBuf>,
    /// Who signs clients' certificates, in PEM; `None`: clients are not asked for one.
    pub client_ca_file: Option<PathBuf>,
    /// Threads that encrypt.
    pub threads: usize,
}

impl Default for Tls {
    fn default() -> Self {
        Tls { listen: None, cert_file: None, key_file: None, client_ca_file: None, threads: 2 }
    }
}

impl Section for Tls {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "listen",
            &mut self.listen,
            AddressOrOff,
            "Address of the TLS listener, beside that of `server.listen`.",
        );
        table.setting(
            "certFile",
            &mut self.cert_file,
            OptionalPath,
            "The certificate, followed by those that lead to its root, in PEM. Read again when it changes, as the other files are; a pair that \
             cannot be used keeps the old one.",
        );
        table.setting("keyFile", &mut self.key_file, OptionalPath, "The certificate's private key, in PEM.");
        table.setting(
            "clientCaFile",
            &mut self.client_ca_file,
            OptionalPath,
            "Certificates, in PEM, of those who sign clients' certificates. Clients may then show one; what they show must be signed so, and its \
             names are what `auth.header.trustedNames` is about.",
        );
        table.setting(
            "threads",
            &mut self.threads,
            Whole(1, 256),
            "Threads that encrypt, beside the cores and the control plane.",
        );
    }
}
