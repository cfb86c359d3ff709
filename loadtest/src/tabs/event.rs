//! One block of an event stream, cut into its fields without a copy.

/// What a block says. A comment alone has no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event's name; empty where it has none.
    pub name: &'a [u8],
    /// The version at the start of its id.
    pub id: Option<u64>,
    /// Its id, as it stands there.
    pub raw_id: Option<&'a [u8]>,
    /// The data, of one line.
    pub data: &'a [u8],
    /// The block from its first line that is not each tab's own (`retry:`): equal for all who are sent the same.
    pub shared: &'a [u8],
}

/// Reads a block, which ends with its blank line.
pub fn read(block: &[u8]) -> Event<'_> {
    let shared = without_retry(block);
    let mut event = Event { name: b"", id: None, raw_id: None, data: b"", shared };
    let mut rest = shared;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(data) = line.strip_prefix(b"data: ") {
            event.data = data;
        } else if let Some(id) = line.strip_prefix(b"id: ") {
            event.id = version(id);
            event.raw_id = Some(id);
        } else if let Some(name) = line.strip_prefix(b"event: ") {
            event.name = name;
        }
    }
    event
}

/// What an event of a multiplexed stream is about: the number of a view, and behind it the version that it moves the view to.
pub fn numbered(event: Event<'_>) -> Option<(u64, Event<'_>)> {
    let id = event.raw_id?;
    let slash = memchr::memchr(b'/', id).unwrap_or(id.len());
    let number = version(&id[..slash])?;
    let id = id.get(slash + 1..).and_then(version);
    Some((number, Event { id, ..event }))
}

/// What of a block does not differ between tabs.
pub fn without_retry(block: &[u8]) -> &[u8] {
    if !block.starts_with(b"retry:") {
        return block;
    }
    memchr::memchr(b'\n', block).map_or(block, |end| &block[end + 1..])
}

/// The decimal at the start of an id, up to the mark of a set of namespaces.
fn version(id: &[u8]) -> Option<u64> {
    let digits = id.split(|byte| *byte == b'.').next().filter(|digits| !digits.is_empty())?;
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_cut_out_and_retry_is_left_out() {
        let event = read(b"retry: 3000\nevent: snapshot\nid: 12.0000000000ab\ndata: {\"items\":[]}\n\n");
        assert_eq!((event.name, event.id, event.data), (&b"snapshot"[..], Some(12), &b"{\"items\":[]}"[..]));
        assert!(event.shared.starts_with(b"event: snapshot"));
        let ping = read(b": ping\n\n");
        assert_eq!((ping.name, ping.id, ping.data), (&b""[..], None, &b""[..]));
        assert_eq!(read(b"event: x\nid: 1x\n\n").id, None);
    }

    #[test]
    fn an_id_of_a_multiplexed_stream_is_a_view_s_number_and_a_version() {
        let of = |block: &'static [u8]| numbered(read(block)).map(|(number, event)| (number, event.id));
        assert_eq!(of(b"event: modified\nid: 12/840.0000000000ab\n\n"), Some((12, Some(840))));
        assert_eq!(of(b"event: status\nid: 12\n\n"), Some((12, None)));
        assert_eq!(of(b"event: hello\n\n"), None);
    }
}
