//! Whether a stream passes what stands in front: its first bytes at once, its heartbeats as they are sent, and no end of its own while it is quiet.

use std::time::Duration;

use http::Uri;
use tokio::time::Instant;

use super::public::{below, http, told};
use super::{Check, Finding, Visit};

/// The first byte of a stream is due by then.
const FIRST: Duration = Duration::from_secs(3);

/// A heartbeat may be late by so much.
const LATE: Duration = Duration::from_secs(3);

const NO_BUFFER: &str = "have each proxy in front pass `text/event-stream` on as it comes: no buffering (nginx: `proxy_buffering off`), no compression; see docs/operations.md#what-stands-in-front";

const NO_END: &str = "raise the idle and answer time-outs of each proxy in front above `streams.heartbeat` (nginx: `proxy_read_timeout 60s`; HAProxy: `timeout tunnel` and `timeout server`; ALB: idle timeout 60 s or more)";

pub(super) fn checks(visit: &Visit, url: &Uri) -> Vec<Check> {
    let (Some(cluster), Some(kind)) = (visit.clusters.first(), visit.config.watch.kinds.first()) else {
        return Vec::new();
    };
    // A list of namespaces is the quietest.
    let kinds = &visit.config.watch.kinds;
    let kind = kinds.iter().find(|kind| kind.name == "namespaces").unwrap_or(kind);
    let path = format!("/api/clusters/{}/{}/watch", cluster.name, kind.name);
    let heartbeat = visit.config.streams.heartbeat;
    let limit = FIRST + heartbeat * 2 + LATE * 2;
    let (visit, url, of) = (visit.clone(), below(url, &path), url.to_string());
    let work = async move { vec![follow(&visit, &url, heartbeat).await] };
    vec![Check::new("stream", of, work).within(limit + FIRST)]
}

/// Opens a stream and reads it for two heartbeats.
async fn follow(visit: &Visit, url: &str, heartbeat: Duration) -> Finding {
    let client = match http(visit) {
        Ok(client) => client,
        Err(why) => return Finding::broken(why, "mend the file"),
    };
    let mut request = client.get(url).header("accept", "text/event-stream");
    for (name, value) in &visit.headers {
        request = request.header(name, value);
    }
    let began = Instant::now();
    let answered = tokio::time::timeout_at(began + FIRST, request.send()).await;
    let mut answer = match answered {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            return Finding::broken(
                format!("no stream: {}", told(&error)),
                "look at what the other checks of this URL say",
            );
        }
        Err(_) => {
            return Finding::broken(
                format!("not a byte within {FIRST:?}: something in front holds it back"),
                NO_BUFFER,
            );
        }
    };
    if let Some(refused) = refusal(answer.status().as_u16(), !visit.headers.is_empty()) {
        return refused;
    }
    if let Some(coding) = answer.headers().get("content-encoding") {
        let what = format!(
            "something in front compresses it ({})",
            crate::cluster::plain(&String::from_utf8_lossy(coding.as_bytes()))
        );
        return Finding::broken(what, NO_BUFFER);
    }
    let mut seen = Seen::default();
    let until = began + FIRST + heartbeat * 2;
    loop {
        let patience = if seen.bytes { until } else { began + FIRST };
        match tokio::time::timeout_at(patience, answer.chunk()).await {
            Ok(Ok(Some(piece))) => seen.take(&piece),
            Ok(Ok(None)) => return ended(&seen, began.elapsed(), "it was ended"),
            Ok(Err(error)) => return ended(&seen, began.elapsed(), &told(&error)),
            Err(_) if seen.bytes => break,
            Err(_) => {
                return Finding::broken(
                    format!("nothing behind the head within {FIRST:?}: something in front holds it back"),
                    NO_BUFFER,
                );
            }
        }
    }
    if seen.heartbeat {
        return Finding::fine(format!("first byte at once, and alive after {:?}", began.elapsed()));
    }
    Finding::broken(
        format!("no heartbeat within {:?}: something in front holds small pieces back", began.elapsed()),
        NO_BUFFER,
    )
}

/// What a stream has brought so far.
#[derive(Default)]
struct Seen {
    bytes: bool,
    heartbeat: bool,
    /// Whether Foretop itself said why it ends.
    says_end: bool,
    /// The last line, while it is not whole.
    line: Vec<u8>,
}

impl Seen {
    fn take(&mut self, piece: &[u8]) {
        self.bytes |= !piece.is_empty();
        for byte in piece {
            if *byte != b'\n' {
                // A line that matters is short; rows are not.
                if self.line.len() < 64 {
                    self.line.push(*byte);
                }
                continue;
            }
            self.heartbeat |= self.line == b": ping";
            self.says_end |=
                matches!(&*self.line, b"event: error" | b"event: server_shutdown" | b"event: auth_expired");
            self.line.clear();
        }
    }
}

fn ended(seen: &Seen, after: Duration, how: &str) -> Finding {
    let after = Duration::from_millis(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    if seen.says_end {
        let fix =
            "look at the log of Foretop for `watch_stream.closed`; if it was shutting down, run this again";
        return Finding::broken(format!("Foretop ended it after {after:?}"), fix);
    }
    Finding::broken(format!("it was cut after {after:?} ({how}), which Foretop does not do"), NO_END)
}

/// What a status that is no stream says.
fn refusal(status: u16, signed_in: bool) -> Option<Finding> {
    match status {
        200 => None,
        401 | 302 | 303 if !signed_in => Some(Finding::doubtful(
            "not tried: nobody is signed in",
            "give `--header-file` with a line such as `Cookie: …` or `Authorization: Bearer …` of somebody who may list namespaces",
        )),
        401 => Some(Finding::broken(
            "the header fields of `--header-file` are not taken (401)",
            "give those of a session that is good now; a proxy may take `Authorization` or `Cookie` away",
        )),
        403 => Some(Finding::doubtful(
            "not tried: this user may not list namespaces",
            "give the header fields of somebody who may",
        )),
        429 | 503 => Some(Finding::broken(
            format!("it is refused ({status})"),
            "look at the limits (`streams.perUser`, `streams.perCore`, `memory.limit`) and whether the cluster is followed",
        )),
        other => Some(Finding::broken(
            format!("a stream's path is answered with {other}"),
            "have the proxy pass /api on to Foretop as it is",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_seen_in_whatever_pieces_it_comes() {
        let mut seen = Seen::default();
        for piece in [&b"retry: 1\nevent: snapshot\ndata: : ping\n\n: pi"[..], b"ng", b"\n\n"] {
            assert!(!seen.heartbeat);
            seen.take(piece);
        }
        assert!(seen.heartbeat && !seen.says_end);
        seen.take(b"event: error\n");
        assert!(seen.says_end);
    }
}
