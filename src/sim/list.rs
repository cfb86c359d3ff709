//! LIST and GET.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, header};
use tokio::time::{Instant, sleep};

use super::body::{Body, Chunks};
use super::faults::Fault;
use super::object::{self, Object};
use super::request::{Continue, ListOptions, Target};
use super::resource::Resource;
use super::selector::Selector;
use super::status::Refusal;
use super::store::{Page, Range};
use super::world::World;

const CHUNK: usize = 64 * 1024;
const CHUNKS_IN_FLIGHT: usize = 4;
const POLL: std::time::Duration = std::time::Duration::from_millis(50);

/// One object.
pub fn get(world: &World, target: &Target<'_>, name: &str) -> Result<Response<Body>, Refusal> {
    let found = world.store.get(target.resource, &object::key(target.namespace, name));
    let found = found.ok_or_else(|| Refusal::no_such_object(target.resource, name))?;
    let mut text = Vec::with_capacity(found.len() + 128);
    found.write_whole(target.resource, &mut text);
    text.push(b'\n');
    Ok(json(Body::whole(text.into())))
}

/// A page of a collection, or all of it.
pub async fn list(
    world: &Arc<World>,
    resource: &'static Resource,
    namespace: &str,
    options: &ListOptions,
) -> Result<Response<Body>, Refusal> {
    let selector = Selector::parse(&options.field_selector, &options.label_selector)
        .map_err(|error| Refusal::bad_request(&error.to_string()))?;
    let place = place(world, resource, options)?;
    if let Some(rv) = options.rv().filter(|_| place.is_none()) {
        await_version(world, rv).await?;
    }
    let page = read(world, resource, namespace, &selector, options, place.as_ref())?;
    let (chunks, body) = Body::streamed(CHUNKS_IN_FLIGHT);
    tokio::spawn(write(resource, page, selector.is_empty(), chunks));
    Ok(json(body))
}

fn json(body: Body) -> Response<Body> {
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CACHE_CONTROL, "no-cache, private")
        .body(body)
        .expect("the header values are valid")
}

/// Where the page begins, if it is not the first.
fn place(world: &World, resource: &Resource, options: &ListOptions) -> Result<Option<Continue>, Refusal> {
    if options.r#continue.is_empty() {
        return Ok(None);
    }
    let place = Continue::parse(&options.r#continue)
        .ok_or_else(|| Refusal::bad_request("continue key is not valid: the token cannot be read"))?;
    if world.faults.strikes(resource.plural, &Fault::ContinueGone) {
        return Err(expired(place));
    }
    Ok(Some(place))
}

fn expired(place: Continue) -> Refusal {
    Refusal::continue_too_old(&Continue { rv: None, ..place }.token())
}

/// Waits for a version from the future, and refuses it when it does not come.
async fn await_version(world: &World, rv: u64) -> Result<(), Refusal> {
    let give_up = Instant::now() + world.tuning.future_wait;
    loop {
        let current = world.store.rv();
        if current >= rv {
            return Ok(());
        }
        if Instant::now() >= give_up {
            return Err(Refusal::too_large(rv, current));
        }
        sleep(POLL.min(world.tuning.future_wait)).await;
    }
}

fn read(
    world: &World,
    resource: &Resource,
    namespace: &str,
    selector: &Selector,
    options: &ListOptions,
    place: Option<&Continue>,
) -> Result<Page, Refusal> {
    let exact = options.resource_version_match == "Exact"
        || (options.resource_version_match.is_empty() && options.limit > 0);
    let range = Range {
        namespace,
        after: place.map(|place| place.after.as_str()),
        limit: if selector.is_empty() { options.limit } else { 0 },
        at: match place {
            Some(place) => place.rv,
            None => options.rv().filter(|_| exact),
        },
    };
    let mut page = world.store.list(resource, &range).map_err(|_| match place {
        Some(place) => expired(Continue { rv: place.rv, after: place.after.clone() }),
        None => Refusal::list_too_old(),
    })?;
    if !selector.is_empty() {
        page.items.retain(|(_, object)| selector.matches(object));
        cut(&mut page, options.limit);
    }
    Ok(page)
}

fn cut(page: &mut Page, limit: usize) {
    if limit == 0 || page.items.len() <= limit {
        return;
    }
    let remaining = page.items.len() - limit;
    page.items.truncate(limit);
    page.rest = page.items.last().map(|(key, _)| (key.clone(), remaining));
}

/// Writes a list's body in chunks, so that a big one is never whole in memory.
async fn write(resource: &'static Resource, page: Page, count_rest: bool, chunks: Chunks) {
    let mut text = head(resource, &page, count_rest).into_bytes();
    for (index, (_, object)) in page.items.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        Object::write_item(object, &mut text);
        if text.len() >= CHUNK && chunks.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err() {
            return;
        }
    }
    text.extend_from_slice(b"]}\n");
    // A client that is gone needs no end.
    let _ = chunks.send(Ok(Bytes::from(text))).await;
}

fn head(resource: &Resource, page: &Page, count_rest: bool) -> String {
    let rest = page.rest.as_ref().map_or_else(String::new, |(key, remaining)| {
        let token = Continue { rv: Some(page.rv), after: key.to_string() }.token();
        let count = if count_rest { format!(",\"remainingItemCount\":{remaining}") } else { String::new() };
        format!(",\"continue\":\"{token}\"{count}")
    });
    format!(
        "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{{\"resourceVersion\":\"{}\"{rest}}},\"items\":[",
        resource.kind,
        resource.api_version(),
        page.rv
    )
}
