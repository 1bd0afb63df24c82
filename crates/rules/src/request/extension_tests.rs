//! `Tapedeck.Mix`, which is strict in every version.

use serde_json::json;

use super::tests::{custom, minimal};
use super::*;

fn mixed(version: Version, layout: Value, mix: Value) -> Result<StartRecord, ApiError> {
    let mut body = minimal(version);
    body["RecordMode"] = json!(0);
    body["Layout"] = layout;
    body["Tapedeck"] = json!({ "Mix": mix });
    StartRecord::parse(version, &body)
}

fn refusal(mix: Value) -> String {
    let messages = Version::ALL.map(|version| {
        let error = mixed(version, json!({}), mix.clone()).expect_err(&mix.to_string());
        assert_eq!(error.kind, ErrorKind::InvalidParameter);
        error.message
    });
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
    messages[0].clone()
}

#[test]
fn everything_is_read_and_kept() {
    let fields = json!({
        "Layout": "speaker", "MaxCells": 6, "Names": true,
        "Clock": { "Position": "bottom-right", "UtcOffsetMinutes": 480 },
        "Watermarks": [
            { "Text": "内部资料", "X": 10, "Y": 20, "Size": 40, "Color": "#FF8000", "Alpha": 0.5 },
            { "Image": "https://example.com/logo.png", "X": 500, "Y": 400, "Width": 120, "Height": 60 },
        ],
    });
    for version in Version::ALL {
        let start = mixed(version, json!({}), fields.clone()).unwrap();
        let mix = start.extension.mix.clone().unwrap();
        assert_eq!((mix.layout, mix.max_cells, mix.names), (Some(MixLayout::Speaker), Some(6), true));
        assert_eq!(mix.clock, Some(Clock { position: Corner::BottomRight, utc_offset_minutes: 480 }));
        let color = Color([0xff, 0x80, 0]);
        let text = Mark::Text { text: "内部资料".into(), size: 40, color };
        let image = Mark::Image { image: "https://example.com/logo.png".into(), width: 120, height: 60 };
        assert_eq!(
            mix.watermarks,
            [Watermark { x: 10, y: 20, alpha: 0.5, mark: text }, Watermark { x: 500, y: 400, alpha: 1.0, mark: image },]
        );
        let stored = Value::from(start.clone());
        assert_eq!(StartRecord::try_from(stored), Ok(start));
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let mix = |fields: Value| mixed(Version::V2023_11_01, json!({}), fields).unwrap().extension.mix;
    assert_eq!(mix(Value::Null), None);
    let empty = mix(json!({})).unwrap();
    assert_eq!((empty.layout, empty.max_cells, empty.names, empty.clock), (None, None, false, None));
    assert_eq!(empty.watermarks, []);
    let some = mix(json!({ "Clock": {}, "Watermarks": [{ "Text": "t" }] })).unwrap();
    assert_eq!(some.clock, Some(Clock { position: Corner::TopRight, utc_offset_minutes: 0 }));
    let text = Mark::Text { text: "t".into(), size: 32, color: Color([0xff; 3]) };
    assert_eq!(some.watermarks, [Watermark { x: 0, y: 0, alpha: 1.0, mark: text }]);
}

#[test]
fn each_refusal_names_the_field_the_value_and_what_is_allowed() {
    let corners = r#""top-left", "top-right", "bottom-left" or "bottom-right""#;
    let image = json!("https://example.com/logo.png");
    let mark = |fields: Value| json!({ "Watermarks": [{ "Text": "t" }, fields] });
    for (fields, message) in [
        (json!({ "Gird": 1 }), "Gird: unknown field; allowed: Layout, MaxCells, Names, Clock, Watermarks".to_owned()),
        (json!({ "Layout": "grid" }), r#"Layout: "grid" is not allowed; allowed: "speaker""#.into()),
        (json!({ "MaxCells": 0 }), "MaxCells: 0 is not allowed; allowed: an integer from 1 to 17".into()),
        (json!({ "MaxCells": 18 }), "MaxCells: 18 is not allowed; allowed: an integer from 1 to 17".into()),
        (json!({ "Names": 1 }), "Names: 1 is not allowed; allowed: true or false".into()),
        (json!({ "Clock": true }), "Clock: true is not allowed; allowed: an object".into()),
        (json!({ "Clock": { "Zone": 1 } }), "Clock.Zone: unknown field; allowed: Position, UtcOffsetMinutes".into()),
        (
            json!({ "Clock": { "Position": "top" } }),
            format!("Clock.Position: \"top\" is not allowed; allowed: {corners}"),
        ),
        (
            json!({ "Clock": { "UtcOffsetMinutes": -721 } }),
            "Clock.UtcOffsetMinutes: -721 is not allowed; allowed: an integer from -720 to 840".into(),
        ),
        (
            json!({ "Watermarks": vec![json!({ "Text": "t" }); 9] }),
            "Watermarks: 9 watermarks are not allowed; allowed: at most 8".into(),
        ),
        (mark(json!({})), "Watermarks[1].Text: missing, and so is Image; allowed: one of the two".into()),
        (
            mark(json!({ "Text": "t", "Image": image })),
            "Watermarks[1].Image: not allowed beside Text; allowed: one of the two".into(),
        ),
        (
            mark(json!({ "Text": "two\nlines" })),
            "Watermarks[1].Text: \"two\\nlines\" is not allowed; allowed: 1 to 128 printable characters".into(),
        ),
        (
            mark(json!({ "Text": "" })),
            "Watermarks[1].Text: \"\" is not allowed; allowed: 1 to 128 printable characters".into(),
        ),
        (
            mark(json!({ "Text": "t", "Width": 9 })),
            "Watermarks[1].Width: unknown field; allowed: Text, X, Y, Size, Color, Alpha".into(),
        ),
        (
            mark(json!({ "Text": "t", "Size": 401 })),
            "Watermarks[1].Size: 401 is not allowed; allowed: an integer from 8 to 400".into(),
        ),
        (
            mark(json!({ "Text": "t", "Color": "red" })),
            "Watermarks[1].Color: \"red\" is not allowed; allowed: #RRGGBB".into(),
        ),
        (
            mark(json!({ "Text": "t", "Alpha": 0 })),
            "Watermarks[1].Alpha: 0 is not allowed; allowed: a number in (0, 1]".into(),
        ),
        (
            mark(json!({ "Text": "t", "X": 640 })),
            "Watermarks[1].X: 640 is not allowed; allowed: an integer from 0 to 639".into(),
        ),
        (
            mark(json!({ "Image": image, "Width": 9, "Height": 9, "Y": 480 })),
            "Watermarks[1].Y: 480 is not allowed; allowed: an integer from 0 to 479".into(),
        ),
        (
            mark(json!({ "Image": image, "Width": 9 })),
            "Watermarks[1].Height: missing; allowed: an integer from 1 to 1920".into(),
        ),
        (
            mark(json!({ "Image": "", "Width": 9, "Height": 9 })),
            "Watermarks[1].Image: \"\" is not allowed; allowed: an address".into(),
        ),
        (
            mark(json!({ "Image": image, "Size": 9 })),
            "Watermarks[1].Size: unknown field; allowed: Image, X, Y, Width, Height, Alpha".into(),
        ),
    ] {
        assert_eq!(refusal(fields), format!("Tapedeck.Mix.{message}"));
    }
    let file = refusal(mark(json!({ "Image": "file:///etc/passwd", "Width": 9, "Height": 9 })));
    assert!(file.contains("allowed: an address beginning with http:// or https://"), "{file}");
}

#[test]
fn single_streams_and_layouts_of_the_callers_choice_have_no_mix_of_ours() {
    for version in Version::ALL {
        let mut body = minimal(version);
        body["Tapedeck"] = json!({ "Mix": {} });
        assert_eq!(
            StartRecord::parse(version, &body).unwrap_err().message,
            "Tapedeck.Mix: not allowed with RecordMode 1 (SingleStream); allowed: with 0 (Mixed)"
        );
        let mut body = minimal(version);
        body["RecordMode"] = json!(0);
        body["Tapedeck"] = json!({ "KeepSource": true });
        assert_eq!(
            StartRecord::parse(version, &body).unwrap_err().message,
            "Tapedeck.KeepSource: true is not allowed with RecordMode 0 (Mixed); allowed: with 1 (SingleStream)"
        );
        let in_custom = |mix: Value| {
            let mut body = custom(version);
            body["Tapedeck"] = json!({ "Mix": mix });
            StartRecord::parse(version, &body)
        };
        assert!(in_custom(json!({ "Layout": "speaker" })).unwrap_err().message.starts_with("Tapedeck.Mix.Layout: "));
        assert_eq!(
            in_custom(json!({ "MaxCells": 4 })).unwrap_err().message,
            "Tapedeck.Mix.MaxCells: 4 is not allowed with LayoutMode 2 (Custom); allowed: with any other layout"
        );
        assert!(in_custom(json!({ "Names": true, "Clock": {}, "Watermarks": [{ "Text": "t" }] })).is_ok());
        let speaker = |layout: Value| mixed(version, layout, json!({ "Layout": "speaker" }));
        assert!(speaker(json!({ "LayoutMode": 0 })).is_ok() && speaker(json!({ "LayoutMode": 1 })).is_ok());
        let named = json!({ "LayoutMode": 1, "MainVideoStream": { "UserId": "a" } });
        for layout in [json!({ "LayoutMode": 3 }), named] {
            assert_eq!(
                speaker(layout).unwrap_err().message,
                "Tapedeck.Mix.Layout: \"speaker\" is not allowed beside this layout; allowed: beside LayoutMode 0 \
                 (Adaptive), or 1 (Vertical) without a main stream"
            );
        }
    }
}

#[test]
fn positions_are_within_the_canvas_of_the_layout() {
    let mut body = custom(Version::V2023_11_01);
    body["Layout"]["CustomLayout"]["Canvas"] = json!({ "Width": 1000, "Height": 600 });
    body["Tapedeck"] = json!({ "Mix": { "Watermarks": [{ "Text": "t", "X": 999, "Y": 599 }] } });
    assert!(StartRecord::parse(Version::V2023_11_01, &body).is_ok());
    body["Tapedeck"] = json!({ "Mix": { "Watermarks": [{ "Text": "t", "Y": 600 }] } });
    let error = StartRecord::parse(Version::V2023_11_01, &body).unwrap_err();
    assert!(error.message.ends_with("allowed: an integer from 0 to 599"), "{error}");
}

#[test]
fn an_update_keeps_what_is_ours() {
    let mut body = custom(Version::V2023_11_01);
    body["Tapedeck"] = json!({ "Mix": { "Names": true, "Watermarks": [{ "Text": "t" }] } });
    let running = StartRecord::parse(Version::V2023_11_01, &body).unwrap();
    let change = json!({
        "AppId": "app", "RoomId": "room", "TaskId": "task",
        "Layout": { "CustomLayout": { "Canvas": { "Background": "#102030" } } },
    });
    let update = UpdateRecord::parse(Version::V2023_11_01, &change).unwrap();
    assert_eq!(update.apply(&running).unwrap().extension, running.extension);
}
