//! How pictures lie in the memory that encoders get.

use super::I420;
use super::picture::narrow;
use ffmpeg_next::{format, frame};

/// Order of the chroma samples; both have half of the luma's width and height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A plane of Cb, then one of Cr.
    I420,
    /// One plane of pairs, Cb and Cr.
    Nv12,
}

impl Layout {
    pub fn pixel(self) -> format::Pixel {
        match self {
            Layout::I420 => format::Pixel::YUV420P,
            Layout::Nv12 => format::Pixel::NV12,
        }
    }

    /// Copies a picture into a frame of this layout and of the same size, in limited range.
    pub fn copy(self, picture: &I420<'_>, frame: &mut frame::Video) {
        let planes = if self == Layout::I420 { 3 } else { 1 };
        for plane in 0..planes {
            for (row, to) in rows_mut(frame, plane).enumerate().take(picture.plane_size(plane).1) {
                let from = picture.row(plane, row);
                to[..from.len()].copy_from_slice(from);
                if picture.full_range {
                    narrow(&mut to[..from.len()], plane);
                }
            }
        }
        if self == Layout::Nv12 {
            for (row, to) in rows_mut(frame, 1).enumerate().take(picture.plane_size(1).1) {
                let pairs = picture.row(1, row).iter().zip(picture.row(2, row));
                for (to, (cb, cr)) in to.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
                    *to = [*cb, *cr];
                    if picture.full_range {
                        narrow(to, 1);
                    }
                }
            }
        }
    }
}

fn rows_mut(frame: &mut frame::Video, plane: usize) -> impl Iterator<Item = &mut [u8]> {
    let stride = frame.stride(plane).max(1);
    frame.data_mut(plane).chunks_mut(stride)
}
