//! A saved feed and the file around it: whatever the bytes are, a file without our seal holds none, and what reads as a feed goes on as one.
#![no_main]

use std::sync::Arc;

use foretop::feed::journal::Mirror;
use foretop::feed::saved::{Moment, Saved};
use foretop::feed::{Feed, Scope, Shared};
use foretop::identity::seal::Seals;
use foretop::kind::{Change, Object, Row, Rv};
use foretop::saved::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let now = Moment::now();
    let seals = Seals::new(std::iter::once(&b"a key that nobody has sealed anything with"[..]));
    assert!(file::open(bytes, 7, &seals).is_err());
    let Some(saved) = Saved::read(bytes, now) else { return };
    let feed = Feed::restored(saved, &Shared::without_cores(), Arc::default());
    let head = feed.cursor().expect("it has rows to show");
    let _ = feed.list(&Scope::All);
    let tail = feed.tail();
    let mirror = Mirror::new(&tail);
    let _ = mirror.find(&tail, &Scope::All, head);
    for (block, index, _) in mirror.frames(mirror.start(), mirror.end()) {
        let _ = block.frame_bytes(index);
    }
    let Some(rv) = head.0.checked_add(1) else { return };
    let row = Row::fixed(b"{}".to_vec());
    let object = Object { namespace: "n".into(), name: "new".into(), rv: Rv(rv), row, details: None };
    feed.apply(&mut vec![Change::Put(object)]);
    feed.tick(now.instant);
    let again = feed.save(now).expect("it has rows to show");
    assert!(Saved::read(&again, now).is_some(), "what is saved can be read");
});
