//! The sample tables of a finished track.

use std::num::NonZeroU32;

use shiguredo_mp4::{
    Either,
    boxes::{Co64Box, StblBox, StcoBox, StscBox, StscEntry, StssBox, StszBox, SttsBox, SttsEntry},
};

use super::{
    Kind,
    moov::{self, Tables, Track},
    timeline::{Media, Piece},
};

/// Where the filler samples of a track lie: `run` of them behind each other, all of one `size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FillerAt {
    pub offset: u64,
    pub size: u32,
    pub run: u32,
    pub entry: u32,
}

/// The tables while samples are added in the order of time.
#[derive(Default)]
struct Builder {
    durations: Vec<SttsEntry>,
    sizes: Vec<u32>,
    keys: Vec<NonZeroU32>,
    chunks: Vec<Chunk>,
    duration: u64,
}

/// Samples of one entry that lie behind each other.
pub(super) struct Chunk {
    pub offset: u64,
    pub samples: u32,
    pub entry: u32,
}

impl Builder {
    fn sample(&mut self, size: u32, duration: u32, key: bool) {
        self.sizes.push(size);
        self.duration += u64::from(duration);
        match self.durations.last_mut() {
            Some(last) if last.sample_delta == duration => last.sample_count += 1,
            _ => self.durations.push(SttsEntry { sample_count: 1, sample_delta: duration }),
        }
        if key {
            self.keys.push(number(self.sizes.len()));
        }
    }

    fn media(&mut self, media: &Media, run: usize, stretch: u32) {
        let run = &media.runs[run];
        let samples = media.samples(run);
        self.chunks.push(Chunk { offset: run.offset, samples: samples.len() as u32, entry: run.entry });
        for (n, sample) in samples.iter().enumerate() {
            let extra = if n + 1 == samples.len() { stretch } else { 0 };
            self.sample(sample.size, sample.duration.saturating_add(extra), sample.key);
        }
    }

    fn fill(&mut self, filler: &FillerAt, count: u32, ticks: u64, step: u32) {
        let mut left = count;
        while left > 0 {
            let samples = left.min(filler.run);
            self.chunks.push(Chunk { offset: filler.offset, samples, entry: filler.entry });
            left -= samples;
        }
        for _ in 1..count {
            self.sample(filler.size, step, true);
        }
        let last = ticks - u64::from(count - 1) * u64::from(step);
        self.sample(filler.size, last as u32, true);
    }
}

pub(super) fn stsc(chunks: &[Chunk]) -> StscBox {
    let mut entries: Vec<StscEntry> = Vec::new();
    for (n, chunk) in chunks.iter().enumerate() {
        let description = number(chunk.entry as usize + 1);
        let same =
            |last: &StscEntry| last.sample_per_chunk == chunk.samples && last.sample_description_index == description;
        if !entries.last().is_some_and(same) {
            entries.push(StscEntry {
                first_chunk: number(n + 1),
                sample_per_chunk: chunk.samples,
                sample_description_index: description,
            });
        }
    }
    StscBox { entries }
}

/// Where chunks begin; `large`: offsets take 64 bits.
pub(super) fn offsets(offsets: impl Iterator<Item = u64>, large: bool) -> Either<StcoBox, Co64Box> {
    match large {
        false => Either::A(StcoBox { chunk_offsets: offsets.map(|offset| offset as u32).collect() }),
        true => Either::B(Co64Box { chunk_offsets: offsets.collect() }),
    }
}

/// The tables of a track laid out in `pieces`. `filler` must be there if they have a [`Piece::Fill`]. `large`: offsets
/// take 64 bits. Offsets count in the growing file, see [`shift`].
pub(super) fn tables(track: &Track, media: &Media, pieces: &[Piece], filler: Option<&FillerAt>, large: bool) -> Tables {
    let mut builder = Builder::default();
    for piece in pieces {
        match (*piece, filler) {
            (Piece::Media { run, stretch }, _) => builder.media(media, run, stretch),
            (Piece::Fill { count, ticks }, Some(filler)) => {
                builder.fill(filler, count, ticks, track.first().filler_duration());
            }
            (Piece::Fill { .. }, None) => unreachable!("a track with holes has filler"),
        }
    }
    let stbl = StblBox {
        stsd_box: moov::stsd(track),
        stsc_box: stsc(&builder.chunks),
        stco_or_co64_box: offsets(builder.chunks.iter().map(|chunk| chunk.offset), large),
        stts_box: SttsBox { entries: builder.durations },
        stsz_box: StszBox::Variable { entry_sizes: builder.sizes },
        stss_box: (track.first().kind() == Kind::Video).then_some(StssBox { sample_numbers: builder.keys }),
        ctts_box: None,
        cslg_box: None,
        sdtp_box: None,
        unknown_boxes: Vec::new(),
    };
    Tables { stbl, duration: builder.duration }
}

/// Moves all chunks `by` bytes on.
pub(super) fn shift(stbl: &mut StblBox, by: u64) {
    match &mut stbl.stco_or_co64_box {
        Either::A(stco) => stco.chunk_offsets.iter_mut().for_each(|offset| *offset += by as u32),
        Either::B(co64) => co64.chunk_offsets.iter_mut().for_each(|offset| *offset += by),
    }
}

fn number(n: usize) -> NonZeroU32 {
    u32::try_from(n).ok().and_then(NonZeroU32::new).expect("counted from 1, and times are bounded to days")
}
