//! Bytes that are not what they should be.

use proptest::prelude::*;

use super::{
    disk::Mortal,
    fixture::{TestFiller, aac, hevc, hevc_picture, picture, video},
};
use crate::mp4::{
    Anchor, FinishOptions, Sample, Writer,
    finish::finish_on,
    fuzzing::{any_file, seal_again},
};

/// A file with two tracks and a hole, growing or finished.
fn file(finished: bool, h265: bool) -> Vec<u8> {
    let mut disk = Mortal::new(0, true);
    let mut writer = Writer::create_on(Box::new(disk.clone()), Anchor::default()).expect("alive");
    let sound = writer.add_track(aac()).expect("alive");
    let picture_track = writer.add_track(if h265 { hevc } else { video }(320, 240, 0)).expect("alive");
    for n in 0..20u64 {
        let data = vec![n as u8; 20].into();
        writer
            .push(sound, Sample { entry: 0, dts: n * 1024, duration: 1024, key: true, after_still: false, data })
            .expect("sound");
        let dts = 9000 + n * 3000 + n / 10 * 90_000;
        let data = if h265 { hevc_picture } else { picture }(n % 5 == 0, &[n as u8; 50]);
        writer
            .push(picture_track, Sample { entry: 0, dts, duration: 3000, key: n % 5 == 0, after_still: false, data })
            .expect("sound");
        if n % 4 == 3 {
            writer.flush().expect("alive");
        }
    }
    if finished {
        finish_on(&mut disk, &FinishOptions::default(), &TestFiller).expect("alive");
    }
    disk.bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        any_file(&bytes);
    }

    #[test]
    fn changed_files_do_no_harm(
        finished: bool,
        h265: bool,
        reseal: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..3, any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = file(finished, h265);
        for (index, area, value) in changes {
            // Mostly where the boxes are: the head, the first fragments.
            let len = [700, 3000.min(bytes.len()), bytes.len()][area];
            let base = if area == 1 && !finished { bytes.len() - len } else { 0 };
            bytes[base + index.index(len)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if reseal {
            seal_again(&mut bytes);
        }
        any_file(&bytes);
    }
}
