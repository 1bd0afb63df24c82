//! The H.265 parameter sets a stream has sent so far, by id, and the configuration a picture activates.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bitstream::Malformed;
use crate::bitstream::h265::{H265Config, PpsIds, Sps, Vps, nal};
use crate::depacketize::LastConfig;
use crate::depacketize::parameter_sets::checked;
use crate::packet::VideoConfig;

#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    vps: BTreeMap<u8, Vec<u8>>,
    sps: BTreeMap<u8, (Sps, Vec<u8>)>,
    pps: BTreeMap<u8, (PpsIds, Vec<u8>)>,
    last: LastConfig,
}

impl ParameterSets {
    /// Takes a NAL unit of one of the three types.
    pub fn add(&mut self, kind: u8, unit: &[u8]) -> Result<(), Malformed> {
        let (unit, owned) = (checked(unit)?, unit.to_vec());
        match kind {
            nal::VPS => {
                self.vps.insert(Vps::parse(unit)?.id, owned);
            }
            nal::SPS => {
                let sps = Sps::parse(unit)?;
                let id = sps.id;
                if self.sps.get(&id).is_none_or(|(_, known)| *known != owned) {
                    // Picture parameter sets made for another SPS of this id have no meaning with the new one.
                    self.pps.retain(|_, (ids, _)| ids.sps != id);
                    self.sps.insert(id, (sps, owned));
                }
            }
            _ => {
                let ids = PpsIds::parse(unit)?;
                self.pps.insert(ids.pps, (ids, owned));
            }
        }
        Ok(())
    }

    /// What a picture activates whose slices refer to this PPS; `None` when a set it needs never came.
    pub fn activate(&self, pps: u8) -> Option<H265Config> {
        let (PpsIds { sps: sps_id, .. }, first) = self.pps.get(&pps)?;
        let (sps, unit) = self.sps.get(sps_id)?;
        let vps = self.vps.get(&sps.vps)?;
        let others = self.pps.values().filter(|(ids, _)| ids.sps == *sps_id && ids.pps != pps);
        let mut listed = vec![first.clone()];
        listed.extend(others.map(|(_, unit)| unit.clone()));
        Some(H265Config::listing(sps, vps.clone(), unit.clone(), listed))
    }

    /// The same `Arc` as long as the configuration does not change.
    pub fn share(&mut self, config: H265Config) -> Arc<VideoConfig> {
        self.last.share(VideoConfig::H265(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VPS_0: [u8; 4] = [0x40, 1, 0x0c, 1];
    // 192x108 by libx265, and the same with another level.
    const SPS_0: [u8; 22] = [0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x3c, 0xa0, 0x18, 0x20, 0x71];
    const OTHER_SPS_0: [u8; 22] =
        [0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x3f, 0xa0, 0x18, 0x20, 0x71];
    // The first bits are the ids as exp-Golomb codes: of the PPS, then of its SPS.
    const PPS_0: [u8; 3] = [0x44, 1, 0b1100_0000];
    const PPS_1: [u8; 3] = [0x44, 1, 0b0101_0000];

    fn sets() -> ParameterSets {
        let mut sets = ParameterSets::default();
        let sps = [&SPS_0[..], &[0xf7, 0x96, 0xea]].concat();
        for (kind, unit) in [(nal::VPS, &VPS_0[..]), (nal::SPS, &sps), (nal::PPS, &PPS_0), (nal::PPS, &PPS_1)] {
            sets.add(kind, unit).expect("it is whole");
        }
        sets
    }

    #[test]
    fn the_sets_of_one_sps_are_listed_the_active_first() {
        assert_eq!(ParameterSets::default().activate(0), None);
        let listed = |pps| sets().activate(pps).map(|config| config.pps);
        assert_eq!(listed(0), Some(vec![PPS_0.to_vec(), PPS_1.to_vec()]));
        assert_eq!(listed(1), Some(vec![PPS_1.to_vec(), PPS_0.to_vec()]));
        assert_eq!(listed(2), None);
    }

    #[test]
    fn a_new_sps_makes_those_of_the_old_one_void() {
        let mut sets = sets();
        let other = [&OTHER_SPS_0[..], &[0xf7, 0x96, 0xea]].concat();
        sets.add(nal::SPS, &other).expect("it is whole");
        assert_eq!(sets.activate(0), None);
        sets.add(nal::PPS, &PPS_0).expect("it is whole");
        assert_eq!(sets.activate(0).map(|config| (config.sps, config.pps.len())), Some((other, 1)));
    }

    #[test]
    fn an_oversized_set_is_refused() {
        assert!(ParameterSets::default().add(nal::VPS, &[&VPS_0[..], &[0; 5000]].concat()).is_err());
    }
}
