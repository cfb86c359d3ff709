//! A watch's body in arbitrary pieces: the same lines come out as if it had come in one, and none is longer than the bound.
#![no_main]

use foretop::cluster::{Lines, TooLong};
use libfuzzer_sys::fuzz_target;

const MOST: usize = 64;

/// The lines of a body that comes in pieces of this size, up to one that is too long.
fn lines(body: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let mut lines = Lines::new(MOST);
    let mut seen = Vec::new();
    for piece in body.chunks(piece.max(1)) {
        let taken = lines.take(piece, |line: &[u8]| {
            assert!(line.len() <= MOST);
            seen.push(line.to_vec());
            Ok::<(), TooLong>(())
        });
        if taken.is_err() {
            return (seen, false);
        }
    }
    (seen, true)
}

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (piece, body) = input;
    let (whole, fine) = lines(&body, body.len());
    let (pieces, also_fine) = lines(&body, usize::from(piece));
    if fine && also_fine {
        assert_eq!(whole, pieces);
    }
});
