//! The recorder's mix, from coded media to the finished file.

use std::collections::BTreeMap;
use std::time::Duration;

use recorder::messages::{MixCodec, MixPlan, Settings, VideoPlan};
use recorder::{Clock, Mix, MixJob, Place, SyncQueue, Unit};
use rules::select::{Source, StreamId};
use rules::time::{MILLI_NS, Mono, SECOND_NS};

use crate::inputs::{PACKET_NS, User};
use crate::{Cost, Job, SOUND, cpu_ns};

/// How far behind the present a recorder makes the mix.
const BEHIND: i64 = -400 * MILLI_NS;

pub fn mix(job: &Job, users: Vec<User>) -> anyhow::Result<Cost> {
    let video =
        VideoPlan { codec: MixCodec::H264, encoder: None, fps: job.fps, bitrate: job.bitrate, gop_s: job.gop_s };
    let plan = MixPlan { layout: job.layout(), images: BTreeMap::new(), fonts: Vec::new(), video, audio: SOUND };
    let settings = Settings::default();
    let syncs = SyncQueue::start(Duration::from_millis(settings.sync_ms.into()))?;
    let place = Place { source: Source::Mix, dir: job.folder.clone(), keep_source: false, syncs };
    let members = users.iter().map(|user| user.member.clone()).collect();
    let mut units = units(users).into_iter().peekable();

    let before = cpu_ns()?;
    let mut mix = Mix::new(MixJob { place, plan, audio_only: false, settings }, Clock::start())?;
    mix.set_members(members, Mono(0));
    let end = Mono(i64::from(job.seconds) * SECOND_NS);
    for now in (0..end.0).step_by(PACKET_NS as usize).map(Mono) {
        while let Some((stream, unit)) = units.next_if(|(_, unit)| unit.at() <= now) {
            mix.push(&stream, unit)?;
        }
        mix.advance(now.plus(BEHIND), now)?;
    }
    let closed = mix.close(end)?.ok_or_else(|| anyhow::anyhow!("nothing was mixed"))?;
    let path = closed.path.clone();
    drop(closed.file);
    recorder::describe(recorder::messages::FileName { source: Source::Mix, sequence: 0 }, &path)?;
    let cpu = (cpu_ns()? - before) as f64 / 1e9;
    Ok(Cost { cpu, decode: None, encode: None, bytes: None, file: Some(path) })
}

/// Everything that is sent, in the order of its time.
fn units(users: Vec<User>) -> Vec<(StreamId, Unit)> {
    let of = |user: User| {
        let pictures = user.pictures.into_iter().map(Unit::Picture);
        let stream = user.member.stream;
        pictures.chain(user.sound.into_iter().map(Unit::Sound)).map(move |unit| (stream.clone(), unit))
    };
    let mut units: Vec<(StreamId, Unit)> = users.into_iter().flat_map(of).collect();
    units.sort_by_key(|(_, unit)| unit.at());
    units
}
