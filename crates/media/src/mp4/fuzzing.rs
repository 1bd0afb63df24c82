//! Bodies for fuzz targets: everything that reads the bytes of a file, over a file in memory.

use std::io;

use bytes::Bytes;

use super::{
    Codec, Filler, FillerError, FinishOptions, SampleEntry, Writer, check::check_on, disk::Disk, finish::finish_on,
    head,
};

/// Recovers, finishes and checks a file of these bytes. Must not panic, whatever they are.
pub fn any_file(bytes: &[u8]) {
    let memory = Memory(bytes.to_vec());
    let _ = check_on(&memory);
    let _ = finish_on(&mut memory.clone(), &FinishOptions::default(), &Zeros);
    if let Ok((mut writer, recovered)) = Writer::recover_on(Box::new(memory)) {
        for track in recovered.tracks {
            let sample = super::Sample {
                entry: 0,
                dts: track.end,
                duration: 1,
                key: true,
                after_still: false,
                data: Bytes::from_static(b"x"),
            };
            let _ = writer.push(track.id, sample);
        }
        let _ = writer.flush();
    }
}

/// Gives the image that seems to begin `bytes` the right hash, so that what lies behind the hash is reached.
pub fn seal_again(bytes: &mut [u8]) {
    if let Some(image) = head::image_len(bytes).and_then(|len| bytes.get_mut(..len)) {
        head::stamp(0, image);
    }
}

/// A file in memory that never fails.
#[derive(Clone, Default)]
pub struct Memory(pub Vec<u8>);

impl Disk for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let there = &self.0[from..];
        let count = there.len().min(buf.len());
        buf[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        let offset = offset as usize;
        self.0.resize(self.0.len().max(offset + data.len()), 0);
        self.0[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn insert_front(&mut self, count: u64) -> io::Result<bool> {
        self.0.splice(..0, std::iter::repeat_n(0, count as usize));
        Ok(true)
    }

    fn replace(&mut self, head: &[u8], from: u64, to: u64) -> io::Result<()> {
        self.0 = [head, &self.0[from as usize..to as usize]].concat();
        Ok(())
    }
}

struct Zeros;

impl Filler for Zeros {
    fn black(&self, _: Codec, _: u16, _: u16) -> Result<(SampleEntry, Bytes), FillerError> {
        Err("no black".into())
    }

    fn silence(&self, _: &SampleEntry) -> Result<Bytes, FillerError> {
        Ok(Bytes::from_static(&[0; 4]))
    }
}
