//! Turning pictures upright, as their senders' video-orientation extension says.

use codec::video::I420;

/// A picture that was turned.
pub struct Turned {
    data: Vec<u8>,
    width: u32,
    height: u32,
    full_range: bool,
}

impl Turned {
    /// Turns a picture clockwise by 90, 180 or 270 degrees; others leave it as it is.
    pub fn new(picture: &I420<'_>, degrees: u16) -> Turned {
        let (width, height) = match degrees {
            90 | 270 => (picture.height, picture.width),
            _ => (picture.width, picture.height),
        };
        let mut data = Vec::with_capacity(3 * width as usize * height as usize / 2 + 8);
        for plane in 0..3 {
            let (columns, rows) = picture.plane_size(plane);
            let (stride, pixels) = (picture.strides[plane], picture.planes[plane]);
            let at = |row: usize, column: usize| pixels[row * stride + column];
            match degrees {
                90 => (0..columns).for_each(|x| data.extend((0..rows).rev().map(|y| at(y, x)))),
                180 => (0..rows).rev().for_each(|y| data.extend(picture.row(plane, y).iter().rev())),
                270 => (0..columns).rev().for_each(|x| data.extend((0..rows).map(|y| at(y, x)))),
                _ => (0..rows).for_each(|y| data.extend_from_slice(picture.row(plane, y))),
            }
        }
        Turned { data, width, height, full_range: picture.full_range }
    }

    /// The planes; nothing of a picture that was not whole.
    pub fn view(&self) -> Option<I420<'_>> {
        Some(I420 { full_range: self.full_range, ..I420::packed(&self.data, self.width, self.height)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_left_corner_goes_clockwise() {
        let mut data = vec![0; 4 * 2 + 2 * 2];
        (data[0], data[8], data[10]) = (1, 2, 3);
        let picture = I420 { full_range: true, ..I420::packed(&data, 4, 2).expect("enough") };
        let corners = |degrees| {
            let turned = Turned::new(&picture, degrees);
            let view = turned.view().expect("whole");
            let (right, down) = (view.width as usize - 1, view.height as usize - 1);
            let luma = |row: usize, column: usize| view.row(0, row)[column];
            ((view.width, view.height), [luma(0, 0), luma(0, right), luma(down, right), luma(down, 0)])
        };
        assert_eq!(corners(0), ((4, 2), [1, 0, 0, 0]));
        assert_eq!(corners(90), ((2, 4), [0, 1, 0, 0]));
        assert_eq!(corners(180), ((4, 2), [0, 0, 1, 0]));
        assert_eq!(corners(270), ((2, 4), [0, 0, 0, 1]));
        let turned = Turned::new(&picture, 90);
        let view = turned.view().expect("whole");
        assert_eq!((view.row(1, 0), view.row(2, 1)), (&[2][..], &[0][..]));
        assert!(view.full_range);
    }
}
