//! The voucher as a PNG picture of 750 pixels width, with the QR text inside.

#![expect(clippy::float_arithmetic, reason = "sizes on paper, never money")]

use crate::DocumentError;
use crate::canvas::Canvas;
use crate::face::{TITLE_ZH, VoucherFace};
use crate::font::{Fonts, Line};
use crate::phone;
use crate::qr::QrModules;
use crate::scene::{BLACK, Color, Scene, Shape, to_f32};
use skrifa::MetadataProvider;
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use std::collections::BTreeMap;
use tiny_skia::{PathBuilder, Stroke};

/// Keyword of the PNG text chunk that holds the QR text.
pub const PNG_KEYWORD: &str = "jiaoyi-voucher";

/// A picture is sent by messengers and kept on small phones.
const SIZE_MAX: usize = 60_000;

/// Steps of the soft edges of letters, tried in turn until the file is small enough.
const EDGE_STEPS: [u16; 3] = [4, 2, 1];

/// Levels 8 and 9 cost three and eight times as much for one part in twenty.
const DEFLATE_LEVEL: u8 = 7;

/// Pixels a point.
const SCALE: f32 = 2.0;

/// Draws the voucher for the phone.
///
/// # Errors
///
/// [`DocumentError::Qr`] when the QR text is too long, [`DocumentError::Png`].
pub fn voucher_png(fonts: &Fonts, face: &VoucherFace) -> Result<Vec<u8>, DocumentError> {
    let scene = phone::layout(fonts, face)?;
    let mut smallest = None;
    for steps in EDGE_STEPS {
        let canvas = draw(&scene, steps);
        let bytes = encode(&canvas, &face.qr_text).ok_or(DocumentError::Png)?;
        let fits = bytes.len() <= SIZE_MAX;
        smallest = Some(bytes);
        if fits {
            break;
        }
    }
    smallest.ok_or(DocumentError::Png)
}

fn draw(scene: &Scene<'_>, steps: u16) -> Canvas {
    let mut canvas = Canvas::new(scene.width * SCALE, scene.height * SCALE, steps);
    for shape in &scene.shapes {
        match shape {
            Shape::Box {
                x,
                y,
                width,
                height,
                radius,
                fill,
                stroke,
            } => {
                let place = (*x, *y, *width, *height);
                draw_box(&mut canvas, place, *radius, *fill, *stroke);
            }
            Shape::Text {
                x,
                y,
                size,
                color,
                line,
            } => draw_text(&mut canvas, (*x, *y), *size, *color, line),
            Shape::Qr { x, y, module, code } => draw_qr(&mut canvas, (*x, *y), *module, code),
        }
    }
    canvas
}

fn draw_box(
    canvas: &mut Canvas,
    (x, y, width, height): (f32, f32, f32, f32),
    radius: f32,
    fill: Option<Color>,
    stroke: Option<(Color, f32)>,
) {
    let place = [x, y, x + width, y + height].map(|points| points * SCALE);
    if radius == 0.0 {
        if let Some(ink) = fill {
            canvas.rectangle(place, ink);
        }
        return;
    }
    let mut builder = PathBuilder::new();
    rounded(&mut builder, place, radius * SCALE);
    let Some(path) = builder.finish() else { return };
    if let Some(ink) = fill {
        canvas.path(&path, ink);
    }
    if let Some((ink, width)) = stroke {
        let stroke = Stroke {
            width: width * SCALE,
            ..Stroke::default()
        };
        if let Some(outline) = path.stroke(&stroke, 1.0) {
            canvas.path(&outline, ink);
        }
    }
}

/// A rectangle with round corners; quarter circles as cubic curves.
fn rounded(builder: &mut PathBuilder, [x, y, right, bottom]: [f32; 4], radius: f32) {
    // 0.5523 puts the control points of a quarter circle.
    let k = radius * (1.0 - 0.552_3);
    builder.move_to(x + radius, y);
    builder.line_to(right - radius, y);
    builder.cubic_to(right - k, y, right, y + k, right, y + radius);
    builder.line_to(right, bottom - radius);
    builder.cubic_to(right, bottom - k, right - k, bottom, right - radius, bottom);
    builder.line_to(x + radius, bottom);
    builder.cubic_to(x + k, bottom, x, bottom - k, x, bottom - radius);
    builder.line_to(x, y + radius);
    builder.cubic_to(x, y + k, x + k, y, x + radius, y);
    builder.close();
}

fn draw_text(canvas: &mut Canvas, (x, y): (f32, f32), size: f32, ink: Color, line: &Line) {
    // Baselines lie on whole pixels; so do the feet of all letters of a line.
    let mut pen = Pen {
        builder: PathBuilder::new(),
        x: 0.0,
        y: (y * SCALE).round(),
    };
    let mut x = x * SCALE;
    let size = size * SCALE;
    for run in &line.runs {
        let Some(font) = run.face.font() else {
            continue;
        };
        let outlines = font.outline_glyphs();
        for glyph in &run.glyphs {
            // Equal letters on whole pixels are equal pixels, which the compressor finds.
            pen.x = x.round();
            if let Some(outline) = outlines.get(skrifa::GlyphId::new(glyph.id)) {
                let settings = DrawSettings::unhinted(Size::new(size), LocationRef::default());
                // A broken outline of a system font leaves the glyph blank, not the document.
                let _ = outline.draw(settings, &mut pen);
            }
            x += glyph.advance * size;
        }
    }
    if let Some(path) = pen.builder.finish() {
        canvas.path(&path, ink);
    }
}

/// Collects outlines at a place on the picture; y of fonts grows upwards.
struct Pen {
    builder: PathBuilder,
    x: f32,
    y: f32,
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.builder.move_to(self.x + x, self.y - y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.builder.line_to(self.x + x, self.y - y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let (left, top) = (self.x, self.y);
        self.builder.quad_to(left + cx, top - cy, left + x, top - y);
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        let (left, top) = (self.x, self.y);
        self.builder
            .cubic_to(left + ax, top - ay, left + bx, top - by, left + x, top - y);
    }

    fn close(&mut self) {
        self.builder.close();
    }
}

fn draw_qr(canvas: &mut Canvas, (x, y): (f32, f32), module: f32, code: &QrModules) {
    let module = module * SCALE;
    let (x, y) = ((x * SCALE).round(), (y * SCALE).round());
    for (column, row, length) in code.runs() {
        let (left, top) = (x + to_f32(column) * module, y + to_f32(row) * module);
        let right = left + to_f32(length) * module;
        canvas.rectangle([left, top, right, top + module], BLACK);
    }
}

/// An indexed PNG: a face has far fewer than 256 colours.
fn encode(canvas: &Canvas, qr_text: &str) -> Option<Vec<u8>> {
    let (palette, indices) = indexed(canvas)?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, canvas.width, canvas.height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_deflate_compression(png::DeflateCompression::Level(DEFLATE_LEVEL));
    encoder.set_filter(png::Filter::NoFilter);
    encoder
        .add_itxt_chunk("Title".to_owned(), TITLE_ZH.to_owned())
        .ok()?;
    if !qr_text.is_empty() {
        encoder
            .add_text_chunk(PNG_KEYWORD.to_owned(), qr_text.to_owned())
            .ok()?;
    }
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&indices).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

/// Palette and one index a pixel; `None` with more than 256 colours.
fn indexed(canvas: &Canvas) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut known: BTreeMap<Color, u8> = BTreeMap::new();
    let mut palette = Vec::new();
    let mut indices = Vec::with_capacity(canvas.pixels.len());
    let mut before = None;
    for pixel in &canvas.pixels {
        // Most pixels are like the one before them.
        if let Some((same, index)) = before
            && same == *pixel
        {
            indices.push(index);
            continue;
        }
        let next = known.len();
        let index = match known.get(pixel) {
            Some(index) => *index,
            None => {
                let index = u8::try_from(next).ok()?;
                known.insert(*pixel, index);
                palette.extend(pixel);
                index
            }
        };
        before = Some((*pixel, index));
        indices.push(index);
    }
    Some((palette, indices))
}
