//! The picture of a mix: who stands where, and drawing what changed since the last frame.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use codec::video::{Canvas, Rect, rgb_to_yuv};
use rules::layout::{Cell, Fill, Member, Plan};
use rules::request::AlternateFill;
use rules::select::StreamId;
use rules::time::Wall;

use super::feed::{Feed, Shown};
use super::images::Images;
use super::overlay::Overlays;
use super::text::Typefaces;
use super::tile::{Content, Tile, overlap, rect_of};
use crate::Result;
use crate::messages::MixPlan;

/// See the module's head.
pub struct Stage {
    plan: Plan,
    members: Vec<Member>,
    speaker: Option<StreamId>,
    images: Images,
    faces: Typefaces,
    /// What lies below all cells.
    base: Canvas,
    canvas: Canvas,
    tiles: Vec<Tile>,
    /// Tiles that overlap are drawn together: of each the first one of them.
    groups: Vec<usize>,
    overlays: Overlays,
}

impl Stage {
    /// What a mix is drawn on, and what is missing of its fonts.
    pub fn of(plan: &MixPlan) -> Result<(Stage, Vec<String>)> {
        let (mut stage, mut faults) = (Stage::new(plan.layout.clone(), &plan.images)?, Vec::new());
        if plan.layout.has_text() {
            let faces = Typefaces::load(&plan.fonts);
            if faces.is_empty() {
                faults.push("no font can be read: nothing is written on the picture".into());
            }
            stage.write_with(faces)?;
        }
        Ok((stage, faults))
    }

    /// `images`: the files that addresses of the plan were fetched to. They are shown when [`Stage::take_images`] finds
    /// them decoded. Nothing is written before [`Stage::write_with`].
    pub fn new(plan: Plan, images: &BTreeMap<String, PathBuf>) -> Result<Stage> {
        let (width, height) = (plan.width, plan.height);
        let mut stage = Stage {
            members: Vec::new(),
            speaker: None,
            images: Images::default(),
            faces: Typefaces::default(),
            base: Canvas::new(width, height)?,
            canvas: Canvas::new(width, height)?,
            tiles: Vec::new(),
            groups: Vec::new(),
            overlays: Overlays::default(),
            plan: plan.clone(),
        };
        stage.set_plan(plan, images)?;
        Ok(stage)
    }

    /// Width and height, pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.plan.width, self.plan.height)
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The fonts of all that is written.
    pub fn write_with(&mut self, faces: Typefaces) -> Result<()> {
        self.faces = faces;
        self.begin_anew()
    }

    /// Another layout, of the same size. A background image stays until the next one has come.
    pub fn set_plan(&mut self, plan: Plan, images: &BTreeMap<String, PathBuf>) -> Result<()> {
        self.images.set_plan(&plan, images);
        if !self.images.has_background() {
            self.base.fill(Rect::sized(plan.width, plan.height), rgb_to_yuv(plan.background));
        }
        self.plan = plan;
        self.begin_anew()
    }

    /// Shows the images that were decoded meanwhile. Answers whether there are any, and what is wrong with others.
    pub fn take_images(&mut self) -> Result<(bool, Vec<String>)> {
        let news = self.images.take()?;
        if let Some(background) = news.background {
            self.base = background;
        }
        if news.changed {
            self.begin_anew()?;
        }
        Ok((news.changed, news.faults))
    }

    /// Waits for all images. Gives what is wrong with them.
    #[cfg(test)]
    pub fn finish_images(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        loop {
            faults.extend(self.take_images().expect("images").1);
            if self.images.is_settled() {
                return faults;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Who is there from now on, in the order of joining.
    pub fn set_members(&mut self, members: Vec<Member>) -> Result<()> {
        if members == self.members {
            return Ok(());
        }
        self.members = members;
        self.arrange()
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Who speaks from now on.
    pub fn set_speaker(&mut self, speaker: Option<StreamId>) -> Result<()> {
        if speaker == self.speaker {
            return Ok(());
        }
        self.speaker = speaker;
        self.arrange()
    }

    /// The time that a clock shows; without one there is none.
    pub fn set_time(&mut self, time: Option<Wall>) -> Result<()> {
        self.overlays.set_time(time, &mut self.canvas, &self.faces)
    }

    /// Forgets all that was drawn.
    fn begin_anew(&mut self) -> Result<()> {
        self.overlays = Overlays::new(&self.plan, &self.images, &self.faces);
        self.tiles.clear();
        self.canvas.copy_rect(&self.base, Rect::sized(self.plan.width, self.plan.height));
        self.arrange()
    }

    /// Puts the windows in their places. Those that stay where they are need not be drawn again, unless they overlap with
    /// others of which some do not stay.
    fn arrange(&mut self) -> Result<()> {
        let cells = self.plan.cells(&self.members, self.speaker.as_ref());
        let before = std::mem::take(&mut self.tiles);
        if cells.len() == before.len() && before.iter().zip(&cells).all(|(tile, cell)| tile.goes_on_as(cell)) {
            self.tiles = before.into_iter().zip(cells).map(|(tile, cell)| tile.on_as(cell)).collect();
            return Ok(());
        }
        let alone = |groups: &[usize], n: usize| groups.iter().filter(|group| **group == groups[n]).count() == 1;
        let (mut stay, mut gone) = (Vec::new(), Vec::new());
        for (n, tile) in before.into_iter().enumerate() {
            if alone(&self.groups, n) { stay.push(tile) } else { gone.push(tile) }
        }
        self.groups = groups(&cells);
        for (n, cell) in cells.into_iter().enumerate() {
            let same = stay.iter().position(|tile| tile.goes_on_as(&cell)).filter(|_| alone(&self.groups, n));
            self.tiles.push(match same {
                Some(at) => stay.swap_remove(at).on_as(cell),
                None => Tile::new(cell, &self.faces),
            });
        }
        let uncovered: Vec<Rect> = stay.iter().chain(&gone).map(|tile| tile.rect).collect();
        self.overlays.lift(&mut self.canvas, &uncovered)?;
        uncovered.into_iter().for_each(|rect| self.canvas.copy_rect(&self.base, rect));
        Ok(())
    }

    /// Draws the present picture.
    pub fn compose(&mut self, feeds: &BTreeMap<StreamId, Feed>) -> Result<&mut Canvas> {
        let contents: Vec<Content> = self.tiles.iter().map(|tile| self.content(&tile.cell, feeds)).collect();
        let windows = || self.tiles.iter().zip(&self.groups);
        let changed = windows().zip(&contents).filter(|((tile, _), content)| tile.drawn.as_ref() != Some(*content));
        let dirty: BTreeSet<usize> = changed.map(|((_, group), _)| *group).collect();
        let places: Vec<Rect> =
            windows().filter(|(_, group)| dirty.contains(group)).map(|(tile, _)| tile.rect).collect();
        self.overlays.lift(&mut self.canvas, &places)?;
        for group in dirty {
            self.draw_group(group, &contents, feeds)?;
        }
        self.overlays.lay(&mut self.canvas)?;
        Ok(&mut self.canvas)
    }

    fn draw_group(&mut self, group: usize, contents: &[Content], feeds: &BTreeMap<StreamId, Feed>) -> Result<()> {
        let members: Vec<usize> = (0..self.tiles.len()).filter(|n| self.groups[*n] == group).collect();
        for &n in &members {
            let tile = &self.tiles[n];
            if members.len() > 1 || !tile.covers(&contents[n]) {
                self.canvas.copy_rect(&self.base, tile.rect);
            }
        }
        let background = rgb_to_yuv(self.plan.background);
        for n in members {
            let tile = &mut self.tiles[n];
            let feed = tile.cell.stream.as_ref().and_then(|stream| feeds.get(stream));
            tile.draw(&contents[n], feed, &self.images, background, &mut self.canvas)?;
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
        let alternate = cell.alternate.as_ref().filter(|alternate| self.images.window(&alternate.url).is_some());
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

fn upright_size(shown: &Shown) -> (u32, u32) {
    let view = shown.picture.view();
    if shown.rotation.is_multiple_of(180) { (view.width, view.height) } else { (view.height, view.width) }
}

/// Of each cell the first one of those that it overlaps with, directly or by others.
fn groups(cells: &[Cell]) -> Vec<usize> {
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
    groups
}

#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod tests;
