//! The images of a layout, in the sizes in which they are shown. They are decoded beside the mix (see [`thread`]), one by
//! one: a large one takes a good part of a second and a hundred megabytes.

mod thread;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use codec::video::{Canvas, Picture, Sprite};
use rules::layout::{Cell, Plan};
use rules::outbound;
use rules::request::{AlternateFill, Mark};

use self::thread::ImageThread;
use crate::Result;

/// An image, and what it is needed for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Want {
    address: String,
    shape: Shape,
}

/// What an image is needed for, and in which size (pixels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// To lie below everything: exactly so large.
    Background(u32, u32),
    /// To be shown in windows, the largest of which has this size.
    Window(u32, u32),
    /// To be laid over everything: exactly so large, with its transparency.
    Mark(u32, u32),
}

/// An image ready to be shown.
enum Prepared {
    Background(Canvas),
    Window(Picture),
    Mark(Sprite),
}

/// What became of images since the last look.
#[derive(Default)]
pub struct News {
    /// Something can be shown that could not be.
    pub changed: bool,
    /// What lies below everything from now on.
    pub background: Option<Canvas>,
    /// What is wrong with images.
    pub faults: Vec<String>,
}

/// See the module's head.
#[derive(Default)]
pub struct Images {
    /// What the layout needs, of what there is a file.
    wanted: BTreeMap<Want, PathBuf>,
    windows: BTreeMap<String, (Shape, Picture)>,
    marks: BTreeMap<Want, Sprite>,
    /// Whose background was given out last.
    background: Option<Want>,
    /// They were asked for and did not come yet.
    asked: BTreeSet<Want>,
    failed: BTreeSet<Want>,
    thread: Option<ImageThread>,
}

impl Images {
    /// Another layout. `files`: what addresses were fetched to. What is there in the right size is kept, and of a window
    /// what there is until the right one has come.
    pub fn set_plan(&mut self, plan: &Plan, files: &BTreeMap<String, PathBuf>) {
        let wants = wants(plan).into_iter();
        self.wanted = wants.filter_map(|want| files.get(&want.address).map(|path| (want, path.clone()))).collect();
        let windows: BTreeSet<&str> =
            self.wanted.keys().filter(|want| want.is_window()).map(|want| want.address.as_str()).collect();
        self.windows.retain(|address, _| windows.contains(address.as_str()));
        self.marks.retain(|want, _| self.wanted.contains_key(want));
        self.failed.retain(|want| self.wanted.contains_key(want));
        if plan.background_image.is_none() {
            self.background = None;
        }
    }

    /// Takes what was decoded, and has what is missing decoded. Never waits.
    pub fn take(&mut self) -> Result<News> {
        let mut news = News::default();
        while let Some((want, prepared)) = self.thread.as_ref().and_then(ImageThread::take) {
            self.asked.remove(&want);
            // The layout may have changed meanwhile.
            if self.wanted.contains_key(&want) {
                match prepared {
                    Ok(prepared) => self.keep(want, prepared, &mut news),
                    Err(error) => {
                        news.faults.push(format!("image {}: {error}", outbound::shown(&want.address)));
                        self.failed.insert(want);
                    }
                }
            }
        }
        self.ask()?;
        Ok(news)
    }

    /// The image of a window.
    pub fn window(&self, address: &str) -> Option<&Picture> {
        self.windows.get(address).map(|(_, picture)| picture)
    }

    /// The image of a watermark so large.
    pub fn mark(&self, address: &str, width: u32, height: u32) -> Option<&Sprite> {
        self.marks.get(&Want { address: address.to_owned(), shape: Shape::Mark(width, height) })
    }

    /// An image was given out as background and is the last one that was.
    pub fn has_background(&self) -> bool {
        self.background.is_some()
    }

    /// Nothing is to come.
    #[cfg(test)]
    pub fn is_settled(&self) -> bool {
        self.asked.is_empty() && self.missing().next().is_none()
    }

    fn keep(&mut self, want: Want, prepared: Prepared, news: &mut News) {
        news.changed = true;
        match prepared {
            Prepared::Background(canvas) => {
                news.background = Some(canvas);
                self.background = Some(want);
            }
            Prepared::Window(picture) => _ = self.windows.insert(want.address, (want.shape, picture)),
            Prepared::Mark(sprite) => _ = self.marks.insert(want, sprite),
        }
    }

    fn missing(&self) -> impl Iterator<Item = (&Want, &PathBuf)> {
        self.wanted.iter().filter(|(want, _)| {
            let there = match want.shape {
                Shape::Background(..) => self.background.as_ref() == Some(want),
                Shape::Window(..) => self.windows.get(&want.address).is_some_and(|(shape, _)| *shape == want.shape),
                Shape::Mark(..) => self.marks.contains_key(want),
            };
            !there && !self.asked.contains(want) && !self.failed.contains(want)
        })
    }

    fn ask(&mut self) -> Result<()> {
        let missing: Vec<(Want, PathBuf)> =
            self.missing().take(thread::QUEUE).map(|(want, path)| (want.clone(), path.clone())).collect();
        for (want, path) in missing {
            let thread = match &mut self.thread {
                Some(thread) => thread,
                none => none.insert(ImageThread::start()?),
            };
            if !thread.ask(want.clone(), path) {
                break;
            }
            self.asked.insert(want);
        }
        Ok(())
    }
}

impl Want {
    fn is_window(&self) -> bool {
        matches!(self.shape, Shape::Window(..))
    }
}

/// What a layout needs.
fn wants(plan: &Plan) -> BTreeSet<Want> {
    let (width, height) = (plan.width, plan.height);
    let want = |address: &String, shape: Shape| Want { address: address.clone(), shape };
    let background = plan.background_image.iter().map(|address| want(address, Shape::Background(width, height)));
    let marks = plan.overlays.watermarks.iter().filter_map(|watermark| match &watermark.mark {
        Mark::Image { image, width, height } => Some(want(image, Shape::Mark(*width, *height))),
        Mark::Text { .. } => None,
    });
    let mut windows: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for cell in plan.cells(&[], None).iter().filter(|cell| cell.shows_video) {
        let Some(alternate) = &cell.alternate else { continue };
        let (across, down) = match alternate.fill {
            AlternateFill::OwnRatio => needed(cell),
            // In which ratio is not known yet, so neither is how much of it will be cut off.
            AlternateFill::VideoRatio => (needed(cell).0.max(width), needed(cell).1.max(height)),
        };
        let most = windows.entry(alternate.url.clone()).or_default();
        *most = (most.0.max(across), most.1.max(down));
    }
    let windows = windows.into_iter().map(|(address, (width, height))| want(&address, Shape::Window(width, height)));
    background.chain(marks).chain(windows).collect()
}

/// The size of a source that fills a cell without being enlarged.
fn needed(cell: &Cell) -> (u32, u32) {
    let whole = |pixels: u32, share: f32| (pixels as f32 / share).ceil() as u32;
    (whole(cell.rect.width, cell.crop.width), whole(cell.rect.height, cell.crop.height))
}

#[cfg(test)]
mod tests;
