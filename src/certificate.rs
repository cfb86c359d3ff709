//! How long certificates are good for: those that are shown to others, and by whoever looks at a deployment.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};

/// When a certificate that is in use ends, as it is renewed. Read without a lock.
#[derive(Debug)]
pub struct Ends(AtomicI64);

/// There is no certificate.
const NEVER: i64 = i64::MAX;

impl Default for Ends {
    fn default() -> Self {
        Ends(AtomicI64::new(NEVER))
    }
}

impl Ends {
    /// What is in use from now on ends then; `None`: it does not.
    pub fn set(&self, at: Option<Timestamp>) {
        self.0.store(at.map_or(NEVER, Timestamp::as_second), Relaxed);
    }

    /// Seconds until then; less than 0 where it has passed, and `None` where nothing ends.
    #[must_use]
    pub fn seconds_left(&self, now: Timestamp) -> Option<i64> {
        let at = self.0.load(Relaxed);
        (at != NEVER).then(|| at.saturating_sub(now.as_second()))
    }
}

/// When the certificate of a chain ends that ends first. `None`: there is none in it.
#[must_use]
pub fn first_end(chain: &[CertificateDer<'_>]) -> Option<Timestamp> {
    chain.iter().filter_map(not_after).min()
}

/// The same of certificates in PEM.
#[must_use]
pub fn first_end_in_pem(pem: &[u8]) -> Option<Timestamp> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    first_end(&chain)
}

/// When a certificate ends. `None`: it is none.
fn not_after(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let end_entity = webpki::EndEntityCert::try_from(certificate).ok()?;
    // Judged at a time at which no certificate is good any more, by nobody: its own dates are looked at first.
    let never = UnixTime::since_unix_epoch(Duration::from_hours(24 * 365 * 10_000));
    let judged =
        end_entity.verify_for_usage(&[], &[], &[], never, webpki::KeyUsage::server_auth(), None, None);
    match judged.err()? {
        webpki::Error::CertExpired { not_after, .. } => {
            Timestamp::from_second(i64::try_from(not_after.as_secs()).ok()?).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(year: i32) -> String {
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").pem()
    }

    #[test]
    fn the_first_to_end_counts() {
        let both = until(2031) + &until(2030);
        let first = first_end_in_pem(both.as_bytes()).expect("an end");
        assert_eq!(first, "2030-01-01T00:00:00Z".parse().expect("a time"));
        assert_eq!((first_end_in_pem(b""), first_end_in_pem(b"-----BEGIN CERTIFICATE-----")), (None, None));
    }

    #[test]
    fn what_has_ended_has_less_than_nothing_left() {
        let ends = Ends::default();
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().expect("a time");
        assert_eq!(ends.seconds_left(now), None);
        ends.set(Some("2029-12-31T23:59:00Z".parse().expect("a time")));
        assert_eq!(ends.seconds_left(now), Some(-60));
    }
}
