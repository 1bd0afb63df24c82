//! The picture of a mix: who stands where, and drawing what changed since the last frame.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use codec::video::{Canvas, Draw, I420, Picture, Rect, Scaler, rgb_to_yuv};
use rules::layout::{Cell, Crop, Fill, Fit, Member, Plan};
use rules::request::AlternateFill;
use rules::select::StreamId;

use super::feed::{Feed, Shown};
use super::turn::Turned;
use crate::Result;

/// Black, Y Cb Cr.
const BLACK: [u8; 3] = [16, 128, 128];
/// The same in red, green, blue.
const BLACK_RGB: [u8; 3] = [0; 3];

/// See the module's head.
pub struct Stage {
    plan: Plan,
    members: Vec<Member>,
    images: BTreeMap<String, Picture>,
    /// What lies below all cells.
    base: Canvas,
    canvas: Canvas,
    tiles: Vec<Tile>,
}

/// A cell and what was drawn into it.
struct Tile {
    cell: Cell,
    rect: Rect,
    scaler: Scaler,
    drawn: Option<Content>,
    /// Tiles that overlap are drawn together; this is the first one of them.
    group: usize,
}

/// What a cell shows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Nothing,
    Black,
    /// The stream's picture with this serial number.
    Picture(u64),
    /// An image, in this ratio of width to height if not its own.
    Image(String, Option<(u32, u32)>),
}

impl Stage {
    /// `images`: the files that addresses of the plan were fetched to.
    pub fn new(plan: Plan, images: &BTreeMap<String, PathBuf>) -> Result<(Stage, Vec<String>)> {
        let (width, height) = (plan.width, plan.height);
        let mut stage = Stage {
            members: Vec::new(),
            images: BTreeMap::new(),
            base: Canvas::new(width, height)?,
            canvas: Canvas::new(width, height)?,
            tiles: Vec::new(),
            plan: plan.clone(),
        };
        let faults = stage.set_plan(plan, images)?;
        Ok((stage, faults))
    }

    /// Width and height, pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.plan.width, self.plan.height)
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Another layout, of the same size. Gives what is wrong with its images.
    pub fn set_plan(&mut self, plan: Plan, images: &BTreeMap<String, PathBuf>) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for (address, path) in images {
            if self.images.contains_key(address) {
                continue;
            }
            match image(path) {
                Ok(image) => _ = self.images.insert(address.clone(), image),
                Err(error) => faults.push(format!("image {address}: {error}")),
            }
        }
        let whole = Rect { x: 0, y: 0, width: plan.width, height: plan.height };
        self.base.fill(whole, rgb_to_yuv(plan.background));
        if let Some(image) = plan.background_image.as_ref().and_then(|address| self.images.get(address)) {
            draw(
                &mut self.base,
                &mut Scaler::default(),
                &image.view(),
                &Crop::WHOLE,
                Fit::Stretch,
                whole,
                (255, 0),
                None,
            )?;
        }
        self.plan = plan;
        // What lies below the windows may be another.
        self.tiles.clear();
        self.arrange();
        Ok(faults)
    }

    /// Who is there from now on, in the order of joining.
    pub fn set_members(&mut self, members: Vec<Member>) {
        if members != self.members {
            self.members = members;
            self.arrange();
        }
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Puts the windows in their places. When all of them stay where they are, nothing has to be drawn again.
    fn arrange(&mut self) {
        let cells: Vec<Cell> = self.plan.cells(&self.members);
        let stays =
            |(tile, cell): (&Tile, &Cell)| Cell { has_picture: tile.cell.has_picture, ..cell.clone() } == tile.cell;
        if cells.len() == self.tiles.len() && self.tiles.iter().zip(&cells).all(stays) {
            self.tiles.iter_mut().zip(cells).for_each(|(tile, cell)| tile.cell = cell);
            return;
        }
        let rects: Vec<Rect> = cells.iter().map(rect_of).collect();
        let mut groups: Vec<usize> = (0..cells.len()).collect();
        // Small numbers of tiles: joining groups pair by pair is enough.
        for i in 0..rects.len() {
            for j in i + 1..rects.len() {
                if overlap(&rects[i], &rects[j]) {
                    let (low, high) = (groups[i].min(groups[j]), groups[i].max(groups[j]));
                    groups.iter_mut().filter(|group| **group == high).for_each(|group| *group = low);
                }
            }
        }
        let tiles = cells.into_iter().zip(rects).zip(groups);
        self.tiles = tiles
            .map(|((cell, rect), group)| Tile { cell, rect, scaler: Scaler::default(), drawn: None, group })
            .collect();
        let (width, height) = self.size();
        self.canvas.copy_rect(&self.base, Rect { x: 0, y: 0, width, height });
    }

    /// Draws the present picture.
    pub fn compose(&mut self, feeds: &BTreeMap<StreamId, Feed>) -> Result<&mut Canvas> {
        let contents: Vec<Content> = self.tiles.iter().map(|tile| self.content(&tile.cell, feeds)).collect();
        let changed = |tile: &Tile, content: &Content| tile.drawn.as_ref() != Some(content);
        let dirty: Vec<usize> =
            self.tiles.iter().zip(&contents).filter(|(t, c)| changed(t, c)).map(|(tile, _)| tile.group).collect();
        for group in 0..self.tiles.len() {
            if dirty.contains(&group) {
                self.draw_group(group, &contents, feeds)?;
            }
        }
        Ok(&mut self.canvas)
    }

    fn draw_group(&mut self, group: usize, contents: &[Content], feeds: &BTreeMap<StreamId, Feed>) -> Result<()> {
        let alone = self.tiles.iter().filter(|tile| tile.group == group).count() == 1;
        for tile in self.tiles.iter().filter(|tile| tile.group == group) {
            if !(alone && tile.covers(&contents[group])) {
                self.canvas.copy_rect(&self.base, tile.rect);
            }
        }
        let background = rgb_to_yuv(self.plan.background);
        for (tile, content) in self.tiles.iter_mut().zip(contents).filter(|(tile, _)| tile.group == group) {
            tile.drawn = Some(content.clone());
            let feed = tile.cell.stream.as_ref().and_then(|stream| feeds.get(stream));
            tile.draw(content, feed, &self.images, background, &mut self.canvas)?;
        }
        Ok(())
    }

    fn content(&self, cell: &Cell, feeds: &BTreeMap<StreamId, Feed>) -> Content {
        if !cell.shows_video {
            return Content::Nothing;
        }
        let feed = cell.stream.as_ref().and_then(|stream| feeds.get(stream));
        let live = feed.and_then(Feed::live);
        if let Some(shown) = live.filter(|_| cell.has_picture) {
            return Content::Picture(shown.serial);
        }
        let last = feed.and_then(Feed::last);
        let alternate = cell.alternate.as_ref().filter(|alternate| self.images.contains_key(&alternate.url));
        if let Some(alternate) = alternate.filter(|_| !cell.has_picture || last.is_none()) {
            let ratio = match alternate.fill {
                AlternateFill::VideoRatio => last.map(upright_size),
                AlternateFill::OwnRatio => None,
            };
            return Content::Image(alternate.url.clone(), ratio);
        }
        match (cell.fill, last) {
            // Published, and what was seen last was of before: its first picture is on its way.
            (_, Some(shown)) if cell.has_picture && cell.fill != Fill::Background => Content::Picture(shown.serial),
            (Fill::LastFrame, Some(shown)) => Content::Picture(shown.serial),
            (Fill::Black, Some(_)) => Content::Black,
            _ => Content::Nothing,
        }
    }
}

impl Tile {
    /// Whether all of the tile is drawn over by what it shows.
    fn covers(&self, content: &Content) -> bool {
        let opaque = self.alpha() == 255 && self.cell.corner_radius == 0;
        opaque && *content != Content::Nothing
    }

    fn alpha(&self) -> u8 {
        (self.cell.alpha * 255.0).round().clamp(0.0, 255.0) as u8
    }

    fn draw(
        &mut self,
        content: &Content,
        feed: Option<&Feed>,
        images: &BTreeMap<String, Picture>,
        background: [u8; 3],
        canvas: &mut Canvas,
    ) -> Result<()> {
        let (rect, look) = (self.rect, (self.alpha(), self.cell.corner_radius));
        if self.cell.fit != Fit::Contain || *content == Content::Nothing {
            return self.draw_content(content, feed, images, rect, look, canvas);
        }
        // A box that is not filled shows the background's colour around the picture.
        if look == (255, 0) {
            canvas.fill(rect, background);
            return self.draw_content(content, feed, images, rect, look, canvas);
        }
        // Both together are translucent, and it is the box that has round corners.
        let whole = Rect::sized(rect.width, rect.height);
        let mut filled = Canvas::new(rect.width, rect.height)?;
        filled.fill(whole, background);
        self.draw_content(content, feed, images, whole, (255, 0), &mut filled)?;
        draw(canvas, &mut self.scaler, &filled.view(), &Crop::WHOLE, Fit::Stretch, rect, look, None)
    }

    fn draw_content(
        &mut self,
        content: &Content,
        feed: Option<&Feed>,
        images: &BTreeMap<String, Picture>,
        rect: Rect,
        look: (u8, u32),
        canvas: &mut Canvas,
    ) -> Result<()> {
        let (crop, fit) = (&self.cell.crop, self.cell.fit);
        match content {
            Content::Nothing => Ok(()),
            Content::Black => {
                let black = solid(BLACK)?;
                draw(canvas, &mut self.scaler, &black.view(), &Crop::WHOLE, Fit::Stretch, rect, look, None)
            }
            Content::Image(address, ratio) => match images.get(address) {
                Some(image) => draw(canvas, &mut self.scaler, &image.view(), crop, fit, rect, look, *ratio),
                None => Ok(()),
            },
            Content::Picture(_) => {
                let Some(shown) = feed.and_then(|feed| feed.live().or(feed.last())) else { return Ok(()) };
                let view = shown.picture.view();
                match shown.rotation {
                    0 => draw(canvas, &mut self.scaler, &view, crop, fit, rect, look, None),
                    degrees => match Turned::new(&view, degrees).view() {
                        Some(turned) => draw(canvas, &mut self.scaler, &turned, crop, fit, rect, look, None),
                        None => Ok(()),
                    },
                }
            }
        }
    }
}

/// An image from a file. Transparent parts are black.
fn image(path: &Path) -> Result<Picture> {
    Ok(codec::image::decode(&std::fs::read(path)?, BLACK_RGB)?)
}

/// A picture of one colour.
fn solid(yuv: [u8; 3]) -> Result<Canvas> {
    let mut canvas = Canvas::new(2, 2)?;
    canvas.fill(Rect { x: 0, y: 0, width: 2, height: 2 }, yuv);
    Ok(canvas)
}

fn upright_size(shown: &Shown) -> (u32, u32) {
    let view = shown.picture.view();
    if shown.rotation.is_multiple_of(180) { (view.width, view.height) } else { (view.height, view.width) }
}

fn rect_of(cell: &Cell) -> Rect {
    let rules::layout::Rect { x, y, width, height } = cell.rect;
    Rect { x: x as i32, y: y as i32, width, height }
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    let along = |a: i32, a_size: u32, b: i32, b_size: u32| {
        i64::from(a) < i64::from(b) + i64::from(b_size) && i64::from(b) < i64::from(a) + i64::from(a_size)
    };
    along(a.x, a.width, b.x, b.width) && along(a.y, a.height, b.y, b.height)
}

/// Draws the part `crop` of a picture into a box. `look`: opacity and radius of the corners. `ratio`: what the picture
/// is taken for in width to height, if not for what it is.
#[expect(clippy::too_many_arguments, reason = "all of them describe one act of drawing")]
fn draw(
    canvas: &mut Canvas,
    scaler: &mut Scaler,
    picture: &I420<'_>,
    crop: &Crop,
    fit: Fit,
    rect: Rect,
    (alpha, corner_radius): (u8, u32),
    ratio: Option<(u32, u32)>,
) -> Result<()> {
    let size = [f64::from(picture.width), f64::from(picture.height)];
    let (source, dest) = place(size, crop, fit, rect, ratio);
    Ok(canvas.draw(scaler, picture, &Draw { source, dest, alpha, corner_radius })?)
}

/// Which part of the picture, in whole pairs of pixels, goes where.
fn place(size: [f64; 2], crop: &Crop, fit: Fit, rect: Rect, ratio: Option<(u32, u32)>) -> (Rect, Rect) {
    let (part, dest) = part(size, crop, fit, rect, ratio);
    let span = |start: f64, length: f64, size: f64| {
        let end = (((start + length) / 2.0).round() * 2.0).min(size);
        // At least a pair of pixels, unless there is only one.
        let start = ((start / 2.0).round() * 2.0).min(((size - 1.0) / 2.0).floor() * 2.0).min((end - 2.0).max(0.0));
        (start as i32, (end - start).max(1.0) as u32)
    };
    let ((x, width), (y, height)) = (span(part[0], part[2], size[0]), span(part[1], part[3], size[1]));
    (Rect { x, y, width, height }, dest)
}

fn part(size: [f64; 2], crop: &Crop, fit: Fit, rect: Rect, ratio: Option<(u32, u32)>) -> ([f64; 4], Rect) {
    let [x, y, width, height] = [
        f64::from(crop.x) * size[0],
        f64::from(crop.y) * size[1],
        f64::from(crop.width) * size[0],
        f64::from(crop.height) * size[1],
    ];
    // Width to height, as it is to be seen.
    let stretch = ratio.map_or(1.0, |(w, h)| f64::from(w) / f64::from(h.max(1)) * size[1] / size[0]);
    let (shown, wanted) = (width * stretch / height, f64::from(rect.width) / f64::from(rect.height.max(1)));
    match fit {
        Fit::Stretch => ([x, y, width, height], rect),
        Fit::Crop if shown > wanted => {
            let kept = width * wanted / shown;
            ([x + (width - kept) / 2.0, y, kept, height], rect)
        }
        Fit::Crop => {
            let kept = height * shown / wanted;
            ([x, y + (height - kept) / 2.0, width, kept], rect)
        }
        Fit::Contain => ([x, y, width, height], inside(rect, shown, wanted)),
    }
}

/// The largest box of that ratio inside of another one, centred, with even edges.
fn inside(rect: Rect, shown: f64, wanted: f64) -> Rect {
    let even = |length: f64, most: u32| ((length / 2.0).round() as u32 * 2).clamp(2.min(most), most);
    let (width, height) = if shown > wanted {
        (rect.width, even(f64::from(rect.width) / shown, rect.height))
    } else {
        (even(f64::from(rect.height) * shown, rect.width), rect.height)
    };
    let offset = |outer: u32, inner: u32| ((outer - inner) / 4 * 2) as i32;
    Rect { x: rect.x + offset(rect.width, width), y: rect.y + offset(rect.height, height), width, height }
}
