//! One request to one simulated cluster, and its answer.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::access::{Identity, Question};
use super::body::{Body, BrokenOff};
use super::counters::Verb;
use super::faults::Fault;
use super::request::{ListOptions, Target};
use super::resource::Resource;
use super::review::Review;
use super::selector::Selector;
use super::status::{self, Refusal};
use super::watch::Watch;
use super::world::World;
use super::{control, discovery, list};

const LARGEST_BODY: usize = 1024 * 1024;

/// An answer, and what becomes of the connection after it.
pub struct Answer {
    /// The answer.
    pub response: Response<Body>,
    /// Whether the connection says GOAWAY.
    pub goaway: bool,
}

impl From<Response<Body>> for Answer {
    fn from(response: Response<Body>) -> Self {
        Answer { response, goaway: false }
    }
}

/// Answers a request; `path` is the part of its path that is the cluster's own.
pub async fn answer(world: &Arc<World>, path: &str, request: Request<Incoming>) -> Result<Answer, BrokenOff> {
    if let Some(command) = path.strip_prefix("/_sim/") {
        let command = command.to_owned();
        let method = request.method().clone();
        let body = read(request).await?;
        return Ok(control::answer(world, &command, &method, &body).into());
    }
    if world.is_down() {
        return Err(BrokenOff);
    }
    let mut answer = match asked(world, path, request).await? {
        Ok(answer) => answer,
        Err(refusal) => refusal.response().into(),
    };
    answer.goaway |= answer.response.status() == StatusCode::UNAUTHORIZED;
    answer.response = answer.response.map(|body| body.counted(world.counters.clone()));
    Ok(answer)
}

/// Answers a command to every cluster of a fleet.
pub async fn to_all(
    worlds: &[Arc<World>],
    command: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, BrokenOff> {
    let method = request.method().clone();
    let body = read(request).await?;
    Ok(control::answer_for_all(worlds, command, &method, &body))
}

async fn asked(
    world: &Arc<World>,
    path: &str,
    request: Request<Incoming>,
) -> Result<Result<Answer, Refusal>, BrokenOff> {
    if let Some((review, plural)) = Review::at(path) {
        world.counters.request(Verb::Review, plural);
        return asked_review(world, review, plural, request).await;
    }
    let Some(target) = Target::parse(path) else {
        return Ok(other(world, path, &request));
    };
    Ok(asked_objects(world, &target, &request).await)
}

fn other(world: &World, path: &str, request: &Request<Incoming>) -> Result<Answer, Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::method_not_allowed());
    }
    // Health is answered to anybody, as by default in the real one.
    let public = ["/healthz", "/readyz", "/livez", "/version"].iter().any(|open| path.starts_with(open));
    if !public {
        authenticate(world, request.headers())?;
    }
    Ok(discovery::answer(path).unwrap_or_else(status::no_such_path).into())
}

async fn asked_review(
    world: &World,
    review: Review,
    plural: &str,
    request: Request<Incoming>,
) -> Result<Result<Answer, Refusal>, BrokenOff> {
    let who = match authenticate(world, request.headers()) {
        Ok(who) => who,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if request.method() != Method::POST {
        return Ok(Err(Refusal::method_not_allowed()));
    }
    let goaway = world.faults.strikes(plural, &Fault::Goaway);
    if let Some(faulty) = faulty(world, plural, Refusal::review_forbidden).await {
        return Ok(faulty);
    }
    let body = read(request).await?;
    Ok(review.answer(world, who, &body).map(|response| Answer { response, goaway }))
}

async fn asked_objects(
    world: &Arc<World>,
    target: &Target<'_>,
    request: &Request<Incoming>,
) -> Result<Answer, Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::method_not_allowed());
    }
    let options = ListOptions::parse(request.uri()).map_err(|bad| Refusal::bad_request(&bad.to_string()))?;
    let verb = match target.name {
        Some(_) => Verb::Get,
        None if options.watches() => Verb::Watch,
        None => Verb::List,
    };
    let plural = target.resource.plural;
    world.counters.request(verb, plural);
    let who = authenticate(world, request.headers())?;
    let goaway = world.faults.strikes(plural, &Fault::Goaway);
    let user = who.as_ref().map_or("sim-admin", |who| &who.user);
    let forbidden = || Refusal::forbidden(user, verb.word(), target.resource, target.namespace);
    if let Some(faulty) = faulty(world, plural, forbidden).await {
        return faulty;
    }
    let question = Question {
        verb: verb.word(),
        group: target.resource.group,
        resource: plural,
        subresource: "",
        namespace: target.namespace,
        name: target.name.unwrap_or_default(),
    };
    if who.as_ref().is_some_and(|who| !world.allows(who, &question)) {
        return Err(forbidden());
    }
    let response = match target.name {
        Some(name) => list::get(world, target, name)?,
        None if options.watches() => watch(world, target.resource, target.namespace, options)?,
        None => list::list(world, target.resource, target.namespace, &options).await?,
    };
    Ok(Answer { response, goaway })
}

/// Who asks: `None` is the administrator that the kubeconfig names.
fn authenticate(world: &World, headers: &HeaderMap) -> Result<Option<Identity>, Refusal> {
    if let Some(token) = world.token() {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given.and_then(|given| given.strip_prefix("Bearer ")) != Some(token.as_str()) {
            return Err(Refusal::unauthorized());
        }
    }
    let who = Identity::impersonated(headers)
        .map_err(|_| Refusal::bad_request("requested groups without impersonating a user"))?;
    if who.is_some() {
        world.counters.impersonated();
    }
    Ok(who)
}

/// What faults make of a request, if anything; waits where they say so.
async fn faulty(
    world: &World,
    plural: &str,
    forbidden: impl Fn() -> Refusal,
) -> Option<Result<Answer, Refusal>> {
    stalled(world, plural).await;
    let slow = world.faults.take(plural, |fault| match fault {
        Fault::Slow { ms } => Some(*ms),
        _ => None,
    });
    if let Some(ms) = slow {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    world.faults.take(plural, |fault| match fault {
        Fault::TooManyRequests { retry_after } => Some(Ok(status::too_many_requests(*retry_after).into())),
        Fault::Unauthorized => Some(Err(Refusal::unauthorized())),
        Fault::Forbidden => Some(Err(forbidden())),
        Fault::Absent => Some(Ok(status::no_such_path().into())),
        Fault::Internal => Some(Err(Refusal::internal())),
        _ => None,
    })
}

async fn stalled(world: &World, plural: &str) {
    let mut changed = world.faults.changed();
    while world.faults.stands(plural, &Fault::Stall) {
        if changed.changed().await.is_err() {
            return;
        }
    }
}

fn watch(
    world: &Arc<World>,
    resource: &'static Resource,
    namespace: &str,
    options: ListOptions,
) -> Result<Response<Body>, Refusal> {
    if options.initial_events() {
        if world.faults.strikes(resource.plural, &Fault::GateOff) {
            return Err(Refusal::watch_list_gate_off());
        }
        if options.resource_version_match != "NotOlderThan" {
            return Err(Refusal::watch_list_without_match());
        }
    }
    let selector = Selector::parse(&options.field_selector, &options.label_selector)
        .map_err(|error| Refusal::bad_request(&error.to_string()))?;
    let (chunks, body) = Body::streamed(world.tuning.watch_buffer);
    let watch = Watch::new(world.clone(), resource, namespace.to_owned(), selector, options, chunks);
    tokio::spawn(watch.run());
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CACHE_CONTROL, "no-cache, private")
        .body(body)
        .expect("the header values are valid"))
}

async fn read(request: Request<Incoming>) -> Result<Vec<u8>, BrokenOff> {
    let body = Limited::new(request.into_body(), LARGEST_BODY).collect().await.map_err(|_| BrokenOff)?;
    Ok(body.to_bytes().to_vec())
}
