//! The H.264 parameter sets a stream has sent so far, by id, and the configuration a picture activates.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::LastConfig;
use crate::bitstream::Malformed;
use crate::bitstream::h264::{H264Config, PpsIds, Sps};
use crate::packet::VideoConfig;

/// Longest parameter set kept; with every scaling list written out an SPS stays far below.
const MAX_LENGTH: usize = 4_096;

/// An `avcC` box counts its PPS in a byte.
const MAX_PPS_LISTED: usize = 255;

#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    sps: BTreeMap<u8, (Sps, Vec<u8>)>,
    pps: BTreeMap<u8, (PpsIds, Vec<u8>)>,
    last: LastConfig,
}

impl ParameterSets {
    /// Takes an SPS NAL unit.
    pub fn add_sps(&mut self, nal: &[u8]) -> Result<(), Malformed> {
        let sps = Sps::parse(checked(nal)?)?;
        let id = sps.id;
        if self.sps.get(&id).is_none_or(|(_, known)| known != nal) {
            // Picture parameter sets made for another SPS of this id have no meaning with the new one.
            self.pps.retain(|_, (ids, _)| ids.sps != id);
            self.sps.insert(id, (sps, nal.to_vec()));
        }
        Ok(())
    }

    /// Takes a PPS NAL unit.
    pub fn add_pps(&mut self, nal: &[u8]) -> Result<(), Malformed> {
        let ids = PpsIds::parse(checked(nal)?)?;
        self.pps.insert(ids.pps, (ids, nal.to_vec()));
        Ok(())
    }

    /// What a picture activates whose slices refer to this PPS; `None` when a set it needs never came.
    pub fn activate(&mut self, pps: u8) -> Option<(Sps, Arc<VideoConfig>)> {
        let (PpsIds { sps: sps_id, .. }, first) = self.pps.get(&pps)?;
        let (sps, nal) = self.sps.get(sps_id)?;
        let others = self.pps.values().filter(|(ids, _)| ids.sps == *sps_id && ids.pps != pps);
        let mut listed = vec![first.clone()];
        listed.extend(others.map(|(_, nal)| nal.clone()).take(MAX_PPS_LISTED - 1));
        let config = H264Config::listing(sps, nal.clone(), listed);
        Some((sps.clone(), self.last.share(VideoConfig::H264(config))))
    }
}

/// The set, if it is not absurdly long.
pub(super) fn checked(nal: &[u8]) -> Result<&[u8], Malformed> {
    if nal.len() <= MAX_LENGTH { Ok(nal) } else { Err(Malformed("parameter set: its length")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 1280x720 baseline by libx264, and the same with another level.
    const SPS_0: [u8; 11] = [0x67, 0x42, 0xc0, 0x1f, 0xd9, 0, 0x50, 0x05, 0xba, 0x80, 0];
    const OTHER_SPS_0: [u8; 11] = [0x67, 0x42, 0xc0, 0x20, 0xd9, 0, 0x50, 0x05, 0xba, 0x80, 0];
    // The first bits are the ids as exp-Golomb codes: of the PPS, then of its SPS.
    const PPS_0: [u8; 2] = [0x68, 0b1100_0000];
    const PPS_1: [u8; 2] = [0x68, 0b0101_0000];
    const PPS_2_OF_SPS_1: [u8; 2] = [0x68, 0b0110_1000];

    fn listed(sets: &mut ParameterSets, pps: u8) -> Option<Vec<Vec<u8>>> {
        match &*sets.activate(pps)?.1 {
            VideoConfig::H264(config) => Some(config.pps.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_sets_of_one_sps_are_listed_the_active_first() {
        let mut sets = ParameterSets::default();
        assert!(sets.activate(0).is_none());
        sets.add_sps(&SPS_0).expect("it is whole");
        for pps in [PPS_0, PPS_1, PPS_2_OF_SPS_1] {
            sets.add_pps(&pps).expect("it is whole");
        }
        assert_eq!(listed(&mut sets, 0), Some(vec![PPS_0.to_vec(), PPS_1.to_vec()]));
        assert_eq!(listed(&mut sets, 1), Some(vec![PPS_1.to_vec(), PPS_0.to_vec()]));
        assert_eq!(listed(&mut sets, 2), None, "its SPS never came");
    }

    #[test]
    fn a_new_sps_makes_those_of_the_old_one_void_and_a_repeated_one_does_not() {
        let mut sets = ParameterSets::default();
        sets.add_sps(&SPS_0).expect("it is whole");
        sets.add_pps(&PPS_0).expect("it is whole");
        sets.add_pps(&PPS_1).expect("it is whole");
        sets.add_sps(&SPS_0).expect("it is whole");
        assert_eq!(listed(&mut sets, 0).map(|pps| pps.len()), Some(2));
        sets.add_sps(&OTHER_SPS_0).expect("it is whole");
        sets.add_pps(&PPS_0).expect("it is whole");
        assert_eq!(listed(&mut sets, 0), Some(vec![PPS_0.to_vec()]));
        assert_eq!(listed(&mut sets, 1), None);
    }

    #[test]
    fn an_oversized_set_is_refused() {
        let mut sets = ParameterSets::default();
        assert!(sets.add_sps(&[&SPS_0[..], &[0; MAX_LENGTH]].concat()).is_err());
        assert!(sets.add_pps(&[&PPS_0[..], &[0; MAX_LENGTH]].concat()).is_err());
    }
}
