//! The face as a picture for the phone: 375 points wide, as high as it needs.

#![expect(clippy::float_arithmetic, reason = "sizes on paper, never money")]

use crate::face::{
    DEMO_EN, DEMO_ZH, FaceState, NOTE_EN, NOTE_ZH, Row, TITLE_EN, TITLE_ZH, VoucherFace,
};
use crate::font::Fonts;
use crate::qr::{QrError, qr_modules};
use crate::scene::{AMBER, Align, BLUE, BROWN, GREEN, INK, PALE, RED, SOFT, Scene, Style, WHITE};

const WIDTH: f32 = 375.0;
const MARGIN: f32 = 22.0;
const INNER: f32 = WIDTH - 2.0 * MARGIN;
/// Where values begin; labels stand left of it.
const VALUE: f32 = 140.0;
const QR_SIDE: f32 = 190.0;
/// Two pixels make a point, so half a point is one pixel: modules are whole pixels.
const PIXEL: f32 = 0.5;

/// Lays the face out.
pub(crate) fn layout<'a>(fonts: &'a Fonts, face: &VoucherFace) -> Result<Scene<'a>, QrError> {
    let mut scene = Scene::new(fonts, WIDTH, 0.0);
    let mut y = head(&mut scene, face);
    y = amount(&mut scene, face, y);
    y = rows(&mut scene, &face.insured_rows(), y + 4.0);
    y = breakdown(&mut scene, face, y);
    y = rows(&mut scene, &face.payment_rows(), y);
    y = proof(&mut scene, face, y + 12.0)?;
    let small = Style::regular(9.5, SOFT);
    y = scene.paragraph(NOTE_ZH, MARGIN, y + 21.0, (INNER, Align::Left), small);
    y = scene.paragraph(NOTE_EN, MARGIN, y + 15.0, (INNER, Align::Left), small);
    scene.height = (y + 18.0).ceil();
    Ok(scene)
}

fn head(scene: &mut Scene<'_>, face: &VoucherFace) -> f32 {
    scene.fill(0.0, 0.0, WIDTH, 6.0, BLUE);
    let mut y = 6.0;
    if face.demo {
        scene.fill(0.0, y, WIDTH, 26.0, AMBER);
        let words = format!("{DEMO_ZH}  {DEMO_EN}");
        let style = Style::regular(11.5, BROWN);
        scene.text(&words, WIDTH / 2.0, y + 17.5, Align::Center, style);
        y += 26.0;
    }
    scene.text(
        TITLE_ZH,
        MARGIN,
        y + 43.0,
        Align::Left,
        Style::bold(26.0, BLUE),
    );
    scene.text(
        TITLE_EN,
        MARGIN,
        y + 61.0,
        Align::Left,
        Style::regular(11.0, SOFT),
    );
    state(scene, face.state, WIDTH - MARGIN, y + 19.0);
    let (zh, en) = (face.scheme_zh(), face.scheme_en());
    scene.text(
        &zh,
        MARGIN,
        y + 86.0,
        Align::Left,
        Style::regular(13.5, INK),
    );
    scene.text(
        &en,
        MARGIN,
        y + 101.0,
        Align::Left,
        Style::regular(10.0, SOFT),
    );
    y + 112.0
}

/// The state as a mark whose right edge is `right`.
fn state(scene: &mut Scene<'_>, state: FaceState, right: f32, y: f32) {
    let color = if state == FaceState::Valid {
        GREEN
    } else {
        RED
    };
    let (big, small) = (Style::bold(17.0, color), Style::regular(9.5, color));
    let widest = scene
        .width_of(state.zh(), big)
        .max(scene.width_of(state.en(), small));
    let width = widest + 26.0;
    let x = right - width;
    let frame = Some((color, 1.5));
    scene.round(x, y, (width, 42.0), 6.0, Some(WHITE), frame);
    let middle = x + width / 2.0;
    scene.text(state.zh(), middle, y + 21.0, Align::Center, big);
    scene.text(state.en(), middle, y + 34.5, Align::Center, small);
}

fn amount(scene: &mut Scene<'_>, face: &VoucherFace, y: f32) -> f32 {
    let (x, width) = (MARGIN + 16.0, INNER - 32.0);
    let (big, capital) = (Style::bold(32.0, BLUE), Style::bold(15.0, INK));
    let figures = format!("¥{}", face.amount);
    let beside = scene.width_of(&figures, big) + 20.0;
    let fits = beside + scene.width_of(&face.amount_capital, capital) <= width;
    let height = if fits { 66.0 } else { 112.0 };
    scene.round(MARGIN, y, (INNER, height), 8.0, Some(PALE), None);
    let label = Style::regular(11.0, SOFT);
    scene.text("缴费金额 Amount paid", x, y + 20.0, Align::Left, label);
    scene.text(&figures, x, y + 52.0, Align::Left, big);
    let words = &face.amount_capital;
    if fits {
        scene.text(words, x + width, y + 50.0, Align::Right, capital);
    } else {
        let style = Style::bold(13.0, INK);
        scene.paragraph(words, x, y + 77.0, (width, Align::Left), style);
    }
    y + height
}

fn rows(scene: &mut Scene<'_>, rows: &[Row], mut y: f32) -> f32 {
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            scene.hair(MARGIN, y, INNER);
        }
        y = pair(scene, (row.zh, row.en), &row.value, y);
    }
    y
}

/// Label and value between two hairlines.
fn pair(scene: &mut Scene<'_>, (zh, en): (&str, &str), value: &str, y: f32) -> f32 {
    let label = Style::regular(12.5, SOFT);
    scene.text(zh, MARGIN, y + 19.0, Align::Left, label);
    let x = MARGIN + scene.width_of(zh, label) + 5.0;
    scene.text(en, x, y + 19.0, Align::Left, Style::regular(9.0, SOFT));
    let width = WIDTH - MARGIN - VALUE;
    let style = Style::regular(13.5, INK);
    scene.paragraph(value, VALUE, y + 19.0, (width, Align::Left), style) + 9.5
}

fn breakdown(scene: &mut Scene<'_>, face: &VoucherFace, mut y: f32) -> f32 {
    for group in face.groups() {
        if group.lines.is_empty() {
            continue;
        }
        let right = WIDTH - MARGIN;
        scene.hair(MARGIN, y, INNER);
        scene.text(
            group.title,
            MARGIN,
            y + 18.0,
            Align::Left,
            Style::bold(11.0, BLUE),
        );
        scene.text(
            group.note,
            right,
            y + 18.0,
            Align::Right,
            Style::regular(9.0, SOFT),
        );
        y += 22.0;
        for line in group.lines {
            let style = Style::regular(12.5, INK);
            let amount = group.amount_of(line);
            scene.text(&amount, right, y + 15.0, Align::Right, style);
            let width = INNER - scene.width_of(&amount, style) - 16.0;
            y = scene.paragraph(&line.label(), MARGIN, y + 15.0, (width, Align::Left), style) + 5.0;
        }
        y += 5.0;
    }
    scene.hair(MARGIN, y, INNER);
    y
}

/// The code, and what is typed when it cannot be scanned.
fn proof(scene: &mut Scene<'_>, face: &VoucherFace, y: f32) -> Result<f32, QrError> {
    let middle = WIDTH / 2.0;
    scene.fill(0.0, y, WIDTH, 1.5, BLUE);
    let mut y = y + 10.0;
    if !face.qr_text.is_empty() {
        let code = qr_modules(&face.qr_text)?;
        let at = scene.shapes.len();
        let side = scene.qr(code, 0.0, y, (QR_SIDE, PIXEL));
        for shape in &mut scene.shapes[at..] {
            match shape {
                crate::scene::Shape::Box { x, .. } | crate::scene::Shape::Qr { x, .. } => {
                    *x += ((middle - side / 2.0) * 2.0).floor() / 2.0;
                }
                crate::scene::Shape::Text { .. } => {}
            }
        }
        y += side + 6.0;
        let style = Style::regular(11.0, SOFT);
        scene.text("扫码核验 Scan to verify", middle, y, Align::Center, style);
        y += 14.0;
    }
    let small = Style::regular(10.5, SOFT);
    scene.text("凭证号 Voucher no.", MARGIN, y + 14.0, Align::Left, small);
    scene.text(
        &face.number,
        MARGIN,
        y + 34.0,
        Align::Left,
        Style::bold(17.0, INK),
    );
    let right = WIDTH - MARGIN;
    scene.text("校验码 Check code", right, y + 14.0, Align::Right, small);
    scene.text(
        &face.check_code,
        right,
        y + 34.0,
        Align::Right,
        Style::bold(17.0, INK),
    );
    let signature = face.signature_text();
    Ok(scene.paragraph(&signature, MARGIN, y + 54.0, (INNER, Align::Left), small))
}
