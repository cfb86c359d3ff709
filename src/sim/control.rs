//! `/_sim/…`: a simulated cluster's counters, faults, access, objects and churn over HTTP; at the root of a fleet, those of all its clusters.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::access::Table;
use super::body::Body;
use super::counters::Counts;
use super::faults::{Command, Rule};
use super::object::Object;
use super::pulse;
use super::resource;
use super::status::{Refusal, json_response, no_such_path};
use super::world::World;

#[derive(Deserialize)]
#[serde(untagged)]
enum Posted {
    Rule(Rule),
    Command(Command),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChurnSetting {
    rate: Option<f64>,
    paused: Option<bool>,
    #[serde(default)]
    step: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PulseSetting {
    rate: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RbacSetting {
    on: bool,
    #[serde(default)]
    lag_ms: u64,
}

/// Answers a request to `/_sim/{command}`.
pub fn answer(world: &Arc<World>, command: &str, method: &Method, body: &[u8]) -> Response<Body> {
    let done = match (command, method.as_str()) {
        ("counters", "GET") => return json_response(StatusCode::OK, &json!(world.counters.read())),
        ("pulse", "GET") => return told_of_pulse(std::slice::from_ref(world)),
        ("pulse", "POST") => serde_json::from_slice::<PulseSetting>(body)
            .map(|setting| pulse::set(world, setting.rate, Duration::ZERO)),
        ("faults", "GET") => return json_response(StatusCode::OK, &json!(world.faults.standing())),
        ("faults", "POST") => post_fault(world, body),
        ("faults", "DELETE") => {
            world.heal();
            Ok(())
        }
        ("access", "POST") => serde_json::from_slice::<Table>(body).map(|table| world.access.set(table)),
        ("rbac", "POST") => {
            serde_json::from_slice::<RbacSetting>(body).map(|setting| set_rbac(world, &setting))
        }
        ("churn", "POST") => {
            serde_json::from_slice::<ChurnSetting>(body).map(|setting| set_churn(world, &setting))
        }
        _ => return objects(world, command, method, body).unwrap_or_else(no_such_path),
    };
    match done {
        Ok(()) => json_response(StatusCode::OK, &json!({"resourceVersion": world.store.rv().to_string()})),
        Err(error) => Refusal::bad_request(&error.to_string()).response(),
    }
}

/// Answers a request to the `/_sim/{command}` of a fleet: counters are summed, the rate of a pulse is shared out, and all else is done to each cluster
/// in turn, up to the first that refuses.
pub fn answer_for_all(worlds: &[Arc<World>], command: &str, method: &Method, body: &[u8]) -> Response<Body> {
    match (command, method.as_str()) {
        ("counters", "GET") => {
            let mut sum = Counts::default();
            for world in worlds {
                sum.add(&world.counters.read());
            }
            json_response(StatusCode::OK, &json!(sum))
        }
        ("pulse", "GET") => told_of_pulse(worlds),
        ("pulse", "POST") => match serde_json::from_slice::<PulseSetting>(body) {
            Ok(setting) => {
                share_pulse(worlds, setting.rate);
                json_response(StatusCode::OK, &json!({}))
            }
            Err(error) => Refusal::bad_request(&error.to_string()).response(),
        },
        (_, "GET") => no_such_path(),
        _ => {
            let mut answers = worlds.iter().map(|world| answer(world, command, method, body)).peekable();
            loop {
                let Some(answered) = answers.next() else { return no_such_path() };
                if !answered.status().is_success() || answers.peek().is_none() {
                    return answered;
                }
            }
        }
    }
}

/// Gives each cluster its part of a rate, no two at the same moment.
fn share_pulse(worlds: &[Arc<World>], rate: f64) {
    #[allow(clippy::cast_precision_loss, reason = "clusters are few")]
    let count = worlds.len() as f64;
    let between =
        if rate > 0.0 { Duration::try_from_secs_f64(1.0 / rate).unwrap_or_default() } else { Duration::ZERO };
    let mut delay = Duration::ZERO;
    for world in worlds {
        pulse::set(world, rate / count, delay);
        delay += between;
    }
}

fn told_of_pulse(worlds: &[Arc<World>]) -> Response<Body> {
    let made: u64 = worlds.iter().map(|world| world.pulse.made()).sum();
    let latest = worlds.iter().map(|world| world.pulse.latest()).max();
    json_response(StatusCode::OK, &json!({"made": made, "latestMicros": latest}))
}

/// Writes (POST to `objects/{plural}`) and deletes (DELETE of `objects/{plural}/{key}`).
fn objects(world: &World, command: &str, method: &Method, body: &[u8]) -> Option<Response<Body>> {
    let (plural, key) = command.strip_prefix("objects/").map(|of| of.split_once('/').unwrap_or((of, "")))?;
    let resource = resource::by_plural(plural)?;
    let written = match (method.as_str(), key) {
        ("POST", "") => {
            let value = serde_json::from_slice(body).unwrap_or_default();
            match Object::from_json(resource, value, &world.churn.new_uid(), &world.clock.now()) {
                Ok((key, object)) => world.store.put(resource, &key, &object),
                Err(error) => return Some(Refusal::bad_request(&error.to_string()).response()),
            }
        }
        ("DELETE", key) => world.store.delete(resource, key)?,
        _ => return None,
    };
    Some(json_response(StatusCode::OK, &json!({"resourceVersion": written.to_string()})))
}

fn post_fault(world: &Arc<World>, body: &[u8]) -> Result<(), serde_json::Error> {
    match serde_json::from_slice(body)? {
        Posted::Rule(rule) => world.faults.add(rule),
        Posted::Command(command) => world.obey(command),
    }
    Ok(())
}

fn set_rbac(world: &World, setting: &RbacSetting) {
    world.rbac.set_on(setting.on);
    world.rbac.set_lag(Duration::from_millis(setting.lag_ms));
}

fn set_churn(world: &World, setting: &ChurnSetting) {
    if let Some(rate) = setting.rate {
        world.churn.set_rate(rate);
    }
    if let Some(paused) = setting.paused {
        world.churn.pause(paused);
    }
    world.churn.step(&world.store, setting.step);
}
