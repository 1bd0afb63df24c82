//! Parameter sets of libx265 whose values `ffprobe` names, and some written here bit by bit.

use super::*;

fn unit(hex: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

const MAIN: &str = "42010101600000030090000003000003003ca0182071f796eaaf2bc05a020000030002000003003c10";

#[test]
fn sizes_are_those_of_the_conformance_window() {
    // 8 bits 4:2:0 with and without a window, 10 bits, 4:4:4, 4:2:2.
    let known = [
        (MAIN, (192, 108, 1, 60)),
        ("420101016000000300900000030000030078a003c08010e596565924caf0168080000003008000000f04", (1920, 1080, 1, 120)),
        ("42010102200000030090000003000003003ca00a080b9f6d96565924caf0168080000003008000000f04", (320, 180, 2, 60)),
        ("4201010408000003009e0800000300003f9000a0402e3b9f2cacb24995e02d010000030001000003001e08", (638, 362, 4, 63)),
        ("4201010408000003009d0800000300003fb005020169d796565924caf0168080000003008000000f04", (638, 360, 4, 63)),
    ];
    for (hex, (width, height, profile, level)) in known {
        let expected = Sps { id: 0, vps: 0, profile, level, width, height };
        assert_eq!(Sps::parse(&unit(hex)), Ok(expected), "{hex}");
    }
}

#[test]
fn temporal_layers_have_levels_of_their_own_that_are_skipped() {
    let plain = unit(MAIN);
    // Behind the general level: three layers, the lower two with a profile and a level, and with a level.
    let mut sps = plain[..18].to_vec();
    sps[2] = 0x05;
    sps.extend([0b1101_0000, 0]);
    sps.extend([0xff; 11]);
    sps.extend([60, 60]);
    sps.extend(&plain[18..]);
    let parsed = Sps::parse(&sps).expect("well formed");
    assert_eq!((parsed.width, parsed.height, parsed.level), (192, 108, 60));
}

#[test]
fn ids_tell_which_set_belongs_to_which() {
    assert_eq!(Vps::parse(&unit("40010c01ffff0160")), Ok(Vps { id: 0 }));
    assert_eq!(Vps::parse(&unit("40013c01ffff0160")), Ok(Vps { id: 3 }));
    assert_eq!(PpsIds::parse(&unit("4401c173d109")), Ok(PpsIds { pps: 0, sps: 0 }));
    assert_eq!(PpsIds::parse(&[0x44, 1, 0b0110_1000]), Ok(PpsIds { pps: 2, sps: 1 }));
}

#[test]
fn slices_say_whether_they_are_the_first_and_what_they_use() {
    let head = |bytes: &[u8]| SliceHead::parse(bytes);
    assert_eq!(head(&[0x28, 1, 0b1011_0000]), Ok(SliceHead { first: true, pps: 0 }), "an IDR picture");
    assert_eq!(head(&[0x02, 1, 0b0010_0000]), Ok(SliceHead { first: false, pps: 1 }), "a later one");
    assert!(head(&[0x02]).is_err() && head(&[]).is_err());
}

#[test]
fn what_is_no_parameter_set_is_refused() {
    let sps = unit(MAIN);
    for length in 0..18 {
        assert!(Sps::parse(&sps[..length]).is_err(), "{length}");
    }
    let mut upper = sps.clone();
    upper[1] |= 1 << 3;
    assert!(Sps::parse(&upper).is_err(), "of another layer");
    assert!(Vps::parse(&sps).is_err() && PpsIds::parse(&sps).is_err());
    assert!(H265Config::new(&sps, &sps, &sps).is_err());
}
