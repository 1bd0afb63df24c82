//! The OpenAPI over HTTP: one path, `Action` and `Version` in the query, JSON in and out, signed requests.
//!
//! What belongs here is the way from bytes to a checked request and from an outcome to an answer. What the
//! requests may say is in `rules::request`; what they do is behind [`Recording`].

mod answer;
mod apps;
mod available;
mod body;
mod rate;
mod recording;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri, header, request};
use axum::response::Response;
use axum::routing::any;
use rules::error::{ApiError, ErrorKind};
use rules::request::{GetRecordTask, StartRecord, StopRecord, UpdateRecord, Version};
use rules::sign::{self, Claim};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use answer::Envelope;
pub use apps::{AccessKey, App, Apps, KeyConflict};
use rate::RateLimits;
pub use recording::{FilePlace, FileView, Recording, Started, StreamView, TaskStatus, TaskView, no_such_task};

/// How many requests are worked on at a time. Until its body is there, a request counts for [`body::MAX_BYTES_IN_ALL`]
/// only.
const MAX_IN_HAND: usize = 128;

/// The time as it enters: wall clock for signatures, steady clock for rates.
#[derive(Debug, Clone, Copy)]
struct Now {
    unix_s: i64,
    steady: Duration,
}

type Clock = Box<dyn Fn() -> Now + Send + Sync>;

struct Api<R> {
    apps: Apps,
    recording: R,
    rates: Mutex<RateLimits>,
    slots: Semaphore,
    body_memory: Semaphore,
    clock: Clock,
}

/// The OpenAPI at `/`; every other path is answered in its form too.
pub fn router<R: Recording>(apps: Apps, recording: R) -> Router {
    let start = Instant::now();
    let clock = move || Now {
        unix_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64),
        steady: start.elapsed(),
    };
    router_with_clock(apps, recording, Box::new(clock))
}

fn router_with_clock<R: Recording>(apps: Apps, recording: R, clock: Clock) -> Router {
    let (slots, body_memory) = (Semaphore::new(MAX_IN_HAND), Semaphore::new(body::MAX_BYTES_IN_ALL));
    let api = Arc::new(Api { apps, recording, rates: Mutex::default(), slots, body_memory, clock });
    Router::new().route("/", any(handle)).fallback(handle).with_state(api)
}

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Action {
    Start,
    Update,
    Stop,
    Get,
    /// Our own: the report of a task.
    Report,
}

impl Action {
    const ALL: [Action; 5] = [Action::Start, Action::Update, Action::Stop, Action::Get, Action::Report];

    fn name(self) -> &'static str {
        match self {
            Action::Start => "StartRecord",
            Action::Update => "UpdateRecord",
            Action::Stop => "StopRecord",
            Action::Get => "GetRecordTask",
            Action::Report => "GetRecordReport",
        }
    }

    fn method(self) -> &'static str {
        if matches!(self, Action::Get | Action::Report) { "GET" } else { "POST" }
    }
}

async fn handle<R: Recording>(State(api): State<Arc<Api<R>>>, request: Request) -> Response {
    let now = (api.clock)();
    let (parts, body) = request.into_parts();
    let query = sign::decode_query(parts.uri.query().unwrap_or_default());
    let mut envelope = Envelope::new(now.unix_s, rand::random(), &query);
    let outcome = match body::read(body, &api.body_memory).await {
        Ok(body) => match api.slots.try_acquire() {
            Ok(_slot) => serve(&api, now, &parts, &query, &body.bytes, &mut envelope).await,
            Err(_) => {
                let message = format!("{MAX_IN_HAND} requests are in hand already; try again");
                Err(ApiError::new(ErrorKind::ReachRateLimit, message))
            }
        },
        Err(error) => Err(error),
    };
    envelope.answer(outcome)
}

async fn serve<R: Recording>(
    api: &Arc<Api<R>>,
    now: Now,
    parts: &request::Parts,
    query: &[(String, String)],
    body: &[u8],
    envelope: &mut Envelope,
) -> Result<Value, ApiError> {
    if parts.uri.path() != "/" {
        let message = format!("{:?} is not served; the only path is /", parts.uri.path());
        return Err(ApiError::new(ErrorKind::ServiceNotFound, message));
    }
    let (action, version) = called(parts.method.as_str(), query)?;
    let headers = signable(&parts.headers, &parts.uri);
    let request = sign::Request { method: action.method(), path: "/", query, headers: &headers, body };
    let claim = Claim::read(&request)?;
    envelope.set_region(claim.region());
    let secret = api.apps.secret(claim.access_key())?;
    claim.verify(&request, secret, now.unix_s)?;
    let access_key = claim.access_key().to_owned();
    let in_rate = api.rates.lock().expect("no holder of the lock panics").take(&access_key, action, now.steady);
    if !in_rate {
        let message = format!("more than {} calls of {} a second", rate::PER_SECOND, action.name());
        return Err(ApiError::new(ErrorKind::QpsOverLimit, message));
    }
    let call = read_call(action, version, query, body)?;
    // A task of its own, so that a caller who hangs up does not leave the work half done.
    let api = Arc::clone(api);
    let work = tokio::spawn(async move { carry_out(&api, &access_key, version, call).await });
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, action = action.name(), "a request was not carried out");
        Err(ApiError::new(ErrorKind::InternalError, "the server failed; its log says why"))
    })
}

/// Action and version, and whether they go with the method.
fn called(method: &str, query: &[(String, String)]) -> Result<(Action, Version), ApiError> {
    let parameter = |name: &str, missing| {
        let value = query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        value
            .filter(|v| !v.is_empty())
            .ok_or_else(|| ApiError::new(missing, format!("{name}: missing; it is a parameter of the query")))
    };
    let action = parameter("Action", ErrorKind::NoAction)?;
    let version = parameter("Version", ErrorKind::NoVersion)?;
    let refuse = |message: String| ApiError::new(ErrorKind::InvalidActionOrVersion, message);
    let action = Action::ALL.into_iter().find(|a| a.name() == action).ok_or_else(|| {
        refuse(format!("Action: {action:?} is not allowed; allowed: {}", Action::ALL.map(Action::name).join(", ")))
    })?;
    let version = Version::from_name(version).ok_or_else(|| {
        let allowed = Version::ALL.map(Version::name).join(", ");
        refuse(format!("Version: {version:?} is not allowed; allowed: {allowed}"))
    })?;
    if method != action.method() {
        let allowed = action.method();
        return Err(refuse(format!("{} by {method} is not allowed; allowed: {allowed}", action.name())));
    }
    Ok((action, version))
}

/// Headers as signatures see them. HTTP/2 tells the host in the address instead.
fn signable(headers: &HeaderMap, uri: &Uri) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    if let Some(authority) = uri.authority().filter(|_| !headers.contains_key(header::HOST)) {
        all.push(("host".to_owned(), authority.to_string()));
    }
    all
}

/// A call whose every field is valid.
enum Call {
    Start(Box<StartRecord>),
    Update(Box<UpdateRecord>),
    Stop(StopRecord),
    Get(GetRecordTask),
    Report(GetRecordTask),
}

fn read_call(action: Action, version: Version, query: &[(String, String)], body: &[u8]) -> Result<Call, ApiError> {
    Ok(match action {
        Action::Get => Call::Get(GetRecordTask::parse(query)?),
        Action::Report => Call::Report(GetRecordTask::parse(query)?),
        Action::Start => Call::Start(Box::new(StartRecord::parse(version, &body::parse(body)?)?)),
        Action::Update => Call::Update(Box::new(UpdateRecord::parse(version, &body::parse(body)?)?)),
        Action::Stop => Call::Stop(StopRecord::parse(version, &body::parse(body)?)?),
    })
}

/// What a repeated start is told from 2023-11-01 on, word for word the vendor's.
const ALREADY_STARTED: &str = "The task has been started. Please do not call the startup task interface repeatedly";

async fn carry_out<R: Recording>(
    api: &Api<R>,
    access_key: &str,
    version: Version,
    call: Call,
) -> Result<Value, ApiError> {
    let ok = || json!("ok");
    match call {
        Call::Start(start) => {
            api.apps.permit(access_key, &start.key.app_id)?;
            api.apps.check_recording(&start.key.app_id)?;
            available::check(&start)?;
            let key = start.key.clone();
            match api.recording.start(*start).await? {
                Started::New => Ok(ok()),
                Started::AlreadyRunning if version == Version::V2023_11_01 => Ok(json!(ALREADY_STARTED)),
                Started::AlreadyRunning => {
                    Err(ApiError::new(ErrorKind::TaskAlreadyExists, format!("task {key} is running already")))
                }
            }
        }
        Call::Update(update) => {
            api.apps.permit(access_key, &update.key.app_id)?;
            api.recording.update(*update).await.map(|()| ok())
        }
        Call::Stop(stop) => {
            api.apps.permit(access_key, &stop.key.app_id)?;
            api.recording.stop(stop.key).await.map(|()| ok())
        }
        Call::Get(get) => {
            api.apps.permit(access_key, &get.key.app_id)?;
            let task = api.recording.task(get.key).await?;
            let mut result = json!({ "RecordTask": task });
            if !task.notes.is_empty() {
                result["Tapedeck"]["Notes"] = json!(task.notes);
            }
            if let Some(path) = &task.report {
                result["Tapedeck"]["Report"] = json!(path);
            }
            Ok(result)
        }
        Call::Report(get) => {
            api.apps.permit(access_key, &get.key.app_id)?;
            Ok(json!(api.recording.report(get.key).await?))
        }
    }
}
