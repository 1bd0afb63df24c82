//! What a growing file becomes: its sample tables, its filler, its head.

use shiguredo_mp4::boxes::MoovBox;

use super::{
    Anchor, Codec, Error, FinishOptions, HEAD, MAX_TIME, Result, SampleEntry,
    disk::Disk,
    finish::Filler,
    finished::{Summary, TrackSummary},
    head::{self, Head, State, encode_box},
    journal::Journal,
    moov::{self, Tables, Track},
    scan::scan,
    tables::{self, FillerAt},
    timeline::{Media, Piece, lay_out, presented_units, units},
};

/// What is to be appended to the media, and done then.
pub(super) struct Plan {
    /// Filler media, then the journal.
    pub tail: Vec<u8>,
    pub journal: Journal,
}

/// A track with samples, and how it will be played.
struct Laid {
    track: Track,
    media: Media,
    pieces: Vec<Piece>,
    filler: Option<FillerAt>,
}

/// Silent frames behind each other in the file, so that an hour of silence takes few chunks.
const SILENT_RUN: u32 = 48;
/// No head is larger.
pub(super) const MAX_HEAD: u64 = 256 << 20;
/// Room in front is inserted in multiples of this: the largest block of common file systems.
const BLOCK: u64 = 4096;

/// Reads the file and decides; changes nothing. The first number is where the fragments end.
pub(super) fn plan(disk: &dyn Disk, head: Head, options: &FinishOptions, filler: &dyn Filler) -> Result<(u64, Plan)> {
    let mut media: Vec<Media> = head.tracks.iter().map(|_| Media::default()).collect();
    let extent = scan(disk, &head.tracks, |run| {
        let index = head.tracks.iter().position(|track| track.id == run.track);
        media[index.expect("scan gives known tracks only")].add(run);
    })?;
    if let Some(cut) = options.cut {
        head.tracks.iter().zip(&mut media).for_each(|(track, media)| media.cut(track.first(), units(cut)));
    }
    let mut laid = lay_out_all(head.tracks, media, options)?;
    let mut tail = fill_all(&mut laid, extent.end, filler)?;
    let media_end = extent.end + tail.len() as u64;
    let journal = journal_of(&head.anchor, &laid, media_end)?;
    tail.extend(journal.encode());
    Ok((extent.end, Plan { tail, journal }))
}

fn lay_out_all(tracks: Vec<Track>, media: Vec<Media>, options: &FinishOptions) -> Result<Vec<Laid>> {
    if options.end.is_some_and(|end| end > MAX_TIME) {
        return Err(Error::Invalid("the end is too late".into()));
    }
    let wanted = options.end.map_or(0, units);
    let recorded: Vec<_> = tracks.into_iter().zip(media).filter(|(_, media)| !media.runs.is_empty()).collect();
    let ends = recorded.iter().map(|(track, media)| presented_units(track.first(), media.end));
    let end = ends.max().ok_or(Error::Empty)?.max(wanted);
    let laid = recorded.into_iter().map(|(mut track, mut media)| {
        // Named, but nothing of it was written: it would make the track larger than any picture.
        let mut used = vec![false; track.entries.len()];
        media.runs.iter().for_each(|run| used[run.entry as usize] = true);
        let numbers = track.keep_entries(&used);
        media.runs.iter_mut().for_each(|run| run.entry = numbers[run.entry as usize]);
        let pieces = lay_out(track.first(), &media, end, options.still);
        Laid { track, media, pieces, filler: None }
    });
    Ok(laid.collect())
}

/// Gets filler for the tracks that have holes. Returns a box of it that will lie at `at`; empty if there are none.
fn fill_all(laid: &mut [Laid], at: u64, filler: &dyn Filler) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 8];
    for laid in laid {
        if !laid.pieces.iter().any(|piece| matches!(piece, Piece::Fill { .. })) {
            continue;
        }
        let offset = at + bytes.len() as u64;
        let failed = |e: super::FillerError| Error::Filler(e.to_string());
        let (entry, sample, run) = match laid.track.first().codec() {
            codec @ (Codec::H264 | Codec::H265 | Codec::Vp8 | Codec::Vp9 | Codec::Av1) => {
                let (width, height) = laid.track.size();
                let (entry, sample) = filler.black(codec, width, height).map_err(failed)?;
                let entry = entry.turned(laid.track.rotation());
                (add_entry(&mut laid.track, entry)?, sample, 1)
            }
            Codec::Aac | Codec::Opus => (0, filler.silence(laid.track.first()).map_err(failed)?, SILENT_RUN),
        };
        let size = u32::try_from(sample.len()).ok().filter(|size| *size > 0);
        let size = size.ok_or_else(|| Error::Filler("an empty sample, or one beyond all bounds".into()))?;
        (0..run).for_each(|_| bytes.extend(&sample[..]));
        laid.filler = Some(FillerAt { offset, size, run, entry });
    }
    if bytes.len() == 8 {
        return Ok(Vec::new());
    }
    let size = u32::try_from(bytes.len()).map_err(|_| Error::Filler("too large".into()))?;
    bytes[..4].copy_from_slice(&size.to_be_bytes());
    bytes[4..8].copy_from_slice(b"mdat");
    Ok(bytes)
}

fn add_entry(track: &mut Track, entry: SampleEntry) -> Result<u32> {
    if !entry.shares_track_with(track.first()) {
        return Err(Error::Filler("of another codec".into()));
    }
    let known = track.entries.iter().position(|known| *known == entry);
    if known.is_none() {
        track.entries.push(entry);
    }
    Ok(known.unwrap_or(track.entries.len() - 1) as u32)
}

/// What is left to do when media and filler are there.
fn journal_of(anchor: &Anchor, laid: &[Laid], media_end: u64) -> Result<Journal> {
    let large = media_end + MAX_HEAD > u64::from(u32::MAX);
    let made: Vec<(Track, Tables)> = laid
        .iter()
        .map(|laid| {
            let tables = tables::tables(&laid.track, &laid.media, &laid.pieces, laid.filler.as_ref(), large);
            (laid.track.clone(), tables)
        })
        .collect();
    let mut summary = summary(anchor, laid, &made);
    journal(anchor, &mut summary, &mut moov::finished(anchor, made), media_end)
}

/// How to put this `moov` in front of a file whose media ends at `media_end` and whose front has `summary.head` bytes
/// now. Makes room where that is too few, and moves the offsets and the summary accordingly.
pub(super) fn journal(anchor: &Anchor, summary: &mut Summary, moov: &mut MoovBox, media_end: u64) -> Result<Journal> {
    // Neither the offsets nor the numbers of the summary change the length.
    let needed = seal(anchor, summary, moov, 0)?.len() as u64;
    if needed > MAX_HEAD {
        return Err(Error::Invalid("too many samples".into()));
    }
    let shift = needed.saturating_sub(summary.head).next_multiple_of(BLOCK);
    for trak in &mut moov.trak_boxes {
        tables::shift(&mut trak.mdia_box.minf_box.stbl_box, shift);
    }
    summary.size = media_end + shift;
    summary.head += shift;
    Ok(Journal { shift, media_end, image: seal(anchor, summary, moov, media_end + shift)? })
}

/// The image of a file of `size` bytes: after the `moov`, all the rest is one `mdat`.
fn seal(anchor: &Anchor, summary: &Summary, moov: &MoovBox, size: u64) -> Result<Vec<u8>> {
    let mut rest = encode_box(moov)?;
    let mut mdat = *b"\0\0\0\x01mdat\0\0\0\0\0\0\0\0";
    rest.extend(mdat);
    let image = head::seal(0, State::Finished, anchor, &summary.encode(), &rest);
    let before = (image.len() - mdat.len()) as u64;
    mdat[8..].copy_from_slice(&size.saturating_sub(before).to_be_bytes());
    rest.truncate(rest.len() - mdat.len());
    rest.extend(mdat);
    Ok(head::seal(0, State::Finished, anchor, &summary.encode(), &rest))
}

fn summary(anchor: &Anchor, laid: &[Laid], made: &[(Track, Tables)]) -> Summary {
    let tracks = laid.iter().zip(made).map(|(laid, (track, tables))| {
        let mut summary = TrackSummary::new(track.id, track.first(), tables.duration);
        summary.samples = laid.media.len() as u64;
        for piece in &laid.pieces {
            if let Piece::Fill { count, ticks } = piece {
                summary.filler += u64::from(*count);
                summary.filled += ticks;
            }
        }
        summary
    });
    let sizes = made.iter().map(|(track, _)| track.shown_size());
    let (width, height) = sizes.fold((0, 0), |(width, height), size| (width.max(size.0), height.max(size.1)));
    Summary { epoch_ns: anchor.epoch_ns, size: 0, head: HEAD, width, height, tracks: tracks.collect() }
}
