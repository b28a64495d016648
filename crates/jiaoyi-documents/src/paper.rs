//! The voucher as a PDF of one A4 page: text can be selected, the QR code is made of vectors.

#![expect(clippy::float_arithmetic, reason = "sizes on paper, never money")]

use crate::DocumentError;
use crate::face::{SCHEME_ZH, TITLE_EN, TITLE_ZH, VoucherFace};
use crate::font::{Fonts, Line};
use crate::qr::QrModules;
use crate::scene::{BLACK, Color, Shape, to_f32};
use crate::sheet;
use jiaoyi_domain::Instant;
use krilla::color::rgb;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, Stroke};
use krilla::surface::Surface;
use krilla::text::{GlyphId, KrillaGlyph};
use krilla::{Document, SerializeSettings};

/// Draws the voucher for the printer. The QR text stands among the keywords of the document's
/// information, where it is found without drawing the page.
///
/// # Errors
///
/// [`DocumentError::Qr`] when the QR text is too long, [`DocumentError::Pdf`].
pub fn voucher_pdf(fonts: &Fonts, face: &VoucherFace) -> Result<Vec<u8>, DocumentError> {
    let scene = sheet::layout(fonts, face)?;
    let settings = SerializeSettings {
        compress_content_streams: true,
        ..SerializeSettings::default()
    };
    let mut document = Document::new_with(settings);
    let size = PageSettings::from_wh(scene.width, scene.height).ok_or(DocumentError::Pdf)?;
    let mut page = document.start_page_with(size);
    let mut surface = page.surface();
    for shape in &scene.shapes {
        draw(&mut surface, shape);
    }
    surface.finish();
    page.finish();
    document.set_metadata(metadata(face));
    document.finish().map_err(|_| DocumentError::Pdf)
}

fn metadata(face: &VoucherFace) -> Metadata {
    let mut keywords = vec![SCHEME_ZH.to_owned()];
    if !face.qr_text.is_empty() {
        keywords = vec![face.qr_text.clone()];
    }
    Metadata::new()
        .title(format!("{TITLE_ZH} {}", face.number))
        .description(format!("{TITLE_EN} {}", face.number))
        .authors(vec![face.issuer.clone()])
        .creator("Jiaoyi".to_owned())
        .language("zh-CN".to_owned())
        .document_id(face.number.clone())
        .keywords(keywords)
        .creation_date(date_time(face.issued_at))
}

/// Beijing time; a voucher drawn again gets the same date, so the same bytes.
fn date_time(at: Instant) -> DateTime {
    let (date, (hour, minute, second, _)) = (at.date(), at.time_of_day());
    let small = |number: i64| u8::try_from(number).unwrap_or(0);
    DateTime::new(u16::try_from(date.year()).unwrap_or(0))
        .month(small(date.month().into()))
        .day(small(date.day().into()))
        .hour(small(hour))
        .minute(small(minute))
        .second(small(second))
        .utc_offset_hour(8)
        .utc_offset_minute(0)
}

fn draw(surface: &mut Surface<'_>, shape: &Shape) {
    match shape {
        Shape::Box {
            x,
            y,
            width,
            height,
            radius,
            fill: ink,
            stroke,
        } => {
            let Some(path) = rounded((*x, *y, *width, *height), *radius) else {
                return;
            };
            surface.set_fill(ink.map(fill));
            surface.set_stroke(stroke.map(|(ink, width)| Stroke {
                paint: color(ink).into(),
                width,
                ..Stroke::default()
            }));
            surface.draw_path(&path);
            surface.set_stroke(None);
        }
        Shape::Text {
            x,
            y,
            size,
            color,
            line,
        } => draw_text(surface, (*x, *y), *size, *color, line),
        Shape::Qr { x, y, module, code } => draw_qr(surface, (*x, *y), *module, code),
    }
}

fn color([red, green, blue]: Color) -> rgb::Color {
    rgb::Color::new(red, green, blue)
}

fn fill(ink: Color) -> Fill {
    Fill {
        paint: color(ink).into(),
        opacity: NormalizedF32::ONE,
        rule: FillRule::NonZero,
    }
}

/// A rectangle with round corners; quarter circles as cubic curves.
fn rounded((x, y, w, h): (f32, f32, f32, f32), radius: f32) -> Option<Path> {
    let mut builder = PathBuilder::new();
    if radius == 0.0 {
        builder.push_rect(Rect::from_xywh(x, y, w, h)?);
        return builder.finish();
    }
    let (right, bottom) = (x + w, y + h);
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
    builder.finish()
}

fn draw_text(surface: &mut Surface<'_>, (x, y): (f32, f32), size: f32, ink: Color, line: &Line) {
    surface.set_fill(Some(fill(ink)));
    let mut x = x;
    for run in &line.runs {
        let glyphs: Vec<KrillaGlyph> = run
            .glyphs
            .iter()
            .map(|glyph| KrillaGlyph {
                glyph_id: GlyphId::new(glyph.id),
                text_range: glyph.range.clone(),
                x_advance: glyph.advance,
                x_offset: 0.0,
                y_offset: 0.0,
                y_advance: 0.0,
                location: None,
            })
            .collect();
        let font = run.face.pdf.clone();
        let start = Point::from_xy(x, y);
        surface.draw_glyphs(start, &glyphs, font, &line.text, size, false);
        x += run.glyphs.iter().map(|glyph| glyph.advance).sum::<f32>() * size;
    }
}

fn draw_qr(surface: &mut Surface<'_>, (x, y): (f32, f32), module: f32, code: &QrModules) {
    let mut builder = PathBuilder::new();
    for (column, row, length) in code.runs() {
        let rect = Rect::from_xywh(
            x + to_f32(column) * module,
            y + to_f32(row) * module,
            to_f32(length) * module,
            module,
        );
        if let Some(rect) = rect {
            builder.push_rect(rect);
        }
    }
    if let Some(path) = builder.finish() {
        surface.set_fill(Some(fill(BLACK)));
        surface.draw_path(&path);
    }
}
