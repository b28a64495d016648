use super::*;
use crate::font::Weight;
use crate::scene::{Scene, Shape};
use flate2::read::ZlibDecoder;
use jiaoyi_domain::{Date, Fen, Instant};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::io::Read;

fn line(zh: &str, en: &str, yuan: u32) -> FaceLine {
    FaceLine {
        zh: zh.to_owned(),
        en: en.to_owned(),
        amount: Fen::from_yuan(yuan),
    }
}

fn face() -> VoucherFace {
    VoucherFace {
        number: "0AB1-CDEF-2345-678X".to_owned(),
        check_code: "7KQM".to_owned(),
        state: FaceState::Valid,
        name_masked: "王*国".to_owned(),
        document_masked: "9901************12".to_owned(),
        relation: PayerRelation::Other,
        region_zh: "演示省演示市".to_owned(),
        region_en: "Demo City".to_owned(),
        benefit_year: 2027,
        period_first: Date::constant(2027, 1, 1),
        period_last: Date::constant(2027, 12, 31),
        items: vec![line("基本医疗保险", "Basic insurance", 400)],
        subsidies: vec![
            line("医疗救助基金", "Medical aid fund", 320),
            line("县财政", "County budget", 40),
        ],
        amount: Fen::from_yuan(40),
        amount_capital: "人民币肆拾元整".to_owned(),
        paid_at: Instant(1_795_312_800_000),
        channel_zh: "微信支付".to_owned(),
        channel_en: "WeChat Pay".to_owned(),
        channel_txn: "4200001234202611221234567890".to_owned(),
        issued_at: Instant(1_795_312_801_000),
        issuer: "演示市医疗保障局".to_owned(),
        key_id: "v1".to_owned(),
        algorithm: "ES256".to_owned(),
        demo: true,
        qr_text: qr_text(),
    }
}

/// As long as a signed voucher's; letters that do not repeat, so that nothing compresses away.
fn qr_text() -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut state: u32 = 7;
    let body = (0..330).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(letters[usize::try_from(state >> 27).unwrap()])
    });
    format!("HTTPS://PAY.EXAMPLE:8443/Q/{}", body.collect::<String>())
}

/// The longest values that the rules allow.
fn heavy() -> VoucherFace {
    let aid = "特困人员、孤儿、事实无人抚养儿童资助参保";
    VoucherFace {
        state: FaceState::Superseded,
        name_masked: "阿卜杜勒·********************·买买提".to_owned(),
        region_zh: "内蒙古自治区呼伦贝尔市莫力达瓦达斡尔族自治旗".to_owned(),
        region_en: "Morin Dawa Daur Autonomous Banner, Hulunbuir, Inner Mongolia".to_owned(),
        items: vec![
            line(
                "城乡居民基本医疗保险个人缴费",
                "Basic medical insurance",
                400,
            ),
            line("城乡居民大病保险", "Critical illness insurance", 60),
            line("长期护理保险", "Long-term care insurance", 30),
        ],
        subsidies: vec![
            line("中央财政补助", "Central government", 480),
            line("省、市、县三级财政补助", "Province, city and county", 220),
            line(aid, "Aid to people without support", 400),
        ],
        amount: Fen::new(123_456_789_012),
        amount_capital: "人民币壹拾贰亿叁仟肆佰伍拾陆万柒仟捌佰玖拾元零壹角贰分".to_owned(),
        channel_zh: "某某省农村信用社联合社柜面代收".to_owned(),
        channel_en: "Rural credit cooperative counter".to_owned(),
        channel_txn: "A".repeat(64),
        issuer: "内蒙古自治区呼伦贝尔市莫力达瓦达斡尔族自治旗医疗保障局".to_owned(),
        ..face()
    }
}

fn texts(scene: &Scene<'_>) -> String {
    let texts = scene.shapes.iter().filter_map(|shape| match shape {
        Shape::Text { line, .. } => Some(line.text.as_str()),
        Shape::Box { .. } | Shape::Qr { .. } => None,
    });
    texts.collect()
}

fn squeezed(text: &str) -> String {
    text.replace(' ', "")
}

#[test]
fn both_faces_show_everything_inside_their_edges() {
    let fonts = Fonts::committed();
    for state in FaceState::ALL {
        for face in [face(), heavy()] {
            let face = VoucherFace { state, ..face };
            for scene in [
                phone::layout(&fonts, &face).unwrap(),
                sheet::layout(&fonts, &face).unwrap(),
            ] {
                let shown = squeezed(&texts(&scene));
                let notes = [face::NOTE_ZH, face::NOTE_EN, face::DEMO_ZH].map(str::to_owned);
                for text in face.texts().iter().chain(&notes) {
                    assert!(shown.contains(&squeezed(text)), "{text} is not in {shown}");
                }
                assert!(!shown.contains("<U+"), "{shown}");
                for shape in &scene.shapes {
                    if let Shape::Text {
                        x, y, size, line, ..
                    } = shape
                    {
                        let right = x + line.width * size;
                        let inside = *x >= 0.0 && right <= scene.width && *y < scene.height;
                        assert!(inside, "{} ends at {right}, {y}", line.text);
                    }
                }
            }
        }
    }
}

/// 400 less 320 less 40 are 40: the amount can be worked out from what is printed.
#[test]
fn subsidies_are_taken_off_the_items() {
    let fonts = Fonts::committed();
    let face = face();
    for scene in [
        phone::layout(&fonts, &face).unwrap(),
        sheet::layout(&fonts, &face).unwrap(),
    ] {
        let texts = scene.shapes.iter().filter_map(|shape| match shape {
            Shape::Text { line, .. } => Some(line.text.as_str()),
            Shape::Box { .. } | Shape::Qr { .. } => None,
        });
        let texts: Vec<&str> = texts.collect();
        for text in [
            "¥40.00",
            "金额明细 Items",
            "400.00",
            "补助 Subsidies",
            "已减去 deducted",
            "–320.00",
            "–40.00",
        ] {
            assert!(texts.contains(&text), "{text} is not in {texts:?}");
        }
    }
}

#[test]
fn no_two_texts_of_a_face_overlap() {
    let fonts = Fonts::committed();
    for face in [face(), heavy()] {
        for scene in [
            phone::layout(&fonts, &face).unwrap(),
            sheet::layout(&fonts, &face).unwrap(),
        ] {
            let mut boxes: Vec<(f32, f32, f32, f32, &str)> = Vec::new();
            for shape in &scene.shapes {
                if let Shape::Text {
                    x, y, size, line, ..
                } = shape
                {
                    // Capitals and most of a Han character lie between these heights.
                    let (top, bottom) = (y - 0.7 * size, *y);
                    let right = x + line.width * size;
                    for (left, other_right, other_top, other_bottom, text) in &boxes {
                        let apart = right <= *left
                            || *other_right <= *x
                            || bottom <= *other_top
                            || *other_bottom <= top;
                        assert!(apart, "{} lies on {text}", line.text);
                    }
                    boxes.push((*x, right, top, bottom, &line.text));
                }
            }
        }
    }
}

#[test]
fn what_is_set_in_bold_is_in_the_bold_cut() {
    let fonts = Fonts::committed();
    let states = FaceState::ALL.map(FaceState::zh);
    let capitals = "人民币零壹贰叁肆伍陆柒捌玖拾佰仟万亿元角分整";
    let titles = "参保信息支付信息¥";
    let titles = [face::ITEMS, face::SUBSIDIES, titles].concat();
    let titles = titles.as_str();
    for text in states.iter().chain(&[face::TITLE_ZH, capitals, titles]) {
        for letter in text.chars() {
            assert!(fonts.has(letter, Weight::Bold), "{letter}");
        }
    }
}

#[test]
fn files_are_small_deterministic_and_carry_their_qr_text() {
    let fonts = Fonts::committed();
    for face in [face(), heavy()] {
        let png = voucher_png(&fonts, &face).unwrap();
        let pdf = voucher_pdf(&fonts, &face).unwrap();
        assert!(png.len() <= 60_000, "the PNG has {} bytes", png.len());
        assert!(pdf.len() <= 150_000, "the PDF has {} bytes", pdf.len());
        for bytes in [&png, &pdf] {
            assert_eq!(find_qr_text(bytes), Some(face.qr_text.clone()));
        }
        assert_eq!(voucher_pdf(&fonts, &face).unwrap(), pdf);
        assert_eq!(voucher_png(&fonts, &face).unwrap(), png);
    }
}

/// Inflated streams of a PDF, as text where they are text.
fn streams(pdf: &[u8]) -> Vec<String> {
    let starts = pdf
        .windows(7)
        .enumerate()
        .filter(|(_, w)| *w == b"stream\n");
    let inflated = starts.filter_map(|(at, _)| {
        let mut bytes = Vec::new();
        ZlibDecoder::new(&pdf[at + 7..])
            .read_to_end(&mut bytes)
            .ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    });
    inflated.collect()
}

#[test]
fn the_text_of_the_pdf_can_be_selected() {
    let face = face();
    let pdf = voucher_pdf(&Fonts::committed(), &face).unwrap();
    // Lines such as `<0012> <4EBA>` say which character a glyph stands for.
    let mut selectable = BTreeSet::new();
    for stream in streams(&pdf)
        .iter()
        .filter(|text| text.contains("beginbfchar"))
    {
        for line in stream.lines() {
            let Some((_, target)) = line.trim().split_once("> <") else {
                continue;
            };
            let code = u32::from_str_radix(target.trim_end_matches('>'), 16);
            selectable.extend(code.ok().and_then(char::from_u32));
        }
    }
    for text in face.texts() {
        for letter in text.chars().filter(|letter| *letter != ' ') {
            assert!(selectable.contains(&letter), "{letter} of {text}");
        }
    }
}

#[test]
fn a_name_with_a_rare_character_shows_its_code_point_on_paper() {
    let face = VoucherFace {
        name_masked: "王\u{20021}".to_owned(),
        ..face()
    };
    let fonts = Fonts::committed();
    let scene = sheet::layout(&fonts, &face).unwrap();
    assert!(texts(&scene).contains("王<U+20021>"));
    assert!(voucher_pdf(&fonts, &face).is_ok() && voucher_png(&fonts, &face).is_ok());
}

#[test]
fn a_face_without_signature_or_channel_is_drawn_too() {
    let face = VoucherFace {
        qr_text: String::new(),
        channel_zh: String::new(),
        channel_txn: String::new(),
        items: Vec::new(),
        subsidies: Vec::new(),
        demo: false,
        ..face()
    };
    let fonts = Fonts::committed();
    assert_eq!(find_qr_text(&voucher_png(&fonts, &face).unwrap()), None);
    assert_eq!(find_qr_text(&voucher_pdf(&fonts, &face).unwrap()), None);
    let long = VoucherFace {
        qr_text: "A".repeat(5_000),
        ..face
    };
    let error = voucher_png(&fonts, &long).unwrap_err();
    assert_eq!(error.code(), "qr.too_long");
}

/// A PDF whose metadata lies in a compressed stream.
fn packed(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let info = format!("<</Keywords({text})>>");
    flate2::read::ZlibEncoder::new(info.as_bytes(), flate2::Compression::default())
        .read_to_end(&mut bytes)
        .unwrap();
    [
        b"%PDF-1.7\n1 0 obj<<>>stream\r\n",
        bytes.as_slice(),
        b"\nendstream",
    ]
    .concat()
}

/// A PNG of one dot with a text chunk.
fn png_with(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder
        .add_text_chunk(PNG_KEYWORD.to_owned(), text.to_owned())
        .unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0]).unwrap();
    drop(writer);
    bytes
}

#[test]
fn the_qr_text_is_found_in_files_that_were_saved_again() {
    let text = qr_text();
    let wide: Vec<u8> = text.bytes().flat_map(|byte| [0, byte]).collect();
    // As browsers show an address: scheme and host in lower case.
    let shown = text.replacen("HTTPS://PAY.EXAMPLE", "https://Pay.example", 1);
    assert_ne!(shown, text);
    let shown_wide: Vec<u8> = shown.bytes().flat_map(|byte| [0, byte]).collect();
    for (name, bytes) in [
        ("text", text.clone().into_bytes()),
        ("an address", format!("<{shown}>").into_bytes()),
        ("an address in UTF-16", shown_wide),
        ("an address in a PDF", packed(&shown)),
        ("an address in a PNG", png_with(&shown)),
        (
            "text with words around",
            format!("scan: {text}\n").into_bytes(),
        ),
        ("UTF-16", [b"\xfe\xff", wide.as_slice(), b"\0\n"].concat()),
        ("a packed PDF", packed(&text)),
        (
            "after something alike",
            format!("HTTPS://A HTTPS://B/Q/ {text}").into_bytes(),
        ),
    ] {
        assert_eq!(find_qr_text(&bytes), Some(text.clone()), "{name}");
    }
    for bytes in [
        &b""[..],
        b"HTTPS://",
        b"HTTPS:///Q/AAAA",
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-stream",
    ] {
        assert_eq!(find_qr_text(bytes), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_file_makes_the_search_panic_or_answer_with_something_else(
        parts in proptest::collection::vec(
            prop_oneof![
                Just(b"HTTPS://".to_vec()), Just(b"A.B:1".to_vec()), Just(b"/Q/".to_vec()),
                Just(b"MZXW6".to_vec()), Just(b"\0H\0T\0T".to_vec()), Just(b"stream\r\n".to_vec()),
                Just(b"%PDF-1.7".to_vec()), Just(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..12),
            ],
            0..12,
        ),
    ) {
        if let Some(text) = find_qr_text(&parts.concat()) {
            let (host, body) = text.strip_prefix("HTTPS://").unwrap().split_once("/Q/").unwrap();
            prop_assert!(!host.is_empty() && !body.is_empty());
            prop_assert!(body.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)));
        }
    }
}
