use super::*;
use proptest::prelude::*;

const START: i64 = 50 * SECOND_NS;
/// The sender's wall clock, far from ours.
const NTP_START: i64 = 1_700_000_000 * SECOND_NS;

fn at(ms: i64) -> Mono {
    Mono(START + ms * MILLI_NS)
}

/// RTP time of a clock with this rate and start, `ms` after the beginning.
fn rtp(start: u64, rate: u32, ms: i64) -> u64 {
    start + (ms as u64 * u64::from(rate)) / 1000
}

#[test]
fn without_reports_media_lies_where_the_fastest_packets_arrived() {
    let mut clock = TrackClock::new(48_000, Pace::Sound);
    let user = UserClock::default();
    for i in 0..50 {
        let jitter = (i * 7919) % 60;
        clock.handle_packet(rtp(123_456, 48_000, i * 20), at(i * 20 + 5 + jitter));
    }
    let placed = clock.place(&user, rtp(123_456, 48_000, 1000));
    assert!((placed.since(at(1005))).abs() < 3 * MILLI_NS, "{}", placed.since(at(1005)));
}

#[test]
fn steady_timestamps_stay_exact() {
    let mut clock = TrackClock::new(90_000, Pace::Picture);
    let user = UserClock::default();
    let mut last: Option<Mono> = None;
    for i in 0..300i64 {
        clock.handle_packet(7_000 + 3000 * i as u64, at(i * 1000 / 30 + (i * 31) % 4));
        let placed = clock.place(&user, 7_000 + 3000 * i as u64);
        if let Some(last) = last {
            assert!((placed.since(last) - 33_333_333).abs() <= 1);
        }
        last = Some(placed);
    }
}

#[test]
fn reports_bring_picture_to_sound_and_leave_the_sound_alone() {
    let mut user = UserClock::default();
    let mut audio = TrackClock::new(48_000, Pace::Sound);
    let mut video = TrackClock::new(90_000, Pace::Picture);
    let mut first_audio_error = None;
    for i in 0..3000i64 {
        let ms = i * 10;
        // Pictures leave the sender 40 ms after capture, sound 5 ms after.
        audio.handle_packet(rtp(9, 48_000, ms), at(ms + 5));
        video.handle_packet(rtp(1 << 30, 90_000, ms), at(ms + 40));
        if ms == 1000 {
            video.handle_report(&mut user, Wall(NTP_START + ms * MILLI_NS), rtp(1 << 30, 90_000, ms), at(ms + 2));
        }
        if ms == 2000 {
            audio.handle_report(&mut user, Wall(NTP_START + ms * MILLI_NS), rtp(9, 48_000, ms), at(ms + 2));
        }
        let a = audio.place(&user, rtp(9, 48_000, ms)).since(at(ms));
        let v = video.place(&user, rtp(1 << 30, 90_000, ms)).since(at(ms));
        let first = *first_audio_error.get_or_insert(a);
        assert!((a - first).abs() <= DEAD_BAND_NS, "audio moved by {} ns at {ms} ms", a - first);
        if ms > 3000 {
            assert!((a - v).abs() <= DEAD_BAND_NS + SETTLED_NS, "offset {} at {ms} ms", a - v);
        }
    }
}

/// Some libraries report an RTP time of nothing until they know better.
#[test]
fn a_first_report_without_sense_leads_nothing() {
    let mut user = UserClock::default();
    let mut audio = TrackClock::new(48_000, Pace::Sound);
    let mut video = TrackClock::new(90_000, Pace::Picture);
    for i in 0..1000i64 {
        let ms = i * 10;
        audio.handle_packet(rtp(1 << 33, 48_000, ms), at(ms + 5));
        video.handle_packet(rtp(1 << 30, 90_000, ms), at(ms + 40));
        let mut report = |clock: &mut TrackClock, rtp_time| {
            clock.handle_report(&mut user, Wall(NTP_START + ms * MILLI_NS), rtp_time, at(ms + 2));
        };
        match ms {
            500 => report(&mut audio, 1 << 32),
            1000 | 3000 => report(&mut video, rtp(1 << 30, 90_000, ms)),
            2000 => report(&mut audio, rtp(1 << 33, 48_000, ms)),
            _ => {}
        }
        let a = audio.place(&user, rtp(1 << 33, 48_000, ms)).since(at(ms));
        let v = video.place(&user, rtp(1 << 30, 90_000, ms)).since(at(ms));
        assert!((0..=10 * MILLI_NS).contains(&a), "audio moved to {a} ns at {ms} ms");
        if ms > 4000 {
            assert!((a - v).abs() <= DEAD_BAND_NS + SETTLED_NS, "offset {} at {ms} ms", a - v);
        }
    }
}

#[test]
fn drift_of_the_rtp_clock_is_followed() {
    let mut user = UserClock::default();
    let mut clock = TrackClock::new(48_000, Pace::Sound);
    // 100 ppm fast: after an hour 360 ms.
    let drifted = |ms: i64| 77 + ((ms as f64) * 48.0 * 1.0001) as u64;
    for i in 0..180_000i64 {
        let ms = i * 20;
        clock.handle_packet(drifted(ms), at(ms + 10));
        if ms % 5000 == 0 {
            clock.handle_report(&mut user, Wall(NTP_START + ms * MILLI_NS), drifted(ms), at(ms + 10));
        }
        let error = clock.place(&user, drifted(ms)).since(at(ms + 10));
        assert!(error.abs() < 8 * MILLI_NS, "error {error} at {ms} ms");
    }
}

#[test]
fn a_restarted_rtp_clock_neither_inflates_nor_shortens_the_file() {
    let mut user = UserClock::default();
    let mut clock = TrackClock::new(90_000, Pace::Picture);
    for i in 0..600i64 {
        let ms = i * 33;
        let start = if i < 300 { 5_000 } else { 3_000_000_000 };
        let restarted = clock.handle_packet(rtp(start, 90_000, ms), at(ms + 10));
        assert_eq!(restarted, i == 300);
        if i == 20 {
            clock.handle_report(&mut user, Wall(NTP_START + ms * MILLI_NS), rtp(start, 90_000, ms), at(ms + 10));
        }
        let placed = clock.place(&user, rtp(start, 90_000, ms));
        assert!(placed.since(at(ms + 10)).abs() < 5 * MILLI_NS);
    }
    assert_eq!(clock.restarts(), 1);
}

#[test]
fn a_wall_clock_that_was_set_does_not_move_the_media() {
    let mut user = UserClock::default();
    let mut clock = TrackClock::new(48_000, Pace::Sound);
    for i in 0..1000i64 {
        let ms = i * 20;
        clock.handle_packet(rtp(1, 48_000, ms), at(ms + 3));
        if i % 50 == 0 {
            let set = if i >= 500 { 3600 * SECOND_NS } else { 0 };
            clock.handle_report(&mut user, Wall(NTP_START + ms * MILLI_NS + set), rtp(1, 48_000, ms), at(ms + 3));
        }
        let placed = clock.place(&user, rtp(1, 48_000, ms));
        assert!(placed.since(at(ms + 3)).abs() < DEAD_BAND_NS, "{} at {ms}", placed.since(at(ms + 3)));
    }
}

#[test]
fn reports_that_cannot_be_true_are_not_believed() {
    for lie in [-5 * SECOND_NS, SECOND_NS, 3600 * SECOND_NS] {
        let mut user = UserClock::default();
        let mut audio = TrackClock::new(48_000, Pace::Sound);
        let mut video = TrackClock::new(90_000, Pace::Picture);
        for i in 0..500i64 {
            let ms = i * 20;
            audio.handle_packet(rtp(1, 48_000, ms), at(ms + 3));
            assert!(!video.handle_packet(rtp(1, 90_000, ms), at(ms + 30)));
            if i % 50 == 0 {
                let ntp = NTP_START + ms * MILLI_NS;
                audio.handle_report(&mut user, Wall(ntp), rtp(1, 48_000, ms), at(ms + 3));
                video.handle_report(&mut user, Wall(ntp + lie), rtp(1, 90_000, ms), at(ms + 3));
            }
            let placed = video.place(&user, rtp(1, 90_000, ms)).since(at(ms));
            assert!((-30 * MILLI_NS..50 * MILLI_NS).contains(&placed), "{placed} with a lie of {lie}");
        }
    }
}

/// A user's sound and picture, placed against the truth; a report of each every 5 s.
struct Pair {
    user: UserClock,
    audio: TrackClock,
    video: TrackClock,
}

impl Pair {
    fn new() -> Pair {
        let (audio, video) = (TrackClock::new(48_000, Pace::Sound), TrackClock::new(90_000, Pace::Picture));
        Pair { user: UserClock::default(), audio, video }
    }

    /// One step at `ms`: what the RTP clock of the sound shows by then, what the wall clock shows, and how late all
    /// arrives. Gives the errors of sound and picture in nanoseconds.
    fn step(&mut self, ms: i64, sound_ms: i64, wall_ns: i64, late_ms: i64) -> (i64, i64) {
        let (sound, picture) = (rtp(9, 48_000, sound_ms), rtp(1 << 30, 90_000, ms));
        let (ntp, arrival) = (Wall(NTP_START + wall_ns), at(ms + late_ms));
        self.audio.handle_packet(sound, arrival);
        self.video.handle_packet(picture, arrival.plus(25 * MILLI_NS));
        if ms % 5000 == 1000 {
            self.audio.handle_report(&mut self.user, ntp, sound, arrival);
        }
        if ms % 5000 == 3000 {
            self.video.handle_report(&mut self.user, ntp, picture, arrival);
        }
        let placed = |place: Mono| place.since(at(ms));
        (placed(self.audio.place(&self.user, sound)), placed(self.video.place(&self.user, picture)))
    }
}

#[test]
fn drift_of_the_wall_clock_is_followed() {
    for ppm in [-200, -50, 50, 180] {
        let mut pair = Pair::new();
        for i in 0..144_000i64 {
            let ms = i * 100;
            // Slow by as many nanoseconds per millisecond.
            let (audio, video) = pair.step(ms, ms, ms * (MILLI_NS - ppm), 20 + (i * 7919) % 10);
            let range = 15 * MILLI_NS..35 * MILLI_NS;
            if ms > 10_000 {
                assert!(range.contains(&audio), "sound at {audio} ns after {ms} ms, {ppm} ppm");
                assert!((audio - video).abs() < 6 * MILLI_NS, "{audio} and {video} ns after {ms} ms, {ppm} ppm");
            }
        }
    }
}

#[test]
fn one_late_report_moves_nothing() {
    let mut pair = Pair::new();
    for i in 0..1000i64 {
        let ms = i * 100;
        let late = if (51_000..52_000).contains(&ms) { 1_500 } else { 20 };
        let (audio, video) = pair.step(ms, ms, ms * MILLI_NS, late);
        assert!((audio - 20 * MILLI_NS).abs() < DEAD_BAND_NS, "sound at {audio} ns after {ms} ms");
        assert!(ms < 10_000 || (audio - video).abs() < 6 * MILLI_NS, "{audio} and {video} ns after {ms} ms");
    }
}

#[test]
fn sound_whose_rtp_clock_stood_still_is_back_in_place_after_the_next_report() {
    for pause in [500, 2_000, 3_900] {
        // The pause ends at 22 s; the next report of the sound comes at 26 s, in time or late.
        for report_late in [20, 250] {
            let mut pair = Pair::new();
            let (begin, end) = (22_000 - pause, 22_000);
            for i in 0..3000i64 {
                let ms = i * 20;
                if (begin..end).contains(&ms) {
                    continue;
                }
                let sound_ms = if ms < end { ms } else { ms - pause };
                let late = if ms == 26_000 { report_late } else { 20 };
                let (audio, video) = pair.step(ms, sound_ms, ms * MILLI_NS, late);
                if !(end..=26_020).contains(&ms) {
                    let error = audio - 20 * MILLI_NS;
                    assert!(error.abs() <= DEAD_BAND_NS, "{error} ns after {ms} ms, pause of {pause} ms");
                }
                assert!(ms < 10_000 || (video - 20 * MILLI_NS).abs() < 6 * MILLI_NS, "picture at {video} ns");
            }
        }
    }
}

#[test]
fn packets_and_reports_that_come_late_for_a_while_move_nothing() {
    let mut pair = Pair::new();
    for i in 0..3000i64 {
        let ms = i * 20;
        let late = if (25_500..26_500).contains(&ms) { 1_020 } else { 20 };
        let (audio, video) = pair.step(ms, ms, ms * MILLI_NS, late);
        assert!((audio - 20 * MILLI_NS).abs() <= DEAD_BAND_NS, "sound at {audio} ns after {ms} ms");
        assert!(ms < 10_000 || (video - 20 * MILLI_NS).abs() < 6 * MILLI_NS, "picture at {video} ns after {ms} ms");
    }
}

#[test]
fn a_wall_clock_set_forward_by_less_than_a_second_moves_nothing() {
    let mut pair = Pair::new();
    for i in 0..3000i64 {
        let ms = i * 20;
        let wall_ms = if ms < 22_000 { ms } else { ms + 700 };
        let (audio, video) = pair.step(ms, ms, wall_ms * MILLI_NS, 20);
        assert!((audio - 20 * MILLI_NS).abs() <= DEAD_BAND_NS, "sound at {audio} ns after {ms} ms");
        // Without a credible report the picture lies where it arrives, 25 ms after the sound.
        assert!(ms < 10_000 || (15..50).contains(&(video / MILLI_NS)), "picture at {video} ns after {ms} ms");
    }
}

proptest! {
    /// Whatever arrives, placing never panics and stays within the limits of the arrival it belongs to.
    #[test]
    fn places_stay_near_the_arrival(steps in proptest::collection::vec((any::<u32>(), 0i64..10_000, any::<bool>(), any::<i64>()), 1..200)) {
        let mut user = UserClock::default();
        let mut clock = TrackClock::new(90_000, Pace::Picture);
        let mut now = 0;
        for (rtp_time, step, report, ntp) in steps {
            now += step;
            let rtp_time = u64::from(rtp_time) << 4;
            if report {
                clock.handle_report(&mut user, Wall(ntp / 4), rtp_time, at(now));
            }
            clock.handle_packet(rtp_time, at(now));
            clock.place(&user, rtp_time);
        }
    }
}

#[test]
fn what_media_comes_apart_and_how_fast_its_clock_runs_is_measured() {
    let mut user = UserClock::default();
    let mut audio = TrackClock::new(48_000, Pace::Sound);
    let mut video = TrackClock::new(90_000, Pace::Picture);
    for i in 0..6_000i64 {
        let ms = i * 10;
        // Pictures leave the sender 40 ms after capture, sound 5 ms after, and its clock is 100 ppm fast.
        let sound = rtp(9, 48_000, ms) + (ms as u64 * 48) / 10_000;
        audio.handle_packet(sound, at(ms + 5));
        video.handle_packet(rtp(1 << 30, 90_000, ms), at(ms + 40 + i % 3));
        if ms % 5_000 == 0 {
            let ntp = Wall(NTP_START + ms * MILLI_NS);
            audio.handle_report(&mut user, ntp, sound, at(ms + 2));
            video.handle_report(&mut user, ntp, rtp(1 << 30, 90_000, ms), at(ms + 2));
        }
        audio.place(&user, sound);
        video.place(&user, rtp(1 << 30, 90_000, ms));
    }
    let (sound, picture) = (audio.measured(&user), video.measured(&user));
    assert!((sound.drift_ppm.expect("watched for a minute") - 100.0).abs() < 10.0, "{sound:?}");
    assert!(picture.drift_ppm.expect("watched for a minute").abs() < 10.0, "{picture:?}");
    let apart = picture.delay_ms.expect("reports came") - sound.delay_ms.expect("reports came");
    assert!((apart - 35.0).abs() < 2.0, "{apart}");
    let written = picture.error_ms.expect("reports came") - sound.error_ms.expect("reports came");
    assert!(written.abs() < 5.0, "{written}");
    assert_eq!(audio.at(sound_at(1_000)).map(|at| at.since(audio.place(&user, sound_at(1_000)))), Some(0));
}

fn sound_at(ms: i64) -> u64 {
    rtp(9, 48_000, ms)
}
