//! What is written down by us for us alone (a session's cookie, a saved feed), field by field: numbers of fixed size, and texts with their
//! lengths, all in network order.
//!
//! Whatever the bytes are, reading them neither panics nor takes more memory than they themselves do.

/// Bytes of a text's length.
const LENGTH: usize = 4;

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends a number of 128 bits.
pub fn put_wide(out: &mut Vec<u8>, number: u128) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends bytes and how many they are.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a name, a token, a row or a block of less than 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a text.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Bytes that are still to be read. Each reader gives `None` where they do not hold what is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Rest<'a>(pub &'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// A byte that is 0 or 1.
    pub fn switch(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// A number of 128 bits.
    pub fn wide(&mut self) -> Option<u128> {
        self.take().map(u128::from_be_bytes)
    }

    /// How many of something follow, each of which takes so many bytes at the least: a false count asks for no memory.
    pub fn count(&mut self, least: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len() / least.max(1)).then_some(count)
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.take::<LENGTH>().map(u32::from_be_bytes)?;
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Whether all was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
