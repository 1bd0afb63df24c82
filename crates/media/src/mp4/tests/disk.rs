//! A file in memory whose process or machine dies at a chosen step.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::mp4::{disk::Disk, fuzzing::Memory};

/// What dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The process: what was written stays, the last write up to any byte.
    Kill,
    /// The machine: of what was not synced, any pages stay.
    PowerLoss,
}

/// A handle on the file; all clones are the same file.
#[derive(Clone)]
pub struct Mortal(Arc<Mutex<Inner>>);

struct Inner {
    now: Memory,
    synced: Memory,
    /// Steps left until death, and what dies then.
    due: Option<(u64, Death)>,
    dead: Option<Death>,
    inserts: bool,
    rng: StdRng,
}

const PAGE: usize = 4096;

impl Mortal {
    /// `inserts`: whether the file system can insert in front.
    pub fn new(seed: u64, inserts: bool) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let (now, synced) = (Memory::default(), Memory::default());
        Self(Arc::new(Mutex::new(Inner { now, synced, due: None, dead: None, inserts, rng })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics while it holds the file")
    }

    /// Dies at the step after `steps` more ones.
    pub fn die_after(&self, steps: u64, death: Death) {
        self.inner().due = Some((steps, death));
    }

    /// What it died of, if it did; it is alive again, as after a restart.
    pub fn revive(&self) -> Option<Death> {
        let mut inner = self.inner();
        inner.due = None;
        inner.dead.take()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.inner().now.0.clone()
    }

    pub fn cut(&self, len: usize) {
        self.inner().now.0.truncate(len);
    }
}

impl Inner {
    /// Counts a step; `Some` if this is the one to die at.
    fn step(&mut self) -> io::Result<Option<Death>> {
        if self.dead.is_some() {
            return Err(io::Error::other("dead"));
        }
        match &mut self.due {
            Some((0, death)) => {
                self.dead = Some(*death);
                Ok(self.dead)
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Leaves on the medium what may be left.
    fn lose_power(&mut self) {
        let (now, synced) = (&self.now.0, &self.synced.0);
        let len = if self.rng.random() { now.len() } else { synced.len() };
        let mut left = vec![0; len];
        for at in (0..len).step_by(PAGE) {
            let source = if self.rng.random() { now } else { synced };
            let page = source.get(at..source.len().min(at + PAGE).min(len)).unwrap_or_default();
            left[at..at + page.len()].copy_from_slice(page);
        }
        self.now.0 = left.clone();
        self.synced.0 = left;
    }

    fn died(&mut self, death: Death) -> io::Result<()> {
        if death == Death::PowerLoss {
            self.lose_power();
        }
        Err(io::Error::other("dies"))
    }
}

impl Disk for Mortal {
    fn len(&self) -> io::Result<u64> {
        self.inner().now.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner().now.read_at(buf, offset)
    }

    fn write_at(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.inner();
        let death = inner.step()?;
        let written = if death.is_some() { inner.rng.random_range(0..=data.len()) } else { data.len() };
        inner.now.write_at(&data[..written], offset)?;
        death.map_or(Ok(()), |death| inner.died(death))
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut inner = self.inner();
        let death = inner.step()?;
        inner.now.truncate(len)?;
        death.map_or(Ok(()), |death| inner.died(death))
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        if let Some(death) = inner.step()? {
            return inner.died(death);
        }
        inner.synced = inner.now.clone();
        Ok(())
    }

    fn insert_front(&mut self, count: u64) -> io::Result<bool> {
        let mut inner = self.inner();
        let death = inner.step()?;
        if inner.inserts && (death.is_none() || inner.rng.random()) {
            // The file system's own journal puts this before all that is written later.
            inner.now.insert_front(count)?;
            inner.synced.insert_front(count)?;
        }
        let inserts = inner.inserts;
        death.map_or(Ok(inserts), |death| inner.died(death).map(|()| inserts))
    }

    fn replace(&mut self, head: &[u8], from: u64, to: u64) -> io::Result<()> {
        let mut inner = self.inner();
        let death = inner.step()?;
        if death.is_none() || inner.rng.random() {
            inner.now.replace(head, from, to)?;
            inner.synced = inner.now.clone();
        }
        death.map_or(Ok(()), |death| inner.died(death))
    }
}
