//! SDP as text: what the room server must read in an offer and change in offers and answers that the WebRTC library
//! has no call for. Lines it does not know pass through untouched.

use super::config::VideoCodec;
use std::collections::BTreeMap;
use std::fmt;

/// Media sections beyond this are refused; a client with that many tracks is not a client.
const MAX_SECTIONS: usize = 1000;

/// A session description in lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdp {
    session: Vec<String>,
    pub sections: Vec<Section>,
}

/// One `m=` line and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    lines: Vec<String>,
}

/// Kind of a media section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Audio,
    Video,
}

/// How our answer's section for a publisher's Opus is to be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusWishes {
    pub dtx: bool,
    pub stereo: bool,
}

impl Sdp {
    /// Splits into sections; `None` when there are absurdly many.
    pub fn parse(text: &str) -> Option<Self> {
        let mut sdp = Sdp { session: Vec::new(), sections: Vec::new() };
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            if line.starts_with("m=") {
                sdp.sections.push(Section { lines: Vec::new() });
            }
            match sdp.sections.last_mut() {
                Some(section) => section.lines.push(line.to_owned()),
                None => sdp.session.push(line.to_owned()),
            }
        }
        (sdp.sections.len() <= MAX_SECTIONS).then_some(sdp)
    }

    /// The section of a media id.
    pub fn section_mut(&mut self, mid: &str) -> Option<&mut Section> {
        self.sections.iter_mut().find(|section| section.mid() == Some(mid))
    }
}

impl fmt::Display for Sdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.session.iter().chain(self.sections.iter().flat_map(|section| &section.lines));
        lines.try_for_each(|line| write!(f, "{line}\r\n"))
    }
}

impl Section {
    pub fn kind(&self) -> Option<Kind> {
        match self.lines.first()?.as_str() {
            line if line.starts_with("m=audio ") => Some(Kind::Audio),
            line if line.starts_with("m=video ") => Some(Kind::Video),
            _ => None,
        }
    }

    pub fn mid(&self) -> Option<&str> {
        self.value("a=mid:")
    }

    /// Whether the author of this description sends in the section.
    pub fn sends(&self) -> bool {
        !self.has("a=recvonly") && !self.has("a=inactive")
    }

    /// Whether the author only receives in the section.
    pub fn receives_only(&self) -> bool {
        self.has("a=recvonly")
    }

    /// The track id: second token of `a=msid`.
    pub fn track_id(&self) -> Option<&str> {
        self.value("a=msid:")?.split_whitespace().nth(1)
    }

    /// Restricts a video section to the first of `wanted` that it offers, and to retransmissions of it; H.264 to its
    /// non-interleaved mode. Gives the codec, or `None` (and no change) when it offers none of them.
    pub fn keep_codec(&mut self, wanted: &[VideoCodec]) -> Option<VideoCodec> {
        let maps = self.rtp_maps();
        let usable = |pt: &str, name: &str, codec: VideoCodec| {
            name.eq_ignore_ascii_case(codec.sdp_name())
                && (codec != VideoCodec::H264
                    || self.fmtp(pt).is_some_and(|fmtp| has_param(fmtp, "packetization-mode", "1")))
        };
        let (codec, mut kept) = wanted.iter().find_map(|codec| {
            let main: Vec<String> =
                maps.iter().filter(|(pt, name)| usable(pt, name, *codec)).map(|(pt, _)| (*pt).to_owned()).collect();
            (!main.is_empty()).then_some((*codec, main))
        })?;
        let resends = maps.iter().filter(|(pt, name)| {
            let apt = self.fmtp(pt).and_then(|fmtp| param(fmtp, "apt"));
            name.eq_ignore_ascii_case("rtx") && apt.is_some_and(|apt| kept.iter().any(|pt| pt == apt))
        });
        let resends: Vec<String> = resends.map(|(pt, _)| (*pt).to_owned()).collect();
        kept.extend(resends);
        self.keep_payload_types(&kept);
        Some(codec)
    }

    /// Replaces direction and track name: nothing is sent here.
    pub fn make_inactive(&mut self) {
        self.lines.retain(|line| !is_sender_line(line));
        for line in &mut self.lines {
            if matches!(line.as_str(), "a=sendonly" | "a=sendrecv" | "a=recvonly") {
                *line = "a=inactive".into();
            }
        }
    }

    /// Names the track that is sent in the section.
    pub fn set_msid(&mut self, stream: &str, track: &str) {
        for line in &mut self.lines {
            if line.starts_with("a=msid:") {
                *line = format!("a=msid:{stream} {track}");
            } else if let Some((ssrc, _)) = line.strip_prefix("a=ssrc:").and_then(|rest| rest.split_once(" msid:")) {
                *line = format!("a=ssrc:{ssrc} msid:{stream} {track}");
            }
        }
    }

    /// Tells a publisher how to encode Opus.
    pub fn set_opus_wishes(&mut self, wishes: OpusWishes) {
        let dtx = if wishes.dtx { ";usedtx=1" } else { "" };
        let stereo = if wishes.stereo { ";stereo=1;maxaveragebitrate=510000" } else { "" };
        self.append_to_opus(&format!("{dtx}{stereo}"));
    }

    /// Tells a subscriber that the Opus it gets is stereo.
    pub fn announce_stereo(&mut self) {
        self.append_to_opus(";stereo=1;sprop-stereo=1");
    }

    fn append_to_opus(&mut self, suffix: &str) {
        let maps = self.rtp_maps();
        let Some(pt) = maps.iter().find(|(_, name)| name.eq_ignore_ascii_case("opus")).map(|(pt, _)| (*pt).to_owned())
        else {
            return;
        };
        let prefix = format!("a=fmtp:{pt} ");
        for line in self.lines.iter_mut().filter(|line| line.starts_with(&prefix)) {
            line.push_str(suffix);
        }
    }

    fn keep_payload_types(&mut self, kept: &[String]) {
        let is_kept = |pt: &str| kept.iter().any(|k| k == pt);
        self.lines.retain(|line| match payload_type_of(line) {
            Some(pt) => is_kept(pt),
            None => true,
        });
        if let Some(first) = self.lines.first_mut() {
            let head: Vec<&str> = first.split(' ').take(3).collect();
            *first = format!("{} {}", head.join(" "), kept.join(" "));
        }
    }

    /// Payload type to codec name, in the order of the section's rtpmap lines.
    fn rtp_maps(&self) -> Vec<(&str, &str)> {
        let maps = self.lines.iter().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
        maps.map(|(pt, codec)| (pt, codec.split('/').next().unwrap_or(codec))).collect()
    }

    fn fmtp(&self, pt: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix("a=fmtp:")?.strip_prefix(pt)?.strip_prefix(' '))
    }

    fn value(&self, prefix: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(prefix))
    }

    fn has(&self, whole: &str) -> bool {
        self.lines.iter().any(|line| line == whole)
    }
}

/// The payload type that an rtpmap, fmtp or rtcp-fb line speaks of.
fn payload_type_of(line: &str) -> Option<&str> {
    let rest = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|prefix| line.strip_prefix(prefix))?;
    let pt = rest.split(' ').next()?;
    (pt != "*").then_some(pt)
}

fn is_sender_line(line: &str) -> bool {
    ["a=msid:", "a=ssrc:", "a=ssrc-group:"].iter().any(|prefix| line.starts_with(prefix))
}

fn param<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

fn has_param(fmtp: &str, name: &str, value: &str) -> bool {
    param(fmtp, name) == Some(value)
}

/// What to do with our answer's sections, by media id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerEdits {
    /// Stream and track name of the track we send there.
    pub sends: BTreeMap<String, (String, String)>,
    /// Sections with stereo sound that we send.
    pub stereo: Vec<String>,
    pub opus: BTreeMap<String, OpusWishes>,
}

/// Edits an answer of the WebRTC library: sections where the client only receives and nothing is sent to it become
/// inactive, the others get the names of their tracks.
pub fn edit_answer(answer: &str, offer: &Sdp, edits: &AnswerEdits) -> Option<String> {
    let mut sdp = Sdp::parse(answer)?;
    for offered in offer.sections.iter().filter(|section| section.kind().is_some()) {
        let Some(mid) = offered.mid() else { continue };
        let Some(section) = sdp.section_mut(mid) else { continue };
        match edits.sends.get(mid) {
            Some((stream, track)) => section.set_msid(stream, track),
            None if offered.receives_only() => section.make_inactive(),
            None => {}
        }
        if let Some(wishes) = edits.opus.get(mid) {
            section.set_opus_wishes(*wishes);
        }
        if edits.stereo.iter().any(|m| m == mid) {
            section.announce_stereo();
        }
    }
    Some(sdp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:0\r\na=sendonly\r\na=msid:s t-audio\r\na=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 105\r\na=mid:1\r\na=sendrecv\r\na=msid:- t-video\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
        a=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack\r\n\
        a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
        a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\na=rtpmap:104 H264/90000\r\n\
        a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f\r\n\
        a=rtpmap:105 rtx/90000\r\na=fmtp:105 apt=104\r\na=ssrc:5 msid:- t-video\r\n";

    fn offer() -> Sdp {
        Sdp::parse(OFFER).expect("an offer")
    }

    #[test]
    fn reads_what_mapping_needs_and_writes_back_the_same() {
        let sdp = offer();
        assert_eq!(sdp.to_string(), OFFER);
        let video = &sdp.sections[1];
        assert_eq!((video.kind(), video.mid(), video.track_id()), (Some(Kind::Video), Some("1"), Some("t-video")));
        assert!(video.sends() && !video.receives_only());
    }

    #[test]
    fn keeps_only_the_wanted_codec_with_its_retransmissions() {
        let mut sdp = offer();
        let video = sdp.section_mut("1").expect("a section");
        assert_eq!(video.keep_codec(&[VideoCodec::Av1, VideoCodec::H264]), Some(VideoCodec::H264));
        assert_eq!(video.lines[0], "m=video 9 UDP/TLS/RTP/SAVPF 102 103");
        let text = sdp.to_string();
        assert!(text.contains("a=fmtp:103 apt=102") && text.contains("a=rtcp-fb:102 nack"));
        for gone in ["VP8", "a=rtcp-fb:96", "rtpmap:104", "apt=104"] {
            assert!(!text.contains(gone), "{gone}");
        }
    }

    #[test]
    fn leaves_a_section_without_a_wanted_codec_alone() {
        let mut sdp = offer();
        assert_eq!(sdp.sections[1].keep_codec(&[VideoCodec::Av1]), None);
        assert_eq!(sdp, offer());
    }

    #[test]
    fn answers_name_the_tracks_and_switch_unused_sections_off() {
        let offer = Sdp::parse(
            "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\na=recvonly\r\nm=video 9 X 96\r\na=mid:1\r\na=recvonly\r\n",
        )
        .expect("an offer");
        let answer = "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\na=sendonly\r\na=msid:x y\r\na=ssrc:1 cname:c\r\n\
            a=ssrc:1 msid:x y\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n\
            m=video 9 X 96\r\na=mid:1\r\na=sendonly\r\na=msid:x z\r\na=ssrc:2 msid:x z\r\n";
        let mut edits = AnswerEdits::default();
        edits.sends.insert("0".into(), ("PA_1|mic".into(), "TR_1".into()));
        edits.stereo.push("0".into());
        let edited = edit_answer(answer, &offer, &edits).expect("an answer");
        assert!(edited.contains("a=msid:PA_1|mic TR_1\r\n") && edited.contains("a=ssrc:1 msid:PA_1|mic TR_1\r\n"));
        assert!(edited.contains("a=fmtp:111 minptime=10;stereo=1;sprop-stereo=1\r\n"));
        assert!(edited.ends_with("a=mid:1\r\na=inactive\r\n"));
    }

    #[test]
    fn opus_is_asked_for_dtx_and_stereo() {
        let mut sdp = offer();
        sdp.sections[0].set_opus_wishes(OpusWishes { dtx: true, stereo: false });
        assert!(sdp.to_string().contains("a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n"));
    }

    #[test]
    fn absurd_descriptions_are_refused() {
        assert!(Sdp::parse(&"m=audio 9 X 0\n".repeat(1001)).is_none());
        assert_eq!(Sdp::parse("").map(|sdp| sdp.sections.len()), Some(0));
    }
}
