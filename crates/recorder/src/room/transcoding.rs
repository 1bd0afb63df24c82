//! Pictures that tasks do not take as they come: which tracks have transcoders, and the way through them. Tasks of one room
//! may want different things of the same track.

use std::sync::Arc;

use rules::select::{Source, StreamId};
use rules::time::Mono;

use super::Room;
use crate::pictures::{Form, Target};
use crate::track::{TrackReceiver, name};
use crate::transcode::Transcoder;
use crate::unit::{Picture, Unit};

impl Room {
    /// Begins what tasks need, ends what none needs any more, and tells the tasks. To be called when tasks, their streams or
    /// the tracks changed.
    pub(super) fn update_transcoders(&mut self) {
        let tracks: Vec<_> =
            self.receivers.iter().filter_map(|(sid, receiver)| Some((sid.clone(), track(receiver)?))).collect();
        for (sid, (stream, form)) in tracks {
            let wanting = self.tasks.iter().filter(|(_, task)| task.records(&stream));
            let wanting = wanting.filter_map(|(id, task)| Some((*id, task.target(form.sent)?)));
            let wanting: Vec<(i64, Target)> = wanting.collect();
            let mut running = self.transcoders.remove(&sid).unwrap_or_default();
            running.retain(|transcoder| wanting.iter().any(|(_, target)| *target == transcoder.target()));
            for (id, target) in wanting {
                let text = self.begin_transcoding(&mut running, form, target);
                self.note(id, &Source::from(stream.clone()), &text);
            }
            if !running.is_empty() {
                self.transcoders.insert(sid, running);
            }
        }
    }

    /// Gives what who reads the recording must know.
    fn begin_transcoding(&self, running: &mut Vec<Transcoder>, form: Form, target: Target) -> String {
        let sent = name(form.sent);
        if running.iter().all(|transcoder| transcoder.target() != target) {
            match Transcoder::start(target, self.settings.key_frame_ms) {
                Ok(transcoder) => running.push(transcoder),
                Err(error) => return format!("the picture is video/{sent} and cannot be encoded anew: {error}"),
            }
        }
        let codec = target.codec.name().to_uppercase().replace("H2", "H.2");
        format!("the picture is video/{sent} and is encoded anew, as {codec}")
    }

    /// Hands the units that a track gave to the takes of its stream, its pictures to its transcoders, and what these have
    /// done to the takes as well.
    pub(super) fn deliver(&mut self, sid: &Arc<str>, now: Mono) {
        let Some(receiver) = self.receivers.get(sid) else { return self.units.clear() };
        let (stream, form) = (receiver.stream().clone(), track(receiver).map(|(_, form)| form));
        let units = std::mem::take(&mut self.units);
        for transcoder in self.transcoders.get_mut(sid).into_iter().flatten() {
            let pictures =
                units.iter().filter_map(|unit| if let Unit::Picture(picture) = unit { Some(picture) } else { None });
            pictures.for_each(|picture| transcoder.push(picture.clone()));
        }
        self.deliver_to(&stream, form, &units, now);
        self.units = units;
        self.units.clear();
        self.deliver_transcoded(sid, now, Transcoder::done);
    }

    /// Hands over what the track's transcoders have done; `take` gives it.
    pub(super) fn deliver_transcoded(&mut self, sid: &Arc<str>, now: Mono, take: fn(&mut Transcoder) -> Vec<Picture>) {
        let Some((stream, form)) = self.receivers.get(sid).and_then(track) else { return };
        let running = self.transcoders.get_mut(sid).into_iter().flatten();
        let done: Vec<_> = running.map(|transcoder| (transcoder.target(), take(transcoder))).collect();
        for (target, pictures) in done {
            let units: Vec<Unit> = pictures.into_iter().map(Unit::Picture).collect();
            self.deliver_to(&stream, Some(Form { made: Some(target), ..form }), &units, now);
        }
    }

    fn deliver_to(&mut self, stream: &StreamId, form: Option<Form>, units: &[Unit], now: Mono) {
        for id in self.task_ids() {
            for unit in units {
                let Some(task) = self.tasks.get_mut(&id) else { break };
                match task.push(stream, form, unit, &self.clock, now) {
                    Ok(None) => {}
                    told => self.took(id, stream, told),
                }
            }
        }
    }
}

/// The stream of a track of pictures, and the form in which they come.
fn track(receiver: &TrackReceiver) -> Option<(StreamId, Form)> {
    Some((receiver.stream().clone(), Form { sent: receiver.codec()?, made: None }))
}
