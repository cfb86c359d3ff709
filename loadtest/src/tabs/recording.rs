//! A long block that many tabs receive at once, kept once.
//!
//! Thousands of tabs may each be somewhere in the midst of the same snapshot. Each holds a place in one recording instead of the bytes:
//! what it receives must be what the recording has there, and who is first writes it on.

/// A block as far as anybody has received it.
#[derive(Debug)]
pub struct Recording {
    bytes: Vec<u8>,
    whole: bool,
}

/// A tab received something else than another tab did.
#[derive(Debug, PartialEq, Eq)]
pub struct Differs;

impl Recording {
    /// One that begins with these bytes, which hold no end of a block.
    pub fn new(beginning: &[u8]) -> Self {
        Recording { bytes: beginning.to_vec(), whole: false }
    }

    /// Whether it may be the block that begins so.
    pub fn begins_with(&self, beginning: &[u8]) -> bool {
        let both = beginning.len().min(self.bytes.len());
        self.bytes[..both] == beginning[..both] && !(self.whole && beginning.len() > self.bytes.len())
    }

    /// Takes what a tab received at its place, up to the block's end; moves the place on and says how much was taken.
    ///
    /// # Errors
    /// When another tab received other bytes there.
    pub fn take(&mut self, place: &mut usize, received: &[u8]) -> Result<usize, Differs> {
        let known = &self.bytes[*place..];
        let both = known.len().min(received.len());
        if known[..both] != received[..both] {
            return Err(Differs);
        }
        let mut taken = both;
        if !self.whole && both < received.len() {
            taken += self.write_on(&received[both..]);
        }
        *place += taken;
        Ok(taken)
    }

    fn write_on(&mut self, new: &[u8]) -> usize {
        let end = if self.bytes.ends_with(b"\n") && new.starts_with(b"\n") {
            Some(1)
        } else {
            memchr::memmem::find(new, b"\n\n").map(|at| at + 2)
        };
        self.whole = end.is_some();
        let taken = end.unwrap_or(new.len());
        self.bytes.extend_from_slice(&new[..taken]);
        taken
    }

    /// The whole block, once a tab at this place has received it.
    pub fn block_at(&self, place: usize) -> Option<&[u8]> {
        (self.whole && place == self.bytes.len()).then_some(&self.bytes[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &[u8] = b"event: snapshot\ndata: many rows\n\n";

    #[test]
    fn tabs_that_are_cut_differently_receive_the_same_block() {
        let mut recording = Recording::new(&BLOCK[..10]);
        let (mut first, mut second) = (10, 10);
        assert_eq!(recording.take(&mut first, &BLOCK[10..20]), Ok(10));
        assert_eq!(recording.take(&mut second, &BLOCK[10..BLOCK.len() - 1]), Ok(BLOCK.len() - 11));
        assert_eq!(recording.block_at(second), None);
        assert_eq!(
            recording.take(&mut first, &[&BLOCK[20..], &b"event: x"[..]].concat()),
            Ok(BLOCK.len() - 20)
        );
        assert_eq!(recording.block_at(first), Some(BLOCK));
        assert_eq!(recording.block_at(second), None);
        assert_eq!(recording.take(&mut second, b"\nmore"), Ok(1));
        assert_eq!(recording.block_at(second), Some(BLOCK));
    }

    #[test]
    fn other_bytes_are_noticed() {
        let mut recording = Recording::new(b"event: snapshot\ndata: 1234\n");
        let mut place = 20;
        assert_eq!(recording.take(&mut place, b"!"), Err(Differs));
        assert!(!recording.begins_with(b"event: snapshot\ndata: 2"));
        assert!(recording.begins_with(b"event: snapshot\ndata: 12"));
    }
}
