//! A settings file: it gives settings or mistakes, each of which can be printed.
#![no_main]

use foretop::config::{self, File, Sources};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = Some(File { name: "foretop.yaml".into(), text: text.into() });
    let sources = Sources { file, ..Sources::default() };
    let (_, mistakes) = config::read(&sources);
    for mistake in mistakes {
        assert!(!mistake.to_string().contains('\n'), "one mistake, one line");
    }
});
