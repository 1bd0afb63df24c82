//! Messages of the LiveKit signalling protocol: the subset that room server and room client speak, written by hand
//! with the field numbers of `livekit_models.proto` and `livekit_rtc.proto`. Fields left out are skipped on decoding.
//! No behaviour belongs here.

mod data;
mod enums;
mod models;
mod signal;

pub use data::*;
pub use enums::*;
pub use models::*;
pub use prost::Message;
pub use signal::*;

/// Longest signalling or data message that SDKs send, in bytes, is 64 000; servers may send more.
pub const MAX_DATA_BYTES: usize = 64_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn field_numbers_match_the_wire() {
        // SignalRequest{add_track(4): {cid(1): "c", type(3): VIDEO, simulcast_codecs(10): [{codec(1): "av1"}]}}
        let bytes = b"\x22\x0c\x0a\x01c\x18\x01\x52\x05\x0a\x03av1";
        let got = SignalRequest::decode(&bytes[..]).expect("a message");
        let Some(signal_request::Message::AddTrack(add)) = got.message else { panic!("another message") };
        assert_eq!((add.cid.as_str(), add.r#type()), ("c", TrackType::Video));
        assert_eq!(add.simulcast_codecs[0].codec, "av1");
        // SignalResponse{pong_resp(20): {last_ping_timestamp(1): 7}}: field 20 needs a two-byte tag.
        let pong = Pong { last_ping_timestamp: 7, timestamp: 0 };
        let message = SignalResponse { message: Some(signal_response::Message::PongResp(pong)) };
        assert_eq!(message.encode_to_vec(), b"\xa2\x01\x02\x08\x07");
    }

    #[test]
    fn unknown_fields_and_enum_values_are_survived() {
        // TrackInfo{type(2): 9 (unknown), 100: "x"}
        let got = TrackInfo::decode(&b"\x10\x09\xa2\x06\x01x"[..]).expect("a message");
        assert_eq!(got.r#type(), TrackType::Audio);
    }

    #[test]
    fn a_join_survives_the_round_trip() {
        let participant = ParticipantInfo {
            sid: "PA_1".into(),
            identity: "alice".into(),
            state: ParticipantState::Active as i32,
            attributes: [("business_id".to_owned(), "shop".to_owned())].into(),
            tracks: vec![TrackInfo { sid: "TR_1".into(), r#type: TrackType::Video as i32, ..Default::default() }],
            ..Default::default()
        };
        let join = JoinResponse { participant: Some(participant), ping_interval: 5, ..Default::default() };
        let message = SignalResponse { message: Some(signal_response::Message::Join(Box::new(join))) };
        assert_eq!(SignalResponse::decode(&message.encode_to_vec()[..]).expect("a message"), message);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = SignalRequest::decode(&bytes[..]);
            let _ = SignalResponse::decode(&bytes[..]);
            let _ = WrappedJoinRequest::decode(&bytes[..]);
            let _ = DataPacket::decode(&bytes[..]);
        }
    }
}
