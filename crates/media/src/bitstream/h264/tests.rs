//! Parameter sets of libx264 whose values `ffprobe` names, and some written here bit by bit.

use super::*;

fn nal(hex: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

struct Expected {
    sps: &'static str,
    size: (u32, u32),
    profile: u8,
    level: u8,
    chroma: (u8, u8),
    reorder: u32,
    rate: (u32, u32),
    progressive: bool,
}

const BY_LIBX264: [Expected; 5] = [
    Expected {
        sps: "67640028acd94078044fde0220000003002000000783e2c5b2c0",
        size: (1920, 1080),
        profile: 100,
        level: 40,
        chroma: (1, 8),
        reorder: 2,
        rate: (30, 1),
        progressive: false,
    },
    Expected {
        sps: "67f4001e919b281405fdcf808800001f480007530078b16cb0",
        size: (638, 362),
        profile: 244,
        level: 30,
        chroma: (3, 8),
        reorder: 2,
        rate: (30_000, 1_001),
        progressive: true,
    },
    Expected {
        sps: "677a001fb6cb200a00b7602200000300020000030064c08001e848003d09498600f1832480",
        size: (1280, 720),
        profile: 122,
        level: 31,
        chroma: (2, 10),
        reorder: 0,
        rate: (25, 1),
        progressive: true,
    },
    Expected {
        sps: "6742c01fd9005005bb0110000003001000000303c0f1832480",
        size: (1280, 720),
        profile: 66,
        level: 31,
        chroma: (1, 8),
        reorder: 0,
        rate: (30, 1),
        progressive: true,
    },
    Expected {
        sps: "6764000df2c80a843c7c7e02d90000030001000003003c0f142a48",
        size: (322, 242),
        profile: 100,
        level: 13,
        chroma: (0, 8),
        reorder: 0,
        rate: (30, 1),
        progressive: true,
    },
];

#[test]
fn parameter_sets_of_an_encoder() {
    for expected in BY_LIBX264 {
        let sps = Sps::parse(&nal(expected.sps)).expect(expected.sps);
        assert_eq!((sps.width, sps.height), expected.size);
        assert_eq!((sps.profile, sps.level), (expected.profile, expected.level));
        assert_eq!((sps.chroma_format, sps.bit_depth_luma), expected.chroma);
        assert_eq!(sps.reorder_frames, Some(expected.reorder));
        let (numerator, denominator) = sps.frame_rate.expect("libx264 writes one");
        assert_eq!(numerator * expected.rate.1, denominator * expected.rate.0);
        assert_eq!(sps.frame_mbs_only, expected.progressive);
    }
}

#[test]
fn a_truncated_set_is_refused_and_a_truncated_hint_is_not() {
    let whole = nal(BY_LIBX264[3].sps);
    let refused: Vec<bool> = (0..whole.len()).map(|length| Sps::parse(&whole[..length]).is_err()).collect();
    // Everything up to the VUI flag is needed; that lies in the ninth byte.
    assert_eq!(refused.iter().position(|refused| !refused), Some(9));
    assert!(refused[9..].iter().all(|refused| !refused));
    let sps = Sps::parse(&whole[..12]).expect("only hints are missing");
    assert_eq!((sps.width, sps.height, sps.frame_rate), (1280, 720, None));
}

/// Exp-Golomb code as binary digits.
fn ue(value: u32) -> String {
    let digits = format!("{:b}", value + 1);
    "0".repeat(digits.len() - 1) + &digits
}

fn se(value: i32) -> String {
    ue(if value > 0 { 2 * value as u32 - 1 } else { 2 * value.unsigned_abs() })
}

fn written(start: &[u8], digits: &[String]) -> Vec<u8> {
    let mut digits = digits.concat() + "1";
    digits += &"0".repeat(digits.len().next_multiple_of(8) - digits.len());
    let byte = |i| u8::from_str_radix(&digits[i..i + 8], 2).expect("binary digits");
    start.iter().copied().chain((0..digits.len()).step_by(8).map(byte)).collect()
}

/// A progressive 4:2:0 SPS without VUI; `sides` in macroblocks minus 1.
fn simple_sps(matrices: &str, order: &[String], sides: [u32; 2], crop: Option<[u32; 4]>) -> Vec<u8> {
    let mut digits = vec![ue(0), ue(1), ue(0), ue(0), "0".into(), matrices.into(), ue(0)];
    digits.extend_from_slice(order);
    digits.extend([ue(1), "0".into(), ue(sides[0]), ue(sides[1]), "11".into()]);
    match crop {
        Some(crop) => digits.extend(["1".into()].into_iter().chain(crop.map(ue))),
        None => digits.push("0".into()),
    }
    digits.push("0".into());
    written(&[0x67, 100, 0, 30], &digits)
}

#[test]
fn scaling_lists_and_picture_order_are_stepped_over() {
    let mut matrices = String::from("1");
    // A full list, one that falls back at once, one that ends early (a next scale of 0), and none.
    matrices += &("1".to_owned() + &se(2).repeat(16));
    matrices += &("1".to_owned() + &se(-8));
    matrices += &("1".to_owned() + &se(1) + &se(-9));
    matrices += "000";
    matrices += &("1".to_owned() + &se(-1).repeat(7) + &se(1).repeat(57));
    matrices += "0";
    let by_cycle: Vec<String> = [ue(1), "0".into(), se(-3), se(4), ue(2), se(1), se(-70_000)].into();
    let sps = Sps::parse(&simple_sps(&matrices, &by_cycle, [39, 22], Some([0, 0, 0, 4]))).expect("well formed");
    assert_eq!((sps.width, sps.height, sps.reorder_frames), (640, 360, None));
    let output_order = Sps::parse(&simple_sps("0", &[ue(2)], [39, 22], None)).expect("well formed");
    assert_eq!((output_order.width, output_order.height, output_order.reorder_frames), (640, 368, Some(0)));
}

#[test]
fn absurd_sizes_are_refused() {
    let order = [ue(2)];
    assert!(Sps::parse(&simple_sps("0", &order, [1_023, 1_023], None)).is_ok());
    for (sides, crop) in [
        ([1_024, 0], None),
        ([0, u32::MAX - 2], None),
        ([0, 0], Some([8, 0, 0, 0])),
        ([0, 0], Some([0, 0, u32::MAX - 2, u32::MAX - 2])),
    ] {
        assert!(Sps::parse(&simple_sps("0", &order, sides, crop)).is_err(), "{sides:?} {crop:?}");
    }
}

#[test]
fn slice_heads_are_read_through_emulation_prevention() {
    // frame_num has 4 bits: 2 here. The zeros of the first code need an escape.
    let digits = [ue(0xff_ffff), ue(7), ue(3), "0010".into()];
    let slice = written(&[0x65], &digits);
    assert!(slice.starts_with(&[0x65, 0, 0, 0]), "{slice:02x?}");
    let mut with_escape = slice;
    with_escape.insert(3, 3);
    let sps = Sps::parse(&simple_sps("0", &[ue(2)], [0, 0], None)).expect("well formed");
    assert_eq!(SliceHead::parse(&with_escape), Ok(SliceHead { first_mb: 0xff_ffff, pps: 3 }));
    assert_eq!(sps.frame_num(&with_escape), Ok(2));
    assert_eq!(sps.frame_num_modulus(), 16);
}

#[test]
fn exp_golomb_codes() {
    for value in [0, 1, 2, 6, 7, 254, 65_535, 1 << 20, u32::MAX - 1] {
        let data = written(&[], &[ue(value)]);
        assert_eq!(BitReader::new(&data).ue(), Ok(value));
    }
    for value in [0, 1, -1, 2, -2, 32_767, -32_768, i32::MAX] {
        assert_eq!(BitReader::new(&written(&[], &[se(value)])).se(), Ok(value));
    }
    assert!(BitReader::new(&[0; 9]).ue().is_err());
    assert!(BitReader::new(&[0, 1]).ue().is_err(), "it ends within the code");
}
