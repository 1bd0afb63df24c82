//! Requests of clients and responses of servers (`livekit_rtc.proto`).

use super::enums::*;
use super::models::*;
use std::collections::BTreeMap;

/// One message from client to server; `message` is `None` for kinds this subset does not know.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignalRequest {
    #[prost(oneof = "signal_request::Message", tags = "1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16, 17, 18")]
    pub message: Option<signal_request::Message>,
}

pub mod signal_request {
    use super::*;

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Message {
        #[prost(message, tag = "1")]
        Offer(SessionDescription),
        #[prost(message, tag = "2")]
        Answer(SessionDescription),
        #[prost(message, tag = "3")]
        Trickle(TrickleRequest),
        #[prost(message, tag = "4")]
        AddTrack(AddTrackRequest),
        #[prost(message, tag = "5")]
        Mute(MuteTrackRequest),
        #[prost(message, tag = "6")]
        Subscription(UpdateSubscription),
        #[prost(message, tag = "7")]
        TrackSetting(UpdateTrackSettings),
        #[prost(message, tag = "8")]
        Leave(LeaveRequest),
        #[prost(message, tag = "10")]
        UpdateLayers(UpdateVideoLayers),
        #[prost(message, tag = "11")]
        SubscriptionPermission(SubscriptionPermission),
        #[prost(message, tag = "12")]
        SyncState(Box<SyncState>),
        /// Unix milliseconds.
        #[prost(int64, tag = "14")]
        Ping(i64),
        #[prost(message, tag = "15")]
        UpdateMetadata(UpdateParticipantMetadata),
        #[prost(message, tag = "16")]
        PingReq(Ping),
        #[prost(message, tag = "17")]
        UpdateAudioTrack(UpdateLocalAudioTrack),
        #[prost(message, tag = "18")]
        UpdateVideoTrack(UpdateLocalVideoTrack),
    }
}

/// One message from server to client; `message` is `None` for kinds this subset does not know.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignalResponse {
    #[prost(
        oneof = "signal_response::Message",
        tags = "1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25"
    )]
    pub message: Option<signal_response::Message>,
}

pub mod signal_response {
    use super::*;

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Message {
        #[prost(message, tag = "1")]
        Join(Box<JoinResponse>),
        #[prost(message, tag = "2")]
        Answer(SessionDescription),
        #[prost(message, tag = "3")]
        Offer(SessionDescription),
        #[prost(message, tag = "4")]
        Trickle(TrickleRequest),
        #[prost(message, tag = "5")]
        Update(ParticipantUpdate),
        #[prost(message, tag = "6")]
        TrackPublished(TrackPublishedResponse),
        #[prost(message, tag = "8")]
        Leave(LeaveRequest),
        #[prost(message, tag = "9")]
        Mute(MuteTrackRequest),
        #[prost(message, tag = "10")]
        SpeakersChanged(SpeakersChanged),
        #[prost(message, tag = "11")]
        RoomUpdate(RoomUpdate),
        #[prost(message, tag = "12")]
        ConnectionQuality(ConnectionQualityUpdate),
        #[prost(message, tag = "13")]
        StreamStateUpdate(StreamStateUpdate),
        #[prost(message, tag = "14")]
        SubscribedQualityUpdate(SubscribedQualityUpdate),
        #[prost(message, tag = "15")]
        SubscriptionPermissionUpdate(SubscriptionPermissionUpdate),
        #[prost(string, tag = "16")]
        RefreshToken(String),
        #[prost(message, tag = "17")]
        TrackUnpublished(TrackUnpublishedResponse),
        /// Unix milliseconds.
        #[prost(int64, tag = "18")]
        Pong(i64),
        #[prost(message, tag = "19")]
        Reconnect(ReconnectResponse),
        #[prost(message, tag = "20")]
        PongResp(Pong),
        #[prost(message, tag = "21")]
        SubscriptionResponse(SubscriptionResponse),
        #[prost(message, tag = "22")]
        RequestResponse(RequestResponse),
        #[prost(message, tag = "23")]
        TrackSubscribed(TrackSubscribed),
        #[prost(message, tag = "25")]
        MediaSectionsRequirement(MediaSectionsRequirement),
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SimulcastCodec {
    /// Such as `h264`, without the kind in front.
    #[prost(string, tag = "1")]
    pub codec: String,
    #[prost(string, tag = "2")]
    pub cid: String,
    #[prost(message, repeated, tag = "4")]
    pub layers: Vec<VideoLayer>,
    #[prost(enumeration = "VideoLayerMode", tag = "5")]
    pub video_layer_mode: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AddTrackRequest {
    /// The client's name of the track, also the second token of its `a=msid`.
    #[prost(string, tag = "1")]
    pub cid: String,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(enumeration = "TrackType", tag = "3")]
    pub r#type: i32,
    #[prost(uint32, tag = "4")]
    pub width: u32,
    #[prost(uint32, tag = "5")]
    pub height: u32,
    #[prost(bool, tag = "6")]
    pub muted: bool,
    #[prost(bool, tag = "7")]
    pub disable_dtx: bool,
    #[prost(enumeration = "TrackSource", tag = "8")]
    pub source: i32,
    #[prost(message, repeated, tag = "9")]
    pub layers: Vec<VideoLayer>,
    #[prost(message, repeated, tag = "10")]
    pub simulcast_codecs: Vec<SimulcastCodec>,
    #[prost(string, tag = "11")]
    pub sid: String,
    #[prost(bool, tag = "12")]
    pub stereo: bool,
    #[prost(bool, tag = "13")]
    pub disable_red: bool,
    #[prost(enumeration = "EncryptionType", tag = "14")]
    pub encryption: i32,
    #[prost(string, tag = "15")]
    pub stream: String,
    #[prost(enumeration = "AudioTrackFeature", repeated, tag = "17")]
    pub audio_features: Vec<i32>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TrickleRequest {
    /// JSON `{candidate, sdpMid, sdpMLineIndex}`.
    #[prost(string, tag = "1")]
    pub candidate_init: String,
    #[prost(enumeration = "SignalTarget", tag = "2")]
    pub target: i32,
    #[prost(bool, tag = "3")]
    pub r#final: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MuteTrackRequest {
    #[prost(string, tag = "1")]
    pub sid: String,
    #[prost(bool, tag = "2")]
    pub muted: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct JoinResponse {
    #[prost(message, optional, tag = "1")]
    pub room: Option<Room>,
    #[prost(message, optional, tag = "2")]
    pub participant: Option<ParticipantInfo>,
    #[prost(message, repeated, tag = "3")]
    pub other_participants: Vec<ParticipantInfo>,
    #[prost(string, tag = "4")]
    pub server_version: String,
    #[prost(message, repeated, tag = "5")]
    pub ice_servers: Vec<IceServer>,
    #[prost(bool, tag = "6")]
    pub subscriber_primary: bool,
    #[prost(string, tag = "7")]
    pub alternative_url: String,
    #[prost(string, tag = "9")]
    pub server_region: String,
    /// Seconds without any server message after which a client gives the socket up.
    #[prost(int32, tag = "10")]
    pub ping_timeout: i32,
    /// Seconds.
    #[prost(int32, tag = "11")]
    pub ping_interval: i32,
    #[prost(message, optional, tag = "12")]
    pub server_info: Option<ServerInfo>,
    #[prost(message, repeated, tag = "14")]
    pub enabled_publish_codecs: Vec<Codec>,
    #[prost(bool, tag = "15")]
    pub fast_publish: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReconnectResponse {
    #[prost(message, repeated, tag = "1")]
    pub ice_servers: Vec<IceServer>,
    #[prost(message, optional, tag = "3")]
    pub server_info: Option<ServerInfo>,
    #[prost(uint32, tag = "4")]
    pub last_message_seq: u32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct IceServer {
    #[prost(string, repeated, tag = "1")]
    pub urls: Vec<String>,
    #[prost(string, tag = "2")]
    pub username: String,
    #[prost(string, tag = "3")]
    pub credential: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TrackPublishedResponse {
    #[prost(string, tag = "1")]
    pub cid: String,
    #[prost(message, optional, tag = "2")]
    pub track: Option<TrackInfo>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TrackUnpublishedResponse {
    #[prost(string, tag = "1")]
    pub track_sid: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SessionDescription {
    /// `offer` or `answer`.
    #[prost(string, tag = "1")]
    pub r#type: String,
    #[prost(string, tag = "2")]
    pub sdp: String,
    /// An answer echoes the id of its offer.
    #[prost(uint32, tag = "3")]
    pub id: u32,
    #[prost(btree_map = "string, string", tag = "4")]
    pub mid_to_track_id: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ParticipantUpdate {
    #[prost(message, repeated, tag = "1")]
    pub participants: Vec<ParticipantInfo>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpdateSubscription {
    #[prost(string, repeated, tag = "1")]
    pub track_sids: Vec<String>,
    #[prost(bool, tag = "2")]
    pub subscribe: bool,
    #[prost(message, repeated, tag = "3")]
    pub participant_tracks: Vec<ParticipantTracks>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpdateTrackSettings {
    #[prost(string, repeated, tag = "1")]
    pub track_sids: Vec<String>,
    #[prost(bool, tag = "3")]
    pub disabled: bool,
    #[prost(enumeration = "VideoQuality", tag = "4")]
    pub quality: i32,
    #[prost(uint32, tag = "5")]
    pub width: u32,
    #[prost(uint32, tag = "6")]
    pub height: u32,
    #[prost(uint32, tag = "7")]
    pub fps: u32,
    /// 1 is the highest, 0 is unset.
    #[prost(uint32, tag = "8")]
    pub priority: u32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LeaveRequest {
    /// For clients of protocol 12 and older.
    #[prost(bool, tag = "1")]
    pub can_reconnect: bool,
    #[prost(enumeration = "DisconnectReason", tag = "2")]
    pub reason: i32,
    #[prost(enumeration = "LeaveAction", tag = "3")]
    pub action: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpdateVideoLayers {
    #[prost(string, tag = "1")]
    pub track_sid: String,
    #[prost(message, repeated, tag = "2")]
    pub layers: Vec<VideoLayer>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpdateLocalAudioTrack {
    #[prost(string, tag = "1")]
    pub track_sid: String,
    #[prost(enumeration = "AudioTrackFeature", repeated, tag = "2")]
    pub features: Vec<i32>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpdateLocalVideoTrack {
    #[prost(string, tag = "1")]
    pub track_sid: String,
    #[prost(uint32, tag = "2")]
    pub width: u32,
    #[prost(uint32, tag = "3")]
    pub height: u32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpdateParticipantMetadata {
    #[prost(string, tag = "1")]
    pub metadata: String,
    #[prost(string, tag = "2")]
    pub name: String,
    /// Keys to set; an empty value deletes the key.
    #[prost(btree_map = "string, string", tag = "3")]
    pub attributes: BTreeMap<String, String>,
    #[prost(uint32, tag = "4")]
    pub request_id: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SpeakersChanged {
    #[prost(message, repeated, tag = "1")]
    pub speakers: Vec<SpeakerInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RoomUpdate {
    #[prost(message, optional, tag = "1")]
    pub room: Option<Room>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ConnectionQualityUpdate {
    #[prost(message, repeated, tag = "1")]
    pub updates: Vec<ConnectionQualityInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ConnectionQualityInfo {
    #[prost(string, tag = "1")]
    pub participant_sid: String,
    #[prost(enumeration = "ConnectionQuality", tag = "2")]
    pub quality: i32,
    #[prost(float, tag = "3")]
    pub score: f32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StreamStateUpdate {
    #[prost(message, repeated, tag = "1")]
    pub stream_states: Vec<StreamStateInfo>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StreamStateInfo {
    #[prost(string, tag = "1")]
    pub participant_sid: String,
    #[prost(string, tag = "2")]
    pub track_sid: String,
    #[prost(enumeration = "StreamState", tag = "3")]
    pub state: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubscribedQualityUpdate {
    #[prost(string, tag = "1")]
    pub track_sid: String,
    #[prost(message, repeated, tag = "2")]
    pub subscribed_qualities: Vec<SubscribedQuality>,
    #[prost(message, repeated, tag = "3")]
    pub subscribed_codecs: Vec<SubscribedCodec>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubscribedCodec {
    #[prost(string, tag = "1")]
    pub codec: String,
    #[prost(message, repeated, tag = "2")]
    pub qualities: Vec<SubscribedQuality>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SubscribedQuality {
    #[prost(enumeration = "VideoQuality", tag = "1")]
    pub quality: i32,
    #[prost(bool, tag = "2")]
    pub enabled: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubscriptionPermission {
    #[prost(bool, tag = "1")]
    pub all_participants: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubscriptionPermissionUpdate {
    #[prost(string, tag = "1")]
    pub participant_sid: String,
    #[prost(string, tag = "2")]
    pub track_sid: String,
    #[prost(bool, tag = "3")]
    pub allowed: bool,
}

/// What a client knows when it resumes, so that the server can bring it up to date.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SyncState {
    #[prost(message, optional, tag = "1")]
    pub answer: Option<SessionDescription>,
    #[prost(message, optional, tag = "2")]
    pub subscription: Option<UpdateSubscription>,
    #[prost(message, repeated, tag = "3")]
    pub publish_tracks: Vec<TrackPublishedResponse>,
    #[prost(message, repeated, tag = "4")]
    pub data_channels: Vec<DataChannelInfo>,
    #[prost(message, optional, tag = "5")]
    pub offer: Option<SessionDescription>,
    #[prost(string, repeated, tag = "6")]
    pub track_sids_disabled: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DataChannelInfo {
    #[prost(string, tag = "1")]
    pub label: String,
    #[prost(uint32, tag = "2")]
    pub id: u32,
    #[prost(enumeration = "SignalTarget", tag = "3")]
    pub target: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Ping {
    /// Unix milliseconds.
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
    /// Milliseconds.
    #[prost(int64, tag = "2")]
    pub rtt: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Pong {
    /// `timestamp` of the ping this answers.
    #[prost(int64, tag = "1")]
    pub last_ping_timestamp: i64,
    /// Unix milliseconds of the server.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubscriptionResponse {
    #[prost(string, tag = "1")]
    pub track_sid: String,
    #[prost(enumeration = "SubscriptionError", tag = "2")]
    pub err: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RequestResponse {
    #[prost(uint32, tag = "1")]
    pub request_id: u32,
    #[prost(enumeration = "RequestReason", tag = "2")]
    pub reason: i32,
    #[prost(string, tag = "3")]
    pub message: String,
    #[prost(oneof = "request_response::Request", tags = "5, 6, 7")]
    pub request: Option<request_response::Request>,
}

pub mod request_response {
    use super::*;

    /// The request that is answered.
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Request {
        #[prost(message, tag = "5")]
        AddTrack(AddTrackRequest),
        #[prost(message, tag = "6")]
        Mute(MuteTrackRequest),
        #[prost(message, tag = "7")]
        UpdateMetadata(UpdateParticipantMetadata),
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TrackSubscribed {
    #[prost(string, tag = "1")]
    pub track_sid: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ConnectionSettings {
    #[prost(bool, tag = "1")]
    pub auto_subscribe: bool,
    #[prost(bool, tag = "2")]
    pub adaptive_stream: bool,
    #[prost(bool, optional, tag = "3")]
    pub subscriber_allow_pause: Option<bool>,
    #[prost(bool, tag = "4")]
    pub disable_ice_lite: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct JoinRequest {
    #[prost(message, optional, tag = "1")]
    pub client_info: Option<ClientInfo>,
    #[prost(message, optional, tag = "2")]
    pub connection_settings: Option<ConnectionSettings>,
    /// Replaces the token's when not empty.
    #[prost(string, tag = "3")]
    pub metadata: String,
    /// Laid over the token's.
    #[prost(btree_map = "string, string", tag = "4")]
    pub participant_attributes: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "5")]
    pub add_track_requests: Vec<AddTrackRequest>,
    #[prost(message, optional, tag = "6")]
    pub publisher_offer: Option<SessionDescription>,
    #[prost(bool, tag = "7")]
    pub reconnect: bool,
    #[prost(enumeration = "ReconnectReason", tag = "8")]
    pub reconnect_reason: i32,
    #[prost(string, tag = "9")]
    pub participant_sid: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WrappedJoinRequest {
    #[prost(enumeration = "JoinCompression", tag = "1")]
    pub compression: i32,
    /// An encoded [`JoinRequest`], compressed or not.
    #[prost(bytes = "vec", tag = "2")]
    pub join_request: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct MediaSectionsRequirement {
    #[prost(uint32, tag = "1")]
    pub num_audios: u32,
    #[prost(uint32, tag = "2")]
    pub num_videos: u32,
}
