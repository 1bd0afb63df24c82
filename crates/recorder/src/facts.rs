//! The facts of a task, from which its report is made: one JSON line each, appended to a file in the task's folder, so
//! that the death of a recorder costs the account no more than some seconds of its numbers. Of what is written the
//! files themselves tell.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use media::mp4::{self, Kind, Recorded};
use rules::ledger::{Entry, Fact, FileFact, Format, Ledger, Media, Presence, Span, TrackFact};
use rules::select::StreamId;
use rules::time::{MILLI_NS, Mono, SECOND_NS};

use crate::clock::Clock;
use crate::messages::FileName;
use crate::tally::Both;

/// Name of the file in the task's folder.
pub const FACTS: &str = "facts.jsonl";

/// How often numbers are written.
const BEAT_NS: i64 = 5 * SECOND_NS;
/// The same of a mix, of whose members nothing else tells what came.
pub const MIX_BEAT_NS: i64 = 2 * SECOND_NS;
/// After the connection came (back), who was there before is given so long to be told of again.
const RETURN_NS: i64 = 2 * SECOND_NS;

/// The facts of one task while it is recorded.
#[derive(Debug)]
pub struct Facts {
    journal: Journal,
    presences: BTreeMap<(StreamId, Media), Presence>,
    happened: BTreeMap<StreamId, Both>,
    /// Since when the connection is there.
    up_since: Option<Mono>,
    /// What was written of the connection last.
    told_up: Option<bool>,
    beat_at: Mono,
    beat_ns: i64,
}

impl Facts {
    /// Begins the file in the task's folder, or goes on in it. `mixed`: the task is a mix.
    pub fn open(dir: &Path, mixed: bool, clock: &Clock, now: Mono) -> Facts {
        let beat_ns = if mixed { MIX_BEAT_NS } else { BEAT_NS };
        let known = read(dir).unwrap_or_default();
        let presences = known.presences().map(|(stream, media, is)| ((stream.clone(), media), is)).collect();
        let mut facts = Facts {
            journal: Journal::open(dir, clock),
            presences,
            happened: BTreeMap::new(),
            up_since: None,
            told_up: None,
            beat_at: now.plus(beat_ns),
            beat_ns,
        };
        facts.journal.write(now, [Fact::Recorder]);
        facts
    }

    /// The connection to the room is there, or is not.
    pub fn set_room(&mut self, up: bool, now: Mono) {
        if self.told_up == Some(up) {
            return;
        }
        self.told_up = Some(up);
        self.up_since = up.then_some(now);
        self.beat_at = self.beat_at.min(self.next_beat(now));
        self.journal.write(now, [Fact::Room { up }]);
    }

    /// The streams that the task records, as they are now.
    pub fn set_presences(&mut self, seen: &BTreeMap<(StreamId, Media), Presence>, now: Mono) {
        let settled = self.up_since.is_some_and(|since| now.since(since) >= RETURN_NS);
        let gone = |key: &&(StreamId, Media)| settled && !seen.contains_key(*key);
        let gone: Vec<_> = self.presences.keys().filter(gone).map(|key| (key.clone(), Presence::Away)).collect();
        let seen = seen.iter().map(|(key, is)| (key.clone(), *is));
        let changes: Vec<_> = seen.chain(gone).filter(|(key, is)| self.presences.get(key) != Some(is)).collect();
        self.presences.extend(changes.iter().cloned());
        let fact = |((stream, media), is)| Fact::Presence { stream, media, is };
        self.journal.write(now, changes.into_iter().map(fact));
    }

    /// The codec that arrives from now on.
    pub fn set_sent(&mut self, stream: &StreamId, media: Media, mime: &str, now: Mono) {
        self.journal.write(now, [Fact::Sent { stream: stream.clone(), media, mime: mime.to_owned() }]);
    }

    /// What happened to the stream, to be written by and by.
    pub fn of(&mut self, stream: &StreamId) -> &mut Both {
        if !self.happened.contains_key(stream) {
            self.happened.insert(stream.clone(), Both::default());
        }
        self.happened.get_mut(stream).expect("inserted above if it was not there")
    }

    pub fn add(&mut self, stream: &StreamId, both: Both) {
        let known = self.of(stream);
        known.picture.add(both.picture);
        known.sound.add(both.sound);
    }

    /// Whether numbers are to be gathered and written.
    pub fn is_due(&self, now: Mono) -> bool {
        now >= self.beat_at
    }

    /// Writes what happened.
    pub fn beat(&mut self, now: Mono) {
        self.beat_at = self.next_beat(now);
        let mut facts = Vec::new();
        for (stream, both) in std::mem::take(&mut self.happened) {
            for (media, happened) in [(Media::Picture, both.picture), (Media::Sound, both.sound)] {
                let tally = happened.told(&self.journal.clock).map(Box::new);
                facts.extend(tally.map(|tally| Fact::Tally { stream: stream.clone(), media, tally }));
            }
        }
        facts.push(Fact::Alive);
        self.journal.write(now, facts);
    }

    /// One is when it is known who has left while there was no connection.
    fn next_beat(&self, now: Mono) -> Mono {
        let settled = self.up_since.map(|since| since.plus(RETURN_NS)).filter(|at| *at > now);
        settled.into_iter().fold(now.plus(self.beat_ns), Mono::min)
    }

    /// The recording ended at `at`.
    pub fn end(&mut self, at: Mono) {
        self.beat(at);
        self.journal.write(at, [Fact::End]);
    }
}

/// The file of facts, to be appended to.
#[derive(Debug)]
pub struct Journal {
    pub clock: Clock,
    file: Option<File>,
}

impl Journal {
    /// Begins the file in the task's folder, or goes on in it.
    pub fn open(dir: &Path, clock: &Clock) -> Journal {
        let path = dir.join(FACTS);
        let file = open(&path).inspect_err(|error| tracing::error!(?path, %error, "there will be no report")).ok();
        Journal { clock: *clock, file }
    }

    pub fn write(&mut self, now: Mono, facts: impl IntoIterator<Item = Fact>) {
        let at = self.clock.wall(now).millis();
        let entries: Vec<Entry> = facts.into_iter().map(|fact| Entry { at, fact }).collect();
        let Some(file) = self.file.as_mut().filter(|_| !entries.is_empty()) else { return };
        if let Err(error) = append(file, &entries) {
            tracing::error!(%error, "facts of the report are not written");
        }
    }
}

/// Whole lines with one write each time: the threads of media, of a mix and of the disk append to one file.
fn append(file: &mut File, entries: &[Entry]) -> io::Result<()> {
    let mut lines = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut lines, entry)?;
        lines.push(b'\n');
    }
    file.write_all(&lines)
}

/// A line that a killed recorder began is ended, so that the next one is whole.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(-1)).is_ok() {
        file.read_exact(&mut last)?;
    }
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Whether there are any in the folder.
pub fn exist(dir: &Path) -> bool {
    dir.join(FACTS).exists()
}

/// The facts in a task's folder. What is no fact is passed over.
pub fn read(dir: &Path) -> io::Result<Ledger> {
    let mut ledger = Ledger::default();
    for line in BufReader::new(File::open(dir.join(FACTS))?).split(b'\n') {
        if let Ok(entry) = serde_json::from_slice(&line?) {
            ledger.take(entry);
        }
    }
    Ok(ledger)
}

/// Notes what is in a complete file of the task.
pub fn add_file(dir: &Path, name: &FileName, path: &Path) {
    let noted = mp4::recorded(path).map_err(io::Error::other).and_then(|recorded| {
        let file = file_fact(name, &recorded);
        let at = file.tracks.iter().filter_map(|track| Some(track.written.last()?.end)).max().unwrap_or(0);
        append(&mut open(&dir.join(FACTS))?, &[Entry { at, fact: Fact::File(file) }])
    });
    if let Err(error) = noted {
        tracing::error!(?path, %error, "the report will not know what is in the file");
    }
}

/// What the report has to know of a file, growing or finished.
pub fn file_fact(name: &FileName, recorded: &Recorded) -> FileFact {
    let at = |media: std::time::Duration| {
        (i128::from(recorded.epoch_ns) + media.as_nanos() as i128).div_euclid(i128::from(MILLI_NS)) as i64
    };
    let tracks = recorded.tracks.iter().map(|track| {
        let span = |(from, to): &(_, _)| Span { start: at(*from), end: at(*to) };
        let format = |(from, width, height): &(_, u16, u16)| Format {
            start: at(*from),
            codec: track.codec.name().to_owned(),
            width: (*width).into(),
            height: (*height).into(),
        };
        TrackFact {
            media: if track.codec.kind() == Kind::Video { Media::Picture } else { Media::Sound },
            written: track.media.iter().map(span).collect(),
            still: track.still.iter().map(span).collect(),
            formats: track.sizes.iter().map(format).collect(),
        }
    });
    FileFact { source: name.source.clone(), sequence: name.sequence, tracks: tracks.collect() }
}

#[cfg(test)]
mod tests {
    use rules::ledger::{Cause, Report};
    use rules::select::StreamKind;

    use super::*;

    fn ms(ms: i64) -> Mono {
        Mono(ms * MILLI_NS)
    }

    #[test]
    fn a_successor_goes_on_behind_a_torn_line_and_tells_who_left_meanwhile() {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::start();
        let [stays, leaves] = ["stays", "leaves"].map(|user| StreamId { user: user.into(), kind: StreamKind::Camera });
        let seen = |streams: &[&StreamId]| {
            streams.iter().map(|stream| (((*stream).clone(), Media::Sound), Presence::On)).collect::<BTreeMap<_, _>>()
        };
        let mut facts = Facts::open(dir.path(), false, &clock, ms(0));
        facts.set_room(true, ms(0));
        facts.set_presences(&seen(&[&stays, &leaves]), ms(1_000));
        facts.of(&stays).sound.came(ms(1_000), ms(9_000));
        facts.beat(ms(9_000));
        drop(facts);
        let torn = OpenOptions::new().append(true).open(dir.path().join(FACTS)).expect("opened");
        (&torn).write_all(b"{\"at\":12,\"fa").expect("torn");
        let mut facts = Facts::open(dir.path(), false, &clock, ms(12_000));
        // What the room tells at first is not all.
        facts.set_presences(&seen(&[]), ms(12_100));
        facts.set_room(true, ms(12_500));
        facts.set_presences(&seen(&[&stays]), ms(12_600));
        facts.of(&stays).sound.came(ms(13_000), ms(20_000));
        facts.set_presences(&seen(&[&stays]), ms(15_000));
        facts.end(ms(20_000));
        let mut report = Report::default();
        read(dir.path()).expect("read").tell(0, &mut report);
        let start = clock.wall(ms(0)).millis();
        let gaps = |user: usize| {
            let sound = report.streams[user].sound.as_ref().expect("it was published");
            let gaps = sound.gaps.iter().map(|gap| (gap.start - start, gap.length_ms, gap.cause));
            gaps.collect::<Vec<_>>()
        };
        assert_eq!(report.recorders.len(), 2);
        assert_eq!(gaps(1), [(9_000, 4_000, Cause::RecorderRestarted)]);
        let left = gaps(0);
        assert_eq!(left.last().map(|gap| (gap.0, gap.2)), Some((12_500, Cause::NotPublished)), "{left:?}");
    }
}
