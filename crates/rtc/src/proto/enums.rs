//! Enumerations of the protocol. Nested enumerations carry the name of their message in front.

use prost::Enumeration;

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($value:ident = $number:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
        #[repr(i32)]
        pub enum $name { $($value = $number),+ }
    };
}

wire_enum!(
    /// Which peer connection a description or candidate is for.
    SignalTarget { Publisher = 0, Subscriber = 1 });
wire_enum!(TrackType { Audio = 0, Video = 1, Data = 2 });
wire_enum!(TrackSource { Unknown = 0, Camera = 1, Microphone = 2, ScreenShare = 3, ScreenShareAudio = 4 });
wire_enum!(VideoQuality { Low = 0, Medium = 1, High = 2, Off = 3 });
wire_enum!(
/// How the spatial layers of a video track lie in RTP streams.
VideoLayerMode {
    Unused = 0,
    OneSpatialLayerPerStream = 1,
    MultipleSpatialLayersPerStream = 2,
    OneSpatialLayerPerStreamIncompleteRtcpSr = 3,
});
wire_enum!(EncryptionType { None = 0, Gcm = 1, Custom = 2 });
wire_enum!(
    /// JOINING: socket open; JOINED: first offer seen; ACTIVE: media connected; DISCONNECTED: gone.
    ParticipantState { Joining = 0, Joined = 1, Active = 2, Disconnected = 3 });
wire_enum!(
    ParticipantKind { Standard = 0, Ingress = 1, Egress = 2, Sip = 3, Agent = 4, Connector = 7, Bridge = 8 });
wire_enum!(DisconnectReason {
    UnknownReason = 0,
    ClientInitiated = 1,
    DuplicateIdentity = 2,
    ServerShutdown = 3,
    ParticipantRemoved = 4,
    RoomDeleted = 5,
    StateMismatch = 6,
    JoinFailure = 7,
    Migration = 8,
    SignalClose = 9,
    RoomClosed = 10,
    UserUnavailable = 11,
    UserRejected = 12,
    SipTrunkFailure = 13,
    ConnectionTimeout = 14,
    MediaFailure = 15,
    AgentError = 16,
});
wire_enum!(
    /// What a client does after `leave`: go, resume with `reconnect=1`, or join anew.
    LeaveAction { Disconnect = 0, Resume = 1, Reconnect = 2 });
wire_enum!(StreamState { Active = 0, Paused = 1 });
wire_enum!(ConnectionQuality { Poor = 0, Good = 1, Excellent = 2, Lost = 3 });
wire_enum!(SubscriptionError { Unknown = 0, CodecUnsupported = 1, TrackNotfound = 2 });
wire_enum!(AudioTrackFeature {
    Stereo = 0,
    NoDtx = 1,
    AutoGainControl = 2,
    EchoCancellation = 3,
    NoiseSuppression = 4,
    EnhancedNoiseCancellation = 5,
    PreconnectBuffer = 6,
});
wire_enum!(RequestReason {
    Ok = 0,
    NotFound = 1,
    NotAllowed = 2,
    LimitExceeded = 3,
    Queued = 4,
    UnsupportedType = 5,
    UnclassifiedError = 6,
    InvalidHandle = 7,
    InvalidName = 8,
    DuplicateHandle = 9,
    DuplicateName = 10,
    InvalidRequest = 11,
});
wire_enum!(JoinCompression { None = 0, Gzip = 1 });
wire_enum!(ReconnectReason {
    Unknown = 0,
    SignalDisconnected = 1,
    PublisherFailed = 2,
    SubscriberFailed = 3,
    SwitchCandidate = 4,
});
wire_enum!(ClientSdk {
    Unknown = 0,
    Js = 1,
    Swift = 2,
    Android = 3,
    Flutter = 4,
    Go = 5,
    Unity = 6,
    ReactNative = 7,
    Rust = 8,
    Python = 9,
    Cpp = 10,
    UnityWeb = 11,
    Node = 12,
    Unreal = 13,
    Esp32 = 14,
});
wire_enum!(DataKind { Reliable = 0, Lossy = 1 });
