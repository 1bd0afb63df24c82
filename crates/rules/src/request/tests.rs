use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::select::{StreamId, StreamKind};

/// The least a single-stream task needs, in the words of `version`.
pub(super) fn minimal(version: Version) -> Value {
    let mut body = json!({ "AppId": "app", "RoomId": "room", "TaskId": "task", "RecordMode": 1 });
    let vod = json!({ "AccountId": "2100000000", "Space": "media" });
    if version == Version::V2020_12_01 {
        body["Vod"] = vod;
    } else {
        body["StorageConfig"] = json!({ "Type": 1, "VodConfig": vod });
    }
    body
}

/// A custom layout of two streams in the words of `version`.
pub(super) fn custom(version: Version) -> Value {
    let mut body = minimal(version);
    body["RecordMode"] = json!(0);
    body["TargetStreams"] = json!({ "StreamList": [
        { "Index": 0, "UserId": "u0" }, { "Index": 7, "UserId": "u0", "StreamType": 1 },
    ] });
    let size = |share: f64, pixels: u32| {
        if version.has_proportions() {
            json!({ "StreamIndex": 0, "WidthProportion": share, "HeightProportion": share })
        } else {
            json!({ "StreamIndex": 0, "Width": pixels, "Height": pixels })
        }
    };
    let mut second = size(1.0, 480);
    second["StreamIndex"] = json!(7);
    body["Layout"] = json!({ "LayoutMode": 2, "CustomLayout": {
        "Canvas": { "Width": 1920, "Height": 1080 }, "Regions": [size(0.5, 100), second],
    } });
    body
}

fn start(version: Version, body: &Value) -> StartRecord {
    StartRecord::parse(version, body).unwrap_or_else(|e| panic!("{version:?} {body}: {e}"))
}

fn refused(version: Version, body: &Value) -> ApiError {
    StartRecord::parse(version, body).expect_err(&format!("{version:?} {body}"))
}

fn layout_of(start: &StartRecord) -> &CustomLayout {
    match &start.mode {
        Mode::Mixed(Layout::Custom(layout)) => layout,
        other => panic!("no custom layout: {other:?}"),
    }
}

#[test]
fn defaults_are_the_vendors() {
    for version in Version::ALL {
        let start = start(version, &minimal(version));
        assert_eq!(start.version, version);
        assert_eq!(start.key.to_string(), "app/room/task");
        assert_eq!((start.business_id.clone(), start.mode.clone()), (None, Mode::SingleStream));
        assert!(start.targets.is_empty() && start.excluded.is_empty());
        let e = &start.encode;
        assert_eq!(
            (e.video_width, e.video_height, e.mixed_fps(), e.video_bitrate_kbps, e.video_gop_s),
            (640, 480, 15, 0, 4)
        );
        assert_eq!(e.video_fps, None, "single streams keep the rate of their sender");
        assert_eq!((e.audio_bitrate_kbps, e.audio_sample_rate_hz, e.audio_channels), (64, 48_000, 2));
        let c = &start.control;
        assert_eq!((c.max_idle_s, c.max_record_s, c.max_silence_s, c.enable_sync_upload), (180, 0, 3600, false));
        assert_eq!(start.formats, [FileFormat::Mp4]);
        assert_eq!(start.file_name, FileName::default());
        assert_eq!(start.extension.audio, AudioOutput::Aac);
        let Storage::Vod(vod) = start.storage else { panic!("VOD was asked for") };
        assert_eq!((vod.account_id.as_str(), vod.space.as_str(), vod.region), ("2100000000", "media", 0));
    }
}

#[test]
fn a_task_is_mixed_and_adaptive_unless_it_says_otherwise() {
    let mut body = minimal(Version::V2023_11_01);
    body.as_object_mut().unwrap().remove("RecordMode");
    assert_eq!(start(Version::V2023_11_01, &body).mode, Mode::Mixed(Layout::Adaptive));
}

#[test]
fn the_vendors_own_sample_spelling_is_understood() {
    let mut body = custom(Version::V2023_11_01);
    body["StorageConfig"] = json!({ "TosConfig": { "UserAccountId": "21", "Region": "3", "Bucket": "b" } });
    body["Layout"]["CustomLayout"]["Regions"][0]["Zorder"] = json!(9);
    let start = start(Version::V2023_11_01, &body);
    let Storage::Tos(tos) = &start.storage else { panic!("TOS is the default") };
    assert_eq!((tos.account_id.as_str(), tos.region), ("21", 3));
    assert_eq!(layout_of(&start).regions[0].z_order, 9);
}

#[test]
fn null_and_empty_text_count_as_absent_where_a_field_is_optional() {
    let mut body = minimal(Version::V2023_11_01);
    body["BusinessId"] = json!("");
    body["Encode"] = Value::Null;
    body["Control"] = json!({ "MaxIdleTime": null });
    body["FileNameConfig"] = json!({ "Pattern": "" });
    assert_eq!(start(Version::V2023_11_01, &body), start(Version::V2023_11_01, &minimal(Version::V2023_11_01)));
}

#[test]
fn fields_of_live_output_and_unknown_ones_are_ignored() {
    for version in Version::ALL {
        let mut body = minimal(version);
        body["Control"] =
            json!({ "PushStreamMode": "?", "VolumeIndicationInterval": -1, "TalkVolume": [], "Whatever": 1 });
        body["SEIConfig"] = json!(7);
        assert_eq!(start(version, &body), start(version, &minimal(version)));
    }
}

#[test]
fn proportions_become_pixels_up_to_2022_06_01() {
    for version in [Version::V2020_12_01, Version::V2022_06_01] {
        let mut body = custom(version);
        body["Layout"]["CustomLayout"]["Regions"][0] = json!({ "StreamIndex": 0, "LocationX": 0.33, "LocationY": 0.99999, "WidthProportion": 0.0001, "HeightProportion": 1 });
        let start = start(version, &body);
        let region = &layout_of(&start).regions[0];
        assert_eq!((region.x, region.y, region.width, region.height), (634, 1079, 1, 1080));
    }
}

#[test]
fn the_oldest_version_has_its_own_names() {
    let version = Version::V2020_12_01;
    let mut body = minimal(version);
    body["RecordFileNamePattern"] = json!("{TaskId}");
    body["FileNameConfig"] = json!({ "Pattern": "ignored", "Prefix": ["ignored"] });
    body["FileFormatConfig"] = json!({ "FileFormat": ["FLV"] });
    body["RecordMode"] = json!(0);
    body["TargetStreams"] = json!({ "StreamList": [{ "Index": 3, "UserId": "main" }] });
    body["Layout"] = json!({ "LayoutMode": 1, "MainVideoStreamIndex": 3 });
    let by_index = start(version, &body);
    assert_eq!(by_index.file_name.pattern.as_deref(), Some("{TaskId}"));
    assert_eq!(by_index.formats, [FileFormat::Mp4]);
    let main = |user: &str| {
        Mode::Mixed(Layout::Vertical {
            main: Some(Stream { user_id: user.parse().unwrap(), stream_type: StreamType::Camera }),
        })
    };
    assert_eq!(by_index.mode, main("main"));
    body["Layout"]["MainVideoStream"] = json!({ "UserId": "other" });
    assert_eq!(start(version, &body).mode, main("other"));
}

#[test]
fn our_extension_is_strict_in_every_version() {
    for version in Version::ALL {
        let mut body = minimal(version);
        body["Tapedeck"] = json!({ "AudioCodec": "opus" });
        assert_eq!(start(version, &body).extension.audio, AudioOutput::Opus);
        body["Tapedeck"] = json!({ "AudioCodec": "mp3" });
        assert_eq!(
            refused(version, &body).message,
            r#"Tapedeck.AudioCodec: "mp3" is not allowed; allowed: "aac" or "opus""#
        );
        assert!(!start(version, &minimal(version)).extension.keep_source);
        body["Tapedeck"] = json!({ "KeepSource": true });
        assert!(start(version, &body).extension.keep_source);
        body["Tapedeck"] = json!({ "KeepSource": 1 });
        assert!(refused(version, &body).message.starts_with("Tapedeck.KeepSource: "));
        body["Tapedeck"] = json!({ "Codec": "opus" });
        assert_eq!(
            refused(version, &body).message,
            "Tapedeck.Codec: unknown field; allowed: AudioCodec, KeepSource, Mix"
        );
    }
}

#[test]
fn a_profile_limits_bitrate_and_channels() {
    let with = |encode: Value| {
        let mut body = minimal(Version::V2023_11_01);
        body["Encode"] = encode;
        StartRecord::parse(Version::V2023_11_01, &body)
    };
    assert_eq!(with(json!({ "AudioProfile": 1, "AudioBitrate": 192 })).unwrap().encode.audio_bitrate_kbps, 128);
    assert_eq!(with(json!({ "AudioProfile": 2, "AudioBitrate": 192 })).unwrap().encode.audio_bitrate_kbps, 64);
    assert!(with(json!({ "AudioProfile": 2, "AudioChannels": 1 })).is_err());
}

#[test]
fn streams_are_listed_once_and_not_both_wanted_and_unwanted() {
    for version in Version::ALL {
        let refuse = |name: &str, list: Value| {
            let mut body = minimal(version);
            body["TargetStreams"] = json!({ "StreamList": [{ "UserId": "a", "Index": 1 }] });
            body[name] = json!({ "StreamList": list });
            refused(version, &body).message
        };
        let eighteen: Vec<_> = (0..18).map(|i| json!({ "UserId": format!("u{i}") })).collect();
        assert!(refuse("TargetStreams", json!(eighteen)).contains("at most 17"));
        assert!(refuse("ExcludeStreams", json!(eighteen)).contains("at most 17"));
        assert!(refuse("TargetStreams", json!([{ "UserId": "a" }, { "UserId": "a" }])).contains("listed twice"));
        assert!(
            refuse("TargetStreams", json!([{ "UserId": "a", "Index": 1 }, { "UserId": "b", "Index": 1 }]))
                .contains("twice")
        );
        assert!(refuse("ExcludeStreams", json!([{ "UserId": "a" }])).contains("ExcludeStreams too"));
        assert!(
            refuse("ExcludeStreams", json!([{ "UserId": "b", "StreamType": 1 }])).contains("StreamList[0].StreamType")
        );
        assert_eq!(
            refuse("TargetStreams", json!([{ "StreamType": 1 }])),
            format!("TargetStreams.StreamList[0].UserId: missing; allowed: {}", crate::ids::ID_RULE)
        );
    }
}

#[test]
fn the_lists_of_streams_become_a_selection() {
    let mut body = minimal(Version::V2023_11_01);
    body["TargetStreams"] = json!({ "StreamList": [{ "UserId": "a", "StreamType": 1 }] });
    body["ExcludeStreams"] = json!({ "StreamList": [{ "UserId": "b" }] });
    let id = |user: &str, kind| StreamId { user: user.to_owned(), kind };
    let selection = start(Version::V2023_11_01, &body).selection();
    assert_eq!(selection.targets, [id("a", StreamKind::Screen)].into());
    assert_eq!(selection.excluded, [id("b", StreamKind::Camera)].into());
}

#[test]
fn regions_and_streams_match_one_to_one() {
    for version in Version::ALL {
        let good = custom(version);
        assert_eq!(layout_of(&start(version, &good)).regions.len(), 2);
        let mut unknown = good.clone();
        unknown["Layout"]["CustomLayout"]["Regions"][0]["StreamIndex"] = json!(1);
        assert!(refused(version, &unknown).message.contains("Regions[0].StreamIndex: 1 is no Index"));
        let mut twice = good.clone();
        twice["Layout"]["CustomLayout"]["Regions"][1]["StreamIndex"] = json!(0);
        assert!(refused(version, &twice).message.contains("0 is used twice"));
        let mut without = good.clone();
        let list = without["TargetStreams"]["StreamList"].as_array_mut().unwrap();
        list.push(json!({ "UserId": "u2" }));
        assert!(refused(version, &without).message.contains("StreamList[2].Index: missing has no region"));
    }
}

#[test]
fn regions_lie_on_the_canvas() {
    for version in [Version::V2023_06_01, Version::V2023_11_01] {
        for (name, most) in [("LocationX", 1919), ("LocationY", 1079), ("Width", 1920), ("Height", 1080)] {
            let mut body = custom(version);
            body["Layout"]["CustomLayout"]["Regions"][1][name] = json!(most);
            start(version, &body);
            body["Layout"]["CustomLayout"]["Regions"][1][name] = json!(most + 1);
            let path = format!("Layout.CustomLayout.Regions[1].{name}: {} is not allowed", most + 1);
            assert!(refused(version, &body).message.starts_with(&path), "{name}");
        }
    }
}

#[test]
fn secrets_are_neither_logged_nor_repeated() {
    let mut body = minimal(Version::V2023_11_01);
    body["StorageConfig"] = json!({ "Type": 2, "CustomConfig": {
        "Bucket": "b", "AccessKey": "hidden-1", "SecretKey": "hidden-2", "SecurityToken": "hidden-3",
    } });
    let parsed = start(Version::V2023_11_01, &body);
    assert!(!format!("{parsed:?}").contains("hidden"));
    assert!(Value::from(parsed).to_string().contains("hidden-2"));
    body["StorageConfig"]["CustomConfig"]["SecretKey"] = json!(["hidden-4"]);
    assert!(!refused(Version::V2023_11_01, &body).message.contains("hidden"));
    body["StorageConfig"]["CustomConfig"]["SecretKey"] = json!("hidden-5".repeat(2000));
    assert!(!refused(Version::V2023_11_01, &body).message.contains("hidden"));
}

fn update(body: Value) -> UpdateRecord {
    UpdateRecord::parse(Version::V2023_11_01, &body).unwrap()
}

#[test]
fn an_update_changes_streams_background_and_regions_only() {
    let running = start(Version::V2023_11_01, &custom(Version::V2023_11_01));
    let mut body = json!({ "AppId": "app", "RoomId": "room", "TaskId": "task" });
    assert_eq!(update(body.clone()).apply(&running), Ok(running.clone()));
    body["TargetStreams"] = json!({ "StreamList": [{ "Index": 1, "UserId": "new" }] });
    assert!(update(body.clone()).apply(&running).unwrap_err().message.contains("0 is no Index"));
    body["Layout"] = json!({ "LayoutMode": 2, "CustomLayout": {
        "Canvas": { "Width": 2, "Height": 2, "Background": "#00fF10" },
        "Regions": [{ "StreamIndex": 1, "Width": 1920, "Height": 1080 }],
    } });
    let updated = update(body.clone()).apply(&running).unwrap();
    let canvas = &layout_of(&updated).canvas;
    assert_eq!((canvas.width, canvas.height, canvas.background), (1920, 1080, Color([0, 255, 16])));
    assert_eq!((updated.targets.len(), layout_of(&updated).regions.len()), (1, 1));
    body["Layout"]["CustomLayout"]["Regions"][0]["Height"] = json!(1081);
    assert!(update(body).apply(&running).unwrap_err().message.contains("at most 1080"));
}

#[test]
fn an_update_removes_the_background_image_when_it_is_empty_and_keeps_it_when_it_is_omitted() {
    const IMAGE: &str = "https://example.com/a.png";
    for version in Version::ALL {
        let mut body = custom(version);
        body["Layout"]["CustomLayout"]["Canvas"]["BackgroundImage"] = json!(IMAGE);
        let running = start(version, &body);
        let after = |canvas: Value| {
            let ids = json!({ "AppId": "app", "RoomId": "room", "TaskId": "task", "Layout": { "CustomLayout": { "Canvas": canvas } } });
            let updated = UpdateRecord::parse(version, &ids).unwrap().apply(&running).unwrap();
            layout_of(&updated).canvas.background_image.clone()
        };
        let kept = Some(IMAGE.to_owned());
        assert_eq!(after(json!({})), kept);
        assert_eq!(after(json!({ "BackgroundImage": null })), kept);
        assert_eq!(after(json!({ "Background": "#102030" })), kept);
        assert_eq!(after(json!({ "BackgroundImage": "" })), None);
        assert_eq!(after(json!({ "BackgroundImage": "http://b/" })).as_deref(), Some("http://b/"));
    }
}

#[test]
fn only_custom_layouts_can_be_updated() {
    let update = update(json!({ "AppId": "app", "RoomId": "room", "TaskId": "task" }));
    let version = Version::V2023_11_01;
    let single = start(version, &minimal(version));
    assert_eq!(update.apply(&single).unwrap_err().kind, ErrorKind::UpdateSingleStream);
    let mut body = minimal(version);
    body["RecordMode"] = json!(0);
    assert_eq!(update.apply(&start(version, &body)).unwrap_err().kind, ErrorKind::UpdateLayout);
}

#[test]
fn the_stored_form_is_a_body_of_the_newest_version() {
    let mut body = custom(Version::V2020_12_01);
    body["BusinessId"] = json!("biz");
    let start = start(Version::V2020_12_01, &body);
    let stored = Value::from(start.clone());
    assert_eq!(stored["ApiVersion"], "2020-12-01");
    assert_eq!(stored["StorageConfig"]["VodConfig"]["Space"], "media");
    assert_eq!(stored["Layout"]["CustomLayout"]["Regions"][0]["Width"], 960);
    assert_eq!(stored["Layout"]["CustomLayout"]["Canvas"]["Background"], "#000000");
    assert_eq!(stored["TargetStreams"]["StreamList"][1], json!({ "UserId": "u0", "StreamType": 1, "Index": 7 }));
    assert_eq!(
        StartRecord::parse(Version::V2023_11_01, &stored),
        Ok(StartRecord { version: Version::V2023_11_01, ..start })
    );
    assert!(serde_json::from_value::<StartRecord>(body).is_err(), "a body without ApiVersion is not a stored request");
}

/// Any JSON, mostly of names and numbers that mean something to the parser.
fn arbitrary_json() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &[
        "AppId",
        "RoomId",
        "TaskId",
        "RecordMode",
        "TargetStreams",
        "ExcludeStreams",
        "StreamList",
        "Encode",
        "Control",
        "Layout",
        "LayoutMode",
        "CustomLayout",
        "Canvas",
        "Regions",
        "StorageConfig",
        "Type",
        "VodConfig",
        "CustomConfig",
        "Vod",
        "AccountId",
        "Space",
        "Region",
        "UserId",
        "Index",
        "StreamIndex",
        "Width",
        "Height",
        "FileFormatConfig",
        "FileFormat",
        "FileNameConfig",
        "Prefix",
        "Pattern",
        "Tapedeck",
        "Background",
        "SpatialPosition",
        "Alpha",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..20).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(&["a", "#00ff00", "MP4", "0"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let name = prop_oneof![prop::sample::select(NAMES).prop_map(str::to_owned), ".{0,6}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..12)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Values worth a try in any field.
fn interesting() -> impl Strategy<Value = Value> {
    let numbers = [0, 1, 2, 3, 10, 15, 60, 64, 100, 128, 640, 1080, 1920, 3600, 10_000, 48_000, 86_400];
    prop_oneof![
        prop::sample::select(numbers.to_vec()).prop_map(Value::from),
        (0f64..=1.0).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec!["#A0b1C2", "https://x/y.png", "HLS", "2"]).prop_map(Value::from),
        prop::collection::vec(prop::sample::select(vec!["MP4", "HLS", "M4A", "ab"]), 0..4).prop_map(Value::from),
        prop::collection::vec(-100i32..=100, 3).prop_map(Value::from),
    ]
}

const FIELDS: &[&str] = &[
    "/BusinessId",
    "/Encode/VideoWidth",
    "/Encode/VideoFps",
    "/Encode/VideoBitrate",
    "/Encode/VideoCodec",
    "/Encode/AudioProfile",
    "/Encode/AudioBitrate",
    "/Encode/AudioSampleRate",
    "/Encode/AudioChannels",
    "/Control/MediaType",
    "/Control/FrameInterpolationMode",
    "/Control/MaxIdleTime",
    "/Control/MaxRecordTime",
    "/Control/MaxSilenceSeconds",
    "/Control/EnableSyncUpload",
    "/FileFormatConfig/FileFormat",
    "/FileNameConfig/Prefix",
    "/FileNameConfig/Pattern",
    "/StorageConfig/VodConfig/Region",
    "/StorageConfig/VodConfig/StorageClass",
    "/Layout/LayoutMode",
    "/Layout/CustomLayout/Canvas/Width",
    "/Layout/CustomLayout/Canvas/Background",
    "/Layout/CustomLayout/Canvas/BackgroundImage",
    "/Layout/CustomLayout/Regions/0/LocationX",
    "/Layout/CustomLayout/Regions/0/ZOrder",
    "/Layout/CustomLayout/Regions/0/Alpha",
    "/Layout/CustomLayout/Regions/0/RenderMode",
    "/Layout/CustomLayout/Regions/0/CornerRadius",
    "/Layout/CustomLayout/Regions/0/AlternateImage",
    "/Layout/CustomLayout/Regions/0/SpatialPosition",
    "/Layout/CustomLayout/Regions/0/SourceCrop/WidthProportion",
    "/RecordMode",
    "/TargetStreams/StreamList/0/StreamType",
];

/// Puts `value` at a path such as `/Encode/VideoFps`.
pub(super) fn put(body: &mut Value, path: &str, value: Value) {
    let mut at = body;
    for step in path[1..].split('/') {
        at = match step.parse::<usize>() {
            Ok(i) => &mut at[i],
            Err(_) => &mut at[step],
        };
    }
    *at = value;
}

proptest! {
    #[test]
    fn arbitrary_json_never_panics(body in arbitrary_json(), stored in arbitrary_json()) {
        for version in Version::ALL {
            let _ = StartRecord::parse(version, &body);
            let _ = UpdateRecord::parse(version, &body);
            let _ = StopRecord::parse(version, &body);
        }
        let _ = StartRecord::try_from(stored);
    }

    #[test]
    fn a_valid_request_survives_storage(
        version in prop::sample::select(Version::ALL.to_vec()),
        changes in prop::collection::vec((prop::sample::select(FIELDS), interesting()), 0..6),
    ) {
        let mut body = custom(version);
        for (path, value) in changes {
            put(&mut body, path, value);
        }
        if let Ok(start) = StartRecord::parse(version, &body) {
            let text = serde_json::to_string(&start).unwrap();
            prop_assert_eq!(serde_json::from_str::<StartRecord>(&text).unwrap(), start);
        }
    }
}
