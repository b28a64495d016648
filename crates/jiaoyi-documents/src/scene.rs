//! A page as a list of shapes, which the PNG and the PDF renderer both draw.
//!
//! Lengths are points, y grows downwards, text stands on its baseline.

#![expect(clippy::float_arithmetic, reason = "sizes on paper, never money")]

use crate::font::{Fonts, Line, Weight};
use crate::qr::{QUIET_ZONE, QrModules};

/// Red, green, blue.
pub(crate) type Color = [u8; 3];

pub(crate) const WHITE: Color = [255, 255, 255];
pub(crate) const BLACK: Color = [0, 0, 0];
/// Text.
pub(crate) const INK: Color = [0x1f, 0x29, 0x33];
/// Labels and small print; 5.7:1 on white.
pub(crate) const SOFT: Color = [0x5b, 0x66, 0x70];
/// The brand's blue.
pub(crate) const BLUE: Color = [0x0b, 0x5c, 0xad];
/// Behind the amount.
pub(crate) const PALE: Color = [0xee, 0xf4, 0xfa];
/// Hairlines.
pub(crate) const HAIR: Color = [0xd5, 0xdc, 0xe3];
/// A voucher that stands.
pub(crate) const GREEN: Color = [0x1a, 0x6b, 0x3c];
/// A voucher that does not stand any more.
pub(crate) const RED: Color = [0xb3, 0x1d, 0x28];
/// Behind the words of a demonstration and of a voucher that does not stand.
pub(crate) const AMBER: Color = [0xff, 0xf1, 0xd6];
/// Words of a demonstration.
pub(crate) const BROWN: Color = [0x7a, 0x41, 0x00];

/// One shape.
pub(crate) enum Shape {
    Box {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        radius: f32,
        fill: Option<Color>,
        stroke: Option<(Color, f32)>,
    },
    Text {
        x: f32,
        y: f32,
        size: f32,
        color: Color,
        line: Line,
    },
    Qr {
        x: f32,
        y: f32,
        /// Side of one module.
        module: f32,
        code: QrModules,
    },
}

/// How a text is set.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) size: f32,
    pub(crate) weight: Weight,
    pub(crate) color: Color,
}

impl Style {
    pub(crate) const fn regular(size: f32, color: Color) -> Style {
        Style {
            size,
            weight: Weight::Regular,
            color,
        }
    }

    pub(crate) const fn bold(size: f32, color: Color) -> Style {
        Style {
            size,
            weight: Weight::Bold,
            color,
        }
    }

    /// Distance from one baseline to the next.
    pub(crate) fn leading(self) -> f32 {
        self.size * 1.5
    }
}

/// Where a text lies relative to the given x.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

/// A page being laid out.
pub(crate) struct Scene<'a> {
    fonts: &'a Fonts,
    pub(crate) width: f32,
    pub(crate) height: f32,
    pub(crate) shapes: Vec<Shape>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(fonts: &'a Fonts, width: f32, height: f32) -> Scene<'a> {
        Scene {
            fonts,
            width,
            height,
            shapes: Vec::new(),
        }
    }

    pub(crate) fn width_of(&self, text: &str, style: Style) -> f32 {
        self.fonts.line(text, style.weight).width * style.size
    }

    /// One line on the baseline `y`.
    pub(crate) fn text(&mut self, text: &str, x: f32, y: f32, align: Align, style: Style) {
        let line = self.fonts.line(text, style.weight);
        self.line(line, x, y, align, style);
    }

    /// As many lines as `width` needs, the first on the baseline `y`; returns the last baseline.
    pub(crate) fn paragraph(
        &mut self,
        text: &str,
        x: f32,
        y: f32,
        (width, align): (f32, Align),
        style: Style,
    ) -> f32 {
        let lines = self.fonts.wrap(text, style.weight, width / style.size);
        let mut baseline = y;
        for (place, line) in lines.into_iter().enumerate() {
            if place > 0 {
                baseline += style.leading();
            }
            self.line(line, x, baseline, align, style);
        }
        baseline
    }

    fn line(&mut self, line: Line, x: f32, y: f32, align: Align, style: Style) {
        let width = line.width * style.size;
        let x = match align {
            Align::Left => x,
            Align::Center => x - width / 2.0,
            Align::Right => x - width,
        };
        self.shapes.push(Shape::Text {
            x,
            y,
            size: style.size,
            color: style.color,
            line,
        });
    }

    pub(crate) fn fill(&mut self, x: f32, y: f32, width: f32, height: f32, fill: Color) {
        self.round(x, y, (width, height), 0.0, Some(fill), None);
    }

    pub(crate) fn round(
        &mut self,
        x: f32,
        y: f32,
        (width, height): (f32, f32),
        radius: f32,
        fill: Option<Color>,
        stroke: Option<(Color, f32)>,
    ) {
        self.shapes.push(Shape::Box {
            x,
            y,
            width,
            height,
            radius,
            fill,
            stroke,
        });
    }

    /// A hairline from `x` over `width`, its upper edge at `y`.
    pub(crate) fn hair(&mut self, x: f32, y: f32, width: f32) {
        self.fill(x, y, width, 0.5, HAIR);
    }

    /// A code with its quiet zone on white, in a square of at most `side`, whole `step`s a module.
    /// Returns the square's side.
    pub(crate) fn qr(&mut self, code: QrModules, x: f32, y: f32, (side, step): (f32, f32)) -> f32 {
        let modules = to_f32(code.side + 2 * QUIET_ZONE);
        let exact = side / modules;
        let module = if step > 0.0 {
            (exact / step).floor().max(1.0) * step
        } else {
            exact
        };
        let whole = module * modules;
        let inset = module * to_f32(QUIET_ZONE);
        self.fill(x, y, whole, whole, WHITE);
        self.shapes.push(Shape::Qr {
            x: x + inset,
            y: y + inset,
            module,
            code,
        });
        whole
    }
}

/// A small count as a length.
pub(crate) fn to_f32(count: usize) -> f32 {
    u16::try_from(count).map_or(f32::from(u16::MAX), f32::from)
}
