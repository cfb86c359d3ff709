//! Who Foretop is to an apiserver: the `Authorization` header of each request.
//!
//! Kube's own layer finds it for static logins, exec plugins and providers; it is asked for the header alone, off the
//! runtime's threads, so that a plugin that hangs costs one thread, however many requests wait for it. Tokens and token
//! files are our own: kube's layer fails on (or panics at) a newline at their end, which nearly every file has.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use kube::client::{AuthError, Body, ConfigExt};
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tower::util::BoxCloneService;
use tower::{BoxError, Layer, ServiceExt};

use super::fault::{CallError, describe, plain};

/// A token file is read anew after this long: a service account's token is replaced well before it expires.
const TOKEN_FILE_AGE: Duration = Duration::from_mins(1);

/// The service that answers a request with the `Authorization` header which kube's layer put on it.
type Layered = BoxCloneService<Request<Body>, Response<Option<HeaderValue>>, BoxError>;

/// How the header comes about.
pub(super) struct Login {
    source: Source,
}

enum Source {
    /// No header: anonymous, or a client certificate.
    Nothing,
    Fixed(HeaderValue),
    File(TokenFile),
    Layered {
        layer: Mutex<Layered>,
        asking: SingleFlight<Result<Option<HeaderValue>, CallError>>,
    },
}

impl Login {
    /// Finds out how to log in. Blocks: it may read files and run an exec plugin.
    ///
    /// # Errors
    /// Credentials that cannot be had.
    pub(super) fn prepare(config: &kube::Config) -> Result<Self, CallError> {
        let info = &config.auth_info;
        let has_basic = info.username.is_some() && info.password.is_some();
        let source = match (&info.token, &info.token_file) {
            _ if info.auth_provider.is_some() || has_basic => layered(config)?,
            (Some(token), _) => Source::Fixed(bearer(token.expose_secret())?),
            (None, Some(path)) => Source::File(TokenFile::new(path.into())),
            (None, None) => layered(config)?,
        };
        Ok(Login { source })
    }

    /// Whether a header is sent, so that no exec plugin has to be asked for a client certificate too.
    pub(super) fn has_header(&self) -> bool {
        !matches!(self.source, Source::Nothing)
    }

    /// The header for a request that is sent now.
    ///
    /// # Errors
    /// Credentials that cannot be had, or not within `limit`.
    pub(super) async fn header(&self, limit: Duration) -> Result<Option<HeaderValue>, CallError> {
        match &self.source {
            Source::Nothing => Ok(None),
            Source::Fixed(header) => Ok(Some(header.clone())),
            Source::File(file) => file.header(limit).await.map(Some),
            Source::Layered { layer, asking } => {
                let ask = || {
                    let layer = layer.lock().expect("no panic under this lock").clone();
                    tokio::spawn(async move {
                        let asked = layer.oneshot(Request::new(Body::empty())).await;
                        asked.map(Response::into_body).map_err(refused)
                    })
                };
                asking.run("asking the kubeconfig's user for credentials", limit, ask).await?
            }
        }
    }
}

fn layered(config: &kube::Config) -> Result<Source, CallError> {
    let layer = match config.auth_layer() {
        Ok(Some(layer)) => layer,
        Ok(None) => return Ok(Source::Nothing),
        Err(kube::Error::Auth(error)) => return Err(CallError::Credentials(explain(&error))),
        Err(error) => return Err(CallError::Credentials(describe(&error))),
    };
    let echo = tower::service_fn(|request: Request<Body>| {
        let header = request.headers().get(AUTHORIZATION).cloned();
        std::future::ready(Ok::<_, BoxError>(Response::new(header)))
    });
    let layer = Mutex::new(BoxCloneService::new(layer.layer(echo)));
    Ok(Source::Layered { layer, asking: SingleFlight::default() })
}

fn refused(error: BoxError) -> CallError {
    match error.downcast::<AuthError>() {
        Ok(error) => CallError::Credentials(explain(&error)),
        Err(error) => CallError::Credentials(describe(&*error)),
    }
}

/// What went wrong, without what a plugin printed on its standard output: there may be a token in it.
fn explain(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            format!("the exec plugin failed ({}): {}", out.status, plain(said.trim()))
        }
        AuthError::AuthExecParse(_) => "what the exec plugin printed is no ExecCredential".into(),
        AuthError::ParseTokenKey(_) => "what the auth provider printed is not as it should be".into(),
        other => describe(other),
    }
}

fn bearer(token: &str) -> Result<HeaderValue, CallError> {
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.trim()))
        .map_err(|_| CallError::Credentials("the token holds characters that no token has".into()))?;
    header.set_sensitive(true);
    Ok(header)
}

/// A file with a token in it, read again as it ages. If it cannot be read, the last token is used on.
struct TokenFile {
    path: PathBuf,
    last: tokio::sync::Mutex<Option<(HeaderValue, Instant)>>,
}

impl TokenFile {
    fn new(path: PathBuf) -> Self {
        TokenFile { path, last: tokio::sync::Mutex::default() }
    }

    async fn header(&self, limit: Duration) -> Result<HeaderValue, CallError> {
        let mut last = self.last.lock().await;
        if let Some((header, read)) = &*last
            && read.elapsed() < TOKEN_FILE_AGE
        {
            return Ok(header.clone());
        }
        let what = "reading the token file";
        let reading = tokio::time::timeout(limit, tokio::fs::read_to_string(&self.path)).await;
        let token = reading.map_err(|_| CallError::TimedOut { what, limit }).and_then(|read| {
            read.map_err(|error| CallError::Credentials(plain(&format!("token file: {error}"))))
        });
        match (token.and_then(|token| bearer(&token)), &*last) {
            (Err(_), Some((header, _))) => Ok(header.clone()),
            (Err(error), None) => Err(error),
            (Ok(header), _) => {
                *last = Some((header.clone(), Instant::now()));
                Ok(header)
            }
        }
    }
}

/// Runs one task at a time; who gives up waiting leaves it running, and the next to come waits for that same one.
pub(super) struct SingleFlight<T> {
    running: tokio::sync::Mutex<Option<JoinHandle<T>>>,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        SingleFlight { running: tokio::sync::Mutex::new(None) }
    }
}

impl<T> SingleFlight<T> {
    /// Waits for the running task, or for one that `start` starts.
    ///
    /// # Errors
    /// When `limit` is reached, or the task panicked.
    pub(super) async fn run(
        &self,
        what: &'static str,
        limit: Duration,
        start: impl FnOnce() -> JoinHandle<T>,
    ) -> Result<T, CallError> {
        let waiting = async {
            let mut running = self.running.lock().await;
            let ended = running.get_or_insert_with(start).await;
            *running = None;
            ended
        };
        match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(CallError::Credentials(format!("{what} failed unexpectedly"))),
            Err(_) => Err(CallError::TimedOut { what, limit }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    const LIMIT: Duration = Duration::from_secs(30);

    fn config(user: &str) -> kube::Config {
        let yaml = format!(
            "{{apiVersion: v1, kind: Config, current-context: c,
               clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}],
               contexts: [{{name: c, context: {{cluster: c, user: u}}}}],
               users: [{{name: u, user: {user}}}]}}"
        );
        kube::Config::try_from(kube::config::Kubeconfig::from_yaml(&yaml).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_newline_behind_a_token_does_no_harm() {
        let login = Login::prepare(&config(r#"{token: "abc\n"}"#)).unwrap();
        assert_eq!(login.header(LIMIT).await.unwrap().unwrap(), "Bearer abc");

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "xyz\n").unwrap();
        let user = format!("{{tokenFile: '{}'}}", file.path().display());
        let login = Login::prepare(&config(&user)).unwrap();
        assert_eq!(login.header(LIMIT).await.unwrap().unwrap(), "Bearer xyz");
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(login.header(LIMIT).await.unwrap().unwrap(), "Bearer xyz", "the last one is used on");
    }

    #[tokio::test]
    async fn an_exec_plugin_gives_the_header() {
        let printed = r#"{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "from-plugin", "expirationTimestamp": "2999-01-01T00:00:00Z"}}"#;
        let user = format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: echo, args: ['{printed}']}}}}"
        );
        let login = Login::prepare(&config(&user)).unwrap();
        assert_eq!(login.header(LIMIT).await.unwrap().unwrap(), "Bearer from-plugin");
    }

    #[test]
    fn what_a_failing_plugin_printed_stays_unsaid() {
        let user = "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, \
                    args: ['-c', 'echo topsecret; echo \"no access\" >&2; exit 3']}}";
        let Err(CallError::Credentials(why)) = Login::prepare(&config(user)).map(drop) else {
            panic!("it failed");
        };
        assert!(why.contains("no access") && !why.contains("topsecret"), "{why}");
        let user = "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: echo, \
                    args: ['[topsecret']}}";
        let Err(CallError::Credentials(why)) = Login::prepare(&config(user)).map(drop) else {
            panic!("it failed");
        };
        assert!(!why.contains("topsecret"), "{why}");
    }

    #[tokio::test]
    async fn no_login_sends_no_header() {
        let login = Login::prepare(&config("{}")).unwrap();
        assert!(!login.has_header());
        assert_eq!(login.header(LIMIT).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_task_that_nobody_waited_for_is_not_started_again() {
        let flight = SingleFlight::default();
        let started = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(tokio::sync::Notify::new());
        let start = || {
            started.fetch_add(1, SeqCst);
            let go = Arc::clone(&go);
            tokio::spawn(async move { go.notified().await })
        };
        let short = Duration::from_millis(1);
        for _ in 0..3 {
            let waited = flight.run("it", short, start).await;
            assert!(matches!(waited, Err(CallError::TimedOut { .. })), "{waited:?}");
        }
        go.notify_one();
        flight.run("it", LIMIT, start).await.unwrap();
        assert_eq!(started.load(SeqCst), 1);
    }
}
