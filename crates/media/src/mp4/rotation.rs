//! Pictures that are shown turned: how a sample entry says it, and how a track does.
//!
//! Players know of a turn of a whole track only (the matrix in `tkhd`). That of single pictures is kept in a box of our
//! own in their sample entry, which players pass over.

use shiguredo_mp4::{
    BoxSize, BoxType,
    boxes::{SampleEntry, UnknownBox},
};

/// The box: it holds the quarter turns, clockwise, in one byte.
const UUID: BoxType = BoxType::Uuid(*b"tapedeck-turned\x01");

/// The clockwise turn that shows pictures of this entry upright, degrees.
pub(super) fn of(entry: &SampleEntry) -> u16 {
    let boxes = match entry {
        SampleEntry::Avc1(avc1) => &avc1.unknown_boxes,
        SampleEntry::Hev1(hev1) => &hev1.unknown_boxes,
        SampleEntry::Vp08(vp08) => &vp08.unknown_boxes,
        SampleEntry::Vp09(vp09) => &vp09.unknown_boxes,
        SampleEntry::Av01(av01) => &av01.unknown_boxes,
        _ => return 0,
    };
    let turns = boxes.iter().find(|found| found.box_type == UUID).and_then(|found| found.payload.first());
    turns.map_or(0, |turns| u16::from(turns % 4) * 90)
}

/// Has the entry say that its pictures are shown upright by this clockwise turn.
pub(super) fn set(entry: &mut SampleEntry, degrees: u16) {
    let boxes = match entry {
        SampleEntry::Avc1(avc1) => &mut avc1.unknown_boxes,
        SampleEntry::Hev1(hev1) => &mut hev1.unknown_boxes,
        SampleEntry::Vp08(vp08) => &mut vp08.unknown_boxes,
        SampleEntry::Vp09(vp09) => &mut vp09.unknown_boxes,
        SampleEntry::Av01(av01) => &mut av01.unknown_boxes,
        _ => return,
    };
    boxes.retain(|found| found.box_type != UUID);
    let turns = (degrees / 90 % 4) as u8;
    if turns > 0 {
        let box_size = BoxSize::with_payload_size(UUID, 1);
        boxes.push(UnknownBox { box_type: UUID, box_size, payload: vec![turns] });
    }
}

/// `size` as it is after the turn.
pub(super) fn upright((width, height): (u16, u16), degrees: u16) -> (u16, u16) {
    if degrees.is_multiple_of(180) { (width, height) } else { (height, width) }
}

/// The matrix of a track of this size whose pictures are shown upright by a clockwise turn: the turn, then a shift that
/// brings the picture back to the origin.
pub(super) fn matrix(degrees: u16, (width, height): (u16, u16)) -> [i32; 9] {
    const ONE: i32 = 0x1_0000;
    let (width, height) = (i32::from(width).saturating_mul(ONE), i32::from(height).saturating_mul(ONE));
    let (a, b, c, d, x, y) = match degrees {
        90 => (0, ONE, -ONE, 0, height, 0),
        180 => (-ONE, 0, 0, -ONE, width, height),
        270 => (0, -ONE, ONE, 0, 0, width),
        _ => (ONE, 0, 0, ONE, 0, 0),
    };
    [a, b, 0, c, d, 0, x, y, 0x4000_0000]
}
