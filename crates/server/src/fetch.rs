//! Files fetched over HTTP on a tenant's word: only from where `rules::outbound` lets it, bounded in size and time.
//!
//! Redirects are followed here and not by the HTTP client, because each target is judged like the first one. A host is
//! resolved here, once; the connection goes to the addresses that were judged.

#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, LOCATION};
use reqwest::{Client, Response, StatusCode, Url};
use rules::outbound::{self, Network};

/// Bounds of one fetch, redirects included.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Size of the file.
    pub bytes: usize,
    /// From the start to the file's last byte.
    pub time: Duration,
    /// Of that, until a connection stands.
    pub connect: Duration,
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 10 << 20, time: Duration::from_secs(10), connect: Duration::from_secs(4), redirects: 3 }
    }
}

/// Why a file was not fetched. No text has a part of a URL, in which secrets may be.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum FetchError {
    #[error("no URL of http or https")]
    Url,
    #[error("a URL with a user name or password")]
    UserInfo,
    #[error("its host has {0} address, which is in no allowed network")]
    Forbidden(&'static str),
    #[error("more than {0} redirects")]
    Redirects(usize),
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("more than {0} bytes")]
    TooLarge(usize),
    #[error("not there within {0:?}")]
    Late(Duration),
    #[error("{0}")]
    Connection(String),
}

impl FetchError {
    /// Whether another try may have another outcome.
    pub fn is_transient(&self) -> bool {
        match self {
            FetchError::Late(_) | FetchError::Connection(_) => true,
            FetchError::Status(status) => *status >= 500,
            _ => false,
        }
    }
}

/// See the module's head.
pub struct Fetcher {
    limits: Limits,
    /// Networks that may be fetched from although they are not public.
    allowed: Vec<Network>,
    tls: rustls::ClientConfig,
}

impl Fetcher {
    pub fn new(limits: Limits, allowed: Vec<Network>) -> Result<Fetcher, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect::<rustls::RootCertStore>();
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Fetcher { limits, allowed, tls })
    }

    /// The file at `url`. `accept`: the kinds of files that are wanted, as HTTP lists them.
    pub async fn get(&self, url: &str, accept: &str) -> Result<Vec<u8>, FetchError> {
        let fetched = tokio::time::timeout(self.limits.time, self.follow(url, accept)).await;
        fetched.unwrap_or(Err(FetchError::Late(self.limits.time)))
    }

    async fn follow(&self, url: &str, accept: &str) -> Result<Vec<u8>, FetchError> {
        let mut url = Url::parse(url).map_err(|_| FetchError::Url)?;
        for _ in 0..=self.limits.redirects {
            let response = self.request(&url, accept).await?;
            match target(&url, &response) {
                Some(target) => url = target?,
                None if response.status().is_success() => return self.body(response).await,
                None => return Err(FetchError::Status(response.status().as_u16())),
            }
        }
        Err(FetchError::Redirects(self.limits.redirects))
    }

    async fn request(&self, url: &Url, accept: &str) -> Result<Response, FetchError> {
        let addresses = self.addresses(url).await?;
        // A client for each request, because what it may connect to is the request's own.
        let client = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Arc::new(Judged(addresses)))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(self.limits.connect)
            .user_agent(concat!("tapedeck/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(connection)?;
        client.get(url.clone()).header(ACCEPT, accept).send().await.map_err(connection)
    }

    /// Where the URL's host is. All of its addresses must be allowed.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Url);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::UserInfo);
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(FetchError::Url);
        };
        // A host in brackets is an IPv6 address; addresses of all kinds need no resolver.
        let host = host.trim_matches(['[', ']']);
        let unknown = |_| FetchError::Connection("its host is not known".to_owned());
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(unknown)?.collect();
        match addresses.iter().find_map(|address| outbound::refusal(address.ip(), &self.allowed)) {
            Some(kind) => Err(FetchError::Forbidden(kind)),
            None => Ok(addresses),
        }
    }

    /// The length that the server tells is not relied on.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, FetchError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(connection)? {
            if body.len() + chunk.len() > self.limits.bytes {
                return Err(FetchError::TooLarge(self.limits.bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Where a redirect leads; nothing for another answer.
fn target(url: &Url, response: &Response) -> Option<Result<Url, FetchError>> {
    use StatusCode as S;
    let redirects = [S::MOVED_PERMANENTLY, S::FOUND, S::SEE_OTHER, S::TEMPORARY_REDIRECT, S::PERMANENT_REDIRECT];
    let location = redirects.contains(&response.status()).then(|| response.headers().get(LOCATION)).flatten()?;
    let target = location.to_str().ok().and_then(|location| url.join(location).ok());
    Some(target.ok_or(FetchError::Url))
}

/// What lies at the bottom of an error of the client; what lies above tells the URL, or that a request failed.
fn connection(error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    FetchError::Connection(cause.to_string())
}

/// Resolves every name to the addresses that were judged.
struct Judged(Vec<SocketAddr>);

impl Resolve for Judged {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}
