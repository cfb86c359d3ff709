//! A `Cookie` header and the bytes of a session: whatever they are, a session says again what it was read from, and a header without our seal holds none.
#![no_main]

use foretop::config;
use foretop::identity::cookies::Manner;
use foretop::identity::seal::Seals;
use foretop::identity::session_code::Session;
use foretop::identity::session_cookie::SessionCookies;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(session) = Session::decode(bytes) {
        assert_eq!(Session::decode(&session.encode()), Some(session));
    }
    let seals = Seals::new(std::iter::once(&b"a key that nobody has sealed anything with"[..]));
    let settings = config::Session::default();
    let cookies = SessionCookies::new(seals, &settings, Manner { secure: true }, 32 * 1024);
    assert!(cookies.open([("cookie", bytes)].into_iter()).is_none());
});
