//! RTP time beyond its 32 bits.

/// RTP time extended to 64 bits. Starts one wrap up, so that earlier times never fall below zero.
#[derive(Debug, Clone, Copy)]
pub struct RtpTime {
    newest: u64,
}

impl RtpTime {
    /// Of a stream whose first packet has this time.
    pub fn starting_at(wire: u32) -> RtpTime {
        RtpTime { newest: (1 << 32) + u64::from(wire) }
    }

    /// The extended time nearest to the newest packet's.
    pub fn near(self, wire: u32) -> u64 {
        let step = wire.wrapping_sub(self.newest as u32) as i32;
        self.newest.saturating_add_signed(i64::from(step))
    }

    /// The extended time of a packet that has come.
    pub fn advance(&mut self, wire: u32) -> u64 {
        let time = self.near(wire);
        self.newest = self.newest.max(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_over_roll_overs_and_back_for_late_packets() {
        let mut time = RtpTime::starting_at(u32::MAX - 10);
        let start = time.newest;
        assert_eq!(time.advance(5), start + 16);
        assert_eq!(time.advance(u32::MAX), start + 10);
        assert_eq!(time.near(6), start + 17);
        assert_eq!(time.newest, start + 16);
    }
}
