//! One request to an apiserver, with the repeats that belong to any request.
//!
//! Repeated at once, a few times: what a renewed connection threw back. Once: what was refused with a 401, after the
//! credentials were read anew. Nothing else is repeated here, but by the unary helpers a 429 or 503, after what it asks to
//! wait. Only requests that may be repeated are ever sent: reads, watches and access reviews.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::client::Body;

use super::Cluster;
use super::backoff::jittered;
use super::client::{Protocol, Recipe};
use super::counters::Verb;
use super::door::Access;
use super::fault::{CallError, describe, is_passing, is_protocol_mismatch};
use super::pool::Slot;
use crate::feed::heard::Pulse;

/// Repeats at once of a request that a renewed connection threw back.
const REPEATS: usize = 5;
/// Tries of a unary call that is answered by 429 or 503.
const TRIES: usize = 3;
/// A unary call waits no longer than this before another try, whatever was asked.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest body of a unary answer that is no list.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The longest page of a list: 500 objects of the largest size that etcd takes would be more, but no such list is real.
const PAGE_BYTES: usize = 256 * 1024 * 1024;
/// How much of a refused watch's body is read, and how long that may take.
const REFUSAL_BYTES: usize = 64 * 1024;
const REFUSAL_TIME: Duration = Duration::from_secs(5);

/// A unary call's whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where it was said in seconds.
    pub retry_after: Option<Duration>,
    /// The body. Not always JSON, also where that was asked for: a 429 may be plain text.
    pub body: Bytes,
}

/// A watch that was opened.
pub(super) struct Opened {
    pub(super) body: Body,
    /// Its connection.
    pub(super) pulse: Arc<Pulse>,
    /// Its place on the connection.
    _slot: Slot,
    _open: OpenWatch,
}

/// Counts a watch as open until it is dropped.
struct OpenWatch(Arc<Cluster>);

impl Drop for OpenWatch {
    fn drop(&mut self) {
        self.0.counters.watches.fetch_sub(1, Relaxed);
    }
}

/// What to ask.
struct Call<'a> {
    verb: Verb,
    path: &'a str,
    headers: HeaderMap,
    body: Bytes,
    /// The time until the answer's head.
    limit: Duration,
}

impl<'a> Call<'a> {
    fn get(verb: Verb, path: &'a str, limit: Duration) -> Self {
        Call { verb, path, headers: HeaderMap::new(), body: Bytes::new(), limit }
    }

    /// With these headers beside the usual ones.
    fn with(mut self, headers: &HeaderMap) -> Self {
        self.headers.clone_from(headers);
        self
    }

    fn request(&self, authorization: Option<&HeaderValue>) -> Result<Request<Body>, CallError> {
        let method = if self.verb == Verb::Create { Method::POST } else { Method::GET };
        let request = Request::builder().method(method).uri(self.path).body(Body::from(self.body.clone()));
        let mut request = request.map_err(|error| CallError::Request(describe(&error)))?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // Newer apiservers compress a watch event by event, which few decoders follow.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("foretop/", env!("CARGO_PKG_VERSION"))));
        if self.verb == Verb::Create {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

/// Why a try failed.
pub(super) struct Failure {
    pub(super) error: CallError,
    passing: bool,
    /// The peer may be one that does not speak the protocol.
    pub(super) may_be_a_mismatch: bool,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Failure { error, passing: false, may_be_a_mismatch: false }
    }
}

impl Cluster {
    /// Reads one thing: `path` is the path and query of the URL. A 429 or 503 is tried again up to three times.
    ///
    /// # Errors
    /// No answer. A refusal is an answer.
    pub async fn get_raw(&self, path: &str) -> Result<Answer, CallError> {
        self.get_as(path, HeaderMap::new()).await
    }

    /// The same with these headers added to the request (impersonation).
    ///
    /// # Errors
    /// No answer. A refusal is an answer.
    pub async fn get_as(&self, path: &str, headers: HeaderMap) -> Result<Answer, CallError> {
        let call = Call::get(Verb::Get, path, self.settings.answer_timeout);
        self.patiently(&call.with(&headers)).await
    }

    /// Creates one thing that may be created twice, such as an access review. `headers` are added to the request
    /// (impersonation); a 429 or 503 is tried again up to three times.
    ///
    /// # Errors
    /// No answer. A refusal is an answer.
    pub async fn post_json(&self, path: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, CallError> {
        let limit = self.settings.answer_timeout;
        self.patiently(&Call { verb: Verb::Create, path, headers, body, limit }).await
    }

    /// What the apiserver's clock says, in whole seconds; `None` where it does not say it.
    ///
    /// # Errors
    /// No answer.
    pub async fn date(&self) -> Result<Option<Timestamp>, CallError> {
        let call = Call::get(Verb::Get, "/version", self.settings.answer_timeout);
        let (response, _) = self.answered(&call, |access| Ok(access.unary.clone()), |client| client).await?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp()))
    }

    /// One page of a list. Not tried again: its reflector knows better.
    pub(super) async fn get_page(&self, path: &str, headers: &HeaderMap) -> Result<Answer, CallError> {
        let limit = self.settings.page_timeout;
        self.unary(&Call::get(Verb::List, path, limit).with(headers), PAGE_BYTES).await
    }

    /// Opens a watch; what refuses it comes as an answer.
    pub(super) async fn open_watch(
        self: &Arc<Self>,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Result<Opened, Answer>, CallError> {
        let call = Call::get(Verb::Watch, path, self.settings.answer_timeout).with(headers);
        let (response, slot) =
            self.answered(&call, |access| access.slot(&self.settings), Slot::client).await?;
        if response.status() != StatusCode::OK {
            let whole = read_whole(response, REFUSAL_BYTES, REFUSAL_TIME).await;
            return whole.map(Err);
        }
        self.counters.watches.fetch_add(1, Relaxed);
        let open = OpenWatch(Arc::clone(self));
        // Each connection that is dialled brings its own.
        let pulse = response.extensions().get().map_or_else(Arc::default, Arc::clone);
        Ok(Ok(Opened { body: response.into_body(), pulse, _slot: slot, _open: open }))
    }

    /// Whether the peer answers at all in this protocol.
    pub(super) async fn speaks(&self, recipe: &Recipe, protocol: Protocol) -> Result<(), Failure> {
        let client = recipe.unary(protocol, &self.settings)?;
        let call = Call::get(Verb::Get, "/version", self.settings.answer_timeout);
        let header = recipe.login.header(call.limit).await?;
        self.repeating(&client, &call, header.as_ref()).await.map(drop)
    }

    async fn patiently(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let mut tries = 1;
        loop {
            let answer = self.unary(call, ANSWER_BYTES).await?;
            if tries == TRIES || !matches!(answer.status, 429 | 503) {
                return Ok(answer);
            }
            tries += 1;
            let asked = answer.retry_after.unwrap_or(Duration::from_secs(1));
            tokio::time::sleep(jittered(asked.min(LONGEST_PAUSE))).await;
        }
    }

    async fn unary(&self, call: &Call<'_>, most: usize) -> Result<Answer, CallError> {
        let what = "waiting for a place among the calls in flight";
        let waiting = tokio::time::timeout(call.limit, self.calls.acquire()).await;
        let _place = waiting.map_err(|_| CallError::TimedOut { what, limit: call.limit })?;
        let (response, _) = self.answered(call, |access| Ok(access.unary.clone()), |client| client).await?;
        read_whole(response, most, call.limit).await
    }

    /// Sends the call through what `lane` takes of the way in, and once more with other credentials after a 401.
    async fn answered<L>(
        &self,
        call: &Call<'_>,
        lane: impl Fn(&Access) -> Result<L, CallError>,
        client: impl Fn(&L) -> &kube::Client,
    ) -> Result<(Response<Body>, L), CallError> {
        let mut tried = false;
        loop {
            let access = self.access().await?;
            let taken = lane(&access)?;
            let header = access.recipe.login.header(call.limit).await?;
            let sent = self.repeating(client(&taken), call, header.as_ref()).await;
            let response = sent.map_err(|failure| failure.error)?;
            if response.status() != StatusCode::UNAUTHORIZED
                || tried
                || !self.renew(&access, header.as_ref()).await
            {
                return Ok((response, taken));
            }
            tried = true;
        }
    }

    async fn repeating(
        &self,
        client: &kube::Client,
        call: &Call<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Body>, Failure> {
        let mut repeats = 0;
        loop {
            let tried = self.once(client, call, authorization).await;
            match tried {
                Err(failure) if failure.passing && repeats < REPEATS => repeats += 1,
                other => return other,
            }
            self.counters.repeats.fetch_add(1, Relaxed);
        }
    }

    async fn once(
        &self,
        client: &kube::Client,
        call: &Call<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response<Body>, Failure> {
        let request = call.request(authorization)?;
        let sent = tokio::time::timeout(call.limit, client.send(request)).await;
        let status = sent.as_ref().ok().and_then(|sent| sent.as_ref().ok()).map(|r| r.status().as_u16());
        self.counters.answered(call.verb, status);
        match sent {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Failure {
                passing: is_passing(&error),
                may_be_a_mismatch: is_protocol_mismatch(&error),
                error: CallError::Unreachable(describe(&error)),
            }),
            Err(_) => Err(Failure {
                passing: false,
                may_be_a_mismatch: true,
                error: CallError::TimedOut { what: "the answer", limit: call.limit },
            }),
        }
    }
}

async fn read_whole(response: Response<Body>, most: usize, limit: Duration) -> Result<Answer, CallError> {
    let (head, mut body) = response.into_parts();
    let reading = async {
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| CallError::Unreachable(describe(&error)))?;
            let Some(data) = frame.data_ref() else { continue };
            if whole.len() + data.len() > most {
                return Err(CallError::TooLong { limit: most });
            }
            whole.extend_from_slice(data);
        }
        Ok(whole)
    };
    let read = tokio::time::timeout(limit, reading).await;
    let whole = read.map_err(|_| CallError::TimedOut { what: "the answer's body", limit })??;
    Ok(Answer {
        status: head.status.as_u16(),
        retry_after: retry_after(&head.headers),
        body: Bytes::from(whole),
    })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
