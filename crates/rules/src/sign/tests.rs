use proptest::prelude::*;

use super::*;

const SECRET: &str = "c2VjcmV0ZHVtbXk=";
const NOW_S: i64 = 1_795_365_067; // 20261122T163107Z

/// A request that owns its parts.
#[derive(Debug, Clone)]
struct Sample {
    method: &'static str,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sample {
    fn new(method: &'static str, query: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Self { method, query: decode_query(query), headers, body: body.into() }
    }

    fn request(&self) -> Request<'_> {
        Request { method: self.method, path: "/", query: &self.query, headers: &self.headers, body: &self.body }
    }

    fn check(&self, secret: &str, now_s: i64) -> Result<(), ErrorKind> {
        let claim = Claim::read(&self.request()).map_err(|e| e.kind)?;
        claim.verify(&self.request(), secret, now_s).map_err(|e| e.kind)
    }

    fn set_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn set_parameter(mut self, name: &str, value: &str) -> Self {
        self.query.retain(|(n, _)| n != name);
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// As the vendor's Python client sends it.
fn python_post() -> Sample {
    Sample::new(
        "POST",
        "Action=StartRecord&Version=2023-11-01",
        &[
            ("host", "127.0.0.1:18099"),
            ("content-type", "application/json"),
            ("x-date", "20261122T163107Z"),
            ("x-content-sha256", "20c0638ac71afd091733c7c8a2b813603213fc3652fbb92c44d692dba04d8b02"),
            (
                "authorization",
                "HMAC-SHA256 Credential=AKLTdummy/20261122/cn-north-1/rtc/request, \
                 SignedHeaders=content-type;host;x-content-sha256;x-date, \
                 Signature=07d7438e9c573bfdfb0e7ec2241ff21baaa6baa0add46b653417671a423d9597",
            ),
        ],
        r#"{"AppId": "661e000000000000000543cf", "RoomId": "Room1", "TaskId": "Task1", "RecordMode": 0, "StorageConfig": {"Type": 0, "TosConfig": {"AccountId": "2100000000", "Region": 0, "Bucket": "rec"}}, "FileFormatConfig": {"FileFormat": ["MP4", "HLS"]}}"#,
    )
}

/// As the vendor's JavaScript client sends it: only the date is signed.
fn javascript_get() -> Sample {
    Sample::new(
        "GET",
        "Version=2022-06-01&Action=GetRecordTask&TaskId=Task@1&AppId=661e000000000000000543cf&RoomId=Room1",
        &[
            ("host", "127.0.0.1:18099"),
            ("x-date", "20261122T163155Z"),
            (
                "authorization",
                "HMAC-SHA256 Credential=AKLTdummy/20261122/cn-north-1/rtc/request, SignedHeaders=x-date, \
                 Signature=a032fc82d259088703a167bc7eed23692a9b1b102a5f8ffb07c76bb7839a5b65",
            ),
        ],
        "",
    )
}

const IN_QUERY: &str = "Action=GetRecordTask&Version=2023-11-01&AppId=a&RoomId=r+1&TaskId=t%2A%28%21%29~\
    &X-Date=20261122T163107Z&X-NotSignBody=&X-Credential=AKLTdummy%2F20261122%2Fcn-north-1%2Frtc%2Frequest\
    &X-Algorithm=HMAC-SHA256&X-SignedHeaders=";

/// As the vendor's Python and Go clients sign an address.
fn python_address() -> Sample {
    let tail = "&X-SignedQueries=Action%3BAppId%3BRoomId%3BTaskId%3BVersion%3BX-Algorithm%3BX-Credential%3BX-Date\
        %3BX-NotSignBody%3BX-SignedHeaders%3BX-SignedQueries\
        &X-Signature=e2019af0d1a5c92c06e688379462f39159f0da47aa7d896275160b4bb08e150f";
    Sample::new("GET", &format!("{IN_QUERY}{tail}"), &[("host", "h")], "")
}

/// As the vendor's JavaScript client signs an address: the list of names is not itself signed.
fn javascript_address() -> Sample {
    let tail = "&X-SignedQueries=Action%3BAppId%3BRoomId%3BTaskId%3BVersion%3BX-Algorithm%3BX-Credential%3BX-Date\
        %3BX-NotSignBody%3BX-SignedHeaders\
        &X-Signature=09729d78bff271a12ca368614891db7eef169bb776ad3007ce9cddb0f686ab5c";
    Sample::new("GET", &format!("{IN_QUERY}{tail}"), &[("host", "h")], "")
}

#[test]
fn requests_of_the_vendors_clients_verify() {
    for sample in [python_post(), javascript_get(), python_address(), javascript_address()] {
        assert_eq!(sample.check(SECRET, NOW_S), Ok(()), "{sample:?}");
        assert_eq!(sample.check("another", NOW_S), Err(ErrorKind::SignatureDoesNotMatch), "{sample:?}");
    }
}

/// The worked example of the vendor's documentation, with its published sample keys.
#[test]
fn the_documented_example_verifies() {
    let sample = Sample::new(
        "GET",
        "Action=GetRecordTask&Version=2022-06-01&AppId=Your_AppId&RoomId=Your_RoomId&TaskId=Your_TaskId",
        &[
            ("host", "rtc.volcengineapi.com"),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("x-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-date", "20201230T081805Z"),
            (
                "authorization",
                "HMAC-SHA256 Credential=AKLTMjI2ODVlYzI3ZGY1NGU4ZjhjYWRjMTlmNTM5OTZkYzE/20201230/cn-north-1/rtc/request, \
                 SignedHeaders=content-type;host;x-content-sha256;x-date, \
                 Signature=b650bac39169258e864c755c583327377aa505c8588f873bd7b3c5a08584942d",
            ),
        ],
        "",
    );
    let secret = "TnpCak5XWXpZV1U0WkRaaE5ERmxaR0ZpTmpjeVkyUXlZek0wTWpJMU1qWQ==";
    let signed_s = date::parse("20201230T081805Z").unwrap();
    assert_eq!(sample.check(secret, signed_s), Ok(()));
    let request = sample.request();
    let names = ["content-type", "host", "x-content-sha256", "x-date"].map(str::to_owned);
    let block = &canonical_headers(&request, &names)[0];
    let canonical = canonical_request(&request, request.query, block, b"");
    let hash = hex::encode(Sha256::digest(canonical));
    assert_eq!(hash, "cd2e2d1e141de6f5af872f4a5976268cf3757ce45a102ded8e0d8483e5435dfc");
}

#[test]
fn a_changed_request_is_refused() {
    let post = python_post();
    let mut body = post.clone();
    body.body.push(b' ');
    let mut method = post.clone();
    method.method = "PUT";
    let extra = |sample: Sample| sample.set_parameter("Extra", "1");
    for changed in [
        body,
        method,
        extra(post.clone()),
        post.clone().set_parameter("Action", "StopRecord"),
        post.clone().set_header("host", "evil"),
        post.clone().set_header("x-content-sha256", "00"),
        post.set_header("content-type", "text/plain"),
        extra(javascript_get()),
        javascript_get().set_parameter("TaskId", "Task2"),
        extra(python_address()),
        python_address().set_parameter("RoomId", "r2"),
        extra(javascript_address()),
    ] {
        assert_eq!(changed.check(SECRET, NOW_S), Err(ErrorKind::SignatureDoesNotMatch), "{changed:?}");
    }
}

#[test]
fn what_is_not_signed_may_change() {
    let sample = javascript_get().set_header("host", "elsewhere").set_header("content-type", "application/json");
    assert_eq!(sample.check(SECRET, NOW_S), Ok(()));
}

#[test]
fn signatures_are_in_force_for_a_while() {
    let sample = python_post();
    for (now_s, result) in [
        (NOW_S + DEFAULT_EXPIRES_S, Ok(())),
        (NOW_S + DEFAULT_EXPIRES_S + 1, Err(ErrorKind::InvalidTimestamp)),
        (NOW_S - MAX_AHEAD_S, Ok(())),
        (NOW_S - MAX_AHEAD_S - 1, Err(ErrorKind::InvalidTimestamp)),
    ] {
        assert_eq!(sample.check(SECRET, now_s), result, "{now_s}");
    }
}

fn signer() -> Signer {
    Signer { access_key: "AKLTdummy".into(), secret: SECRET.into(), region: "cn-north-1".into() }
}

/// `sample` with the signature of [`signer`] in its headers.
fn signed(sample: &Sample) -> Sample {
    let added = signer().headers(&sample.request(), NOW_S);
    added.into_iter().fold(sample.clone(), |s, (name, value)| s.set_header(&name, &value))
}

#[test]
fn x_expires_sets_the_time_in_force() {
    let with = |expires: &str| signed(&Sample::new("GET", &format!("X-Expires={expires}"), &[("host", "h")], ""));
    assert_eq!(with("60").check(SECRET, NOW_S + 60), Ok(()));
    assert_eq!(with("60").check(SECRET, NOW_S + 61), Err(ErrorKind::InvalidTimestamp));
    assert_eq!(with("604800").check(SECRET, NOW_S + 604_800), Ok(()));
    for bad in ["0", "-1", "604801", "x", ""] {
        assert_eq!(with(bad).check(SECRET, NOW_S), Err(ErrorKind::InvalidTimestamp), "{bad:?}");
    }
}

#[test]
fn the_port_80_or_443_may_be_stripped_before_signing() {
    for (sent, signed_as) in [("h:80", "h"), ("h:443", "h"), ("h:80", "h:80"), ("[::1]:443", "[::1]"), ("h", "h")] {
        let sample = signed(&Sample::new("GET", "", &[("host", signed_as)], "")).set_header("host", sent);
        assert_eq!(sample.check(SECRET, NOW_S), Ok(()), "{sent} signed as {signed_as}");
    }
    let sample = signed(&Sample::new("GET", "", &[("host", "h")], "")).set_header("host", "h:8080");
    assert_eq!(sample.check(SECRET, NOW_S), Err(ErrorKind::SignatureDoesNotMatch));
}

#[test]
fn each_flaw_has_its_code() {
    use ErrorKind::*;
    let auth = |value: &str| python_post().set_header("authorization", value);
    let scope =
        |credential: &str| auth(&format!("HMAC-SHA256 Credential={credential}, SignedHeaders=x-date, Signature=00"));
    let without = |name: &str| {
        let mut sample = python_post();
        sample.headers.retain(|(n, _)| n != name);
        sample
    };
    let address_without = |name: &str| {
        let mut sample = python_address();
        sample.query.retain(|(n, _)| n != name);
        sample
    };
    for (sample, kind) in [
        (without("authorization"), MissingAuthenticationToken),
        (without("x-date"), MissingRequestInfo),
        (python_post().set_header("x-date", "yesterday"), InvalidTimestamp),
        (auth("Basic eA=="), InvalidAuthorization),
        (auth("HMAC-SHA256"), MissingSignature),
        (auth("HMAC-SHA256 Signature=00"), InvalidAuthorization),
        (auth("HMAC-SHA256 Credential=a/20261122/r/rtc/request, Signature=00"), InvalidAuthorization),
        (scope("a"), InvalidCredential),
        (scope("/20261122/r/rtc/request"), InvalidCredential),
        (scope("a/20261122//rtc/request"), InvalidCredential),
        (scope("a/20261122/r/vod/request"), InvalidCredential),
        (scope("a/20261122/r/rtc/other"), InvalidCredential),
        (scope("a/20261121/r/rtc/request"), InvalidCredential),
        (scope("a/2026/r/rtc/request"), InvalidCredential),
        (scope("a/20261122/r/rtc/request"), SignatureDoesNotMatch),
        (python_post().set_header("x-security-token", "t"), InvalidSecretToken),
        (address_without("X-Signature"), MissingSignature),
        (address_without("X-Date"), MissingRequestInfo),
        (address_without("X-Credential"), MissingRequestInfo),
        (address_without("X-SignedQueries"), MissingRequestInfo),
        (address_without("Action"), SignatureDoesNotMatch),
        (python_address().set_parameter("X-Algorithm", "MD5"), InvalidAuthorization),
        (python_address().set_parameter("X-Signature", "zz"), SignatureDoesNotMatch),
    ] {
        assert_eq!(sample.check(SECRET, NOW_S), Err(kind), "{sample:?}");
    }
}

#[test]
fn queries_are_read_as_browsers_write_them() {
    let pairs = |raw| -> Vec<(String, String)> { decode_query(raw) };
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
    };
    assert_eq!(pairs("a=1&&b=x+y%20z&c&d=%2B%zz%4"), owned(&[("a", "1"), ("b", "x y z"), ("c", ""), ("d", "+%zz%4")]));
    assert_eq!(encode_query(&owned(&[("b", "x y"), ("a", "2"), ("a", "*1")])), "a=%2A1&a=2&b=x%20y");
}

proptest! {
    #[test]
    fn what_is_signed_verifies(query in prop::collection::vec((".{0,8}", ".{0,8}"), 0..5), body: Vec<u8>, in_query: bool) {
        let query = query.into_iter().filter(|(name, _)| !name.is_empty() && !name.contains(';'))
            .map(|(name, value)| (format!("p{name}"), value)).collect();
        let mut sample = Sample { method: "POST", query, headers: vec![("host".into(), "h".into())], body };
        if in_query {
            sample.query = decode_query(&encode_query(&signer().query(&sample.request(), NOW_S)));
        } else {
            sample = signed(&sample);
        }
        prop_assert_eq!(sample.check(SECRET, NOW_S), Ok(()));
        prop_assert_eq!(sample.check("other", NOW_S), Err(ErrorKind::SignatureDoesNotMatch));
    }

    #[test]
    fn nothing_from_outside_panics(authorization in ".{0,80}", date in "[0-9TZ]{0,20}", raw in ".{0,80}", fields in "[a-zA-Z0-9/=,; -]{0,60}") {
        for authorization in [authorization, format!("HMAC-SHA256 {fields}")] {
            let sample = python_post().set_header("authorization", &authorization).set_header("x-date", &date);
            let _ = sample.check(SECRET, NOW_S);
        }
        let _ = Sample::new("GET", &raw, &[], "").check(SECRET, NOW_S);
        let _ = Sample::new("GET", &format!("X-Credential={fields}&X-Signature=00&X-Date={date}&X-SignedQueries={raw}"), &[], "")
            .check(SECRET, NOW_S);
    }
}
