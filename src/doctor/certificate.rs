//! How long certificates are good for.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Finding;
use crate::certificate::first_end;

/// One that ends sooner should have been renewed by now.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The certificate that Foretop itself shows.
pub(super) fn of_file(path: &Path) -> Vec<Finding> {
    let fix = "put a certificate and those that lead to its root there, in PEM";
    let chain: Vec<CertificateDer<'_>> = match CertificateDer::pem_file_iter(path).and_then(Iterator::collect)
    {
        Ok(chain) => chain,
        Err(error) => {
            return vec![Finding::broken(format!("it cannot be read: {error}"), fix)];
        }
    };
    if chain.is_empty() {
        return vec![Finding::broken("it holds no certificate", fix)];
    }
    vec![of_chain(&chain, Timestamp::now())]
}

/// The certificate of a chain that ends first.
pub(super) fn of_chain(chain: &[CertificateDer<'_>], now: Timestamp) -> Finding {
    let fix = "renew it, and see why that did not happen by itself";
    let Some(end) = first_end(chain) else {
        return Finding::broken("what it shows is no certificate", "put a certificate there");
    };
    let left = end.duration_since(now);
    let day = end.strftime("%F %R UTC");
    if left <= SignedDuration::ZERO {
        return Finding::broken(format!("the certificate has expired, on {day}"), fix);
    }
    if left < SOON {
        return Finding::doubtful(
            format!("the certificate expires in {} days, on {day}", left.as_hours() / 24),
            fix,
        );
    }
    Finding::fine(format!("the certificate is good until {day}"))
}
