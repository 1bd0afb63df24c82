//! Rooms, participants, tracks and what describes them (`livekit_models.proto`).

use super::enums::*;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, prost::Message)]
pub struct Room {
    #[prost(string, tag = "1")]
    pub sid: String,
    #[prost(string, tag = "2")]
    pub name: String,
    /// Seconds.
    #[prost(uint32, tag = "3")]
    pub empty_timeout: u32,
    /// Seconds.
    #[prost(uint32, tag = "14")]
    pub departure_timeout: u32,
    #[prost(uint32, tag = "4")]
    pub max_participants: u32,
    /// Unix seconds.
    #[prost(int64, tag = "5")]
    pub creation_time: i64,
    /// Unix milliseconds.
    #[prost(int64, tag = "15")]
    pub creation_time_ms: i64,
    #[prost(message, repeated, tag = "7")]
    pub enabled_codecs: Vec<Codec>,
    #[prost(string, tag = "8")]
    pub metadata: String,
    #[prost(uint32, tag = "9")]
    pub num_participants: u32,
    #[prost(uint32, tag = "11")]
    pub num_publishers: u32,
    #[prost(bool, tag = "10")]
    pub active_recording: bool,
    #[prost(message, optional, tag = "13")]
    pub version: Option<TimedVersion>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Codec {
    /// Such as `video/H264`.
    #[prost(string, tag = "1")]
    pub mime: String,
    #[prost(string, tag = "2")]
    pub fmtp_line: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct TimedVersion {
    #[prost(int64, tag = "1")]
    pub unix_micro: i64,
    #[prost(int32, tag = "2")]
    pub ticks: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ParticipantPermission {
    #[prost(bool, tag = "1")]
    pub can_subscribe: bool,
    #[prost(bool, tag = "2")]
    pub can_publish: bool,
    #[prost(bool, tag = "3")]
    pub can_publish_data: bool,
    #[prost(enumeration = "TrackSource", repeated, tag = "9")]
    pub can_publish_sources: Vec<i32>,
    #[prost(bool, tag = "7")]
    pub hidden: bool,
    #[prost(bool, tag = "8")]
    pub recorder: bool,
    #[prost(bool, tag = "10")]
    pub can_update_metadata: bool,
    #[prost(bool, tag = "11")]
    pub agent: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ParticipantInfo {
    /// Starts with `PA_`.
    #[prost(string, tag = "1")]
    pub sid: String,
    #[prost(string, tag = "2")]
    pub identity: String,
    #[prost(enumeration = "ParticipantState", tag = "3")]
    pub state: i32,
    #[prost(message, repeated, tag = "4")]
    pub tracks: Vec<TrackInfo>,
    #[prost(string, tag = "5")]
    pub metadata: String,
    /// Unix seconds.
    #[prost(int64, tag = "6")]
    pub joined_at: i64,
    /// Unix milliseconds.
    #[prost(int64, tag = "17")]
    pub joined_at_ms: i64,
    #[prost(string, tag = "9")]
    pub name: String,
    /// Grows with every change; clients drop older ones.
    #[prost(uint32, tag = "10")]
    pub version: u32,
    #[prost(message, optional, tag = "11")]
    pub permission: Option<ParticipantPermission>,
    #[prost(string, tag = "12")]
    pub region: String,
    #[prost(bool, tag = "13")]
    pub is_publisher: bool,
    #[prost(enumeration = "ParticipantKind", tag = "14")]
    pub kind: i32,
    #[prost(btree_map = "string, string", tag = "15")]
    pub attributes: BTreeMap<String, String>,
    #[prost(enumeration = "DisconnectReason", tag = "16")]
    pub disconnect_reason: i32,
    #[prost(int32, tag = "20")]
    pub client_protocol: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TrackInfo {
    /// Starts with `TR_`.
    #[prost(string, tag = "1")]
    pub sid: String,
    #[prost(enumeration = "TrackType", tag = "2")]
    pub r#type: i32,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(bool, tag = "4")]
    pub muted: bool,
    /// Pixels of the full picture; 0 for sound.
    #[prost(uint32, tag = "5")]
    pub width: u32,
    #[prost(uint32, tag = "6")]
    pub height: u32,
    #[prost(bool, tag = "7")]
    pub simulcast: bool,
    #[prost(bool, tag = "8")]
    pub disable_dtx: bool,
    #[prost(enumeration = "TrackSource", tag = "9")]
    pub source: i32,
    #[prost(message, repeated, tag = "10")]
    pub layers: Vec<VideoLayer>,
    /// Such as `video/H264`.
    #[prost(string, tag = "11")]
    pub mime_type: String,
    /// Of the publisher's media section.
    #[prost(string, tag = "12")]
    pub mid: String,
    #[prost(message, repeated, tag = "13")]
    pub codecs: Vec<SimulcastCodecInfo>,
    #[prost(bool, tag = "14")]
    pub stereo: bool,
    #[prost(bool, tag = "15")]
    pub disable_red: bool,
    #[prost(enumeration = "EncryptionType", tag = "16")]
    pub encryption: i32,
    #[prost(string, tag = "17")]
    pub stream: String,
    #[prost(message, optional, tag = "18")]
    pub version: Option<TimedVersion>,
    #[prost(enumeration = "AudioTrackFeature", repeated, tag = "19")]
    pub audio_features: Vec<i32>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SimulcastCodecInfo {
    #[prost(string, tag = "1")]
    pub mime_type: String,
    #[prost(string, tag = "2")]
    pub mid: String,
    #[prost(string, tag = "3")]
    pub cid: String,
    #[prost(message, repeated, tag = "4")]
    pub layers: Vec<VideoLayer>,
    #[prost(enumeration = "VideoLayerMode", tag = "5")]
    pub video_layer_mode: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct VideoLayer {
    #[prost(enumeration = "VideoQuality", tag = "1")]
    pub quality: i32,
    #[prost(uint32, tag = "2")]
    pub width: u32,
    #[prost(uint32, tag = "3")]
    pub height: u32,
    /// Bits per second the publisher aims at.
    #[prost(uint32, tag = "4")]
    pub bitrate: u32,
    #[prost(uint32, tag = "5")]
    pub ssrc: u32,
    #[prost(int32, tag = "6")]
    pub spatial_layer: i32,
    #[prost(string, tag = "7")]
    pub rid: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ParticipantTracks {
    #[prost(string, tag = "1")]
    pub participant_sid: String,
    #[prost(string, repeated, tag = "2")]
    pub track_sids: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SpeakerInfo {
    #[prost(string, tag = "1")]
    pub sid: String,
    /// 0 to 1, linear.
    #[prost(float, tag = "2")]
    pub level: f32,
    #[prost(bool, tag = "3")]
    pub active: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ServerInfo {
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(int32, tag = "3")]
    pub protocol: i32,
    #[prost(string, tag = "4")]
    pub region: String,
    #[prost(string, tag = "5")]
    pub node_id: String,
    #[prost(string, tag = "6")]
    pub debug_info: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClientInfo {
    #[prost(enumeration = "ClientSdk", tag = "1")]
    pub sdk: i32,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(int32, tag = "3")]
    pub protocol: i32,
    #[prost(string, tag = "4")]
    pub os: String,
    #[prost(string, tag = "5")]
    pub os_version: String,
    #[prost(string, tag = "6")]
    pub device_model: String,
    #[prost(string, tag = "7")]
    pub browser: String,
    #[prost(string, tag = "8")]
    pub browser_version: String,
    #[prost(string, tag = "10")]
    pub network: String,
    #[prost(int32, tag = "12")]
    pub client_protocol: i32,
}
