//! The first bytes of the file: who it is, what it holds, and whether it is finished.
//!
//! An *image* is `[ftyp][uuid][moov]`, sealed by a hash in the `uuid` box, so that an image that was half written is told
//! from a whole one. While recording there are two of them in the first [`HEAD`] bytes: the one at offset 0 that players
//! read, and its twin in the `free` box behind it. They are written one after the other, so one is always whole.

use shiguredo_mp4::{
    Decode, Encode,
    boxes::{MoovBox, TrakBox},
};

use super::{
    Error, HEAD, MAX_NOTE, Result, SampleEntry,
    cursor::{Cursor, FNV_START, fnv},
    moov::{self, Track},
};

/// Where the twin lies. The hash is seeded with the place, so a twin moved to another place is none.
pub(super) const TWIN: u64 = HEAD / 2;

/// The position of media time 0 on the wall clock, and what the recorder wants to find again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Anchor {
    /// Unix time of media time 0, in nanoseconds.
    pub epoch_ns: i64,
    /// Anything, up to [`MAX_NOTE`] bytes.
    pub note: Vec<u8>,
}

/// What a growing file's head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub anchor: Anchor,
    pub tracks: Vec<Track>,
}

impl Head {
    /// The image for the place `at` (0 or [`TWIN`]).
    pub fn encode(&self, at: u64) -> Result<Vec<u8>> {
        let moov = encode_box(&moov::growing(&self.anchor, &self.tracks))?;
        let image = seal(at, State::Growing, &self.anchor, &[], &moov);
        // The image at 0 is followed by the header of the `free` box, in front of the twin.
        if image.len() as u64 > TWIN - 8 { Err(Error::HeadFull) } else { Ok(image) }
    }

    /// The header of the `free` box that fills [`HEAD`] up behind an image at 0.
    pub fn padding(image: &[u8]) -> [u8; 8] {
        let size = u32::try_from(HEAD - image.len() as u64).expect("an image is shorter than the head");
        let mut header = *b"\0\0\0\0free";
        header[..4].copy_from_slice(&size.to_be_bytes());
        header
    }

    /// Of a growing file as well as of a finished one.
    fn decode(sealed: &Sealed) -> Result<Self> {
        let (moov, _) = MoovBox::decode(sealed.rest).map_err(|e| Error::Corrupt(format!("moov: {e}")))?;
        let tracks = moov.trak_boxes.iter().map(track).collect::<Result<_>>()?;
        Ok(Self { anchor: sealed.anchor.clone(), tracks })
    }
}

/// The track of a `trak`, as far as its entries say.
pub(super) fn track(trak: &TrakBox) -> Result<Track> {
    let raw = &trak.mdia_box.minf_box.stbl_box.stsd_box.entries;
    let entries: Vec<_> = raw.iter().cloned().map(SampleEntry::from_box).collect::<Result<_>>()?;
    let uniform = entries.windows(2).all(|pair| pair[0].shares_track_with(&pair[1]));
    if entries.is_empty() || !uniform {
        return Err(Error::Corrupt("sample entries of one track differ in kind".into()));
    }
    Ok(Track { id: trak.tkhd_box.track_id, entries })
}

/// The growing file's head at the place `at` (0 or [`TWIN`]) of the file's first bytes.
pub(super) fn decode_growing(bytes: &[u8], at: u64) -> Option<Result<Head>> {
    let sealed = open(bytes.get(at as usize..)?, at).filter(|sealed| sealed.state == State::Growing)?;
    Some(Head::decode(&sealed))
}

/// The finished file's head that `bytes` begin with.
pub(super) fn decode_finished(bytes: &[u8]) -> Option<Result<Head>> {
    let sealed = open(bytes, 0).filter(|sealed| sealed.state == State::Finished)?;
    Some(Head::decode(&sealed))
}

/// What the image is the head of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    Growing = 0,
    Finished = 1,
}

/// An image whose hash is right.
pub(super) struct Sealed<'a> {
    pub state: State,
    pub anchor: Anchor,
    /// Free space of the owner of the state.
    pub summary: &'a [u8],
    /// What follows the `uuid` box.
    pub rest: &'a [u8],
}

const FTYP: &[u8; 32] = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso6avc1mp41";
const UUID: [u8; 16] = *b"tapedeck-record\x01";
/// Offsets in an image: the hash, the length of the image.
const HASH_AT: usize = FTYP.len() + 8 + 16;
const LEN_AT: usize = HASH_AT + 8;

/// Makes an image of its parts; `rest` is what follows the `uuid` box.
pub(super) fn seal(at: u64, state: State, anchor: &Anchor, summary: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut image = FTYP.to_vec();
    let fixed = 8 + 16 + 8 + 4 + 1 + 8 + 2 + 2;
    let size = fixed + anchor.note.len() + summary.len();
    image.extend((size as u32).to_be_bytes());
    image.extend(b"uuid");
    image.extend(UUID);
    image.extend([0; 8]);
    image.extend(((FTYP.len() + size + rest.len()) as u32).to_be_bytes());
    image.push(state as u8);
    image.extend(anchor.epoch_ns.to_be_bytes());
    for blob in [&anchor.note[..], summary] {
        image.extend((blob.len() as u16).to_be_bytes());
        image.extend(blob);
    }
    image.extend(rest);
    stamp(at, &mut image);
    image
}

/// Puts the right hash into an image.
pub(super) fn stamp(at: u64, image: &mut [u8]) {
    let hash = hash(at, image).to_be_bytes();
    image[HASH_AT..HASH_AT + 8].copy_from_slice(&hash);
}

/// The length of the image that begins at `bytes`, if one seems to.
pub(super) fn image_len(bytes: &[u8]) -> Option<usize> {
    let ours = bytes.starts_with(FTYP) && bytes.get(FTYP.len() + 8..HASH_AT)? == UUID;
    let len = Cursor(bytes.get(LEN_AT..)?).u32()?;
    ours.then_some(len as usize).filter(|len| *len > LEN_AT)
}

/// Reads the image that begins at `bytes`; `None` when there is no whole one.
pub(super) fn open(bytes: &[u8], at: u64) -> Option<Sealed<'_>> {
    let image = bytes.get(..image_len(bytes)?)?;
    let expected = Cursor(image.get(HASH_AT..)?).u64()?;
    if hash(at, image) != expected {
        return None;
    }
    let mut boxes = Cursor(&image[FTYP.len()..]);
    let (_, payload) = boxes.next_box()?;
    let mut fields = Cursor(payload);
    fields.take(16 + 8 + 4)?;
    let state = match fields.u8()? {
        0 => State::Growing,
        1 => State::Finished,
        _ => return None,
    };
    let epoch_ns = fields.u64()? as i64;
    let note_len = fields.u16()?.into();
    let note = fields.take(note_len)?.to_vec();
    let summary_len = fields.u16()?.into();
    let summary = fields.take(summary_len)?;
    (note.len() <= MAX_NOTE).then_some(Sealed { state, anchor: Anchor { epoch_ns, note }, summary, rest: boxes.0 })
}

/// The hash of an image for its place, the hash field itself taken as zero.
fn hash(at: u64, image: &[u8]) -> u64 {
    let (before, after) = (&image[..HASH_AT], &image[HASH_AT + 8..]);
    fnv(fnv(fnv(fnv(FNV_START, &at.to_be_bytes()), before), &[0; 8]), after)
}

/// The bytes of a box.
pub(super) fn encode_box(value: &impl Encode) -> Result<Vec<u8>> {
    value.encode_to_vec().map_err(|e| Error::Invalid(format!("box: {e}")))
}
