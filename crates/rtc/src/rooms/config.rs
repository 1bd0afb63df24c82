//! Settings of the room server and the bounds it keeps. Where they are read from does not belong here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A video codec that rooms carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    H264,
    Vp8,
    Vp9,
    Av1,
    H265,
}

impl VideoCodec {
    /// Every codec, in the default order of preference.
    pub const ALL: [VideoCodec; 5] =
        [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1, VideoCodec::H265];

    /// Name in SDP and, after `video/`, in MIME types.
    pub fn sdp_name(self) -> &'static str {
        match self {
            VideoCodec::H264 => "H264",
            VideoCodec::Vp8 => "VP8",
            VideoCodec::Vp9 => "VP9",
            VideoCodec::Av1 => "AV1",
            VideoCodec::H265 => "H265",
        }
    }

    /// MIME type as the protocol spells it.
    pub fn mime(self) -> String {
        format!("video/{}", self.sdp_name())
    }

    /// The codec of a name such as `h264`, in any case, with or without `video/` in front.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.rsplit('/').next().unwrap_or(name);
        Self::ALL.into_iter().find(|codec| codec.sdp_name().eq_ignore_ascii_case(name))
    }
}

/// Bounds of everything clients can make the server hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub rooms: usize,
    /// Dependents (recorders, agents, hidden participants) do not count: they have a fixed bound of their own.
    pub participants_per_room: usize,
    pub tracks_per_participant: usize,
    /// Longest signalling message, in bytes.
    pub message_bytes: usize,
    /// Signalling messages waiting for one client; a client that lets more pile up is removed.
    pub signal_queue: usize,
    /// Longest room name and identity, in bytes.
    pub name_bytes: usize,
    /// Longest metadata, and longest sum of attribute keys and values, in bytes.
    pub metadata_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: 1000,
            participants_per_room: 200,
            tracks_per_participant: 32,
            message_bytes: 512 * 1024,
            signal_queue: 1024,
            name_bytes: 256,
            metadata_bytes: 64 * 1024,
        }
    }
}

/// Settings of the room server.
#[derive(Debug, Clone)]
pub struct RoomsConfig {
    /// Address of HTTP and WebSocket; port 0 takes any.
    pub http: SocketAddr,
    /// Address of the one UDP socket of all media; port 0 takes any.
    pub udp: SocketAddr,
    /// Candidate addresses told to clients. Empty: the bound address, or for the unspecified address every address
    /// of this machine. They may differ from the bound one behind a NAT or a proxy.
    pub advertise: Vec<SocketAddr>,
    /// API key to secret.
    pub keys: BTreeMap<String, String>,
    /// Video codecs accepted, preferred first.
    pub codecs: Vec<VideoCodec>,
    pub limits: Limits,
    /// How long a room without any standard participant stays.
    pub empty_timeout: Duration,
}

impl Default for RoomsConfig {
    fn default() -> Self {
        Self {
            http: SocketAddr::from(([0, 0, 0, 0], 7880)),
            udp: SocketAddr::from(([0, 0, 0, 0], 7882)),
            advertise: Vec::new(),
            keys: BTreeMap::new(),
            codecs: VideoCodec::ALL.to_vec(),
            limits: Limits::default(),
            empty_timeout: Duration::from_secs(20),
        }
    }
}

/// The candidate addresses for a socket bound to `bound`: what is configured, else what can be found out.
pub(super) fn advertised(configured: &[SocketAddr], bound: SocketAddr) -> Vec<SocketAddr> {
    if !configured.is_empty() {
        return configured.to_vec();
    }
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let mut found: Vec<SocketAddr> = machine_addresses().into_iter().map(|ip| (ip, bound.port()).into()).collect();
    found.push(([127, 0, 0, 1], bound.port()).into());
    found
}

/// IPv4 addresses of this machine's interfaces that are up, without loopback and link-local ones.
fn machine_addresses() -> Vec<std::net::Ipv4Addr> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let mut found: Vec<_> = interfaces
        .filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()))
        .filter(|ip| !ip.is_loopback() && !ip.is_link_local())
        .collect();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_found_by_the_names_clients_use() {
        assert_eq!(VideoCodec::from_name("h264"), Some(VideoCodec::H264));
        assert_eq!(VideoCodec::from_name("video/AV1"), Some(VideoCodec::Av1));
        assert_eq!(VideoCodec::from_name("h265"), Some(VideoCodec::H265));
        assert_eq!(VideoCodec::from_name("video/H266"), None);
        assert_eq!(VideoCodec::Vp8.mime(), "video/VP8");
    }

    #[test]
    fn candidates_are_the_configured_ones_or_what_is_bound() {
        let local: SocketAddr = "127.0.0.1:7882".parse().expect("an address");
        let public: SocketAddr = "192.0.2.1:9000".parse().expect("an address");
        assert_eq!(advertised(&[public], local), [public]);
        assert_eq!(advertised(&[], local), [local]);
        let any = advertised(&[], "0.0.0.0:7882".parse().expect("an address"));
        assert!(any.contains(&local) && any.iter().all(|a| !a.ip().is_unspecified() && a.port() == 7882));
    }
}
