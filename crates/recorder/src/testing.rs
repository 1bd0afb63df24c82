//! What tests of several modules send.

use bytes::Bytes;
use codec::opus;

/// A tone that rises, so that no two moments sound the same: `seconds` of it in packets of 20 ms.
pub fn rising_tone(seconds: i64) -> Vec<Bytes> {
    let mut encoder = opus::Encoder::new(1, 64_000).expect("an encoder");
    let tone = |n: i64| {
        let t = n as f64 / 48_000.0;
        ((t * (200.0 + t * 40.0) * std::f64::consts::TAU).sin() * 0.4) as f32
    };
    let packet = |k: i64| encoder.encode(&(k * 960..(k + 1) * 960).map(tone).collect::<Vec<_>>()).expect("a packet");
    (0..seconds * 50).map(packet).collect()
}
