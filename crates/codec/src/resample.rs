//! Sound at 48 kHz to the rate and the channels of a file and back, through libswresample.

use crate::ff::named;
use crate::{Error, Result};
use ffmpeg_next::software::resampling;
use ffmpeg_next::{ChannelLayout, ffi, format};

/// Rate of calls, Hz.
pub const RATE: u32 = 48_000;
/// Rates that files have, Hz.
pub const RATES: [u32; 4] = [16_000, 32_000, 44_100, 48_000];

const PACKED: format::Sample = format::Sample::F32(format::sample::Type::Packed);

/// Resamples a stream of interleaved f32.
///
/// The filter's delay is made up for: output sample n belongs to time n / rate since the first input sample. What has
/// not come out yet (see [`Resampler::delay`]) waits for the input after it.
pub struct Resampler {
    /// `None` when the rates are equal.
    inner: Option<resampling::Context>,
    /// Channels of input and output; between them flows the lesser number.
    channels: (usize, usize),
    /// Hz of input and output.
    rates: (u32, u32),
    narrow: Vec<f32>,
    resampled: Vec<f32>,
    /// Samples per channel taken and given so far.
    taken: u64,
    given: u64,
}

impl Resampler {
    /// From 48 kHz with `channels` (1 or 2) to `rate` (one of [`RATES`]) with `out_channels` (1 or 2). Two channels
    /// become one by their mean, one becomes two by doubling.
    pub fn new(channels: usize, rate: u32, out_channels: usize) -> Result<Resampler> {
        Resampler::between((channels, RATE), (out_channels, rate))
    }

    /// From as many channels at `rate` to 48 kHz.
    pub fn back(channels: usize, rate: u32) -> Result<Resampler> {
        Resampler::between((channels, rate), (channels, RATE))
    }

    fn between((channels, from): (usize, u32), (out_channels, to): (usize, u32)) -> Result<Resampler> {
        let possible = [channels, out_channels].iter().all(|count| matches!(count, 1 | 2));
        if !possible || ![from, to].iter().all(|rate| RATES.contains(rate)) {
            let asked = format!("{channels} channels at {from} Hz to {out_channels} at {to} Hz");
            return Err(Error::Argument(format!("{asked}: there are 1 and 2 channels, and {RATES:?} Hz")));
        }
        crate::log::init();
        let inner = if from == to {
            None
        } else {
            let layout = || ChannelLayout::default(channels.min(out_channels) as i32);
            let made = resampling::Context::get(PACKED, layout(), from, PACKED, layout(), to);
            Some(made.map_err(named("open resampler"))?)
        };
        let (narrow, resampled) = (Vec::new(), Vec::new());
        let (channels, rates) = ((channels, out_channels), (from, to));
        Ok(Resampler { inner, channels, rates, narrow, resampled, taken: 0, given: 0 })
    }

    /// Takes interleaved samples, a whole number per channel, and appends to `out` what is ready.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let (channels, out_channels) = self.channels;
        if !samples.len().is_multiple_of(channels) {
            return Err(Error::Argument(format!("{} samples of {channels} channels", samples.len())));
        }
        if samples.is_empty() {
            return Ok(());
        }
        self.taken += (samples.len() / channels) as u64;
        self.narrow.clear();
        if channels > out_channels {
            self.narrow.extend(samples.chunks_exact(2).map(|pair| (pair[0] + pair[1]) / 2.0));
        } else {
            self.narrow.extend_from_slice(samples);
        }
        self.convert(false)?;
        self.give(usize::MAX, out);
        Ok(())
    }

    /// Appends to `out` what is still inside: then it has as many samples as fit the time of the input, rounded up. The
    /// resampler is ready for another stream.
    pub fn flush(&mut self, out: &mut Vec<f32>) -> Result<()> {
        self.narrow.clear();
        let left = self.delay();
        self.convert(true)?;
        let flow = self.channels.0.min(self.channels.1);
        self.resampled.resize(left * flow, 0.0);
        self.give(left, out);
        (self.taken, self.given) = (0, 0);
        if let Some(inner) = &mut self.inner {
            // SAFETY: the context is owned and was opened; this drops what it holds and keeps its settings.
            let code = unsafe { ffi::swr_init(inner.as_mut_ptr()) };
            if code < 0 {
                return Err(named("swr_init")(code.into()));
            }
        }
        Ok(())
    }

    /// Output samples per channel that belong to input taken so far and have not come out yet.
    fn delay(&self) -> usize {
        let whole = (self.taken * u64::from(self.rates.1)).div_ceil(u64::from(self.rates.0));
        whole.saturating_sub(self.given) as usize
    }

    /// Appends up to `most` resampled samples per channel to `out`, in its number of channels.
    fn give(&mut self, most: usize, out: &mut Vec<f32>) {
        let (channels, out_channels) = self.channels;
        let flow = channels.min(out_channels);
        let samples = (self.resampled.len() / flow).min(most);
        self.given += samples as u64;
        let ready = &self.resampled[..samples * flow];
        if out_channels > flow {
            out.extend(ready.iter().flat_map(|&sample| [sample, sample]));
        } else {
            out.extend_from_slice(ready);
        }
    }

    /// Turns `narrow` into `resampled`; `last` gives what is still inside.
    fn convert(&mut self, last: bool) -> Result<()> {
        let Some(inner) = &mut self.inner else {
            std::mem::swap(&mut self.narrow, &mut self.resampled);
            return Ok(());
        };
        let flow = self.channels.0.min(self.channels.1);
        let samples = i32::try_from(self.narrow.len() / flow)
            .map_err(|_| Error::Argument("more samples at once than FFmpeg counts".into()))?;
        // SAFETY: the context is owned and open; it only computes.
        let room = unsafe { ffi::swr_get_out_samples(inner.as_mut_ptr(), samples) };
        if room < 0 {
            return Err(named("swr_get_out_samples")(room.into()));
        }
        self.resampled.clear();
        self.resampled.resize(room as usize * flow, 0.0);
        let mut to = self.resampled.as_mut_ptr().cast::<u8>();
        let mut from = self.narrow.as_ptr().cast::<u8>();
        // SAFETY: packed samples have one plane each: `from` points at `samples` and `to` at room for `room` of them,
        // f32 of `flow` channels as the context was opened for. A null pointer for the input asks for what is left.
        let got = unsafe {
            let input = if last { std::ptr::null_mut() } else { &raw mut from };
            ffi::swr_convert(inner.as_mut_ptr(), &raw mut to, room, input, samples)
        };
        if got < 0 {
            return Err(named("swr_convert")(got.into()));
        }
        self.resampled.truncate(got as usize * flow);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything that comes out for `input`, which is pushed in blocks of `block` samples per channel.
    fn whole(resampler: &mut Resampler, input: &[f32], block: usize) -> Vec<f32> {
        let (channels, out_channels) = resampler.channels;
        let mut out = Vec::new();
        for part in input.chunks(block * channels) {
            resampler.push(part, &mut out).unwrap();
            let whole = (resampler.taken * u64::from(resampler.rates.1)).div_ceil(48_000) as usize;
            assert!(out.len() / out_channels + resampler.delay() >= whole);
            assert!(resampler.delay() < 100, "{}", resampler.delay());
        }
        resampler.flush(&mut out).unwrap();
        out
    }

    #[test]
    fn an_impulse_stays_at_its_time() {
        for rate in RATES {
            let mut resampler = Resampler::new(1, rate, 1).unwrap();
            // Twice: after a flush everything begins anew.
            for at in [0_usize, 300, 4_800, 9_599] {
                let mut input = vec![0.0; 9_600];
                input[at] = 1.0;
                let out = whole(&mut resampler, &input, 480);
                assert_eq!(out.len(), (9_600 * rate as usize).div_ceil(48_000), "{rate}");
                let centre =
                    |power: i32| out.iter().enumerate().map(|(n, s)| (n as f32).powi(power) * s * s).sum::<f32>();
                let found = centre(1) / centre(0);
                let wanted = at as f32 * rate as f32 / 48_000.0;
                let edge = at == 0 || at == 9_599;
                assert!((found - wanted).abs() < if edge { 1.5 } else { 0.1 }, "{rate}: {found} for {wanted}");
            }
        }
    }

    #[test]
    fn channels_are_averaged_and_doubled() {
        let stereo: Vec<f32> = (0..48_000).flat_map(|_| [0.6, 0.2]).collect();
        let mono = whole(&mut Resampler::new(2, 16_000, 1).unwrap(), &stereo, 1024);
        assert!(mono[100..15_900].iter().all(|sample| (sample - 0.4).abs() < 1e-3));
        let doubled = whole(&mut Resampler::new(1, 44_100, 2).unwrap(), &vec![0.3; 48_000], 960);
        assert_eq!(doubled.len(), 2 * 44_100);
        assert!(doubled.chunks_exact(2).all(|pair| pair[0] == pair[1]));
        let same = whole(&mut Resampler::new(2, 48_000, 2).unwrap(), &stereo, 7);
        assert_eq!(same, stereo);
        let kept = whole(&mut Resampler::new(2, 32_000, 2).unwrap(), &stereo, 480);
        assert!(
            kept[200..].chunks_exact(2).take(31_000).all(|p| (p[0] - 0.6).abs() < 2e-3 && (p[1] - 0.2).abs() < 2e-3)
        );
    }

    #[test]
    fn what_is_too_high_for_the_rate_is_removed() {
        let tone = |hz: f32| -> Vec<f32> {
            (0..48_000).map(|n| (n as f32 * hz * std::f32::consts::TAU / 48_000.0).sin()).collect()
        };
        let loudest = |out: &[f32]| out[500..15_500].iter().fold(0.0_f32, |most, s| most.max(s.abs()));
        let mut resampler = Resampler::new(1, 16_000, 1).unwrap();
        assert!((loudest(&whole(&mut resampler, &tone(1_000.0), 480)) - 1.0).abs() < 0.01);
        assert!(loudest(&whole(&mut resampler, &tone(11_000.0), 480)) < 0.01);
    }

    #[test]
    fn a_tone_comes_back() {
        let tone: Vec<f32> = (0..44_100).map(|n| (n as f32 * 440.0 * std::f32::consts::TAU / 44_100.0).sin()).collect();
        let mut out = Vec::new();
        let mut resampler = Resampler::back(1, 44_100).unwrap();
        tone.chunks(1024).for_each(|block| resampler.push(block, &mut out).unwrap());
        resampler.flush(&mut out).unwrap();
        assert_eq!(out.len(), 48_000);
        let wanted = |n: usize| (n as f32 * 440.0 * std::f32::consts::TAU / 48_000.0).sin();
        assert!((200..47_800).all(|n| (out[n] - wanted(n)).abs() < 0.01));
    }

    #[test]
    fn other_rates_and_channels_are_refused() {
        assert!(Resampler::new(3, 16_000, 1).is_err() && Resampler::new(1, 16_000, 0).is_err());
        assert!(Resampler::new(1, 22_050, 1).is_err());
        assert!(Resampler::new(2, 16_000, 1).unwrap().push(&[0.0; 3], &mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_blocks_give_the_same(blocks in prop::collection::vec(1_usize..3000, 1..12), rate in 0_usize..4) {
            let count: usize = blocks.iter().sum();
            let input: Vec<f32> = (0..count).map(|n| ((n * n) as f32 * 0.001).sin()).collect();
            let mut resampler = Resampler::new(1, RATES[rate], 1).unwrap();
            let (mut parts, mut rest) = (Vec::new(), &input[..]);
            for block in blocks {
                let (part, after) = rest.split_at(block);
                resampler.push(part, &mut parts).unwrap();
                rest = after;
            }
            resampler.flush(&mut parts).unwrap();
            prop_assert_eq!(parts.len(), (count * RATES[rate] as usize).div_ceil(48_000));
            let at_once = whole(&mut resampler, &input, count);
            prop_assert!(parts.iter().zip(&at_once).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}
