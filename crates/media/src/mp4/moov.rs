//! The `moov` box in both its forms: the growing file's (empty tables, `mvex`) and the finished one's.

use std::{num::NonZeroU32, time::Duration};

use shiguredo_mp4::{
    Either, FixedPointNumber, LanguageCode, Mp4FileTime, SampleFlags,
    boxes::{
        DinfBox, EdtsBox, ElstBox, ElstEntry, HdlrBox, MdhdBox, MdiaBox, MediaHeader, MinfBox, MoovBox, MvexBox,
        MvhdBox, SmhdBox, StblBox, StcoBox, StscBox, StsdBox, StszBox, SttsBox, TkhdBox, TrakBox, TrexBox, VmhdBox,
    },
};

use super::{Anchor, Kind, SampleEntry, rotation};

const IDENTITY: [i32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// A track as the head names it. Has at least one entry, and all of one codec and timescale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    pub id: u32,
    pub entries: Vec<SampleEntry>,
}

impl Track {
    /// The entry that speaks for the whole track.
    pub fn first(&self) -> &SampleEntry {
        self.entries.first().expect("a track has at least one entry")
    }

    /// The turn of all its pictures; none when they differ, for a track has one.
    pub fn rotation(&self) -> u16 {
        let rotation = self.first().rotation();
        if self.entries.iter().all(|entry| entry.rotation() == rotation) { rotation } else { 0 }
    }

    /// The size that holds every picture as players show it: the largest width and the largest height of any entry.
    pub fn shown_size(&self) -> (u16, u16) {
        let sizes = self.entries.iter().map(SampleEntry::upright_size);
        sizes.fold((0, 0), |(width, height), size| (width.max(size.0), height.max(size.1)))
    }

    /// The same before the turn of all pictures.
    pub fn size(&self) -> (u16, u16) {
        rotation::upright(self.shown_size(), self.rotation())
    }

    /// Drops the entries that are not used, and gives the new number of each that is.
    pub fn keep_entries(&mut self, used: &[bool]) -> Vec<u32> {
        let mut kept = 0;
        let numbers = used.iter().map(|used| {
            kept += u32::from(*used);
            kept.saturating_sub(1)
        });
        let numbers = numbers.collect();
        let mut used = used.iter();
        self.entries.retain(|_| used.next() == Some(&true));
        numbers
    }
}

/// The sample tables of one finished track.
pub(super) struct Tables {
    pub stbl: StblBox,
    /// Sum of the durations of all samples, in ticks of the track.
    pub duration: u64,
}

/// The `moov` of a growing file.
pub(super) fn growing(anchor: &Anchor, tracks: &[Track]) -> MoovBox {
    let trex_boxes = tracks.iter().map(|track| TrexBox {
        track_id: track.id,
        default_sample_description_index: 1,
        default_sample_duration: 0,
        default_sample_size: 0,
        default_sample_flags: SampleFlags::empty(),
    });
    let mvex = MvexBox { mehd_box: None, trex_boxes: trex_boxes.collect(), unknown_boxes: Vec::new() };
    let movie = movie_timescale(tracks.iter());
    let traks = tracks.iter().map(|track| trak(anchor, movie, track, empty_tables(track)));
    moov(anchor, movie, traks.collect(), Some(mvex))
}

/// The `moov` of a finished file.
pub(super) fn finished(anchor: &Anchor, tracks: Vec<(Track, Tables)>) -> MoovBox {
    let movie = movie_timescale(tracks.iter().map(|(track, _)| track));
    let traks = tracks.into_iter().map(|(track, tables)| trak(anchor, movie, &track, tables));
    moov(anchor, movie, traks.collect(), None)
}

/// Ticks per second of `mvhd`, `tkhd` and `elst`: those of the sound, whose edit is exact then.
fn movie_timescale<'a>(mut tracks: impl Iterator<Item = &'a Track>) -> u32 {
    let sound = tracks.find(|track| track.first().kind() == Kind::Audio);
    sound.map_or(48_000, |track| track.first().timescale())
}

/// Ticks that a player shows of a track, `movie` of them per second.
fn presented(entry: &SampleEntry, duration: u64, movie: u32) -> u64 {
    let ticks = u128::from(duration.saturating_sub(entry.priming())) * u128::from(movie);
    u64::try_from(ticks / u128::from(entry.timescale())).unwrap_or(u64::MAX)
}

fn moov(anchor: &Anchor, movie: u32, trak_boxes: Vec<TrakBox>, mvex_box: Option<MvexBox>) -> MoovBox {
    let mvhd_box = MvhdBox {
        creation_time: creation_time(anchor),
        modification_time: creation_time(anchor),
        timescale: timescale(movie),
        duration: trak_boxes.iter().map(|trak| trak.tkhd_box.duration).max().unwrap_or(0),
        rate: MvhdBox::DEFAULT_RATE,
        volume: MvhdBox::DEFAULT_VOLUME,
        matrix: IDENTITY,
        next_track_id: trak_boxes.iter().map(|trak| trak.tkhd_box.track_id + 1).max().unwrap_or(1),
    };
    MoovBox { mvhd_box, trak_boxes, mvex_box, unknown_boxes: Vec::new() }
}

fn trak(anchor: &Anchor, movie: u32, track: &Track, tables: Tables) -> TrakBox {
    let entry = track.first();
    let presented = presented(entry, tables.duration, movie);
    let audio = entry.kind() == Kind::Audio;
    let mut tkhd_box = TkhdBox {
        flag_track_enabled: true,
        flag_track_in_movie: true,
        flag_track_in_preview: false,
        flag_track_size_is_aspect_ratio: false,
        creation_time: creation_time(anchor),
        modification_time: creation_time(anchor),
        track_id: track.id,
        duration: presented,
        layer: TkhdBox::DEFAULT_LAYER,
        alternate_group: TkhdBox::DEFAULT_ALTERNATE_GROUP,
        volume: FixedPointNumber::new(i8::from(audio), 0),
        matrix: IDENTITY,
        width: pixels(0),
        height: pixels(0),
    };
    set_look(&mut tkhd_box, track);
    let elst_box = ElstBox {
        entries: vec![ElstEntry {
            edit_duration: presented,
            media_time: i64::try_from(entry.priming()).unwrap_or(0),
            media_rate: FixedPointNumber::new(1, 0),
        }],
    };
    let edts_box = (entry.priming() > 0).then(|| EdtsBox { elst_box: Some(elst_box), unknown_boxes: Vec::new() });
    let mdhd_box = MdhdBox {
        creation_time: creation_time(anchor),
        modification_time: creation_time(anchor),
        timescale: timescale(entry.timescale()),
        duration: tables.duration,
        language: LanguageCode::UNDEFINED,
    };
    let mdia_box =
        MdiaBox { mdhd_box, hdlr_box: hdlr(audio), minf_box: minf(audio, tables), unknown_boxes: Vec::new() };
    TrakBox { tkhd_box, edts_box, mdia_box, unknown_boxes: Vec::new() }
}

/// Has the header of a track say how its pictures are shown.
pub(super) fn set_look(tkhd_box: &mut TkhdBox, track: &Track) {
    let size = track.size();
    tkhd_box.matrix = rotation::matrix(track.rotation(), size);
    (tkhd_box.width, tkhd_box.height) = (pixels(size.0), pixels(size.1));
}

fn pixels(side: u16) -> FixedPointNumber<i16, u16> {
    FixedPointNumber::new(i16::try_from(side).unwrap_or(i16::MAX), 0)
}

fn hdlr(audio: bool) -> HdlrBox {
    let (handler_type, name) = match audio {
        true => (HdlrBox::HANDLER_TYPE_SOUN, "sound\0"),
        false => (HdlrBox::HANDLER_TYPE_VIDE, "video\0"),
    };
    HdlrBox { handler_type, name: name.into() }
}

fn minf(audio: bool, tables: Tables) -> MinfBox {
    let media_header = match audio {
        true => MediaHeader::Smhd(SmhdBox::default()),
        false => MediaHeader::Vmhd(VmhdBox::default()),
    };
    MinfBox {
        media_header: Some(media_header),
        dinf_box: DinfBox::LOCAL_FILE,
        stbl_box: tables.stbl,
        unknown_boxes: Vec::new(),
    }
}

fn empty_tables(track: &Track) -> Tables {
    let stbl = StblBox {
        stsd_box: stsd(track),
        stts_box: SttsBox { entries: Vec::new() },
        ctts_box: None,
        cslg_box: None,
        stsc_box: StscBox { entries: Vec::new() },
        stsz_box: StszBox::Variable { entry_sizes: Vec::new() },
        stco_or_co64_box: Either::A(StcoBox { chunk_offsets: Vec::new() }),
        stss_box: None,
        sdtp_box: None,
        unknown_boxes: Vec::new(),
    };
    Tables { stbl, duration: 0 }
}

/// The sample descriptions of a track.
pub(super) fn stsd(track: &Track) -> StsdBox {
    StsdBox { entries: track.entries.iter().map(|entry| entry.raw.clone()).collect() }
}

fn creation_time(anchor: &Anchor) -> Mp4FileTime {
    Mp4FileTime::from_unix_time(Duration::from_nanos(u64::try_from(anchor.epoch_ns).unwrap_or(0)))
}

fn timescale(ticks: u32) -> NonZeroU32 {
    NonZeroU32::new(ticks).expect("timescales are those of sample entries, above zero")
}
