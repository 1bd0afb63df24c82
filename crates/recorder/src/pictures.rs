//! What a task that records streams one by one makes of their pictures: which codecs its files take as they come, and how
//! the others are encoded anew.

use codec::video::Codec;
use media::packet::VideoCodec;
use rules::request::FileFormat;

use crate::messages::Anew;

/// How pictures are encoded anew. Tasks that want the same share the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub codec: Codec,
    pub rates: Anew,
}

/// The form in which a track's pictures are handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// As the sender coded them.
    pub sent: VideoCodec,
    /// As they were encoded anew; nothing when they are as they came.
    pub made: Option<Target>,
}

/// See the module's head.
#[derive(Debug, Clone, Copy)]
pub struct PicturePlan {
    kept: &'static [VideoCodec],
    others: Target,
}

impl PicturePlan {
    /// `formats`: the files that are made of the pictures; those of sound alone do not matter.
    pub fn of(formats: &[FileFormat], rates: Anew) -> PicturePlan {
        use VideoCodec::{Av1, H264, H265, Vp8, Vp9};
        let has = |format| formats.contains(&format);
        let (kept, codec): (&[VideoCodec], Codec) = if has(FileFormat::Hls) || has(FileFormat::Flv) {
            // HLS could have H.265, as it has of mixes that are asked for in it, but many of its players take none.
            (&[H264], Codec::H264)
        } else if FileFormat::is_webm_alone(formats) {
            (&[Vp8, Vp9, Av1], Codec::Vp8)
        } else {
            // A WEBM beside it has pictures of its own where it does not take these.
            (&[H264, H265, Vp9, Av1], Codec::H264)
        };
        PicturePlan { kept, others: Target { codec, rates } }
    }

    /// How pictures that were sent in this codec are encoded anew; nothing when they are kept as they come.
    pub fn target(&self, sent: VideoCodec) -> Option<Target> {
        (!self.kept.contains(&sent)).then_some(self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FileFormat::{Flv, Hls, Mp3, Mp4, Ogg, Webm};

    #[test]
    fn every_file_gets_pictures_that_it_takes_and_as_they_came_where_all_do() {
        let sent = [VideoCodec::H264, VideoCodec::H265, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1];
        let (h264, vp8) = (Some(Codec::H264), Some(Codec::Vp8));
        let cases: [(&[FileFormat], [Option<Codec>; 5]); 8] = [
            (&[Mp4], [None, None, h264, None, None]),
            (&[Mp4, Mp3], [None, None, h264, None, None]),
            (&[Ogg], [None, None, h264, None, None]),
            (&[Mp4, Hls], [None, h264, h264, h264, h264]),
            (&[Flv], [None, h264, h264, h264, h264]),
            (&[Webm, Flv], [None, h264, h264, h264, h264]),
            (&[Webm, Ogg], [vp8, vp8, None, None, None]),
            (&[Webm, Mp4], [None, None, h264, None, None]),
        ];
        for (formats, wanted) in cases {
            let plan = PicturePlan::of(formats, Anew::default());
            assert_eq!(sent.map(|codec| plan.target(codec).map(|target| target.codec)), wanted, "{formats:?}");
        }
    }
}
