//! The API as a client sees it: over a socket, signed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};

use rules::ids::TaskKey;
use rules::ledger;
use rules::sign::{Signer, encode_query};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const NOW_S: i64 = 1_795_365_067;
const VERSION: &str = "2023-11-01";

/// Tasks in memory: the running ones and those that have ended.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<HashMap<TaskKey, (StartRecord, bool)>>>);

impl Memory {
    fn with<T>(&self, key: &TaskKey, f: impl FnOnce(&mut (StartRecord, bool)) -> T) -> Result<T, ApiError> {
        let mut tasks = self.0.lock().unwrap();
        tasks.get_mut(key).map(f).ok_or_else(|| no_such_task(key))
    }
}

impl Recording for Memory {
    async fn start(&self, request: StartRecord) -> Result<Started, ApiError> {
        assert_ne!(request.key.task_id.as_str(), "poison", "a bug, as far as the API can tell");
        let mut tasks = self.0.lock().unwrap();
        match tasks.get(&request.key) {
            Some((_, true)) => Ok(Started::AlreadyRunning),
            _ => {
                tasks.insert(request.key.clone(), (request, true));
                Ok(Started::New)
            }
        }
    }

    async fn update(&self, change: UpdateRecord) -> Result<(), ApiError> {
        self.with(&change.key, |(task, _)| change.apply(task).map(|updated| *task = updated))?
    }

    async fn stop(&self, key: TaskKey) -> Result<(), ApiError> {
        self.with(&key, |(_, running)| std::mem::replace(running, false))?
            .then_some(())
            .ok_or_else(|| no_such_task(&key))
    }

    async fn task(&self, key: TaskKey) -> Result<TaskView, ApiError> {
        self.with(&key, |(_, running)| TaskView {
            start_time_ms: 1_611_736_812_853,
            end_time_ms: if *running { 0 } else { 1_611_736_870_325 },
            status: if *running { TaskStatus::Running } else { TaskStatus::Ended },
            stop_reason: if *running { "" } else { "StopByAPI" }.to_owned(),
            files: vec![FileView {
                place: FilePlace::Vid("v0123".to_owned()),
                duration_ms: 57_472,
                size_bytes: 5_018_305,
                start_time_ms: 1_611_736_812_853,
                stream_list: vec![StreamView { index: None, user_id: "u".to_owned(), stream_type: 0 }],
                video_codec: "h264".to_owned(),
                audio_codec: "aac".to_owned(),
                video_width: 640,
                video_height: 360,
            }],
            notes: if *running { Vec::new() } else { vec!["alice C: a remark".to_owned()] },
            report: None,
        })
    }

    async fn report(&self, key: TaskKey) -> Result<ledger::Report, ApiError> {
        self.with(&key, |(_, running)| ledger::Report { complete: !*running, ..ledger::Report::of(&key) })
    }
}

/// A server on a free port whose clocks stand still unless a test moves them.
struct Server {
    address: SocketAddr,
    memory: Memory,
    steady_ms: Arc<AtomicI64>,
}

impl Server {
    async fn run() -> Self {
        let key = |id: &str, secret: &str| AccessKey { id: id.to_owned(), secret: secret.to_owned() };
        let app = |id: &str, recording, keys: &[AccessKey]| App {
            id: id.parse().unwrap(),
            access_keys: keys.to_vec(),
            recording,
        };
        let apps = Apps::new([
            app("app", true, &[key("ak", "sk")]),
            app("off", false, &[key("ak", "sk")]),
            app("other", true, &[key("ak2", "sk2")]),
        ]);
        let steady_ms = Arc::new(AtomicI64::new(0));
        let reading = Arc::clone(&steady_ms);
        let clock = move || Now { unix_s: NOW_S, steady: Duration::from_millis(reading.load(Ordering::SeqCst) as u64) };
        let memory = Memory::default();
        let router = router_with_clock(apps.unwrap(), memory.clone(), Box::new(clock));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, memory, steady_ms }
    }

    fn call(&self, action: &str) -> Call {
        Call {
            address: self.address,
            method: if matches!(action, "GetRecordTask" | "GetRecordReport") { "GET" } else { "POST" },
            path: "/",
            query: pairs(&[("Action", action), ("Version", VERSION)]),
            body: Vec::new(),
            signer: Signer { access_key: "ak".into(), secret: "sk".into(), region: "cn-north-1".into() },
            signed_s: NOW_S,
            signature: Signature::Headers,
            chunked: false,
        }
    }

    fn start(&self) -> Call {
        self.call("StartRecord").body(&start_body())
    }

    fn get(&self, task: &str) -> Call {
        self.call("GetRecordTask").parameters(&[("AppId", "app"), ("RoomId", "room"), ("TaskId", task)])
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

fn start_body() -> Value {
    json!({
        "AppId": "app", "RoomId": "room", "TaskId": "task", "RecordMode": 1,
        "StorageConfig": { "Type": 1, "VodConfig": { "AccountId": "21", "Space": "media" } },
    })
}

fn key_body() -> Value {
    json!({ "AppId": "app", "RoomId": "room", "TaskId": "task" })
}

#[derive(Clone, Copy, PartialEq)]
enum Signature {
    Headers,
    Query,
    None,
}

/// A request to be sent.
#[derive(Clone)]
struct Call {
    address: SocketAddr,
    method: &'static str,
    path: &'static str,
    query: Vec<(String, String)>,
    body: Vec<u8>,
    signer: Signer,
    signed_s: i64,
    signature: Signature,
    chunked: bool,
}

/// An answer: HTTP status and document.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    document: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.document["ResponseMetadata"]["Error"]["Code"].as_str().unwrap_or("")
    }

    fn message(&self) -> &str {
        self.document["ResponseMetadata"]["Error"]["Message"].as_str().unwrap_or("")
    }

    fn result(&self) -> &Value {
        &self.document["Result"]
    }
}

impl Call {
    fn body(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }

    fn parameters(mut self, parameters: &[(&str, &str)]) -> Self {
        self.query.extend(pairs(parameters));
        self
    }

    fn version(mut self, version: &str) -> Self {
        self.query.retain(|(name, _)| name != "Version");
        self.parameters(&[("Version", version)])
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    async fn send(&self) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(&self.bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/json"), "{head}");
        Answer { status: head[9..12].parse().unwrap(), document: serde_json::from_str(body).unwrap() }
    }

    fn bytes(&self) -> Vec<u8> {
        let host = self.address.to_string();
        let mut headers = pairs(&[("host", &host), ("content-type", "application/json")]);
        let mut query = self.query.clone();
        let request =
            sign::Request { method: self.method, path: self.path, query: &query, headers: &headers, body: &self.body };
        match self.signature {
            Signature::Headers => {
                let added = self.signer.headers(&request, self.signed_s);
                headers.extend(added);
            }
            Signature::Query => query = self.signer.query(&request, self.signed_s),
            Signature::None => {}
        }
        let mut text =
            format!("{} {}?{} HTTP/1.1\r\nconnection: close\r\n", self.method, self.path, encode_query(&query));
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = text.into_bytes();
        if self.chunked {
            bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in self.body.chunks(100) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
            bytes.extend(&self.body);
        }
        bytes
    }
}

#[tokio::test]
async fn a_task_is_started_seen_and_stopped() {
    let server = Server::run().await;
    let answer = server.start().send().await;
    assert_eq!((answer.status, answer.result()), (200, &json!("ok")));
    let metadata = &answer.document["ResponseMetadata"];
    assert_eq!((&metadata["Action"], &metadata["Version"]), (&json!("StartRecord"), &json!(VERSION)));
    assert_eq!((&metadata["Service"], &metadata["Region"]), (&json!("rtc"), &json!("cn-north-1")));
    let id = metadata["RequestId"].as_str().unwrap();
    assert!(id.starts_with("20261122163107") && id.len() == 30, "{id}");
    assert!(metadata.get("Error").is_none());

    let seen = server.get("task").send().await;
    assert_eq!(
        seen.document["Result"],
        json!({ "RecordTask": {
            "StartTime": 1_611_736_812_853_i64, "EndTime": 0, "Status": 2, "StopReason": "",
            "RecordFileList": [{
                "Vid": "v0123", "Duration": 57_472, "Size": 5_018_305, "StartTime": 1_611_736_812_853_i64,
                "StreamList": [{ "UserId": "u", "StreamType": 0 }],
                "VideoCodec": "h264", "AudioCodec": "aac", "VideoWidth": 640, "VideoHeight": 360,
            }],
        } })
    );
    assert!(seen.result().get("Tapedeck").is_none(), "there are no notes");
    let stopped = server.call("StopRecord").body(&key_body()).send().await;
    assert_eq!((stopped.status, stopped.result()), (200, &json!("ok")));
    let seen = server.get("task").send().await;
    assert_eq!(seen.result()["Tapedeck"], json!({ "Notes": ["alice C: a remark"] }));
    assert_eq!(seen.document["Result"]["RecordTask"]["Status"], 3);
    assert_eq!(seen.document["Result"]["RecordTask"]["StopReason"], "StopByAPI");
    let key = [("AppId", "app"), ("RoomId", "room"), ("TaskId", "task")];
    let report = server.call("GetRecordReport").parameters(&key).send().await;
    assert_eq!((&report.result()["TaskId"], &report.result()["Complete"]), (&json!("task"), &json!(true)));
}

#[tokio::test]
async fn a_repeated_start_is_told_so_and_starts_nothing() {
    let server = Server::run().await;
    let (one, two) = (server.start(), server.start());
    let (one, two) = tokio::join!(one.send(), two.send());
    assert_eq!((one.status, two.status), (200, 200));
    let mut results = [one.result().as_str().unwrap().to_owned(), two.result().as_str().unwrap().to_owned()];
    results.sort();
    assert_eq!(results, [ALREADY_STARTED, "ok"]);
    assert_eq!(server.memory.0.lock().unwrap().len(), 1);
    for (version, status) in [("2023-06-01", 400), ("2022-06-01", 200)] {
        let answer = server.start().version(version).send().await;
        assert_eq!((answer.status, answer.code()), (status, "InvalidParameter.TaskAlreadyExists"));
        assert!(answer.document.get("Result").is_none());
    }
}

#[tokio::test]
async fn an_unknown_or_ended_task_has_a_code_of_its_own() {
    let server = Server::run().await;
    let code = "InvalidParameter.ErrorActiveTaskNotFound";
    for call in
        [server.call("StopRecord").body(&key_body()), server.call("UpdateRecord").body(&key_body()), server.get("x")]
    {
        let answer = call.send().await;
        assert_eq!((answer.status, answer.code()), (400, code));
        assert!(answer.message().contains("app/room/"), "{}", answer.message());
    }
    server.start().send().await;
    let stop = server.call("StopRecord").body(&key_body());
    assert_eq!(stop.send().await.status, 200);
    assert_eq!(stop.send().await.code(), code);
}

#[tokio::test]
async fn a_single_stream_task_cannot_be_updated() {
    let server = Server::run().await;
    server.start().send().await;
    let answer = server.call("UpdateRecord").body(&key_body()).send().await;
    assert_eq!((answer.status, answer.code()), (400, "UpdateError.UpdateSingleStreamRecordNotSupported"));
}

#[tokio::test]
async fn bodies_may_be_chunked_and_signatures_may_be_in_the_query() {
    let server = Server::run().await;
    let chunked = server.start().with(|c| c.chunked = true).send().await;
    assert_eq!((chunked.status, chunked.result()), (200, &json!("ok")));
    let in_query = server.get("task").with(|c| c.signature = Signature::Query).send().await;
    assert_eq!(in_query.status, 200, "{in_query:?}");
}

#[tokio::test]
async fn what_the_gateway_refuses() {
    let server = Server::run().await;
    let start = || server.start();
    let action =
        |name: &str| server.call("StopRecord").with(|c| c.query = pairs(&[("Action", name), ("Version", VERSION)]));
    let query = |query: &[(&str, &str)]| server.call("StopRecord").with(|c| c.query = pairs(query));
    let as_key =
        |id: &str, secret: &str| start().with(|c| (c.signer.access_key, c.signer.secret) = (id.into(), secret.into()));
    let cases = [
        (query(&[]), 400, "MissingParameter.NoAction", Some(100_002)),
        (query(&[("Action", "StopRecord")]), 400, "MissingParameter.NoVersion", Some(100_002)),
        (query(&[("Action", ""), ("Version", VERSION)]), 400, "MissingParameter.NoAction", Some(100_002)),
        (action("DropDatabase"), 404, "InvalidActionOrVersion", Some(100_008)),
        (action("startrecord"), 404, "InvalidActionOrVersion", Some(100_008)),
        (start().version("2024-01-01"), 404, "InvalidActionOrVersion", Some(100_008)),
        (start().with(|c| c.method = "GET"), 404, "InvalidActionOrVersion", Some(100_008)),
        (server.get("t").with(|c| c.method = "POST"), 404, "InvalidActionOrVersion", Some(100_008)),
        (start().with(|c| c.method = "DELETE"), 404, "InvalidActionOrVersion", Some(100_008)),
        (start().with(|c| c.path = "/v1"), 404, "ServiceNotFound", Some(100_007)),
        (start().with(|c| c.signature = Signature::None), 401, "MissingAuthenticationToken", Some(100_003)),
        (as_key("ak", "wrong"), 401, "SignatureDoesNotMatch", Some(100_010)),
        (as_key("nobody", "sk"), 401, "InvalidAccessKey", Some(100_009)),
        (start().with(|c| c.signed_s -= 901), 400, "InvalidTimestamp", Some(100_006)),
        (start().with(|c| c.signed_s += 901), 400, "InvalidTimestamp", Some(100_006)),
    ];
    for (call, status, code, number) in cases {
        let answer = call.send().await;
        assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
        assert_eq!(answer.document["ResponseMetadata"]["Error"]["CodeN"].as_u64(), number);
        assert!(answer.document.get("Result").is_none(), "an error has no Result");
        assert!(!answer.message().is_empty());
    }
    assert!(server.memory.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_service_refuses() {
    let server = Server::run().await;
    let start = |change: &dyn Fn(&mut Value)| {
        let mut body = start_body();
        change(&mut body);
        server.start().body(&body)
    };
    let raw = |text: &str| server.start().with(|c| c.body = text.into());
    let cases = [
        (raw(""), 400, "InvalidParameter.BodyIsEmpty"),
        (raw(" \n"), 400, "InvalidParameter.BodyIsEmpty"),
        (raw("{\"AppId\": "), 400, "InvalidParameter.Unmarshal"),
        (raw("[1]"), 400, "InvalidParameter.Unmarshal"),
        (raw(&"[".repeat(100_000)), 400, "InvalidParameter.Unmarshal"),
        (server.start().with(|c| c.body = vec![0xff, 0xfe]), 400, "InvalidParameter.Unmarshal"),
        (raw("{}"), 400, "MissingParameter.NoAppId"),
        (start(&|b| b["AppId"] = json!("nobody")), 400, "InvalidParameter.NotExistAppId"),
        (start(&|b| b["AppId"] = json!("other")), 403, "AccessDenied.NoPermissionForApp"),
        (start(&|b| b["AppId"] = json!("off")), 403, "AccessDenied.RecordNotEnabled"),
        (start(&|b| b["RoomId"] = json!("a/b")), 400, "InvalidParameter.IllegalRoomID"),
        (start(&|b| b["Encode"] = json!({ "VideoFps": 61 })), 400, "InvalidParameter"),
        (
            start(&|b| {
                b["RecordMode"] = json!(0);
                b["Encode"] = json!({ "AudioProfile": 1 });
            }),
            400,
            "InvalidParameter.NotAvailableYet",
        ),
        (start(&|b| b["Encode"] = json!({ "AudioProfile": 1 })), 400, "InvalidParameter.NotAvailableYet"),
        (
            start(&|b| {
                b["RecordMode"] = json!(0);
                b["Encode"] = json!({ "VideoCodec": 1, "VideoWidth": 1920, "VideoHeight": 14 });
            }),
            400,
            "InvalidParameter.NotAvailableYet",
        ),
        (
            start(&|b| b["StorageConfig"] = json!({ "TosConfig": { "AccountId": "1", "Bucket": "b" } })),
            400,
            "InvalidParameter.NotAvailableYet",
        ),
        (server.call("GetRecordTask"), 400, "MissingParameter.NoAppId"),
        (
            server.call("GetRecordTask").parameters(&[("AppId", "other"), ("RoomId", "r"), ("TaskId", "t")]),
            403,
            "AccessDenied.NoPermissionForApp",
        ),
    ];
    for (call, status, code) in cases {
        let answer = call.send().await;
        assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
        assert!(answer.document.get("Result").is_none(), "an error has no Result");
    }
    let fps = start(&|b| b["Encode"] = json!({ "VideoFps": 61 })).send().await;
    assert_eq!(fps.message(), "Encode.VideoFps: 61 is not allowed; allowed: an integer from 1 to 60");
    assert!(server.memory.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn statuses_follow_the_version() {
    let server = Server::run().await;
    for (version, statuses) in
        [("2022-06-01", [200, 200, 401]), ("2023-06-01", [400, 200, 401]), (VERSION, [400, 403, 401])]
    {
        let invalid = server.call("StopRecord").version(version).body(&json!({ "AppId": "/" }));
        let denied =
            server.call("StopRecord").version(version).body(&json!({ "AppId": "other", "RoomId": "r", "TaskId": "t" }));
        let unsigned = server.call("StopRecord").version(version).with(|c| c.signature = Signature::None);
        let answers = [invalid.send().await, denied.send().await, unsigned.send().await];
        assert_eq!(answers.each_ref().map(|a| a.status), statuses, "{version}");
        assert_eq!(
            answers.each_ref().map(Answer::code),
            ["InvalidParameter.IllegalAppId", "AccessDenied.NoPermissionForApp", "MissingAuthenticationToken"]
        );
    }
}

#[tokio::test]
async fn a_huge_body_gets_an_answer_and_the_server_goes_on() {
    let server = Server::run().await;
    for chunked in [false, true] {
        let answer = server.start().with(|c| (c.body, c.chunked) = (vec![b' '; 10 << 20], chunked)).send().await;
        assert_eq!((answer.status, answer.code()), (413, "InvalidParameter.BodyTooLarge"));
    }
    let largest = server.start().with(|c| c.body.resize(body::MAX_BYTES, b' ')).send().await;
    assert_eq!(largest.status, 200);
}

#[tokio::test]
async fn clients_that_trickle_their_bodies_keep_nobody_out() {
    let server = Server::run().await;
    let mut slow = Vec::new();
    for _ in 0..2 * MAX_IN_HAND {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").await.unwrap();
        slow.push(stream);
    }
    assert_eq!(server.start().send().await.status, 200);
}

#[tokio::test]
async fn bodies_share_a_memory_and_give_it_back() {
    let memory = Semaphore::new(10);
    let read = |size| body::read(axum::body::Body::from(vec![b' '; size]), &memory);
    let first = read(8).await.expect("it fits");
    assert_eq!(read(3).await.err().expect("too much").kind, ErrorKind::ReachRateLimit);
    assert!(read(2).await.is_ok());
    drop(first);
    assert_eq!(memory.available_permits(), 10);
}

#[tokio::test]
async fn sixty_calls_of_an_action_a_second() {
    let server = Server::run().await;
    let mut answers = Vec::new();
    for _ in 0..61 {
        answers.push(server.get("x").send().await);
    }
    assert_eq!(answers.iter().filter(|a| a.status == 400).count(), 60);
    assert_eq!((answers[60].status, answers[60].code()), (429, "FlowLimitExceeded.QPSOverLimit"));
    assert_eq!(server.start().send().await.status, 200, "another action has its own limit");
    server.steady_ms.store(20, Ordering::SeqCst);
    assert_eq!(server.get("x").send().await.status, 400);
}

#[tokio::test]
async fn a_bug_behind_the_api_is_an_answer_too() {
    let server = Server::run().await;
    let mut body = start_body();
    body["TaskId"] = json!("poison");
    let answer = server.start().body(&body).send().await;
    assert_eq!((answer.status, answer.code()), (500, "InternalError"));
    assert_eq!(server.start().send().await.status, 200);
}
