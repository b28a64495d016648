//! A picture of few colours: shapes are filled with soft edges of a fixed number of steps.
//!
//! Ordinary anti-aliasing gives every edge pixel a shade of its own, which doubles the file. A few
//! steps look the same at the density of phones.

#![expect(clippy::float_arithmetic, reason = "sizes on paper, never money")]

use crate::scene::{Color, WHITE};
use tiny_skia::{FillRule, Mask, Path, Transform};

/// No picture is wider or higher.
const PIXELS_MAX: f32 = 20_000.0;

/// Pixels in rows, and how they are softened.
pub(crate) struct Canvas {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<Color>,
    /// Steps between no cover and full cover, at least 1.
    steps: u16,
}

impl Canvas {
    /// A white picture.
    pub(crate) fn new(width: f32, height: f32, steps: u16) -> Canvas {
        let (width, height) = (whole(width).max(1), whole(height).max(1));
        Canvas {
            width,
            height,
            pixels: vec![WHITE; index(width) * index(height)],
            steps: steps.max(1),
        }
    }

    /// Left, top, right, bottom, moved to whole pixels and at least one pixel wide and high.
    pub(crate) fn rectangle(&mut self, place: [f32; 4], ink: Color) {
        let [left, top, right, bottom] = place.map(whole);
        let right = right.max(left + 1).min(self.width);
        let bottom = bottom.max(top + 1).min(self.height);
        for y in top..bottom {
            let row = index(y) * index(self.width);
            let (from, to) = (row + index(left.min(right)), row + index(right));
            if let Some(pixels) = self.pixels.get_mut(from..to) {
                pixels.fill(ink);
            }
        }
    }

    /// Fills a path by the non-zero rule.
    pub(crate) fn path(&mut self, path: &Path, ink: Color) {
        let bounds = path.bounds();
        let (left, top) = (whole(bounds.left()), whole(bounds.top()));
        let left = left.saturating_sub(1);
        let top = top.saturating_sub(1);
        let width = (whole(bounds.right()) + 2)
            .min(self.width)
            .saturating_sub(left);
        let height = (whole(bounds.bottom()) + 2)
            .min(self.height)
            .saturating_sub(top);
        let Some(mut mask) = Mask::new(width, height) else {
            return;
        };
        let shift = Transform::from_translate(-length(left), -length(top));
        mask.fill_path(path, FillRule::Winding, true, shift);
        for (y, row) in (top..).zip(mask.data().chunks_exact(index(width))) {
            let start = index(y) * index(self.width) + index(left);
            let Some(pixels) = self.pixels.get_mut(start..start + row.len()) else {
                break;
            };
            for (pixel, cover) in pixels.iter_mut().zip(row) {
                if *cover > 0 {
                    *pixel = blend(*pixel, ink, *cover, self.steps);
                }
            }
        }
    }
}

/// `ink` over `under`, with the cover taken to the nearest of `steps`.
fn blend(under: Color, ink: Color, cover: u8, steps: u16) -> Color {
    let step = (u16::from(cover) * steps + 127) / 255;
    let mut mixed = under;
    for (channel, top) in mixed.iter_mut().zip(ink) {
        let sum = u16::from(*channel) * (steps - step) + u16::from(top) * step;
        *channel = u8::try_from((sum + steps / 2) / steps).unwrap_or(u8::MAX);
    }
    mixed
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of pixels before"
)]
fn whole(length: f32) -> u32 {
    length.round().clamp(0.0, PIXELS_MAX) as u32
}

fn index(pixels: u32) -> usize {
    usize::try_from(pixels).unwrap_or(usize::MAX)
}

fn length(pixels: u32) -> f32 {
    u16::try_from(pixels).map_or(f32::from(u16::MAX), f32::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiny_skia::PathBuilder;

    #[test]
    fn edges_are_soft_in_steps_and_insides_are_exact() {
        let ink = [10, 20, 30];
        let mut canvas = Canvas::new(20.0, 20.0, 4);
        let mut builder = PathBuilder::new();
        builder.push_circle(10.3, 9.8, 7.1);
        canvas.path(&builder.finish().unwrap(), ink);
        let mut colors = canvas.pixels.clone();
        colors.sort_unstable();
        colors.dedup();
        assert!(colors.len() <= 5, "{colors:?}");
        assert_eq!(canvas.pixels[10 * 20 + 10], ink);
        assert_eq!(canvas.pixels[0], WHITE);
    }

    #[test]
    fn shapes_beyond_the_edges_are_cut() {
        let mut canvas = Canvas::new(8.0, 8.0, 4);
        canvas.rectangle([-5.0, 6.0, 100.0, 100.0], [0; 3]);
        assert_eq!(
            canvas
                .pixels
                .iter()
                .filter(|pixel| **pixel == [0; 3])
                .count(),
            16
        );
        canvas.rectangle([50.0, 0.0, 60.0, 4.0], [1; 3]);
        assert!(!canvas.pixels.contains(&[1; 3]));
        let mut builder = PathBuilder::new();
        builder.push_circle(8.0, 8.0, 30.0);
        builder.push_circle(-40.0, -40.0, 5.0);
        canvas.path(&builder.finish().unwrap(), [2; 3]);
        assert_eq!(canvas.pixels[0], [2; 3]);
    }
}
