//! An `Authorization` header, and the keys of an issuer: whatever is in them, nobody gets in who has none of the issuer's tokens.
#![no_main]

use foretop::config::BearerAuth;
use foretop::identity::bearer;
use foretop::identity::keys::KeySet;
use foretop::identity::signature;
use foretop::identity::token::Policy;
use libfuzzer_sys::fuzz_target;

/// The key of RFC 7515, appendix A.3: its private half is known, but to no fuzzer that signs.
const KEYS: &[u8] = br#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

fuzz_target!(|data: &[u8]| {
    let settings = BearerAuth {
        issuer: "https://issuer.example".into(),
        audiences: vec!["foretop".into()],
        ..BearerAuth::default()
    };
    let (header, document) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let _ = KeySet::parse(document, &settings.algorithms);
    let Ok(Some(token)) = bearer::presented([("Authorization", header)].into_iter()) else { return };
    signature::install().expect("ring works");
    let policy = Policy::new(&settings);
    let keys = KeySet::parse(KEYS, &settings.algorithms).expect("a good key");
    assert!(policy.verify(token, &keys, 1_800_000_000).is_err());
    let _ = policy.claimed(token);
});
