//! Filter weights of one axis: which source pixels an output pixel is made of.

/// The weights of one output pixel sum up to this, so that flat areas keep their value exactly.
pub const ONE: u32 = 256;

/// A triangle filter from `from` pixels to `to`, centre to centre. Enlarging interpolates between two neighbours;
/// shrinking stretches the triangle by the ratio, so that what the output cannot show is averaged away. Beyond its ends
/// the source is continued with its last pixel.
#[derive(Debug)]
pub struct Taps {
    /// First source pixel of each output pixel.
    starts: Vec<usize>,
    /// Where the weights of each output pixel end.
    ends: Vec<usize>,
    weights: Vec<u16>,
}

impl Taps {
    /// Both at least 1.
    pub fn new(from: usize, to: usize) -> Taps {
        let (mut starts, mut ends, mut weights) = (Vec::with_capacity(to), Vec::with_capacity(to), Vec::new());
        let mut exact = Vec::new();
        for output in 0..to {
            let first = triangle(from, to, output, &mut exact);
            // Rounds the running sum, not each weight: the sum comes out exactly, at any number of taps.
            let (mut sum, mut given) = (0.0, 0);
            let begin = weights.len();
            starts.push(first);
            for weight in &exact {
                sum += weight;
                let upto = (sum * f64::from(ONE)).round() as u32;
                weights.push((upto - given) as u16);
                given = upto;
            }
            while weights.len() > begin && weights.last() == Some(&0) {
                weights.pop();
            }
            let zeros = weights[begin..].iter().take_while(|&&weight| weight == 0).count();
            weights.drain(begin..begin + zeros);
            *starts.last_mut().expect("pushed above") += zeros;
            ends.push(weights.len());
        }
        Taps { starts, ends, weights }
    }

    /// Number of output pixels.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// First source pixel and weights of an output pixel; at least one, none beyond the source.
    pub fn at(&self, output: usize) -> (usize, &[u16]) {
        let begin = if output == 0 { 0 } else { self.ends[output - 1] };
        (self.starts[output], &self.weights[begin..self.ends[output]])
    }
}

/// The exact weights of an output pixel, which sum up to 1, and the source pixel that the first belongs to.
pub fn triangle(from: usize, to: usize, output: usize, weights: &mut Vec<f64>) -> usize {
    let ratio = from as f64 / to as f64;
    let reach = ratio.max(1.0);
    let centre = (output as f64 + 0.5) * ratio - 0.5;
    let last = (from - 1) as i64;
    let (low, high) = ((centre - reach).ceil() as i64, (centre + reach).floor() as i64);
    let inside = |at: i64| at.clamp(0, last) as usize;
    let first = inside(low);
    weights.clear();
    weights.resize(inside(high) - first + 1, 0.0);
    for at in low..=high {
        weights[inside(at) - first] += (1.0 - (at as f64 - centre).abs() / reach).max(0.0);
    }
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_up_and_stay_inside() {
        for (from, to) in [(1, 1), (1, 9), (2, 1), (3, 2), (640, 426), (4096, 2), (5, 4000), (360, 240), (7, 7)] {
            let taps = Taps::new(from, to);
            assert_eq!(taps.len(), to);
            for output in 0..to {
                let (start, weights) = taps.at(output);
                assert!(!weights.is_empty() && start + weights.len() <= from, "{from} {to} {output}");
                assert_eq!(weights.iter().map(|&w| u32::from(w)).sum::<u32>(), ONE, "{from} {to} {output}");
            }
        }
    }

    #[test]
    fn equal_sizes_take_each_pixel_as_it_is() {
        let taps = Taps::new(5, 5);
        assert!((0..5).all(|output| taps.at(output) == (output, &[256][..])));
    }
}
