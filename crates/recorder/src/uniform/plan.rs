//! What has to be done for a file's pictures to be of one size: how large that is, which groups of pictures are encoded
//! anew, and where in the new size they stand.

use std::collections::BTreeMap;
use std::ops::Range;

use codec::video::Rect;

/// A picture of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shot {
    /// Where its bytes lie: filler is one picture shown again and again.
    pub place: u64,
    pub key: bool,
    /// As it is coded, pixels.
    pub size: (u32, u32),
    /// Clockwise turn that shows it upright, degrees.
    pub rotation: u16,
    /// The file says another size than it has.
    pub misnamed: bool,
}

impl Shot {
    fn is(&self, size: (u32, u32), rotation: u16) -> bool {
        self.size == size && self.rotation == rotation && !self.misnamed
    }
}

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Width and height that every picture gets.
    pub canvas: (u32, u32),
    /// The turn of all pictures, which the file tells players. Pictures with another one are turned.
    pub rotation: u16,
    /// What is encoded anew, in order.
    pub groups: Vec<Group>,
}

/// A key frame and all pictures up to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub pictures: Range<usize>,
    /// It is this picture alone, which an earlier group was.
    pub same_as: Option<usize>,
}

/// Nothing when all pictures are alike: then the file can tell players everything about them, but for a turn where they are
/// to be `upright`.
pub fn plan(shots: &[Shot], upright: bool) -> Option<Plan> {
    let first = shots.first()?;
    let common = !upright && shots.iter().all(|shot| shot.rotation == first.rotation);
    let rotation = if common { first.rotation } else { 0 };
    if shots.iter().all(|shot| shot.is(first.size, rotation)) {
        return None;
    }
    let sizes = shots.iter().map(|shot| turned(shot.size, shot.rotation + 360 - rotation));
    let canvas = sizes.fold((0, 0), |canvas, size| (canvas.0.max(size.0), canvas.1.max(size.1)));
    let (mut groups, mut alone, mut from) = (Vec::new(), BTreeMap::new(), 0);
    for group in shots.chunk_by(|_, next| !next.key) {
        let pictures = from..from + group.len();
        from = pictures.end;
        if group.iter().all(|shot| shot.is(canvas, rotation)) {
            continue;
        }
        let (start, place) = (pictures.start, group[0].place);
        let first = if group.len() == 1 { *alone.entry(place).or_insert(start) } else { start };
        groups.push(Group { pictures, same_as: (first < start).then_some(first) });
    }
    Some(Plan { canvas, rotation, groups })
}

/// `size` after a turn.
pub fn turned((width, height): (u32, u32), degrees: u16) -> (u32, u32) {
    if degrees.is_multiple_of(180) { (width, height) } else { (height, width) }
}

/// Where a picture of `size` stands in the canvas: as large as fits, in the middle, on even pixels.
pub fn fit(size: (u32, u32), canvas: (u32, u32)) -> Rect {
    let [width, height, across, down] = [size.0.max(1), size.1.max(1), canvas.0, canvas.1].map(u64::from);
    // The nearest even length of a side to `whole * part / of`, at least one pair of pixels.
    let side = |whole: u64, part: u64, of: u64| ((whole * part + of) / (2 * of) * 2).clamp(2, whole.max(2));
    let (fitted, high) = match across * height <= down * width {
        true => (across, side(down, height * across, width * down)),
        false => (side(across, width * down, height * across), down),
    };
    let middle = |room: u64, length: u64| ((room - length) / 4 * 2) as i32;
    Rect { x: middle(across, fitted), y: middle(down, high), width: fitted as u32, height: high as u32 }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
