//! When what happens: pure functions of the time since the unix epoch, so that users in several processes agree without
//! talking to each other. Frame n of a user covers the time from n/fps s on, sound packet m that from m * 20 ms on.

/// Pictures a flash lasts: two, so that a mixer with another frame rate still shows one of them.
pub const FLASH_FRAMES: u64 = 2;
/// Length of a beep in samples: 60 ms.
pub const BEEP: u64 = 2_880;
/// Samples per second of all sound.
pub const RATE: u64 = 48_000;
/// Samples of a sound packet: 20 ms.
pub const PACKET: u64 = 960;
/// Seconds after which the picture numbers of a clip start again, if nothing else is asked for.
pub const LOOP_SECONDS: u32 = 20;
/// The same for pictures encoded live: a day, so that the number tells the time of day (UTC).
pub const DAY_SECONDS: u32 = 86_400;

const NANOSECONDS: u128 = 1_000_000_000;

/// The frame that is due at this time (ns since the epoch), counted from the epoch.
pub fn frame_at(ns: u64, fps: u32) -> u64 {
    (u128::from(ns) * u128::from(fps) / NANOSECONDS) as u64
}

/// When a frame begins, ns since the epoch, rounded up so that [`frame_at`] gives the frame back.
pub fn frame_start(frame: u64, fps: u32) -> u64 {
    (u128::from(frame) * NANOSECONDS).div_ceil(u128::from(fps)) as u64
}

/// The sound packet that is due at this time (ns since the epoch), counted from the epoch.
pub fn packet_at(ns: u64) -> u64 {
    frame_at(ns, (RATE / PACKET) as u32)
}

/// When a sound packet begins, ns since the epoch.
pub fn packet_start(packet: u64) -> u64 {
    frame_start(packet, (RATE / PACKET) as u32)
}

/// The number written into a frame: its index in a loop of that many seconds.
pub fn number(frame: u64, fps: u32, loop_seconds: u32) -> u32 {
    (frame % (u64::from(fps) * u64::from(loop_seconds))) as u32
}

/// Frames since the last flash began; below [`FLASH_FRAMES`] the picture is lit. `offset` is by how many frames this
/// user's seconds come after those of the wall clock. Works on picture numbers as well, because a loop has whole seconds.
pub fn since_flash(frame: u64, fps: u32, offset: u32) -> u64 {
    let fps = u64::from(fps);
    (frame % fps + fps - u64::from(offset) % fps) % fps
}

/// Frequency of a user's tone, Hz: 600 to 3900 in steps of 100, which 10 ms of sound tell apart.
pub fn tone_hz(user: u16) -> u32 {
    600 + 100 * (u32::from(user) % TONES)
}

/// Number of different tones.
pub const TONES: u32 = 34;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_frames_agree_everywhere() {
        let now = 1_790_000_000_123_456_789;
        for fps in [5, 15, 24, 25, 30, 50, 60] {
            let frame = frame_at(now, fps);
            for frame in frame..frame + 200 {
                assert_eq!(frame_at(frame_start(frame, fps), fps), frame);
                assert_eq!(frame_at(frame_start(frame, fps) - 1, fps), frame - 1);
            }
        }
        assert_eq!(packet_start(packet_at(now)) / 1000, 1_790_000_000_120_000);
    }

    #[test]
    fn flashes_begin_at_whole_seconds_and_numbers_keep_them() {
        let second = frame_at(1_790_000_000 * 1_000_000_000, 30);
        assert_eq!(since_flash(second, 30, 0), 0);
        assert_eq!(since_flash(second + 31, 30, 0), 1);
        assert_eq!(since_flash(second + 10, 30, 10), 0);
        for frame in second..second + 2000 {
            let number = u64::from(number(frame, 30, LOOP_SECONDS));
            assert_eq!(since_flash(frame, 30, 7), since_flash(number, 30, 7));
        }
    }

    #[test]
    fn neighbouring_users_have_tones_that_differ() {
        let tones: std::collections::BTreeSet<u32> = (0..TONES as u16).map(tone_hz).collect();
        assert_eq!(tones.len(), TONES as usize);
        assert_eq!((tone_hz(0), tone_hz(33), tone_hz(34)), (600, 3900, 600));
    }
}
