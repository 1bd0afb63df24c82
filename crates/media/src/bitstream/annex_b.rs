//! NAL units of H.264 and H.265 in their two forms: with start codes between them, as encoders and decoders have them
//! (Annex B of both standards), and behind lengths of 4 bytes (big endian), as MP4 has them.

/// The NAL units of an Annex B stream in order, without the start codes (of 3 or 4 bytes) and zeros around them. Empty
/// ones are left out, and so is what lies before the first start code.
pub fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(stream).map(|at| &stream[at + START_CODE..]);
    let units = std::iter::from_fn(move || {
        let from = rest?;
        let end = start_code(from);
        rest = end.map(|at| &from[at + START_CODE..]);
        Some(without_zeros(&from[..end.unwrap_or(from.len())]))
    });
    units.filter(|nal| !nal.is_empty())
}

/// The [`nal_units`] of an Annex B stream, each behind its length.
pub fn to_lengths(stream: &[u8]) -> Vec<u8> {
    // Start codes of 3 bytes grow by one.
    let mut out = Vec::with_capacity(stream.len() + 64);
    for nal in nal_units(stream) {
        let Ok(length) = u32::try_from(nal.len()) else { continue };
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(nal);
    }
    out
}

/// NAL units behind their lengths as an Annex B stream, with start codes of 4 bytes. Ends before the first NAL unit
/// whose length does not fit what is there; empty ones are left out.
pub fn from_lengths(mut sample: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(sample.len());
    while let Some((length, rest)) = sample.split_first_chunk()
        && let Some((nal, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)
    {
        if !nal.is_empty() {
            out.extend_from_slice(&[0, 0, 0, 1]);
            out.extend_from_slice(nal);
        }
        sample = rest;
    }
    out
}

/// Length of what [`start_code`] finds; the zero before it, if there is one, is padding of what precedes.
const START_CODE: usize = 3;

/// Where the first `0 0 1` is. Looks at every third byte only as long as none of them can belong to it.
fn start_code(bytes: &[u8]) -> Option<usize> {
    let mut last = START_CODE - 1;
    while let Some(byte) = bytes.get(last) {
        match byte {
            0 => last += 1,
            1 if bytes[last - 2..last] == [0, 0] => return Some(last - 2),
            _ => last += START_CODE,
        }
    }
    None
}

/// No NAL unit ends with a zero, so those behind it are padding.
fn without_zeros(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &nal[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(stream: &[u8]) -> Vec<&[u8]> {
        nal_units(stream).collect()
    }

    #[test]
    fn start_codes_of_both_lengths_and_padding_are_taken_off() {
        let stream = [9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0x65, 0, 0, 3, 1, 0];
        assert_eq!(units(&stream), [&[0x67, 1][..], &[0x68], &[0x65, 0, 0, 3, 1]]);
        let lengths = [0, 0, 0, 2, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 0, 5, 0x65, 0, 0, 3, 1];
        assert_eq!(to_lengths(&stream), lengths);
        for none in [&[][..], &[0], &[0, 0], &[0, 0, 1], &[0, 0, 0, 1, 0], &[1, 2, 3, 4]] {
            assert!(units(none).is_empty(), "{none:?}");
        }
    }

    #[test]
    fn a_length_that_does_not_fit_ends_the_stream() {
        let whole = [0, 0, 0, 1, 0x65];
        for rest in [&[0, 0, 0, 2, 1][..], &[255, 255, 255, 255, 1], &[0, 0, 1], &[0; 5]] {
            assert_eq!(from_lengths(&[&whole, rest].concat()), [0, 0, 0, 1, 0x65], "{rest:?}");
        }
    }

    /// Bytes that are often those of start codes.
    fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![4 => Just(0), 2 => Just(1), 1 => any::<u8>()];
        prop::collection::vec(byte, 0..max)
    }

    /// What an encoder makes of a NAL unit's content: no start code in it, no zero at its end.
    fn escaped(content: &[u8]) -> Vec<u8> {
        let mut nal: Vec<u8> = vec![0x65];
        for byte in content.iter().chain(&[0x80]) {
            if *byte <= 3 && nal.ends_with(&[0, 0]) {
                nal.push(3);
            }
            nal.push(*byte);
        }
        nal
    }

    proptest! {
        #[test]
        fn nal_units_come_back(contents in prop::collection::vec((bytes(40), 2usize..6), 0..8)) {
            let nals: Vec<Vec<u8>> = contents.iter().map(|(content, _)| escaped(content)).collect();
            let mut stream = Vec::new();
            for (nal, (_, zeros)) in nals.iter().zip(&contents) {
                stream.resize(stream.len() + zeros, 0);
                stream.push(1);
                stream.extend(nal);
            }
            prop_assert_eq!(units(&stream), nals.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let lengths = to_lengths(&stream);
            prop_assert_eq!(to_lengths(&from_lengths(&lengths)), lengths);
        }

        #[test]
        fn any_bytes_are_cut_at_each_start_code(stream in bytes(60)) {
            let codes: Vec<usize> = (0..stream.len()).filter(|at| stream[*at..].starts_with(&[0, 0, 1])).collect();
            let ends = codes.iter().skip(1).copied().chain([stream.len()]);
            let nals = codes.iter().zip(ends).map(|(at, end)| without_zeros(&stream[at + 3..end]));
            prop_assert_eq!(units(&stream), nals.filter(|nal| !nal.is_empty()).collect::<Vec<_>>());
        }

        #[test]
        fn any_lengths_do_no_harm(sample in bytes(60)) {
            let stream = from_lengths(&sample);
            prop_assert!(stream.len() <= sample.len());
            prop_assert!(to_lengths(&stream).len() <= 2 * stream.len());
        }
    }
}
