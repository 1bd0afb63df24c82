//! Bodies of the fuzz targets: each takes any bytes, as a stranger may send them. The ordinary tests run them too, so
//! that they never rot. Not for use outside tests.

use std::collections::BTreeMap;

use prost::Message;

use crate::rooms::fuzz_admission;
use crate::{proto, rooms, token};

/// A key that signs nothing that matters.
const SECRET: &str = "a secret of the fuzz targets, 32+";

/// An access token: any text, and any claims under a good signature.
pub fn access_token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let secret_of = |_: &str| Some(SECRET);
    _ = token::verify(&text, 0, secret_of);
    if let Some((key, rest)) = text.split_once('\n') {
        let (identity, room) = rest.split_once('\n').unwrap_or((rest, ""));
        let signed = token::Claims::participant(key, identity, room, 0, 60).sign(SECRET);
        let verified = token::verify(&signed, 1, secret_of);
        assert!(verified.is_ok() || signed.len() > 8_000, "{verified:?}");
    }
}

/// Signalling messages of both directions, and a `join_request` of the query.
pub fn signalling(data: &[u8]) {
    if let Ok(request) = proto::SignalRequest::decode(data) {
        let again = proto::SignalRequest::decode(&request.encode_to_vec()[..]);
        assert_eq!(again.as_ref(), Ok(&request));
    }
    _ = proto::SignalResponse::decode(data);
    _ = proto::DataPacket::decode(data);
    let claims = token::Claims::participant("key", "user", "room", 0, 60);
    let query = BTreeMap::from([("join_request".to_owned(), String::from_utf8_lossy(data).into_owned())]);
    fuzz_admission(&claims, &query);
}

/// Session descriptions: a publisher's offer at the room server, a server's offer at the room client.
pub fn sdp(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    rooms::fuzz_sdp(&text);
    crate::client::fuzz_sdp(&text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=msid:s track\r\n\
        a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 102\r\na=mid:1\r\na=sendonly\r\na=msid:- camera\r\na=rtpmap:96 VP8/90000\r\n\
        a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\na=rid:q send\r\na=simulcast:send q\r\n\
        a=ssrc:1 cname:x\r\na=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n";

    proptest! {
        #[test]
        fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            access_token(&data);
            signalling(&data);
            sdp(&data);
        }

        #[test]
        fn damaged_offers_are_survived(cuts in proptest::collection::vec((any::<prop::sample::Index>(), ".{0,12}"), 1..8)) {
            let mut text = OFFER.to_owned();
            for (at, insert) in cuts {
                let at = at.index(text.len());
                let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                let end = (at + insert.len()).min(text.len());
                let end = (end..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
                text.replace_range(at..end, &insert);
            }
            sdp(text.as_bytes());
        }
    }
}
