//! Every field with a range, at and beyond its limits, in every version.

use serde_json::json;

use super::tests::{custom, minimal, put};
use super::*;

/// Which versions know a field.
#[derive(Clone, Copy, PartialEq)]
enum Since {
    First,
    StorageConfig,
    Pixels,
    Newest,
}

impl Since {
    fn knows(self, version: Version) -> bool {
        version
            >= match self {
                Since::First => Version::V2020_12_01,
                Since::StorageConfig => Version::V2022_06_01,
                Since::Pixels => Version::V2023_06_01,
                Since::Newest => Version::V2023_11_01,
            }
    }
}

struct Row {
    path: &'static str,
    since: Since,
    good: Vec<Value>,
    bad: Vec<Value>,
}

fn row<const G: usize, const B: usize>(since: Since, path: &'static str, good: [Value; G], bad: [Value; B]) -> Row {
    Row { path, since, good: good.into(), bad: bad.into() }
}

fn text(len: usize) -> Value {
    "x".repeat(len).into()
}

fn address(len: usize) -> Value {
    format!("https://{}", "x".repeat(len - 8)).into()
}

/// `[from, to]` of whole numbers.
fn ints(since: Since, path: &'static str, from: i64, to: i64) -> Row {
    row(
        since,
        path,
        [json!(from), json!(to)],
        [json!(from - 1), json!(to + 1), json!(from as f64 + 0.5), json!("1"), json!([]), json!({})],
    )
}

fn share(path: &'static str, zero: bool, one: bool) -> Row {
    let mut row = row(Since::First, path, [json!(0.5), json!(0.001)], [json!(-0.001), json!(1.001), json!("0.5")]);
    if zero { &mut row.good } else { &mut row.bad }.push(json!(0));
    if one { &mut row.good } else { &mut row.bad }.push(json!(1.0));
    row
}

fn bools(since: Since, path: &'static str) -> Row {
    row(since, path, [json!(false)], [json!(0), json!("true")])
}

/// Optional fields of a mixed task with a custom layout.
fn optional() -> Vec<Row> {
    use Since::*;
    let side = |path| {
        row(
            First,
            path,
            [json!(2), json!(1920)],
            [json!(0), json!(3), json!(1922), json!(-2), json!(640.0), json!("640")],
        )
    };
    let url = |path| {
        row(First, path, [address(1024), json!("http://x"), json!("")], [address(1025), json!("ftp://x"), json!(1)])
    };
    let rate = [json!(16_000), json!(32_000), json!(44_100), json!(48_000)];
    let color = [json!("#000000"), json!("#fFfFfF")];
    vec![
        row(First, "/BusinessId", [text(1), text(128)], [text(129), json!("a b"), json!("a/b"), json!(7)]),
        ints(First, "/RecordMode", 0, 1),
        side("/Encode/VideoWidth"),
        side("/Encode/VideoHeight"),
        ints(First, "/Encode/VideoFps", 1, 60),
        ints(First, "/Encode/VideoBitrate", 0, 10_000),
        ints(First, "/Encode/VideoCodec", 0, 1),
        ints(First, "/Encode/VideoGop", 1, 5),
        ints(First, "/Encode/AudioCodec", 0, 0),
        ints(First, "/Encode/AudioProfile", 0, 2),
        ints(First, "/Encode/AudioBitrate", 32, 192),
        row(First, "/Encode/AudioSampleRate", rate, [json!(8000), json!(48_001), json!(0), json!("x")]),
        ints(First, "/Encode/AudioChannels", 1, 2),
        ints(First, "/Control/MediaType", 0, 1),
        ints(First, "/Control/FrameInterpolationMode", 0, 1),
        ints(First, "/Control/MaxIdleTime", 10, 86_400),
        ints(First, "/Control/MaxRecordTime", 0, i64::from(i32::MAX)),
        ints(Newest, "/Control/MaxSilenceSeconds", 60, 3600),
        bools(Newest, "/Control/EnableSyncUpload"),
        row(
            StorageConfig,
            "/FileFormatConfig/FileFormat",
            [json!([]), json!(["MP4", "HLS", "FLV", "MP3", "AAC", "M4A", "MP4"])],
            [json!(["mp4"]), json!(["MKV"]), json!("MP4"), json!([1])],
        ),
        row(
            StorageConfig,
            "/FileNameConfig/Prefix",
            [json!([]), json!(["aZ0", "b"]), json!([text(127)])],
            [json!([text(128)]), json!([""]), json!(["a_b"]), json!(["a/b"]), json!("a")],
        ),
        row(
            StorageConfig,
            "/FileNameConfig/Pattern",
            [json!(""), text(512), json!("{UserId}/录")],
            [text(513), json!("a\nb"), json!(1)],
        ),
        ints(StorageConfig, "/StorageConfig/VodConfig/Region", 0, 1).with_good(json!("1")).without_bad(json!("1")),
        ints(Newest, "/StorageConfig/VodConfig/StorageClass", 1, 3),
        bools(Newest, "/StorageConfig/VodConfig/AutoSetFileExtension"),
        ints(First, "/TargetStreams/StreamList/0/StreamType", 0, 0).only_bad([json!(2), json!(-1), json!("0")]),
        side("/Layout/CustomLayout/Canvas/Width").with_good(json!(480)),
        side("/Layout/CustomLayout/Canvas/Height").with_good(json!(480)),
        row(
            First,
            "/Layout/CustomLayout/Canvas/Background",
            color,
            [json!("000000"), json!("#00000"), json!("#gggggg"), json!(0)],
        ),
        url("/Layout/CustomLayout/Canvas/BackgroundImage"),
        ints(First, "/Layout/CustomLayout/Regions/0/ZOrder", 0, 100),
        ints(First, "/Layout/CustomLayout/Regions/0/RenderMode", 0, 3),
        url("/Layout/CustomLayout/Regions/0/AlternateImage"),
        ints(First, "/Layout/CustomLayout/Regions/0/AlternateImageFillMode", 0, 1),
        ints(First, "/Layout/CustomLayout/Regions/0/MediaType", 0, 2),
        bools(First, "/Layout/CustomLayout/Regions/0/ApplySpatialAudio"),
        row(
            First,
            "/Layout/CustomLayout/Regions/0/SpatialPosition",
            [json!([0, -100, 100])],
            [json!([0, 0]), json!([0, 0, 0, 0]), json!([101, 0, 0]), json!([0, -101, 0]), json!([0.5, 0, 0]), json!(0)],
        ),
        share("/Layout/CustomLayout/Regions/0/Alpha", false, true),
        share("/Layout/CustomLayout/Regions/0/CornerRadius", true, true),
        share("/Layout/CustomLayout/Regions/0/SourceCrop/LocationX", true, false),
        share("/Layout/CustomLayout/Regions/0/SourceCrop/LocationY", true, false),
        share("/Layout/CustomLayout/Regions/0/SourceCrop/WidthProportion", false, true),
        share("/Layout/CustomLayout/Regions/0/SourceCrop/HeightProportion", false, true),
    ]
}

impl Row {
    fn with_good(mut self, value: Value) -> Self {
        self.good.push(value);
        self
    }

    fn without_bad(mut self, value: Value) -> Self {
        self.bad.retain(|v| *v != value);
        self
    }

    fn only_bad<const N: usize>(mut self, bad: [Value; N]) -> Self {
        self.bad = bad.into();
        self
    }
}

/// The message names the field where the body has it: `/A/B/0/C` is written `A.B[0].C`.
fn names_the_field(error: &ApiError, path: &str) -> bool {
    let mut written = String::new();
    for step in path[1..].split('/') {
        match step.parse::<usize>() {
            Ok(i) => written.push_str(&format!("[{i}]")),
            Err(_) if written.is_empty() => written.push_str(step),
            Err(_) => written.push_str(&format!(".{step}")),
        }
    }
    error.message.starts_with(&format!("{written}: ")) && error.message.contains("allowed: ")
}

#[test]
fn optional_fields() {
    for version in Version::ALL {
        for row in optional() {
            let plain = StartRecord::parse(version, &custom(version)).unwrap();
            let parse = |value: &Value| {
                let mut body = custom(version);
                put(&mut body, row.path, value.clone());
                // A canvas smaller than its regions is another test's matter.
                if row.path.contains("Canvas") {
                    body["Layout"]["CustomLayout"]["Regions"] = json!([]);
                    body["TargetStreams"] = json!({});
                }
                StartRecord::parse(version, &body)
            };
            for value in &row.good {
                assert!(parse(value).is_ok(), "{version:?} {} {value}: {:?}", row.path, parse(value));
            }
            for value in &row.bad {
                let result = parse(value);
                if version == Version::V2023_11_01 {
                    let error = result.expect_err(&format!("{} {value}", row.path));
                    assert_eq!(error.kind, ErrorKind::InvalidParameter, "{}", row.path);
                    assert!(names_the_field(&error, row.path), "{}: {}", row.path, error.message);
                } else if row.path.contains("Canvas") {
                    assert_eq!(result, parse(&Value::Null), "{version:?} {} {value}", row.path);
                } else {
                    assert_eq!(result.as_ref(), Ok(&plain), "{version:?} {} {value}: the default holds", row.path);
                }
            }
            if !row.since.knows(version) {
                let defaults: Vec<_> = row.good.iter().map(|v| parse(v).unwrap()).collect();
                assert!(defaults.iter().all(|d| *d == plain), "{version:?} does not know {}", row.path);
            }
        }
    }
}

/// Fields whose bad values no version excuses.
#[test]
fn required_and_always_checked_fields() {
    use ErrorKind::*;
    let ids = [Value::Null, json!(""), text(129), json!("a b"), json!(1), json!([])];
    let id_kinds = |missing, invalid| [missing, invalid, invalid, invalid, invalid, invalid];
    for version in Version::ALL {
        let storage = if version == Version::V2020_12_01 { "/Vod" } else { "/StorageConfig/VodConfig" };
        let account = format!("{storage}/AccountId");
        let space = format!("{storage}/Space");
        for (path, kinds) in [
            ("/AppId", id_kinds(NoAppId, IllegalAppId)),
            ("/RoomId", id_kinds(NoRoomId, IllegalRoomId)),
            ("/TaskId", id_kinds(InvalidParameter, InvalidParameter)),
            ("/TargetStreams/StreamList/0/UserId", id_kinds(NoUserId, InvalidParameter)),
            (
                &account,
                [NoAccount, EmptyAccountId, InvalidParameter, InvalidParameter, InvalidParameter, InvalidParameter],
            ),
            (&space, [InvalidParameter; 6]),
        ] {
            for (value, kind) in ids.iter().zip(kinds) {
                let mut body = custom(version);
                put(&mut body, path, value.clone());
                let error = StartRecord::parse(version, &body).expect_err(&format!("{version:?} {path} {value}"));
                assert_eq!(error.kind, kind, "{version:?} {path} {value}");
                assert!(names_the_field(&error, path), "{}", error.message);
            }
        }
        regions(version);
    }
}

fn regions(version: Version) {
    let shares = Since::Pixels.knows(version).then_some(()).is_none();
    let (width, height) = if shares { ("WidthProportion", "HeightProportion") } else { ("Width", "Height") };
    let (low, high) = if shares { (json!(-0.1), json!(1.1)) } else { (json!(-1), json!(1921)) };
    for (name, bad) in [
        ("StreamIndex", vec![Value::Null, json!(-1), json!(0.5), json!(i64::from(i32::MAX) + 1)]),
        (width, vec![Value::Null, json!(0), low.clone(), high.clone(), json!("1")]),
        (height, vec![Value::Null, json!(0), low.clone(), high.clone(), json!("1")]),
        ("LocationX", vec![low.clone(), high.clone(), json!("0")]),
        ("LocationY", vec![low.clone(), high.clone(), json!("0")]),
    ] {
        for value in bad {
            let path = format!("/Layout/CustomLayout/Regions/0/{name}");
            let mut body = custom(version);
            put(&mut body, &path, value.clone());
            let error = StartRecord::parse(version, &body).expect_err(&format!("{version:?} {path} {value}"));
            assert_eq!(error.kind, ErrorKind::InvalidParameter);
            assert!(names_the_field(&error, &path), "{}", error.message);
        }
    }
}

#[test]
fn objects_and_lists_of_another_type_are_refused_in_every_version() {
    for version in Version::ALL {
        for path in [
            "/TargetStreams",
            "/TargetStreams/StreamList",
            "/TargetStreams/StreamList/0",
            "/ExcludeStreams",
            "/Encode",
            "/Control",
            "/Layout",
            "/Layout/CustomLayout",
            "/Layout/CustomLayout/Canvas",
            "/Layout/CustomLayout/Regions",
            "/Layout/CustomLayout/Regions/0",
            "/Layout/CustomLayout/Regions/0/SourceCrop",
            "/Tapedeck",
        ] {
            for value in [json!(1), json!("x"), json!(true)] {
                let mut body = custom(version);
                put(&mut body, path, value);
                let error = StartRecord::parse(version, &body).expect_err(path);
                assert!(names_the_field(&error, path), "{}", error.message);
            }
        }
        for body in [json!([]), json!("x"), json!(1), Value::Null] {
            assert_eq!(StartRecord::parse(version, &body).unwrap_err().kind, ErrorKind::Unmarshal);
        }
    }
}

#[test]
fn storage_blocks() {
    let version = Version::V2023_11_01;
    let parse = |storage: Value| {
        let mut body = minimal(version);
        body["StorageConfig"] = storage;
        StartRecord::parse(version, &body)
    };
    for kind in [json!(3), json!(-1), json!("1")] {
        assert!(parse(json!({ "Type": kind })).unwrap_err().message.starts_with("StorageConfig.Type: "));
    }
    for (kind, block) in [(0, "TosConfig"), (1, "VodConfig"), (2, "CustomConfig")] {
        let error = parse(json!({ "Type": kind })).unwrap_err();
        assert_eq!(error.message, format!("StorageConfig.{block}: missing; required by StorageConfig.Type {kind}"));
    }
    let tos = |field: &str, value: Value| {
        let mut tos = json!({ "AccountId": "1", "Bucket": "b", "Region": 3 });
        tos[field] = value;
        parse(json!({ "TosConfig": tos })).map(drop).map_err(|e| e.message)
    };
    assert_eq!(tos("Region", json!("2")), Ok(()));
    for (field, value) in [
        ("Region", json!(4)),
        ("Region", json!("x")),
        ("Bucket", json!("")),
        ("Bucket", json!("../b")),
        ("Bucket", Value::Null),
    ] {
        assert!(tos(field, value).unwrap_err().starts_with(&format!("StorageConfig.TosConfig.{field}: ")));
    }
    let custom = |changes: Value| {
        let mut custom = json!({ "Bucket": "b", "AccessKey": "a", "SecretKey": "s" });
        for (name, value) in changes.as_object().unwrap() {
            custom[name] = value.clone();
        }
        parse(json!({ "Type": 2, "CustomConfig": custom })).map(drop).map_err(|e| e.message)
    };
    for good in [
        json!({}),
        json!({ "Region": 24 }),
        json!({ "Vendor": 1, "Region": 23 }),
        json!({ "Vendor": 2, "Region": 14 }),
        json!({ "Vendor": 3, "Region": 10 }),
        json!({ "Vendor": 4, "Region": 3 }),
        json!({ "Vendor": 4, "SecurityToken": "" }),
    ] {
        assert_eq!(custom(good.clone()), Ok(()), "{good}");
    }
    for (field, bad) in [
        ("Vendor", json!({ "Vendor": 5 })),
        ("Region", json!({ "Region": 7 })),
        ("Region", json!({ "Region": 25 })),
        ("Region", json!({ "Vendor": 1, "Region": 16 })),
        ("Region", json!({ "Vendor": 2 })),
        ("Region", json!({ "Vendor": 3, "Region": 0 })),
        ("Region", json!({ "Vendor": 4, "Region": 4 })),
        ("AccessKey", json!({ "AccessKey": "" })),
        ("SecretKey", json!({ "SecretKey": null })),
        ("SecurityToken", json!({ "Vendor": 4, "SecurityToken": "t" })),
        ("SecurityToken", json!({ "SecurityToken": text(8193) })),
    ] {
        let message = custom(bad.clone()).expect_err(&bad.to_string());
        assert!(message.starts_with(&format!("StorageConfig.CustomConfig.{field}: ")), "{message}");
    }
}

#[test]
fn sync_upload_needs_hls() {
    let version = Version::V2023_11_01;
    let mut body = minimal(version);
    body["Control"] = json!({ "EnableSyncUpload": true });
    assert!(StartRecord::parse(version, &body).unwrap_err().message.starts_with("Control.EnableSyncUpload: "));
    body["FileFormatConfig"] = json!({ "FileFormat": ["HLS"] });
    assert!(StartRecord::parse(version, &body).unwrap().control.enable_sync_upload);
}

#[test]
fn the_other_actions_check_their_keys() {
    let good = json!({ "AppId": "a", "RoomId": "r", "TaskId": "t", "BusinessId": "b" });
    for version in Version::ALL {
        assert_eq!(StopRecord::parse(version, &good).unwrap().key.to_string(), "a/r/t");
        assert_eq!(UpdateRecord::parse(version, &good).unwrap().key.to_string(), "a/r/t");
        for (name, kind) in
            [("AppId", ErrorKind::NoAppId), ("RoomId", ErrorKind::NoRoomId), ("TaskId", ErrorKind::InvalidParameter)]
        {
            let mut body = good.clone();
            body[name] = Value::Null;
            assert_eq!(StopRecord::parse(version, &body).unwrap_err().kind, kind);
            assert_eq!(UpdateRecord::parse(version, &body).unwrap_err().kind, kind);
        }
    }
    let query = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        GetRecordTask::parse(&pairs)
    };
    let all = [("AppId", "a"), ("Version", "x"), ("RoomId", "r"), ("TaskId", "t@1")];
    assert_eq!(query(&all).unwrap().key.to_string(), "a/r/t@1");
    assert_eq!(query(&all[..3]).unwrap_err().message, format!("TaskId: missing; allowed: {}", crate::ids::ID_RULE));
    assert_eq!(query(&[("AppId", "/")]).unwrap_err().kind, ErrorKind::IllegalAppId);
}
