//! Who may join which room, and how: token and query parameters turned into an [`Admission`] or a refusal. Pure; the
//! state of the rooms is looked at later.

use super::config::Limits;
use crate::proto::{self, Message};
use crate::token::{self, Claims, VideoGrant};
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use std::collections::BTreeMap;
use std::io::Read;

/// An answer in place of the upgrade: HTTP status and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub text: String,
}

impl Refusal {
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

/// What a participant may do, from its token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    pub can_subscribe: bool,
    pub can_publish: bool,
    pub can_publish_data: bool,
    pub can_update_metadata: bool,
    /// Sources allowed; empty means all.
    pub sources: Vec<proto::TrackSource>,
    pub hidden: bool,
    pub recorder: bool,
    pub agent: bool,
}

impl Grant {
    /// Whether a participant of this kind is there for the others only: it keeps no room open and takes no user's place.
    pub fn is_dependent(&self, kind: proto::ParticipantKind) -> bool {
        let serves = matches!(kind, proto::ParticipantKind::Egress | proto::ParticipantKind::Agent);
        serves || self.hidden || self.recorder || self.agent
    }
}

/// A participant that may join.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    pub room: String,
    pub identity: String,
    pub name: String,
    pub metadata: String,
    pub attributes: BTreeMap<String, String>,
    pub kind: proto::ParticipantKind,
    pub grant: Grant,
    /// One peer connection for both directions (`/rtc/v1`).
    pub single_connection: bool,
    pub auto_subscribe: bool,
    /// The client wants to go on with an earlier session.
    pub resume: bool,
    pub client_protocol: i32,
    /// What the client would otherwise send as its first messages.
    pub add_tracks: Vec<proto::AddTrackRequest>,
    pub offer: Option<proto::SessionDescription>,
}

/// Base64url with or without padding, as SDKs differ.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The claims of a token that lets its holder join some room.
pub fn verify(token: &str, now_unix_s: i64, keys: &BTreeMap<String, String>) -> Result<Claims, Refusal> {
    if token.is_empty() {
        return Err(Refusal::new(401, "no permissions to access the room: token missing"));
    }
    let claims = token::verify(token, now_unix_s, |key| keys.get(key).map(String::as_str))
        .map_err(|error| Refusal::new(401, format!("invalid authorization token: {error}")))?;
    if claims.video.as_ref().is_some_and(|grant| grant.room_join) {
        Ok(claims)
    } else {
        Err(Refusal::new(401, "no permissions to access the room: roomJoin not granted"))
    }
}

/// Admission over `/rtc`: everything in query parameters.
pub fn admit_v0(claims: &Claims, query: &BTreeMap<String, String>, limits: &Limits) -> Result<Admission, Refusal> {
    let flag = |name: &str| query.get(name).map(|value| matches!(value.as_str(), "1" | "true"));
    let mut admission = from_claims(claims, query.get("room").map(String::as_str), limits)?;
    admission.auto_subscribe = flag("auto_subscribe").unwrap_or(true);
    admission.resume = flag("reconnect").unwrap_or(false);
    admission.client_protocol = query.get("client_protocol").and_then(|value| value.parse().ok()).unwrap_or(0);
    if let Some(encoded) = query.get("attributes").filter(|value| !value.is_empty()) {
        let json = BASE64URL.decode(encoded).map_err(|_| Refusal::new(400, "attributes are not base64url"))?;
        let extra: BTreeMap<String, String> = serde_json::from_slice(&json)
            .map_err(|_| Refusal::new(400, "attributes are not a JSON object of strings"))?;
        admission.attributes.extend(extra);
    }
    bounded(admission, limits)
}

/// Admission over `/rtc/v1`: a `join_request` message.
pub fn admit_v1(claims: &Claims, query: &BTreeMap<String, String>, limits: &Limits) -> Result<Admission, Refusal> {
    let mut admission = from_claims(claims, query.get("room").map(String::as_str), limits)?;
    admission.single_connection = true;
    let Some(encoded) = query.get("join_request") else {
        return Err(Refusal::new(400, "join_request missing"));
    };
    let join = decode_join_request(encoded, limits.message_bytes)
        .ok_or_else(|| Refusal::new(400, "join_request cannot be read"))?;
    admission.auto_subscribe = join.connection_settings.is_none_or(|settings| settings.auto_subscribe);
    admission.resume = join.reconnect;
    admission.client_protocol = join.client_info.map_or(0, |info| info.client_protocol);
    if !join.metadata.is_empty() {
        admission.metadata = join.metadata;
    }
    admission.attributes.extend(join.participant_attributes);
    admission.add_tracks = join.add_track_requests;
    admission.offer = join.publisher_offer;
    bounded(admission, limits)
}

fn from_claims(claims: &Claims, room: Option<&str>, limits: &Limits) -> Result<Admission, Refusal> {
    let grant = claims.video.clone().unwrap_or_default();
    let room = match (grant.room.as_str(), room) {
        ("", Some(room)) => room,
        (room, _) => room,
    };
    let identity = claims.identity();
    for (what, value) in [("identity", identity), ("room name", room)] {
        if value.is_empty() {
            return Err(Refusal::new(400, format!("{what} must not be empty")));
        }
        if value.len() > limits.name_bytes {
            return Err(Refusal::new(400, format!("{what} is longer than {} bytes", limits.name_bytes)));
        }
    }
    Ok(Admission {
        room: room.to_owned(),
        identity: identity.to_owned(),
        name: claims.name.clone(),
        metadata: claims.metadata.clone(),
        attributes: claims.attributes.clone(),
        kind: kind_of(&claims.kind),
        grant: grant_of(&grant),
        single_connection: false,
        auto_subscribe: true,
        resume: false,
        client_protocol: 0,
        add_tracks: Vec::new(),
        offer: None,
    })
}

fn bounded(admission: Admission, limits: &Limits) -> Result<Admission, Refusal> {
    let attributes: usize = admission.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    if admission.metadata.len().max(attributes).max(admission.name.len()) > limits.metadata_bytes {
        return Err(Refusal::new(400, format!("metadata or attributes exceed {} bytes", limits.metadata_bytes)));
    }
    if admission.add_tracks.len() > limits.tracks_per_participant {
        return Err(Refusal::new(400, "too many tracks in join_request"));
    }
    Ok(admission)
}

fn grant_of(grant: &VideoGrant) -> Grant {
    let source = |name: &String| match name.as_str() {
        "camera" => Some(proto::TrackSource::Camera),
        "microphone" => Some(proto::TrackSource::Microphone),
        "screen_share" => Some(proto::TrackSource::ScreenShare),
        "screen_share_audio" => Some(proto::TrackSource::ScreenShareAudio),
        _ => None,
    };
    Grant {
        can_subscribe: grant.can_subscribe.unwrap_or(true),
        can_publish: grant.can_publish.unwrap_or(true),
        can_publish_data: grant.can_publish_data.unwrap_or(true),
        can_update_metadata: grant.can_update_own_metadata.unwrap_or(false),
        sources: grant.can_publish_sources.iter().filter_map(source).collect(),
        hidden: grant.hidden,
        recorder: grant.recorder,
        agent: grant.agent,
    }
}

fn kind_of(kind: &str) -> proto::ParticipantKind {
    match kind {
        "egress" => proto::ParticipantKind::Egress,
        "ingress" => proto::ParticipantKind::Ingress,
        "agent" => proto::ParticipantKind::Agent,
        "sip" => proto::ParticipantKind::Sip,
        _ => proto::ParticipantKind::Standard,
    }
}

fn decode_join_request(encoded: &str, max_bytes: usize) -> Option<proto::JoinRequest> {
    let wrapped = proto::WrappedJoinRequest::decode(&BASE64URL.decode(encoded).ok()?[..]).ok()?;
    let bytes = match wrapped.compression() {
        proto::JoinCompression::None => wrapped.join_request,
        proto::JoinCompression::Gzip => inflate(&wrapped.join_request, max_bytes)?,
    };
    proto::JoinRequest::decode(&bytes[..]).ok()
}

/// Unpacks gzip, refusing more than `max_bytes`.
fn inflate(bytes: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).take(max_bytes as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= max_bytes).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    const NOW: i64 = 1_700_000_000;

    fn keys() -> BTreeMap<String, String> {
        [("devkey".to_owned(), "secret".to_owned())].into()
    }

    fn claims() -> Claims {
        Claims::participant("devkey", "alice", "room", NOW, 600)
    }

    fn query(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn wrapped(join: &proto::JoinRequest, gzip: bool) -> String {
        let mut bytes = join.encode_to_vec();
        if gzip {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(&bytes).expect("memory");
            bytes = encoder.finish().expect("memory");
        }
        let wrapped = proto::WrappedJoinRequest { compression: i32::from(gzip), join_request: bytes };
        BASE64URL.encode(wrapped.encode_to_vec())
    }

    #[test]
    fn tokens_are_checked_before_anything_else() {
        assert_eq!(verify("", NOW, &keys()).expect_err("missing").status, 401);
        assert_eq!(verify("x.y.z", NOW, &keys()).expect_err("rubbish").status, 401);
        let no_join = Claims { video: Some(VideoGrant::default()), ..claims() };
        assert_eq!(verify(&no_join.sign("secret"), NOW, &keys()).expect_err("no grant").status, 401);
        assert!(verify(&claims().sign("secret"), NOW, &keys()).is_ok());
    }

    #[test]
    fn v0_reads_flags_and_lays_attributes_over_the_token() {
        let mut claims = claims();
        claims.attributes.insert("a".into(), "token".into());
        let attributes = BASE64URL.encode(r#"{"a":"query"}"#);
        let query = query(&[("auto_subscribe", "0"), ("reconnect", "1"), ("attributes", &attributes), ("x", "y")]);
        let got = admit_v0(&claims, &query, &Limits::default()).expect("admitted");
        assert!(!got.auto_subscribe && got.resume && !got.single_connection);
        assert_eq!(got.attributes["a"], "query");
    }

    #[test]
    fn names_are_required_and_bounded() {
        let limits = Limits { name_bytes: 5, ..Limits::default() };
        let nobody = Claims { sub: String::new(), ..claims() };
        assert_eq!(admit_v0(&nobody, &query(&[]), &limits).expect_err("no identity").status, 400);
        let long = Claims { sub: "123456".into(), ..claims() };
        assert_eq!(admit_v0(&long, &query(&[]), &limits).expect_err("too long").status, 400);
        let mut roomless = claims();
        roomless.video = Some(VideoGrant { room_join: true, ..VideoGrant::default() });
        assert_eq!(admit_v0(&roomless, &query(&[]), &limits).expect_err("no room").status, 400);
        assert_eq!(admit_v0(&roomless, &query(&[("room", "r")]), &limits).expect("named by query").room, "r");
    }

    #[test]
    fn v1_reads_its_message_packed_or_not() {
        let join = proto::JoinRequest {
            metadata: "m".into(),
            connection_settings: Some(proto::ConnectionSettings { auto_subscribe: true, ..Default::default() }),
            ..Default::default()
        };
        for gzip in [false, true] {
            let query = query(&[("join_request", &wrapped(&join, gzip))]);
            let got = admit_v1(&claims(), &query, &Limits::default()).expect("admitted");
            assert!(got.single_connection && got.auto_subscribe);
            assert_eq!(got.metadata, "m");
        }
        let bad = query(&[("join_request", "!")]);
        assert_eq!(admit_v1(&claims(), &bad, &Limits::default()).expect_err("bad").status, 400);
    }

    #[test]
    fn a_gzip_bomb_is_refused() {
        let join = proto::JoinRequest { metadata: "0".repeat(10_000_000), ..Default::default() };
        let query = query(&[("join_request", &wrapped(&join, true))]);
        assert!(query["join_request"].len() < 20_000);
        assert_eq!(admit_v1(&claims(), &query, &Limits::default()).expect_err("too big").status, 400);
    }

    proptest! {
        #[test]
        fn any_join_request_is_survived(text in "[A-Za-z0-9_=-]{0,200}") {
            let _ = decode_join_request(&text, 1000);
        }
    }
}
