//! What a room should look and sound like, from what happened in it alone.

use codec::video::Rect;
use rules::layout::{Arrangement, Cell, Crop, Fill, Fit, Member, Overlays, Plan, Region};
use rules::request::{FrameFill, RegionMedia};
use rules::select::StreamId;

use super::super::room;
use crate::mix::sound::testing::Random;

pub const USERS: usize = 8;
const SIZE: (u32, u32) = (192, 128);
const BLACK: Colour = [16, 128, 128];

/// Y Cb Cr.
type Colour = [u8; 3];

/// What may happen to a room; users by their numbers.
#[derive(Debug, Clone)]
pub enum Happening {
    Joins(usize),
    Leaves(usize),
    Camera(usize, bool),
    Microphone(usize, bool),
    /// Another size, turn or colour of the picture.
    Looks(usize, Look),
    Layout(Plan),
}

/// A picture: an upper and a lower half.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Upright, pixels.
    size: (u32, u32),
    /// How far it must be turned clockwise after it was sent.
    pub rotation: u16,
    halves: [Colour; 2],
}

impl Look {
    fn random(random: &mut Random) -> Look {
        let sizes = [(64, 48), (96, 64), (64, 96), (128, 64), (80, 80), (192, 128)];
        let rotation = if random.chance(50) { 0 } else { [90, 180, 270][random.below(3) as usize] };
        let size = sizes[random.below(sizes.len() as i64) as usize];
        Look { size, rotation, halves: [colour(random), colour(random)] }
    }

    pub fn sent_size(&self) -> (u32, u32) {
        let (width, height) = self.size;
        if self.rotation.is_multiple_of(180) { (width, height) } else { (height, width) }
    }

    /// What is sent.
    pub fn boxes(&self) -> [(Rect, Colour); 2] {
        let (width, height) = self.sent_size();
        let [upper, lower] = self.halves;
        let (half_x, half_y) = (width as i32 / 2, height as i32 / 2);
        let (first, second) = match self.rotation {
            90 | 270 => (Rect { x: 0, y: 0, width: width / 2, height }, Rect { x: half_x, y: 0, width, height }),
            _ => (Rect { x: 0, y: 0, width, height: height / 2 }, Rect { x: 0, y: half_y, width, height }),
        };
        match self.rotation {
            0 | 90 => [(first, upper), (second, lower)],
            _ => [(first, lower), (second, upper)],
        }
    }
}

/// Any two differ clearly.
fn colour(random: &mut Random) -> Colour {
    [48 + 36 * random.below(5) as u8, 80 + 48 * random.below(3) as u8, 80 + 48 * random.below(3) as u8]
}

struct User {
    camera: bool,
    microphone: bool,
    look: Look,
    /// What was seen of them last.
    last: Option<[Colour; 2]>,
}

/// See the module's head.
pub struct Model {
    plan: Plan,
    users: Vec<User>,
    /// Who is there, in the order of joining.
    there: Vec<usize>,
}

impl Model {
    /// An empty room.
    pub fn new(random: &mut Random) -> Model {
        let mut user = |_| User { camera: true, microphone: true, look: Look::random(random), last: None };
        let users = (0..USERS).map(&mut user).collect();
        Model { plan: layout(random), users, there: Vec::new() }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Something that can happen now.
    pub fn choose(&self, random: &mut Random) -> Happening {
        let user = random.below(USERS as i64) as usize;
        if random.chance(12) {
            return Happening::Layout(layout(random));
        }
        if !self.there.contains(&user) {
            return Happening::Joins(user);
        }
        match random.below(5) {
            0 => Happening::Leaves(user),
            1 => Happening::Camera(user, !self.users[user].camera),
            2 => Happening::Microphone(user, !self.users[user].microphone),
            _ => Happening::Looks(user, Look::random(random)),
        }
    }

    pub fn apply(&mut self, happening: &Happening) {
        match happening {
            Happening::Joins(user) => self.there.push(*user),
            Happening::Leaves(user) => {
                self.there.retain(|there| there != user);
            }
            Happening::Camera(user, on) => self.users[*user].camera = *on,
            Happening::Microphone(user, on) => self.users[*user].microphone = *on,
            Happening::Looks(user, look) => self.users[*user].look = *look,
            Happening::Layout(plan) => self.plan = plan.clone(),
        }
        // Of who left, only a custom layout remembers anything.
        let custom = matches!(self.plan.arrangement, Arrangement::Custom(_));
        for (number, user) in self.users.iter_mut().enumerate() {
            let there = self.there.contains(&number);
            if there && user.camera {
                user.last = Some(user.look.halves);
            } else if !there && !custom {
                user.last = None;
            }
        }
    }

    pub fn members(&self) -> Vec<Member> {
        let member =
            |user: &usize| Member { stream: stream(*user), name: String::new(), video: self.users[*user].camera };
        self.there.iter().map(member).collect()
    }

    /// Who sends pictures.
    pub fn seen(&self) -> impl Iterator<Item = (usize, &Look)> {
        let seen = self.there.iter().filter(|user| self.users[**user].camera);
        seen.map(|user| (*user, &self.users[*user].look))
    }

    /// Who sends sound.
    pub fn talking(&self) -> impl Iterator<Item = usize> {
        self.there.iter().copied().filter(|user| self.users[*user].microphone)
    }

    pub fn hears(&self, user: usize) -> bool {
        self.talking().any(|talking| talking == user) && self.plan.hears(&stream(user))
    }

    pub fn scene(&self) -> Scene {
        let cells = self.plan.cells(&self.members(), None);
        let tile = |cell: &Cell| {
            let rules::layout::Rect { x, y, width, height } = cell.rect;
            Some((Rect { x: x as i32, y: y as i32, width, height }, self.content(cell)?))
        };
        Scene {
            background: codec::video::rgb_to_yuv(self.plan.background),
            tiles: cells.iter().filter_map(tile).collect(),
            nobody: self.there.is_empty(),
        }
    }

    /// What a cell shows; nothing is drawn in some.
    fn content(&self, cell: &Cell) -> Option<[Colour; 2]> {
        let number = (0..USERS).find(|user| Some(stream(*user)) == cell.stream).filter(|_| cell.shows_video)?;
        let last = self.users[number].last?;
        match (cell.has_picture, cell.fill) {
            (true, _) | (false, Fill::LastFrame) => Some(last),
            (false, Fill::Black) => Some([BLACK; 2]),
            (false, Fill::Background) => None,
        }
    }
}

/// A picture as it should be.
pub struct Scene {
    background: Colour,
    /// From the lowest to the uppermost.
    tiles: Vec<(Rect, [Colour; 2])>,
    pub nobody: bool,
}

impl Scene {
    /// Nothing where edges are near.
    pub fn colour_at(&self, x: i32, y: i32) -> Option<Colour> {
        let near = 4;
        let mut colour = Some(self.background);
        for (rect, [upper, lower]) in &self.tiles {
            let (left, right) = (rect.x, rect.x + rect.width as i32);
            let (top, bottom) = (rect.y, rect.y + rect.height as i32);
            let within =
                |grown: i32| (left - grown..right + grown).contains(&x) && (top - grown..bottom + grown).contains(&y);
            let from_middle = y - (top + bottom) / 2;
            // Enlarged pictures have a soft middle.
            let middle_is_near = from_middle.abs() <= near + rect.height as i32 / 12;
            if within(-near) {
                colour = Some(if from_middle < 0 { *upper } else { *lower }).filter(|_| !middle_is_near);
            } else if within(near) {
                colour = None;
            }
        }
        colour
    }
}

pub fn name(user: usize) -> String {
    format!("user {user}")
}

pub fn stream(user: usize) -> StreamId {
    room::stream(&name(user))
}

fn layout(random: &mut Random) -> Plan {
    let anybody = |random: &mut Random| stream(random.below(USERS as i64) as usize);
    let arrangement = match random.below(6) {
        0 | 1 => Arrangement::Adaptive,
        2 => Arrangement::SideBySide,
        3 => Arrangement::Vertical { main: None },
        4 => Arrangement::Vertical { main: Some(anybody(random)) },
        _ => {
            let seated: Vec<usize> = (0..USERS).filter(|_| random.chance(70)).collect();
            Arrangement::Custom(seated.into_iter().map(|user| region(user, random)).collect())
        }
    };
    Plan {
        width: SIZE.0,
        height: SIZE.1,
        background: [(); 3].map(|()| 80 * random.below(3) as u8),
        background_image: None,
        frame_fill: if random.chance(50) { FrameFill::LastFrame } else { FrameFill::Black },
        arrangement,
        max_cells: 17,
        overlays: Overlays::default(),
    }
}

fn region(user: usize, random: &mut Random) -> Region {
    let mut side = |from: i64, to: i64| random.between(from, to) as u32;
    let rect = rules::layout::Rect { x: side(0, 160), y: side(0, 100), width: side(20, 120), height: side(20, 90) };
    Region {
        stream: stream(user),
        rect,
        z_order: side(0, 4),
        fit: if random.chance(50) { Fit::Stretch } else { Fit::Crop },
        crop: Crop::WHOLE,
        alpha: 1.0,
        corner_radius: 0,
        media: [RegionMedia::Both, RegionMedia::Both, RegionMedia::AudioOnly, RegionMedia::VideoOnly]
            [random.below(4) as usize],
        alternate: None,
        pan: None,
    }
}
