//! How much of the machine recorders take, and whether one more recording fits.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use recorder::messages::{MixCodec, OutputPlan};
use rules::admission::{Full, Ledger, Load};

use super::RoomKey;

/// How often recorders are measured.
pub const EVERY: Duration = Duration::from_secs(5);
/// x265 takes so many times what x264 takes, with the presets used here.
const H265: f64 = 3.5;

/// The processor time that all recorders take together.
pub struct Loads(Mutex<Ledger<RoomKey>>);

impl Loads {
    /// `percent` of this machine's processors may be taken by recordings; 0 is no limit.
    pub fn new(percent: u32) -> Loads {
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
        let limit = processors as f64 * f64::from(percent) / 100.0;
        Loads(Mutex::new(Ledger::new((percent > 0).then_some(limit))))
    }

    /// Whether there is room for one more.
    pub fn admit(&self, load: Load) -> Result<(), Full> {
        self.ledger().admit(load)
    }

    /// A recorder begins, or takes a further task.
    pub fn begin(&self, key: RoomKey, load: Load) {
        self.ledger().begin(key, load);
    }

    pub fn end(&self, key: &RoomKey) {
        self.ledger().end(key);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger<RoomKey>> {
        // Nothing that holds the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a task will cost, as far as its plan tells.
pub fn of(output: &OutputPlan, audio_only: bool) -> Load {
    match output {
        OutputPlan::Streams { .. } => Load::Copied,
        OutputPlan::Mix(_) if audio_only => Load::Sound,
        OutputPlan::Mix(plan) => {
            let pixels = f64::from(plan.layout.width) * f64::from(plan.layout.height) * f64::from(plan.video.fps);
            let codec = if plan.video.codec == MixCodec::H265 { H265 } else { 1.0 };
            Load::Picture { megapixels: pixels * codec / 1e6 }
        }
    }
}

/// Measures one recorder process.
pub struct Meter {
    process: Option<u32>,
    last: Option<(Instant, Duration)>,
}

impl Meter {
    pub fn new(process: Option<u32>) -> Meter {
        Meter { process, last: None }
    }

    /// Tells what the process took since the last call.
    pub fn tell(&mut self, loads: &Loads, key: &RoomKey) {
        let Some(used) = self.process.and_then(processor_time) else { return };
        let now = Instant::now();
        if let Some((at, before)) = self.last.replace((now, used)) {
            let cost = used.saturating_sub(before).as_secs_f64() / (now - at).as_secs_f64().max(0.001);
            loads.ledger().measured(key, cost);
        }
    }
}

/// Processor time that a process has used since its start, where the system tells.
fn processor_time(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may hold anything, user and system time are the 12th and 13th field.
    let fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_time() {
        let before = processor_time(std::process::id()).expect("Linux tells");
        let mut sum = 0u64;
        while processor_time(std::process::id()).expect("as before") < before + Duration::from_millis(50) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert_eq!(processor_time(u32::MAX), None);
    }
}
