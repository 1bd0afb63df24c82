//! Pictures of a finished file replaced by others, in place: their bytes are appended, and the index points at them
//! instead. All other samples stay where they are, every sample keeps its time.
//!
//! The file is a finished one all the while. [`Replacing::commit`] takes the steps of [`finish`](super::finish) from the
//! journal on; until the new head is whole, the next `finish` takes away what was appended, or completes it.

use std::path::Path;

use shiguredo_mp4::{
    Decode, Either,
    aux::SampleTableAccessor,
    boxes::{MoovBox, StblBox, StszBox},
};

use super::{
    Anchor, Error, Finished, Kind, Result, SampleEntry,
    disk::{Disk, FileDisk},
    finish::{carry_out, read_finished},
    finished::Summary,
    head,
    journal::Journal,
    moov::{self, Track},
    plan,
    tables::{self, Chunk},
};

/// Written at once.
const WRITE: usize = 4 << 20;

/// A coded picture of a finished file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPicture {
    /// Where its bytes lie. Filler is the same place again and again.
    pub offset: u64,
    pub size: u32,
    /// The number of its sample entry.
    pub entry: u32,
    /// Whether decoding can begin here.
    pub key: bool,
    /// In ticks of the track.
    pub duration: u32,
}

/// See the module's head.
pub struct Replacing {
    disk: Box<dyn Disk>,
    anchor: Anchor,
    summary: Summary,
    moov: MoovBox,
    /// Which `trak` has the pictures.
    trak: usize,
    track: Track,
    pictures: Vec<StoredPicture>,
    /// What was appended and not written yet, and where it goes.
    pending: Vec<u8>,
    end: u64,
}

impl Replacing {
    /// Opens the finished file at `path`; nothing where it has no pictures. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] of a file that is not finished.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        Self::open_on(Box::new(FileDisk::open(path)?))
    }

    pub(super) fn open_on(disk: Box<dyn Disk>) -> Result<Option<Self>> {
        let (image, summary) =
            read_finished(&*disk)?.ok_or_else(|| Error::Invalid("pictures of a file that is not finished".into()))?;
        let corrupt = |what: String| Error::Corrupt(format!("index: {what}"));
        let sealed = head::open(&image, 0).ok_or_else(|| corrupt("not sealed".into()))?;
        let (moov, _) = MoovBox::decode(sealed.rest).map_err(|e| corrupt(e.to_string()))?;
        let tracks: Vec<Track> = moov.trak_boxes.iter().map(head::track).collect::<Result<_>>()?;
        let found = tracks.into_iter().enumerate().find(|(_, track)| track.first().kind() == Kind::Video);
        let Some((trak, track)) = found else { return Ok(None) };
        let pictures = pictures(&moov.trak_boxes[trak].mdia_box.minf_box.stbl_box)?;
        let (anchor, end) = (sealed.anchor, summary.size);
        Ok(Some(Self { disk, anchor, summary, moov, trak, track, pictures, pending: Vec::new(), end }))
    }

    /// What the recorder keeps in the file.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// The sample entries of the pictures, in the order of their numbers.
    pub fn entries(&self) -> &[SampleEntry] {
        &self.track.entries
    }

    /// All pictures, filler included, in the order of time.
    pub fn pictures(&self) -> &[StoredPicture] {
        &self.pictures
    }

    /// The first bytes of a picture that is not replaced yet, `most` of them.
    pub fn read(&self, picture: usize, most: usize) -> Result<Vec<u8>> {
        let StoredPicture { offset, size, .. } = self.pictures[picture];
        let mut bytes = vec![0; most.min(size as usize)];
        let read = self.disk.read_at(&mut bytes, offset)?;
        if read < bytes.len() {
            return Err(Error::Corrupt("the file ends within a picture".into()));
        }
        Ok(bytes)
    }

    /// The number of `entry`, added if there is no equal one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an entry of another codec.
    pub fn add_entry(&mut self, entry: SampleEntry) -> Result<u32> {
        if !entry.shares_track_with(self.track.first()) {
            return Err(Error::Invalid("a track has one codec".into()));
        }
        let entries = &mut self.track.entries;
        let known = entries.iter().position(|known| *known == entry).unwrap_or_else(|| {
            entries.push(entry);
            entries.len() - 1
        });
        Ok(known as u32)
    }

    /// Puts `data` in a picture's place. It must be a key frame if the picture was one.
    pub fn replace(&mut self, picture: usize, entry: u32, data: &[u8]) -> Result<()> {
        let size =
            u32::try_from(data.len()).ok().filter(|size| *size > 0 && (entry as usize) < self.track.entries.len());
        let size = size.ok_or(Error::BadSample("empty, too large, or of an unknown entry"))?;
        if self.end == self.summary.size && self.pending.is_empty() {
            // An earlier attempt's rest goes. The box is open-ended until the new head makes it part of the one before.
            self.disk.truncate(self.end)?;
            self.pending.extend(b"\0\0\0\0mdat");
        }
        let offset = self.end + self.pending.len() as u64;
        self.pending.extend(data);
        if self.pending.len() >= WRITE {
            self.write()?;
        }
        self.pictures[picture] = StoredPicture { offset, size, entry, ..self.pictures[picture] };
        Ok(())
    }

    /// Puts what took the place of `other` in the place of this one, too, without writing it again.
    pub fn repeat(&mut self, picture: usize, other: usize) {
        let StoredPicture { offset, size, entry, .. } = self.pictures[other];
        self.pictures[picture] = StoredPicture { offset, size, entry, ..self.pictures[picture] };
    }

    fn write(&mut self) -> Result<()> {
        self.disk.write_at(&self.pending, self.end)?;
        self.end += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Makes the file that of the new pictures.
    pub fn commit(mut self) -> Result<Finished> {
        self.write()?;
        let mut used = vec![false; self.track.entries.len()];
        self.pictures.iter().for_each(|picture| used[picture.entry as usize] = true);
        let numbers = self.track.keep_entries(&used);
        self.pictures.iter_mut().for_each(|picture| picture.entry = numbers[picture.entry as usize]);
        let journal = self.journal()?;
        self.disk.write_at(&journal.encode(), self.end)?;
        self.disk.sync()?;
        Ok(carry_out(&mut *self.disk, &journal)?.finished())
    }

    fn journal(&mut self) -> Result<Journal> {
        let large = self.end + plan::MAX_HEAD > u64::from(u32::MAX);
        let trak = &mut self.moov.trak_boxes[self.trak];
        moov::set_look(&mut trak.tkhd_box, &self.track);
        let stbl = &mut trak.mdia_box.minf_box.stbl_box;
        let chunks = chunks(&self.pictures);
        stbl.stsd_box = moov::stsd(&self.track);
        stbl.stsz_box = StszBox::Variable { entry_sizes: self.pictures.iter().map(|picture| picture.size).collect() };
        stbl.stsc_box = tables::stsc(&chunks);
        stbl.stco_or_co64_box = tables::offsets(chunks.iter().map(|chunk| chunk.offset), large);
        for trak in &mut self.moov.trak_boxes {
            let offsets = &mut trak.mdia_box.minf_box.stbl_box.stco_or_co64_box;
            if let (true, Either::A(stco)) = (large, &*offsets) {
                *offsets = tables::offsets(stco.chunk_offsets.iter().map(|offset| u64::from(*offset)), true);
            }
        }
        (self.summary.width, self.summary.height) = self.track.shown_size();
        plan::journal(&self.anchor, &mut self.summary, &mut self.moov, self.end)
    }
}

/// The pictures that the tables name.
fn pictures(stbl: &StblBox) -> Result<Vec<StoredPicture>> {
    let table = SampleTableAccessor::new(stbl).map_err(|e| Error::Corrupt(format!("index: {e}")))?;
    let samples = table.samples().map(|sample| StoredPicture {
        offset: sample.data_offset(),
        size: sample.data_size(),
        entry: sample.chunk().sample_entry_index() as u32,
        key: sample.is_sync_sample(),
        duration: sample.duration(),
    });
    Ok(samples.collect())
}

/// As few chunks as hold the pictures in their order.
fn chunks(pictures: &[StoredPicture]) -> Vec<Chunk> {
    let joined = |a: &StoredPicture, b: &StoredPicture| a.entry == b.entry && a.offset + u64::from(a.size) == b.offset;
    let chunk = |run: &[StoredPicture]| Chunk { offset: run[0].offset, samples: run.len() as u32, entry: run[0].entry };
    pictures.chunk_by(joined).map(chunk).collect()
}
