//! The face as a sheet for the printer: A4, margins of 18 mm.

#![expect(clippy::float_arithmetic, reason = "sizes on paper, never money")]

use crate::face::{
    DEMO_EN, DEMO_ZH, FaceState, Group, NOTE_EN, NOTE_ZH, Row, TITLE_EN, TITLE_ZH, VoucherFace,
};
use crate::font::Fonts;
use crate::qr::{QrError, qr_modules};
use crate::scene::{AMBER, Align, BLUE, BROWN, GREEN, INK, PALE, RED, SOFT, Scene, Style, WHITE};

const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
const MARGIN: f32 = 51.0;
const INNER: f32 = WIDTH - 2.0 * MARGIN;
const RIGHT: f32 = WIDTH - MARGIN;
/// Space between the two columns.
const GUTTER: f32 = 28.0;
const COLUMN: f32 = (INNER - GUTTER) / 2.0;
/// From a column's edge to its values.
const LABEL: f32 = 66.0;
/// 42 mm with the quiet zone.
const QR_SIDE: f32 = 119.0;

/// Lays the face out.
pub(crate) fn layout<'a>(fonts: &'a Fonts, face: &VoucherFace) -> Result<Scene<'a>, QrError> {
    let mut scene = Scene::new(fonts, WIDTH, HEIGHT);
    let mut y = head(&mut scene, face);
    y = amount(&mut scene, face, y + 20.0);
    let second = MARGIN + COLUMN + GUTTER;
    let left = column(
        &mut scene,
        "参保信息 Insured",
        &face.insured_rows(),
        MARGIN,
        y + 18.0,
    );
    let right = column(
        &mut scene,
        "支付信息 Payment",
        &face.payment_rows(),
        second,
        y + 18.0,
    );
    y = left.max(right) + 14.0;
    let [items, subsidies] = face.groups();
    let left = lines(&mut scene, items, MARGIN, y);
    let right = lines(&mut scene, subsidies, second, y);
    y = left.max(right) + 22.0;
    y = proof(&mut scene, face, y)?;
    let small = Style::regular(9.0, SOFT);
    scene.hair(MARGIN, y + 20.0, INNER);
    y = scene.paragraph(NOTE_ZH, MARGIN, y + 36.0, (INNER, Align::Left), small);
    scene.paragraph(NOTE_EN, MARGIN, y + 13.5, (INNER, Align::Left), small);
    Ok(scene)
}

fn head(scene: &mut Scene<'_>, face: &VoucherFace) -> f32 {
    scene.fill(0.0, 0.0, WIDTH, 8.0, BLUE);
    let mut y = 8.0;
    if face.demo {
        scene.fill(0.0, y, WIDTH, 24.0, AMBER);
        let words = format!("{DEMO_ZH}  {DEMO_EN}");
        let style = Style::regular(11.0, BROWN);
        scene.text(&words, WIDTH / 2.0, y + 16.0, Align::Center, style);
        y += 24.0;
    }
    y = y.max(20.0) + 24.0;
    scene.text(
        TITLE_ZH,
        MARGIN,
        y + 26.0,
        Align::Left,
        Style::bold(28.0, BLUE),
    );
    scene.text(
        TITLE_EN,
        MARGIN,
        y + 45.0,
        Align::Left,
        Style::regular(11.0, SOFT),
    );
    state(scene, face.state, RIGHT, y);
    let scheme = format!("{}  {}", face.scheme_zh(), face.scheme_en());
    scene.text(
        &scheme,
        MARGIN,
        y + 72.0,
        Align::Left,
        Style::regular(11.5, INK),
    );
    scene.fill(MARGIN, y + 82.0, INNER, 1.5, BLUE);
    y + 83.5
}

/// The state as a mark whose right edge is `right`.
fn state(scene: &mut Scene<'_>, state: FaceState, right: f32, y: f32) {
    let color = if state == FaceState::Valid {
        GREEN
    } else {
        RED
    };
    let (big, small) = (Style::bold(18.0, color), Style::regular(10.0, color));
    let widest = scene
        .width_of(state.zh(), big)
        .max(scene.width_of(state.en(), small));
    let width = widest + 30.0;
    let x = right - width;
    scene.round(x, y, (width, 45.0), 6.0, Some(WHITE), Some((color, 1.5)));
    let middle = x + width / 2.0;
    scene.text(state.zh(), middle, y + 22.5, Align::Center, big);
    scene.text(state.en(), middle, y + 37.0, Align::Center, small);
}

fn amount(scene: &mut Scene<'_>, face: &VoucherFace, y: f32) -> f32 {
    scene.round(MARGIN, y, (INNER, 78.0), 8.0, Some(PALE), None);
    let x = MARGIN + 20.0;
    let label = Style::regular(10.5, SOFT);
    scene.text("缴费金额 Amount paid", x, y + 25.0, Align::Left, label);
    let figures = format!("¥{}", face.amount);
    let big = Style::bold(30.0, BLUE);
    let fits = scene.width_of(&figures, big) <= COLUMN - 10.0;
    let big = if fits { big } else { Style::bold(20.0, BLUE) };
    scene.text(&figures, x, y + 59.0, Align::Left, big);
    let middle = MARGIN + COLUMN + GUTTER;
    scene.text("大写 In capitals", middle, y + 25.0, Align::Left, label);
    let width = RIGHT - 16.0 - middle;
    let style = Style::bold(15.0, INK);
    let single = scene.width_of(&face.amount_capital, style) <= width;
    let style = if single {
        style
    } else {
        Style::bold(12.0, INK)
    };
    let first = if single { y + 54.0 } else { y + 47.0 };
    scene.paragraph(
        &face.amount_capital,
        middle,
        first,
        (width, Align::Left),
        style,
    );
    y + 78.0
}

fn column(scene: &mut Scene<'_>, title: &str, rows: &[Row], x: f32, y: f32) -> f32 {
    scene.text(title, x, y + 12.0, Align::Left, Style::bold(11.0, BLUE));
    let mut y = y + 20.0;
    for row in rows {
        scene.hair(x, y, COLUMN);
        scene.text(row.zh, x, y + 15.0, Align::Left, Style::regular(10.0, SOFT));
        scene.text(row.en, x, y + 25.5, Align::Left, Style::regular(7.5, SOFT));
        let style = Style::regular(10.5, INK);
        let width = COLUMN - LABEL;
        let single = scene.width_of(&row.value, style) <= width;
        let first = if single { y + 20.0 } else { y + 16.0 };
        let last = scene.paragraph(&row.value, x + LABEL, first, (width, Align::Left), style);
        y = (last + 10.0).max(y + 32.0);
    }
    scene.hair(x, y, COLUMN);
    y
}

fn lines(scene: &mut Scene<'_>, group: Group<'_>, x: f32, y: f32) -> f32 {
    if group.lines.is_empty() {
        return y;
    }
    let small = Style::regular(8.0, SOFT);
    scene.text(
        group.title,
        x,
        y + 12.0,
        Align::Left,
        Style::bold(11.0, BLUE),
    );
    scene.text(group.note, x + COLUMN, y + 12.0, Align::Right, small);
    let mut y = y + 20.0;
    for line in group.lines {
        scene.hair(x, y, COLUMN);
        let style = Style::regular(10.5, INK);
        let amount = group.amount_of(line);
        scene.text(&amount, x + COLUMN, y + 17.0, Align::Right, style);
        let width = COLUMN - scene.width_of(&amount, style) - 12.0;
        y = scene.paragraph(&line.label(), x, y + 17.0, (width, Align::Left), style) + 9.0;
    }
    scene.hair(x, y, COLUMN);
    y
}

/// The code, and what is typed when it cannot be scanned.
fn proof(scene: &mut Scene<'_>, face: &VoucherFace, y: f32) -> Result<f32, QrError> {
    scene.round(
        MARGIN,
        y,
        (INNER, QR_SIDE + 20.0),
        8.0,
        None,
        Some((crate::scene::HAIR, 1.0)),
    );
    let mut x = MARGIN + 24.0;
    if !face.qr_text.is_empty() {
        let code = qr_modules(&face.qr_text)?;
        let side = scene.qr(code, MARGIN + 10.0, y + 10.0, (QR_SIDE, 0.0));
        x = MARGIN + 10.0 + side + 18.0;
    }
    let (small, big) = (Style::regular(9.5, SOFT), Style::bold(17.0, INK));
    scene.text("凭证号 Voucher no.", x, y + 28.0, Align::Left, small);
    scene.text(&face.number, x, y + 48.0, Align::Left, big);
    scene.text("校验码 Check code", x, y + 72.0, Align::Left, small);
    scene.text(&face.check_code, x, y + 92.0, Align::Left, big);
    let width = RIGHT - 14.0 - x;
    let words = format!("扫码核验 Scan to verify · {}", face.signature_text());
    scene.paragraph(&words, x, y + 116.0, (width, Align::Left), small);
    Ok(y + QR_SIDE + 20.0)
}
