//! Through which proxy a cluster is reached: the kubeconfig's `proxy-url`, else what `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, as
//! curl reads them. As for kubectl, the environment says nothing about loopback names. A proxy is asked for a tunnel (CONNECT), so it sees
//! neither credentials nor rows of an `https` cluster. What is told of it never holds its own credentials.

use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::fault::CallError;
use crate::config::HostName;

/// A proxy that speaks HTTP in cleartext.
#[derive(Clone)]
pub(super) struct Proxy {
    url: Uri,
    login: Option<HeaderValue>,
}

impl Proxy {
    /// The proxy to a cluster, if there is one.
    ///
    /// # Errors
    /// One that is spoken to otherwise than by HTTP.
    pub(super) fn to(config: &kube::Config) -> Result<Option<Self>, CallError> {
        choose(config.proxy_url.as_ref(), &Matcher::from_env(), &config.cluster_url)
    }

    /// Where it is, without credentials.
    pub(super) fn name(&self) -> String {
        self.url.to_string().trim_end_matches('/').to_owned()
    }

    /// What connects through it.
    pub(super) fn tunnel(&self, tcp: HttpConnector) -> Tunnel<HttpConnector> {
        let tunnel = Tunnel::new(self.url.clone(), tcp);
        match &self.login {
            Some(login) => tunnel.with_auth(login.clone()),
            None => tunnel,
        }
    }
}

fn choose(own: Option<&Uri>, environment: &Matcher, cluster: &Uri) -> Result<Option<Proxy>, CallError> {
    let found = match own {
        Some(url) => {
            let no_proxy = || CallError::Request("its `proxy-url` is no URL of a proxy".into());
            let only = Matcher::builder().all(url.to_string()).build();
            Some(only.intercept(cluster).ok_or_else(no_proxy)?)
        }
        None if is_loopback(cluster) => None,
        None => environment.intercept(cluster),
    };
    found.map(|found| accept(&found)).transpose()
}

fn accept(found: &Intercept) -> Result<Proxy, CallError> {
    let proxy = Proxy { url: found.uri().clone(), login: found.basic_auth().cloned() };
    if proxy.url.scheme_str() == Some("http") {
        return Ok(proxy);
    }
    Err(CallError::Request(format!("the proxy {} is none that is reached by http://", proxy.name())))
}

fn is_loopback(cluster: &Uri) -> bool {
    let host = cluster.host().and_then(|host| host.parse::<HostName>().ok());
    host.is_some_and(|host| host.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().expect("a URI")
    }

    fn environment() -> Matcher {
        Matcher::builder()
            .https("http://ann:secret@proxy.example:3128")
            .no("inner.example,10.0.0.0/8")
            .build()
    }

    fn chosen(own: Option<&str>, cluster: &str) -> String {
        let own = own.map(uri);
        match choose(own.as_ref(), &environment(), &uri(cluster)) {
            Ok(Some(proxy)) => proxy.name(),
            Ok(None) => "direct".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_environment_is_asked_where_the_kubeconfig_says_nothing() {
        assert_eq!(chosen(None, "https://a.example:6443"), "http://proxy.example:3128");
        assert_eq!(chosen(None, "http://a.example"), "direct", "only HTTPS_PROXY is set");
        for spared in ["https://inner.example", "https://x.inner.example", "https://10.1.2.3:6443"] {
            assert_eq!(chosen(None, spared), "direct", "{spared}");
        }
        for loopback in ["https://localhost:6443", "https://127.0.0.1", "https://[::1]:6443"] {
            assert_eq!(chosen(None, loopback), "direct", "{loopback}");
        }
    }

    #[test]
    fn the_kubeconfig_wins() {
        assert_eq!(chosen(Some("http://own:8080"), "https://inner.example"), "http://own:8080");
        assert_eq!(chosen(Some("http://own:8080/"), "http://127.0.0.1:1"), "http://own:8080");
    }

    #[test]
    fn what_is_told_of_a_proxy_holds_no_credentials() {
        let proxy =
            choose(None, &environment(), &uri("https://a.example")).expect("it is fine").expect("a proxy");
        assert!(proxy.login.as_ref().is_some_and(HeaderValue::is_sensitive));
        for own in ["socks5://ann:secret@p:1080", "https://ann:secret@p", "ftp://ann:secret@p"] {
            let told = chosen(Some(own), "https://a.example");
            assert!(told.contains("proxy") && !told.contains("secret"), "{told}");
        }
    }
}
