//! What a Rust user would write: axum's SSE answer over a tokio broadcast channel.
//!
//! Every tab has a receiver and a task; an event is formatted anew for each. Who lags behind the channel's capacity misses what was overwritten, and
//! goes on: the usual way with `BroadcastStream`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ::axum::Router;
use ::axum::extract::State;
use ::axum::response::Sse;
use ::axum::response::sse::{Event, KeepAlive};
use ::axum::serve::ListenerExt as _;
use futures_util::stream::Stream;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

use super::BaselineError;
use super::feed::Unframed;
use super::recording::Frame;

/// Events that the channel keeps for those who are behind.
const CAPACITY: usize = 1024;

/// A row's change, as it goes through the channel.
struct Change {
    event: String,
    id: String,
    data: String,
}

type Changes = broadcast::Sender<Arc<Change>>;

/// Serves until the process is killed, on as many threads as the process may use CPUs.
///
/// # Errors
/// When an address cannot be listened on.
pub fn serve(listen: SocketAddr, feed: &Path) -> Result<(), BaselineError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(BaselineError::io("the runtime"))?.block_on(async {
        let listener = TcpListener::bind(listen).await.map_err(BaselineError::io("listening"))?;
        let feed = UnixListener::bind(feed).map_err(BaselineError::io("the feed's socket"))?;
        let changes = Changes::new(CAPACITY);
        let app = Router::new().fallback(stream).with_state(changes.clone());
        let listener = listener.tap_io(|socket| {
            // Only a latency is lost where it fails.
            let _ = socket.set_nodelay(true);
        });
        tokio::spawn(::axum::serve(listener, app).into_future());
        loop {
            let (publisher, _) = feed.accept().await.map_err(BaselineError::io("the publisher"))?;
            publish(publisher, &changes).await.map_err(BaselineError::io("the feed"))?;
        }
    })
}

async fn stream(State(changes): State<Changes>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = BroadcastStream::new(changes.subscribe()).filter_map(|change| {
        let change = change.ok()?;
        Some(Ok(Event::default().event(&change.event).id(&change.id).data(&change.data)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn publish(mut publisher: UnixStream, changes: &Changes) -> std::io::Result<()> {
    let mut unframed = Unframed::default();
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = publisher.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        unframed.push(&bytes[..read]);
        while let Some(frame) = unframed.take() {
            let frame = Frame { at: 0, wire: String::from_utf8_lossy(&frame).into_owned() };
            let fields = frame.fields();
            let change = Change {
                event: fields.event.to_owned(),
                id: fields.id.to_owned(),
                data: fields.data.to_owned(),
            };
            // Nobody listening is no mistake.
            let _ = changes.send(Arc::new(change));
        }
    }
}
