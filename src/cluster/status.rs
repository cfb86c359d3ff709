//! What an apiserver's refusal means to a reflector, whether it came as an HTTP status or as an ERROR line of a watch.

use std::time::Duration;

use serde::Deserialize;

use super::call::Answer;
use super::fault::{CallError, plain};
use super::step::Outcome;
use crate::kind::StatusError;

/// The parts of a Kubernetes `Status` that matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(default)]
    retry_after_seconds: u64,
}

/// Reads a refusal. Its body is a `Status` where the apiserver itself wrote it, else whatever a proxy or a filter says.
pub(super) fn read(answer: &Answer) -> StatusError {
    let header = answer.retry_after.map(|wait| wait.as_secs());
    let Ok(status) = serde_json::from_slice::<Status>(&answer.body) else {
        return StatusError {
            code: answer.status,
            reason: String::new(),
            message: String::from_utf8_lossy(&answer.body).into_owned(),
            retry_after_seconds: header,
        };
    };
    let details = status.details.map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0);
    StatusError {
        code: answer.status,
        reason: status.reason,
        message: status.message,
        retry_after_seconds: header.or(details),
    }
}

/// What it means.
pub(super) fn outcome(status: &StatusError) -> Outcome {
    let why = || {
        let said = [status.reason.as_str(), status.message.as_str()];
        let said: Vec<&str> = said.into_iter().map(str::trim).filter(|text| !text.is_empty()).collect();
        plain(&format!("the apiserver says {} {}", status.code, said.join(": ")))
    };
    // One apiserver of several, or one that has just started, may not have come so far yet.
    if status.message.contains("Too large resource version") || status.reason == "Timeout" {
        return Outcome::Ahead(why());
    }
    if matches!(status.reason.as_str(), "Expired" | "Gone") {
        return Outcome::Expired;
    }
    match status.code {
        410 => Outcome::Expired,
        401 => Outcome::Unauthenticated,
        403 => Outcome::Forbidden,
        404 => Outcome::Absent,
        429 => Outcome::Throttled(status.retry_after_seconds.map(Duration::from_secs)),
        400..=499 => Outcome::Rejected(why()),
        _ => Outcome::Lost(why()),
    }
}

/// What it means where initial events were asked for and not yet sent whole: these are the ways of saying that there are
/// none (the feature is off, or etcd is too old for it).
pub(super) fn outcome_of_initial_events(status: &StatusError) -> Outcome {
    match (status.code, outcome(status)) {
        (400 | 422, Outcome::Rejected(why)) | (500, Outcome::Lost(why)) => Outcome::WatchListRefused(why),
        (_, other) => other,
    }
}

impl From<CallError> for Outcome {
    fn from(error: CallError) -> Self {
        Outcome::Lost(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> StatusError {
        StatusError {
            code,
            reason: reason.into(),
            message: message.into(),
            retry_after_seconds: (code == 429).then_some(3),
        }
    }

    fn kind(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Ahead(_) => "ahead",
            Outcome::Expired => "expired",
            Outcome::Unauthenticated => "unauthenticated",
            Outcome::Forbidden => "forbidden",
            Outcome::Absent => "absent",
            Outcome::Throttled(Some(wait)) if wait.as_secs() == 3 => "throttled 3 s",
            Outcome::Rejected(_) => "rejected",
            Outcome::Lost(_) => "lost",
            Outcome::WatchListRefused(_) => "no initial events",
            _ => "?",
        }
    }

    #[test]
    fn each_refusal_has_its_meaning() {
        let table = [
            (410, "", "", "expired", "expired"),
            (410, "Expired", "too old resource version", "expired", "expired"),
            (0, "Gone", "", "expired", "expired"),
            (504, "Timeout", "Too large resource version: 206, current: 1", "ahead", "ahead"),
            (500, "", "Too large resource version: 2, current: 1", "ahead", "ahead"),
            (504, "", "upstream timed out", "lost", "lost"),
            (401, "Unauthorized", "", "unauthenticated", "unauthenticated"),
            (403, "Forbidden", "", "forbidden", "forbidden"),
            (404, "NotFound", "", "absent", "absent"),
            (429, "", "Too many requests", "throttled 3 s", "throttled 3 s"),
            (400, "BadRequest", "", "rejected", "no initial events"),
            (422, "Invalid", "sendInitialEvents is forbidden", "rejected", "no initial events"),
            (409, "Conflict", "", "rejected", "rejected"),
            (500, "InternalError", "RequestWatchProgress is disabled", "lost", "no initial events"),
            (503, "", "apiserver is shutting down", "lost", "lost"),
            (0, "", "", "lost", "lost"),
        ];
        for (code, reason, message, meaning, of_initial_events) in table {
            let status = status(code, reason, message);
            assert_eq!(kind(&outcome(&status)), meaning, "{status:?}");
            assert_eq!(kind(&outcome_of_initial_events(&status)), of_initial_events, "{status:?}");
        }
    }

    #[test]
    fn a_body_is_not_trusted_to_be_a_status() {
        let answer = |body: &'static [u8]| Answer {
            status: 429,
            retry_after: Some(Duration::from_secs(1)),
            body: body.into(),
        };
        let text = read(&answer(b"Too many requests, please try again later.\n\x1b[2J"));
        assert_eq!((text.code, text.retry_after_seconds), (429, Some(1)));
        let Outcome::Lost(why) = outcome(&StatusError { code: 500, ..text }) else { panic!("a 500 is lost") };
        assert!(why.ends_with("later. \\u{1b}[2J"), "{why:?}");
        let json = read(&answer(br#"{"reason":"Expired","message":"m","details":{"retryAfterSeconds":9}}"#));
        assert_eq!((&*json.reason, &*json.message, json.retry_after_seconds), ("Expired", "m", Some(1)));
    }
}
