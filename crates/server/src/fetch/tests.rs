//! Against a web server of our own that behaves badly.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;

use super::*;

pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

/// A web server on 127.0.0.1.
pub struct Site {
    pub port: u16,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Site {
    pub async fn start() -> Site {
        let calls = Arc::new(Mutex::new(BTreeMap::new()));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new()
            .route("/image", get(|| async { PNG }))
            .route("/text", get(|| async { "<html>" }))
            .route("/endless", get(|| async { Body::from_stream(stream::repeat_with(|| chunk(&[7; 4096]))) }))
            .route("/drip", get(|| async { Body::from_stream(drip()) }))
            .route("/silent", get(std::future::pending::<()>))
            .route("/to", get(|RawQuery(target): RawQuery| async move { Redirect::to(&target.unwrap()) }))
            .route("/nowhere", get(|| async { StatusCode::FOUND }))
            .route("/hops/{left}", get(hop))
            .route(
                "/status/{status}",
                get(|Path(status): Path<u16>| async move { StatusCode::from_u16(status).unwrap() }),
            )
            .route("/busy/{name}/{times}", get(busy))
            .with_state(calls.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Site { port, calls }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How often `/busy/<name>/...` was asked for.
    pub fn calls(&self, name: &str) -> usize {
        self.calls.lock().unwrap()[name]
    }
}

fn chunk(bytes: &'static [u8]) -> Result<Bytes, Infallible> {
    Ok(Bytes::from_static(bytes))
}

fn drip() -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Some((chunk(b"x"), ()))
    })
}

/// An image behind so many redirects.
async fn hop(Path(left): Path<usize>) -> axum::response::Response {
    match left {
        0 => PNG.into_response(),
        _ => Redirect::temporary(&format!("/hops/{}", left - 1)).into_response(),
    }
}

/// Too busy the first times.
async fn busy(
    State(calls): State<Arc<Mutex<BTreeMap<String, usize>>>>,
    Path((name, times)): Path<(String, usize)>,
) -> axum::response::Response {
    let mut calls = calls.lock().unwrap();
    let calls = calls.entry(name).or_default();
    *calls += 1;
    if *calls > times { PNG.into_response() } else { StatusCode::SERVICE_UNAVAILABLE.into_response() }
}

fn fetcher(limits: Limits, allowed: &[&str]) -> Fetcher {
    Fetcher::new(limits, allowed.iter().map(|network| network.parse().unwrap()).collect()).unwrap()
}

/// May fetch from 127.0.0.1 and nowhere else beside the public.
async fn fetch(url: &str) -> Result<Vec<u8>, FetchError> {
    fetcher(Limits::default(), &["127.0.0.1/32"]).get(url, "*/*").await
}

#[tokio::test]
async fn a_file_is_fetched_over_few_redirects() {
    let site = Site::start().await;
    for path in ["/image", "/hops/3", "/to?/image"] {
        assert_eq!(fetch(&site.url(path)).await.as_deref(), Ok(PNG), "{path}");
    }
    assert_eq!(fetch(&site.url("/hops/4")).await, Err(FetchError::Redirects(3)));
    assert_eq!(fetch(&site.url("/hops/1000000")).await, Err(FetchError::Redirects(3)));
    let around = format!("/to?{}", site.url("/hops/0"));
    assert_eq!(fetch(&site.url(&around)).await.as_deref(), Ok(PNG));
}

#[tokio::test]
async fn a_name_is_resolved_and_judged() {
    let site = Site::start().await;
    let url = format!("http://localhost:{}/image", site.port);
    let refused = fetcher(Limits::default(), &[]).get(&url, "*/*").await;
    assert_eq!(refused, Err(FetchError::Forbidden("a loopback")));
    let fetched = fetcher(Limits::default(), &["127.0.0.0/8", "::1/128"]).get(&url, "*/*").await;
    assert_eq!(fetched.as_deref(), Ok(PNG));
    let unknown = fetch("http://no-such-host.invalid/").await.unwrap_err();
    assert!(unknown.is_transient(), "{unknown}");
}

#[tokio::test]
async fn a_redirect_does_not_lead_where_the_url_may_not() {
    let site = Site::start().await;
    // Somebody listens there, and hears nothing.
    let forbidden = TcpListener::bind(("127.0.0.2", 0)).unwrap();
    forbidden.set_nonblocking(true).unwrap();
    let port = forbidden.local_addr().unwrap().port();
    let loopback = Err(FetchError::Forbidden("a loopback"));
    for (target, expected) in [
        (format!("http://127.0.0.2:{port}/"), loopback),
        (format!("http://[::1]:{port}/"), Err(FetchError::Forbidden("a loopback"))),
        (format!("http://[::ffff:127.0.0.2]:{port}/"), Err(FetchError::Forbidden("a loopback"))),
        ("http://169.254.169.254/latest/meta-data".to_owned(), Err(FetchError::Forbidden("a link-local"))),
        ("http://10.0.0.1/".to_owned(), Err(FetchError::Forbidden("a private"))),
        (format!("http://user:secret@127.0.0.1:{}/image", site.port), Err(FetchError::UserInfo)),
        ("file:///etc/passwd".to_owned(), Err(FetchError::Url)),
        ("ftp://127.0.0.1/image".to_owned(), Err(FetchError::Url)),
        ("http://".to_owned(), Err(FetchError::Url)),
    ] {
        let told = format!("/to?{target}");
        assert_eq!(fetch(&site.url(&told)).await, expected, "redirected to {target}");
        assert_eq!(fetch(&target).await, expected, "{target}");
    }
    assert!(forbidden.accept().is_err());
    assert_eq!(fetch(&site.url("/nowhere")).await, Err(FetchError::Status(302)));
}

#[tokio::test]
async fn ways_to_write_a_forbidden_address_are_known() {
    for host in
        ["127.2", "0x7f.0.0.2", "2130706434", "0177.0.0.2", "127.0.0.2.", "[::127.0.0.2]", "[0:0:0:0:0:0:0:1]", "0"]
    {
        let refused = fetch(&format!("http://{host}:1/")).await;
        assert!(matches!(refused, Err(FetchError::Forbidden(_))), "{host}: {refused:?}");
    }
}

#[tokio::test]
async fn size_and_time_are_bounded() {
    let site = Site::start().await;
    let small = fetcher(Limits { bytes: 100_000, ..Limits::default() }, &["127.0.0.1/32"]);
    assert_eq!(small.get(&site.url("/endless"), "*/*").await, Err(FetchError::TooLarge(100_000)));
    let exact = fetcher(Limits { bytes: PNG.len(), ..Limits::default() }, &["127.0.0.1/32"]);
    assert_eq!(exact.get(&site.url("/image"), "*/*").await.as_deref(), Ok(PNG));
    let time = Duration::from_millis(300);
    let hurried = fetcher(Limits { time, ..Limits::default() }, &["127.0.0.1/32"]);
    for path in ["/drip", "/silent"] {
        assert_eq!(hurried.get(&site.url(path), "*/*").await, Err(FetchError::Late(time)), "{path}");
    }
}

#[tokio::test]
async fn a_refusal_tells_whether_to_come_back() {
    let site = Site::start().await;
    for (status, transient) in [(404, false), (403, false), (304, false), (500, true), (503, true)] {
        let error = fetch(&site.url(&format!("/status/{status}"))).await.unwrap_err();
        assert_eq!((&error, error.is_transient()), (&FetchError::Status(status), transient));
    }
    let error = fetch(&site.url("/image").replace("http:", "https:")).await.unwrap_err();
    assert!(error.to_string().contains("InvalidContentType"), "no TLS there: {error}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = fetch(&format!("http://127.0.0.1:{nobody}/a.png?sig=secret")).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("refused"), "{error}");
    assert!(!error.to_string().contains("secret") && !FetchError::Forbidden("a private").is_transient());
}
