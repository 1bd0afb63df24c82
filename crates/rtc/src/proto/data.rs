//! What travels in data channels: `DataPacket`.

use super::enums::DataKind;
use bytes::Bytes;

/// A data packet. Payloads other than `user` (chat, RPC, streams) are not decoded; a server forwards the bytes it
/// received and appends [`DataPacketSender`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct DataPacket {
    #[prost(enumeration = "DataKind", tag = "1")]
    pub kind: i32,
    #[prost(message, optional, tag = "2")]
    pub user: Option<UserPacket>,
    #[prost(string, tag = "4")]
    pub participant_identity: String,
    /// Empty means everybody.
    #[prost(string, repeated, tag = "5")]
    pub destination_identities: Vec<String>,
    #[prost(uint32, tag = "16")]
    pub sequence: u32,
    #[prost(string, tag = "17")]
    pub participant_sid: String,
}

/// The sender fields of a [`DataPacket`]. As the last value of a field wins, appending these bytes to a packet
/// replaces what its sender claimed to be.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DataPacketSender {
    #[prost(string, tag = "4")]
    pub participant_identity: String,
    #[prost(string, tag = "17")]
    pub participant_sid: String,
}

/// The addressing fields of a [`DataPacket`], decoded without its payload.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DataPacketAddress {
    #[prost(string, repeated, tag = "5")]
    pub destination_identities: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UserPacket {
    #[prost(string, tag = "1")]
    pub participant_sid: String,
    #[prost(string, tag = "5")]
    pub participant_identity: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: Bytes,
    #[prost(string, repeated, tag = "6")]
    pub destination_identities: Vec<String>,
    #[prost(string, optional, tag = "4")]
    pub topic: Option<String>,
}
