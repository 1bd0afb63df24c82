//! Fragments: one `moof` with at most one `traf` of each track, one `mdat` behind it.
//!
//! Written with the box types of the MP4 library; read by a strict parser of just what is written here, because the
//! library's takes a sample count on trust.

use shiguredo_mp4::{
    SampleFlags,
    boxes::{MfhdBox, MoofBox, TfdtBox, TfhdBox, TrafBox, TrunBox, TrunSample},
};

use super::{Kind, Result, Sample, cursor::Cursor, head::encode_box};

const KEY: SampleFlags = SampleFlags::new(0x0200_0000);
const DELTA: SampleFlags = SampleFlags::new(0x0101_0000);
/// The bit of [`DELTA`] that says so.
const NON_SYNC: u32 = 0x0001_0000;
/// The lowest bit of the degradation priority, which players leave alone: the picture before stood still up to this one.
const AFTER_STILL: u32 = 1;

/// Samples of one track that follow each other without a hole and share an entry.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub track: u32,
    pub kind: Kind,
    pub samples: &'a [Sample],
}

/// Appends one `moof` and `mdat` to `out`.
pub(super) fn encode(out: &mut Vec<u8>, sequence: u32, runs: &[Run]) -> Result<()> {
    let mut moof = MoofBox {
        mfhd_box: MfhdBox { sequence_number: sequence },
        traf_boxes: runs.iter().map(traf).collect(),
        unknown_boxes: Vec::new(),
    };
    // The offsets count from the beginning of the `moof`, whose length does not depend on their values.
    let mut offset = encode_box(&moof)?.len() + 8;
    for (traf, run) in moof.traf_boxes.iter_mut().zip(runs) {
        traf.trun_boxes[0].data_offset = Some(i32::try_from(offset).expect("a fragment is bounded to some megabytes"));
        offset += run.samples.iter().map(|sample| sample.data.len()).sum::<usize>();
    }
    let moof = encode_box(&moof)?;
    let mdat = u32::try_from(offset - moof.len()).expect("a fragment is bounded to some megabytes");
    out.extend(&moof);
    out.extend(mdat.to_be_bytes());
    out.extend(b"mdat");
    for sample in runs.iter().flat_map(|run| run.samples) {
        out.extend(&sample.data[..]);
    }
    Ok(())
}

fn traf(run: &Run) -> TrafBox {
    let first = &run.samples[0];
    let video = run.kind == Kind::Video;
    let tfhd_box = TfhdBox {
        track_id: run.track,
        base_data_offset: None,
        sample_description_index: Some(first.entry + 1),
        default_sample_duration: None,
        default_sample_size: None,
        default_sample_flags: Some(KEY),
        duration_is_empty: false,
        default_base_is_moof: true,
    };
    let samples = run.samples.iter().map(|sample| TrunSample {
        duration: Some(sample.duration),
        size: Some(sample.data.len() as u32),
        flags: video.then_some(flags(sample)),
        composition_time_offset: None,
    });
    let trun = TrunBox { data_offset: Some(0), first_sample_flags: None, samples: samples.collect() };
    TrafBox {
        tfhd_box,
        tfdt_box: Some(TfdtBox { version: 1, base_media_decode_time: first.dts }),
        trun_boxes: vec![trun],
        unknown_boxes: Vec::new(),
    }
}

fn flags(sample: &Sample) -> SampleFlags {
    let flags = if sample.key { KEY } else { DELTA };
    SampleFlags::new(flags.get() | if sample.after_still { AFTER_STILL } else { 0 })
}

/// One sample as a fragment describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SampleInfo {
    pub size: u32,
    pub duration: u32,
    pub key: bool,
    pub after_still: bool,
}

/// One `traf` as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadRun {
    pub track: u32,
    /// Counted from 0.
    pub entry: u32,
    pub dts: u64,
    /// Of the first sample's bytes, from the beginning of the `moof`.
    pub offset: u64,
    pub samples: Vec<SampleInfo>,
}

impl ReadRun {
    /// Bytes of all samples.
    pub fn size(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.size)).sum()
    }

    /// Where the last sample ends, in ticks.
    pub fn end(&self) -> u64 {
        let duration: u64 = self.samples.iter().map(|sample| u64::from(sample.duration)).sum();
        self.dts.saturating_add(duration)
    }
}

/// Reads the payload of a `moof` as [`encode`] makes it; `None` for any other.
pub(super) fn decode(moof: &[u8]) -> Option<Vec<ReadRun>> {
    let mut boxes = Cursor(moof);
    let (b"mfhd", _) = boxes.next_box().as_ref().map(|(kind, payload)| (kind, *payload))? else { return None };
    let mut runs = Vec::new();
    while !boxes.0.is_empty() {
        let (kind, payload) = boxes.next_box()?;
        runs.push((kind == *b"traf").then(|| decode_traf(payload))??);
    }
    Some(runs)
}

fn decode_traf(traf: &[u8]) -> Option<ReadRun> {
    let mut boxes = Cursor(traf);
    let mut child = |expected: [u8; 4]| {
        let (kind, payload) = boxes.next_box()?;
        (kind == expected).then_some(Cursor(payload))
    };
    let mut tfhd = child(*b"tfhd")?;
    if tfhd.u32()? != 0x02_0022 {
        return None;
    }
    let (track, entry) = (tfhd.u32()?, tfhd.u32()?.checked_sub(1)?);
    let mut tfdt = child(*b"tfdt")?;
    if tfdt.u32()? != 0x0100_0000 {
        return None;
    }
    let dts = tfdt.u64()?;
    let (offset, samples) = decode_trun(child(*b"trun")?)?;
    Some(ReadRun { track, entry, dts, offset, samples })
}

fn decode_trun(mut trun: Cursor) -> Option<(u64, Vec<SampleInfo>)> {
    let with_flags = match trun.u32()? {
        0x0301 => false,
        0x0701 => true,
        _ => return None,
    };
    let count = trun.u32()? as usize;
    let offset = trun.u32()?.into();
    let mut samples = Vec::with_capacity(count.min(trun.0.len() / 8));
    for _ in 0..count {
        let (duration, size) = (trun.u32()?, trun.u32()?);
        let flags = if with_flags { trun.u32()? } else { 0 };
        let (key, after_still) = (flags & NON_SYNC == 0, flags & AFTER_STILL != 0);
        samples.push(SampleInfo { size, duration, key, after_still });
    }
    (trun.0.is_empty() && !samples.is_empty()).then_some((offset, samples))
}
