//! Draws sample vouchers into a folder and says how large they are and what they cost.
//!
//! `cargo run --release -p jiaoyi-documents --example voucher -- FOLDER [QR TEXT]`

#![expect(clippy::print_stdout, reason = "an example prints")]

use jiaoyi_documents::{
    FaceLine, FaceState, Fonts, PayerRelation, VoucherFace, find_qr_text, qr_svg, voucher_pdf,
    voucher_png,
};
use jiaoyi_domain::{Date, Fen, Instant};
use std::path::Path;
use std::time::Duration;

fn line(zh: &str, en: &str, yuan: u32) -> FaceLine {
    FaceLine {
        zh: zh.to_owned(),
        en: en.to_owned(),
        amount: Fen::from_yuan(yuan),
    }
}

fn sample(state: FaceState) -> VoucherFace {
    let base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".repeat(11);
    VoucherFace {
        number: "0AB1-CDEF-2345-678X".to_owned(),
        check_code: "7KQM".to_owned(),
        state,
        name_masked: "王*国".to_owned(),
        document_masked: "9901************12".to_owned(),
        relation: PayerRelation::Other,
        region_zh: "演示省演示市".to_owned(),
        region_en: "Demo City".to_owned(),
        benefit_year: 2027,
        period_first: Date::constant(2027, 1, 1),
        period_last: Date::constant(2027, 12, 31),
        items: vec![
            line("基本医疗保险个人缴费", "Basic insurance", 400),
            line("大病保险", "Critical illness", 0),
        ],
        subsidies: vec![line("医疗救助基金", "Medical aid fund", 360)],
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
        qr_text: format!("HTTPS://PAY.EXAMPLE:8443/Q/{}", &base32[..330]),
    }
}

/// Long values, to see that nothing is cut.
fn long() -> VoucherFace {
    VoucherFace {
        name_masked: "阿卜杜勒·********************·买买提".to_owned(),
        region_zh: "内蒙古自治区呼伦贝尔市莫力达瓦达斡尔族自治旗".to_owned(),
        region_en: "Morin Dawa Daur Autonomous Banner, Hulunbuir, Inner Mongolia".to_owned(),
        subsidies: vec![
            line("中央财政补助", "Central government", 480),
            line("省、市、县三级财政补助", "Province, city and county", 220),
            line(
                "特困人员、孤儿、事实无人抚养儿童资助参保",
                "Medical aid",
                400,
            ),
        ],
        amount: Fen::new(123_456_789_012),
        amount_capital: "人民币壹拾贰亿叁仟肆佰伍拾陆万柒仟捌佰玖拾元零壹角贰分".to_owned(),
        channel_txn: "A".repeat(64),
        ..sample(FaceState::Superseded)
    }
}

/// CPU time of this thread so far, which other programs on the machine do not disturb; Linux only.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let text = std::env::args().nth(2);
    let start = cpu_time();
    let fonts = Fonts::committed();
    println!("fonts read in {:?} of CPU", cpu_time() - start);
    for (name, face) in [
        ("valid", sample(FaceState::Valid)),
        ("refunded", sample(FaceState::Refunded)),
        ("long", long()),
    ] {
        let face = VoucherFace {
            qr_text: text.clone().unwrap_or(face.qr_text),
            ..face
        };
        let png = voucher_png(&fonts, &face).expect("the sample's picture is drawn");
        let pdf = voucher_pdf(&fonts, &face).expect("the sample's sheet is drawn");
        let svg = qr_svg(&face.qr_text).expect("the sample's code is drawn");
        assert_eq!(find_qr_text(&png), Some(face.qr_text.clone()));
        assert_eq!(find_qr_text(&pdf), Some(face.qr_text.clone()));
        println!(
            "{name}: png {} B, pdf {} B, svg {} B",
            png.len(),
            pdf.len(),
            svg.len()
        );
        for (kind, bytes) in [("png", png), ("pdf", pdf), ("svg", svg.into_bytes())] {
            let path = Path::new(&folder).join(format!("voucher-{name}.{kind}"));
            std::fs::write(&path, bytes).expect("the folder can be written");
        }
    }
    let face = sample(FaceState::Valid);
    let rounds: u32 = 50;
    for (name, draw) in [
        ("png", voucher_png as fn(&Fonts, &VoucherFace) -> _),
        ("pdf", voucher_pdf),
    ] {
        let start = cpu_time();
        for _ in 0..rounds {
            draw(&fonts, &face).expect("drawn before");
        }
        println!("{name}: {:?} of CPU each", (cpu_time() - start) / rounds);
    }
}
