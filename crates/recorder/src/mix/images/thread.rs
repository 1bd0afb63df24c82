//! The thread that reads, decodes and shrinks images. It works on one at a time, so that no more than one is in memory at
//! its full size.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use codec::image;
use codec::video::{Canvas, Draw, Picture, Rect, Scaler, Sprite};

use super::{Prepared, Shape, Want};
use crate::{Error, Result};

/// Images that may wait for the thread, and as many that may wait to be taken.
pub const QUEUE: usize = 2;

/// The owner's end. The thread ends with it.
pub struct ImageThread {
    jobs: SyncSender<(Want, PathBuf)>,
    done: Receiver<(Want, Result<Prepared>)>,
}

impl ImageThread {
    pub fn start() -> Result<ImageThread> {
        let (jobs, queue) = sync_channel::<(Want, PathBuf)>(QUEUE);
        let (tell, done) = sync_channel(QUEUE);
        let work = move || {
            for (want, path) in queue {
                // Whatever an image brings about is a fault of that image.
                let prepared = catch_unwind(|| prepare(want.shape, &path));
                let prepared = prepared.unwrap_or(Err(Error::Internal("decoding panicked")));
                if tell.send((want, prepared)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("images".into()).spawn(work)?;
        Ok(ImageThread { jobs, done })
    }

    /// Answers whether there was room for it; if not, it is to be asked for again.
    pub fn ask(&self, want: Want, path: PathBuf) -> bool {
        self.jobs.try_send((want, path)).is_ok()
    }

    /// The next image that is ready, or cannot be.
    pub fn take(&self) -> Option<(Want, Result<Prepared>)> {
        self.done.try_recv().ok()
    }
}

fn prepare(shape: Shape, path: &Path) -> Result<Prepared> {
    let bytes = std::fs::read(path)?;
    // What is transparent is black, except in watermarks.
    Ok(match shape {
        Shape::Background(width, height) => {
            Prepared::Background(stretched(&image::decode(&bytes, [0; 3])?, width, height)?)
        }
        Shape::Window(width, height) => Prepared::Window(shrunk(image::decode(&bytes, [0; 3])?, width, height)?),
        Shape::Mark(width, height) => {
            Prepared::Mark(Sprite::of_image(&image::decode_transparent(&bytes)?, width, height))
        }
    })
}

/// No larger than it must be to fill a box of this size, in its own ratio.
pub(super) fn shrunk(picture: Picture, width: u32, height: u32) -> Result<Picture> {
    let view = picture.view();
    let scale = (f64::from(width) / f64::from(view.width)).max(f64::from(height) / f64::from(view.height));
    if scale >= 1.0 {
        return Ok(picture);
    }
    let even = |side: u32| ((f64::from(side) * scale / 2.0).round() as u32 * 2).max(2);
    Ok(stretched(&picture, even(view.width), even(view.height))?.into_picture())
}

fn stretched(picture: &Picture, width: u32, height: u32) -> Result<Canvas> {
    let (view, mut canvas) = (picture.view(), Canvas::new(width, height)?);
    canvas.draw(&mut Scaler::new(), &view, &Draw::whole(&view, Rect::sized(width, height)))?;
    Ok(canvas)
}
