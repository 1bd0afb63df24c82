//! What the client reads from and changes in a server's session description. Text in, plain values out.

use std::net::IpAddr;

/// One media section of an offer that carries a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub mid: String,
    /// From `a=msid`, or from the msid of an `a=ssrc` line.
    pub track_sid: Option<String>,
    /// As announced, retransmission included.
    pub ssrcs: Vec<u32>,
}

/// The offer with every `sendrecv` section made `sendonly`: the answer then only receives and reflects nothing.
pub(super) fn as_sendonly(offer: &str) -> String {
    let mut out = String::with_capacity(offer.len());
    let mut is_media = false;
    for line in offer.lines() {
        if line.starts_with("m=") {
            is_media = !line.starts_with("m=application");
        }
        out.push_str(if is_media && line == "a=sendrecv" { "a=sendonly" } else { line });
        out.push_str("\r\n");
    }
    out
}

/// The sections of an offer in which the server sends a track.
pub(super) fn sections(offer: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut current: Option<(Section, bool)> = None;
    for line in offer.lines() {
        if line.starts_with("m=") {
            finish(&mut sections, current.take());
            if !line.starts_with("m=application") {
                let section = Section { mid: String::new(), track_sid: None, ssrcs: Vec::new() };
                current = Some((section, true));
            }
        }
        let Some((section, sends)) = &mut current else { continue };
        if let Some(mid) = line.strip_prefix("a=mid:") {
            section.mid = mid.trim().to_owned();
        } else if let Some(msid) = line.strip_prefix("a=msid:") {
            section.track_sid = track_sid(msid);
        } else if let Some(source) = line.strip_prefix("a=ssrc:") {
            add_source(section, source);
        } else if matches!(line, "a=inactive" | "a=recvonly") {
            *sends = false;
        }
    }
    finish(&mut sections, current);
    sections
}

fn finish(sections: &mut Vec<Section>, section: Option<(Section, bool)>) {
    if let Some((section, true)) = section {
        sections.push(section);
    }
}

/// Reads what follows `a=ssrc:`, such as `123 cname:x` or `123 msid:PA_x|camera TR_y`.
fn add_source(section: &mut Section, source: &str) {
    let (ssrc, attribute) = source.split_once(' ').unwrap_or((source, ""));
    if let Ok(ssrc) = ssrc.parse()
        && !section.ssrcs.contains(&ssrc)
    {
        section.ssrcs.push(ssrc);
    }
    if section.track_sid.is_none()
        && let Some(msid) = attribute.strip_prefix("msid:")
    {
        section.track_sid = track_sid(msid);
    }
}

/// The track sid in an msid: its second token if that starts with `TR_`, else what follows the bar in the first.
pub(super) fn track_sid(msid: &str) -> Option<String> {
    let mut tokens = msid.split_ascii_whitespace();
    let (stream, track) = (tokens.next()?, tokens.next());
    let of_stream = stream.split_once('|').map(|(_, sid)| sid);
    track.into_iter().chain(of_stream).find(|sid| sid.starts_with("TR_")).map(str::to_owned)
}

/// The addresses of a description's UDP candidates, each once. Names (mDNS) are left out.
pub(super) fn candidate_ips(sdp: &str) -> Vec<IpAddr> {
    let mut ips = Vec::new();
    for ip in sdp.lines().filter_map(|line| line.strip_prefix("a=")).filter_map(candidate_ip) {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    ips
}

/// The address of `candidate:<foundation> <component> udp <priority> <address> <port> ..`.
pub(super) fn candidate_ip(candidate: &str) -> Option<IpAddr> {
    let mut fields = candidate.trim().strip_prefix("candidate:")?.split_ascii_whitespace();
    let transport = fields.nth(2)?;
    if !transport.eq_ignore_ascii_case("udp") {
        return None;
    }
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 AA\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\na=sendrecv\r\n\
        a=candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host\r\na=candidate:1 2 udp 2130706431 127.0.0.1 7882 typ host\r\n\
        a=candidate:2 1 tcp 1 10.0.0.1 7881 typ host tcptype passive\r\na=candidate:3 1 UDP 1 x.local 7 typ host\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\n\
        a=ssrc:11 msid:PA_a|camera TR_v\r\na=ssrc:12 cname:x\r\na=sendrecv\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:2\r\na=msid:PA_a|TR_s other\r\na=sendonly\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:3\r\na=msid:PA_a|TR_gone TR_gone\r\na=inactive\r\n";

    #[test]
    fn finds_the_tracks_of_an_offer() {
        let video = Section { mid: "1".into(), track_sid: Some("TR_v".into()), ssrcs: vec![11, 12] };
        let audio = Section { mid: "2".into(), track_sid: Some("TR_s".into()), ssrcs: vec![] };
        assert_eq!(sections(OFFER), [video, audio]);
    }

    #[test]
    fn only_media_becomes_sendonly() {
        let changed = as_sendonly(OFFER);
        let application = changed.split("m=video").next().expect("a first part");
        assert!(application.contains("a=sendrecv\r\n"));
        assert_eq!(changed.matches("a=sendrecv").count(), 1);
        assert_eq!(changed.matches("a=sendonly").count(), 2);
        assert!(changed.ends_with("a=inactive\r\n"));
    }

    #[test]
    fn an_msid_names_its_track_in_either_token() {
        for (msid, sid) in [
            ("PA_a|TR_x TR_x", Some("TR_x")),
            ("PA_a|camera TR_x", Some("TR_x")),
            ("PA_a|TR_x something", Some("TR_x")),
            ("PA_a|TR_x", Some("TR_x")),
            ("PA_a something", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(track_sid(msid).as_deref(), sid, "{msid}");
        }
    }

    #[test]
    fn candidate_addresses_are_those_of_udp() {
        assert_eq!(candidate_ips(OFFER), ["127.0.0.1".parse::<IpAddr>().expect("an address")]);
        assert_eq!(candidate_ip("candidate:1 1 UDP 1 ::1 7 typ host"), "::1".parse().ok());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(?s).{0,300}", line in "a=(ssrc|msid|mid|candidate):.{0,60}") {
            let offer = format!("m=video 9\n{line}\n{text}");
            let _ = (sections(&offer), as_sendonly(&offer), candidate_ips(&offer), track_sid(&text), candidate_ip(&text));
        }
    }
}
