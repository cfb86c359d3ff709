//! The event stream of the HTML standard, parsed as a browser does, however its bytes were cut on the way.

/// One event as a page's listener gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `message` where the stream names none.
    pub name: String,
    /// The id that this very block carries, if any.
    pub id: Option<String>,
    pub data: String,
}

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Event(Event),
    /// A comment's text, such as `ping`.
    Comment(String),
    /// Milliseconds to wait before a reconnect.
    Retry(u64),
    /// A block with an `id:` but without data: nothing is dispatched, and whether the id is kept is the browser's choice.
    BareId(String),
}

/// Parses an event stream.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was a CR, so a LF that follows belongs to the same line end.
    after_cr: bool,
    began: bool,
    name: String,
    id: Option<String>,
    data: Option<String>,
}

impl Parser {
    /// Takes the next bytes of the stream and appends what they complete.
    pub fn take(&mut self, bytes: &[u8], items: &mut Vec<Item>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.line.extend_from_slice(rest);
                return;
            };
            self.line.extend_from_slice(&rest[..end]);
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.take_line(&String::from_utf8_lossy(&line), items);
        }
    }

    /// Whether the stream stands between two blocks, so that an end here loses nothing.
    pub fn is_between_blocks(&self) -> bool {
        self.line.is_empty() && self.name.is_empty() && self.id.is_none() && self.data.is_none()
    }

    fn take_line(&mut self, line: &str, items: &mut Vec<Item>) {
        let line = if std::mem::replace(&mut self.began, true) {
            line
        } else {
            line.strip_prefix('\u{feff}').unwrap_or(line)
        };
        if line.is_empty() {
            self.end_block(items);
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => items.push(Item::Comment(value.to_owned())),
            "event" => value.clone_into(&mut self.name),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "data" => self.add_data(value),
            "retry" => items.extend(value.parse().ok().map(Item::Retry)),
            _ => {}
        }
    }

    fn add_data(&mut self, value: &str) {
        match &mut self.data {
            None => self.data = Some(value.to_owned()),
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
        }
    }

    fn end_block(&mut self, items: &mut Vec<Item>) {
        let (name, id, data) =
            (std::mem::take(&mut self.name), self.id.take(), self.data.take().unwrap_or_default());
        match (data.is_empty(), id) {
            (true, None) => {}
            (true, Some(id)) => items.push(Item::BareId(id)),
            (false, id) => {
                let name = if name.is_empty() { "message".to_owned() } else { name };
                items.push(Item::Event(Event { name, id, data }));
            }
        }
    }
}
