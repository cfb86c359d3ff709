//! A watch's body in frames of any size: the lines are those of the whole body, up to the first that is too long.
#![no_main]

use foretop::cluster::{Lines, TooLong};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<Vec<u8>>)| {
    let (limit, frames) = input;
    let limit = usize::from(limit);
    let body = frames.concat();
    let mut expected: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    let half = expected.pop().expect("there is always a last piece");
    let whole = expected.iter().position(|line| line.len() > limit);
    let too_long = whole.is_some() || half.len() > limit;
    expected.truncate(whole.unwrap_or(expected.len()));
    expected.retain(|line| !line.is_empty());

    let mut lines = Lines::new(limit);
    let mut got: Vec<Vec<u8>> = Vec::new();
    let failed = frames.iter().any(|frame| {
        let taken: Result<(), TooLong> = lines.take(frame, |line| {
            got.push(line.to_vec());
            Ok(())
        });
        taken.is_err()
    });
    assert_eq!(failed, too_long);
    assert_eq!(got, expected);
    assert!(failed || lines.in_a_line() != half.is_empty());
});
