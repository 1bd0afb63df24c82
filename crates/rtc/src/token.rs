//! Access tokens of the LiveKit protocol: HS256 JSON web tokens with a video grant. Making and verifying them
//! belongs here; what a grant permits in a room is decided by the room server.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;

/// Longest token that is looked at, in bytes. Metadata and attributes travel inside the token.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// How far the clocks of token maker and server may disagree, in seconds.
const LEEWAY_S: i64 = 60;
/// Life of the tokens of our own recorders, in seconds.
const RECORDER_LIFE_S: i64 = 24 * 3600;

/// Why a token was refused. The texts are safe to show to whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("token is not a signed JSON web token")]
    Malformed,
    #[error("token algorithm is not HS256")]
    Algorithm,
    #[error("token was issued by an unknown API key")]
    UnknownKey,
    #[error("token signature does not match")]
    Signature,
    #[error("token has no expiry time")]
    NoExpiry,
    #[error("token has expired")]
    Expired,
    #[error("token is not valid yet")]
    NotYetValid,
}

/// The claims of a token. Times are Unix seconds. Unknown claims are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Claims {
    /// API key that signed the token; selects the secret.
    pub iss: String,
    /// Identity of the participant; see [`Claims::identity`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jti: String,
    pub exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `standard`, `egress`, `agent`, `ingress`, `sip`; empty means standard.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Base64 of the SHA-256 of a body, in webhook tokens.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoGrant>,
}

/// What the holder may do. An absent `can_*` means allowed, except for `can_update_own_metadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VideoGrant {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room: String,
    #[serde(skip_serializing_if = "is_false")]
    pub room_join: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub room_create: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub room_list: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub room_record: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub room_admin: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// `camera`, `microphone`, `screen_share`, `screen_share_audio`; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub can_publish_sources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub recorder: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub agent: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_room: String,
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl Claims {
    /// Claims of an ordinary participant of `room` that may publish and subscribe, valid for `life_s` seconds.
    pub fn participant(key: &str, identity: &str, room: &str, now_unix_s: i64, life_s: i64) -> Self {
        Self {
            iss: key.into(),
            sub: identity.into(),
            exp: Some(now_unix_s.saturating_add(life_s)),
            nbf: Some(now_unix_s),
            video: Some(VideoGrant { room: room.into(), room_join: true, ..VideoGrant::default() }),
            ..Self::default()
        }
    }

    /// Claims of a recorder, shaped as LiveKit's own egress tokens: hidden, subscribe-only, valid for a day.
    pub fn recorder(key: &str, identity: &str, room: &str, now_unix_s: i64) -> Self {
        let grant = VideoGrant {
            room: room.into(),
            room_join: true,
            can_publish: Some(false),
            can_subscribe: Some(true),
            can_publish_data: Some(false),
            hidden: true,
            recorder: true,
            ..VideoGrant::default()
        };
        let base = Self::participant(key, identity, room, now_unix_s, RECORDER_LIFE_S);
        Self { kind: "egress".into(), video: Some(grant), ..base }
    }

    /// Identity of the participant: `sub`, or `jti` in tokens of old SDKs.
    pub fn identity(&self) -> &str {
        if self.sub.is_empty() { &self.jti } else { &self.sub }
    }

    /// The token text: the claims signed with `secret`.
    pub fn sign(&self, secret: &str) -> String {
        let claims = serde_json::to_vec(self).expect("claims have string keys only, so they are always JSON");
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let tag = mac(secret, signed.as_bytes()).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

/// Verifies signature and times of `token` at `now_unix_s`. `secret_of` gives the secret of an API key.
pub fn verify<'a>(
    token: &str,
    now_unix_s: i64,
    secret_of: impl Fn(&str) -> Option<&'a str>,
) -> Result<Claims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed);
    }
    let (signed, tag) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, body) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let header: Header = json_part(header)?;
    if header.alg != "HS256" {
        return Err(TokenError::Algorithm);
    }
    let claims: Claims = json_part(body)?;
    let secret = secret_of(&claims.iss).ok_or(TokenError::UnknownKey)?;
    let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| TokenError::Malformed)?;
    mac(secret, signed.as_bytes()).verify_slice(&tag).map_err(|_| TokenError::Signature)?;
    check_times(&claims, now_unix_s)?;
    Ok(claims)
}

fn check_times(claims: &Claims, now: i64) -> Result<(), TokenError> {
    let exp = claims.exp.ok_or(TokenError::NoExpiry)?;
    if now > exp.saturating_add(LEEWAY_S) {
        return Err(TokenError::Expired);
    }
    let from = claims.nbf.into_iter().chain(claims.iat).max().unwrap_or(i64::MIN);
    if now.saturating_add(LEEWAY_S) < from {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

fn json_part<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

fn mac(secret: &str, data: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(data);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn secret_of(key: &str) -> Option<&'static str> {
        (key == "devkey").then_some("secret")
    }

    fn claims() -> Claims {
        Claims::participant("devkey", "alice", "room-1", NOW, 600)
    }

    #[test]
    fn verifies_a_token_made_by_another_implementation() {
        // PyJWT: jwt.encode({"iss":"devkey","sub":"alice","exp":1700000600,"video":{"room":"r","roomJoin":True}}, "secret")
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJkZXZrZXkiLCJzdWIiOiJhbGljZSIsImV4cCI6MTcwMDAwMDYwMCwidmlkZW8iOnsicm9vbSI6InIiLCJyb29tSm9pbiI6dHJ1ZX19.CnREkUCGRms6UyHSRKUiYViTtLXkkzwhx4fyiTpFvKE";
        let got = verify(token, NOW, secret_of).expect("a foreign token");
        assert_eq!(got.identity(), "alice");
        assert!(got.video.expect("a grant").room_join);
    }

    #[test]
    fn round_trip_keeps_every_claim() {
        let mut made = Claims::recorder("devkey", "EG_1", "room-1", NOW);
        made.name = "Recorder".into();
        made.metadata = "{}".into();
        made.attributes.insert("business_id".into(), "shop".into());
        assert_eq!(verify(&made.sign("secret"), NOW, secret_of), Ok(made));
    }

    #[test]
    fn times_have_a_minute_of_leeway() {
        let token = claims().sign("secret");
        assert!(verify(&token, NOW + 660, secret_of).is_ok());
        assert_eq!(verify(&token, NOW + 661, secret_of), Err(TokenError::Expired));
        assert!(verify(&token, NOW - 60, secret_of).is_ok());
        assert_eq!(verify(&token, NOW - 61, secret_of), Err(TokenError::NotYetValid));
        let forever = Claims { exp: None, ..claims() };
        assert_eq!(verify(&forever.sign("secret"), NOW, secret_of), Err(TokenError::NoExpiry));
    }

    #[test]
    fn refuses_foreign_keys_secrets_and_algorithms() {
        assert_eq!(verify(&claims().sign("other"), NOW, secret_of), Err(TokenError::Signature));
        let foreign = Claims { iss: "nobody".into(), ..claims() };
        assert_eq!(verify(&foreign.sign("secret"), NOW, secret_of), Err(TokenError::UnknownKey));
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).expect("JSON"));
        let none = format!("{}.{body}.", URL_SAFE_NO_PAD.encode(br#"{"alg":"none"}"#));
        assert_eq!(verify(&none, NOW, secret_of), Err(TokenError::Algorithm));
    }

    #[test]
    fn refuses_rubbish_and_any_changed_byte() {
        for rubbish in ["", ".", "..", "a.b.c", "e30.e30.", "\u{1F600}.x.y"] {
            assert!(verify(rubbish, NOW, secret_of).is_err(), "{rubbish}");
        }
        let token = claims().sign("secret");
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert!(verify(&changed, NOW, secret_of).is_err(), "byte {at}");
        }
    }

    #[test]
    fn identity_falls_back_to_jti() {
        let old = Claims { sub: String::new(), jti: "bob".into(), ..claims() };
        assert_eq!(old.identity(), "bob");
    }
}
