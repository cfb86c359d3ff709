//! Writing JSON and times as the reference (Go) writes them.

/// Appends a duration as the contract has it (`3d4h`, `2h0m`, `5m1s`, `7s`; negative counts as 0). The unit is seconds.
pub fn write_age(seconds: i64, out: &mut Vec<u8>) {
    let _ = (seconds, out);
}
