//! What a voucher shows, in the order and the words in which it shows it.
//!
//! Both faces (picture for the phone, sheet for the printer) are laid out from these rows, so that
//! they cannot say different things. Values arrive masked and worded; nothing is looked up here.

use jiaoyi_domain::{Date, Fen, Instant};

/// Title in Chinese.
pub const TITLE_ZH: &str = "电子缴费凭证";
/// Title in English.
pub const TITLE_EN: &str = "Electronic Payment Voucher";
/// What the money was paid for, in Chinese.
pub const SCHEME_ZH: &str = "城乡居民基本医疗保险";
/// What the money was paid for, in English.
pub const SCHEME_EN: &str = "Basic medical insurance for residents";
/// What the voucher is not, in Chinese.
pub const NOTE_ZH: &str =
    "本凭证证明缴费事实，不是税收完税证明或财政票据。是否已退费，以联网核验结果为准。";
/// What the voucher is not, in English.
pub const NOTE_EN: &str = "Proof of payment; not a tax certificate or a fiscal receipt. \
                           Whether it was refunded later must be checked online.";
/// Above what the premium is made of.
pub const ITEMS: &str = "金额明细 Items";
/// Above what others pay of it.
pub const SUBSIDIES: &str = "补助 Subsidies";
/// Beside the subsidies: items less subsidies are the amount paid.
pub const SUBSIDY_NOTE: &str = "已减去 deducted";
/// Shown on every document of a demonstration.
pub const DEMO_ZH: &str = "演示环境 · 不是真的缴费";
/// Shown on every document of a demonstration.
pub const DEMO_EN: &str = "DEMO · not a real payment";

/// Whether a voucher still stands when its face is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceState {
    /// 有效.
    Valid,
    /// 已退费: the premium was given back.
    Refunded,
    /// 已换开: another voucher stands in its place.
    Superseded,
}

impl FaceState {
    /// Every state.
    pub const ALL: [FaceState; 3] = [FaceState::Valid, FaceState::Refunded, FaceState::Superseded];

    /// The word in Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            FaceState::Valid => "有效",
            FaceState::Refunded => "已退费",
            FaceState::Superseded => "已换开",
        }
    }

    /// The word in English.
    #[must_use]
    pub const fn en(self) -> &'static str {
        match self {
            FaceState::Valid => "Valid",
            FaceState::Refunded => "Refunded",
            FaceState::Superseded => "Superseded",
        }
    }
}

/// Who paid, apart from who is insured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayerRelation {
    /// The insured person.
    Insured,
    /// Somebody else for the insured person.
    Other,
    /// Nobody was asked, as when a notice link was paid.
    Unstated,
}

/// One line of the breakdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaceLine {
    /// Chinese label.
    pub zh: String,
    /// English label; may be empty.
    pub en: String,
    /// Amount of the line.
    pub amount: Fen,
}

/// Lines of the breakdown under one title.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// In both languages.
    pub title: &'static str,
    /// What stands beside the title; may be empty.
    pub note: &'static str,
    sign: &'static str,
    /// Its lines.
    pub lines: &'a [FaceLine],
}

impl Group<'_> {
    /// The amount of one of its lines, with the minus of what is deducted.
    #[must_use]
    pub fn amount_of(&self, line: &FaceLine) -> String {
        format!("{}{}", self.sign, line.amount)
    }
}

/// Everything printed on a voucher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoucherFace {
    /// The voucher's number in groups of four.
    pub number: String,
    /// What the public page asks for besides the number.
    pub check_code: String,
    /// Whether it stands.
    pub state: FaceState,
    /// The insured's name, masked.
    pub name_masked: String,
    /// The insured's document number, masked.
    pub document_masked: String,
    /// Who paid.
    pub relation: PayerRelation,
    /// The pooling region in Chinese.
    pub region_zh: String,
    /// The pooling region in English; may be empty.
    pub region_en: String,
    /// The year the insurance covers.
    pub benefit_year: i16,
    /// First day of cover.
    pub period_first: Date,
    /// Last day of cover.
    pub period_last: Date,
    /// What the premium is made of.
    pub items: Vec<FaceLine>,
    /// What others pay of it; the rest is [`VoucherFace::amount`].
    pub subsidies: Vec<FaceLine>,
    /// What the payer paid.
    pub amount: Fen,
    /// The same in capitals, with 人民币 in front.
    pub amount_capital: String,
    /// When the payer paid.
    pub paid_at: Instant,
    /// Through what, in Chinese; empty when nothing was to be paid.
    pub channel_zh: String,
    /// Through what, in English.
    pub channel_en: String,
    /// The channel's own number; empty when nothing was to be paid.
    pub channel_txn: String,
    /// When the voucher was issued.
    pub issued_at: Instant,
    /// Who issued it.
    pub issuer: String,
    /// Id of the key that signed the QR text.
    pub key_id: String,
    /// `ES256` or `SM2`.
    pub algorithm: String,
    /// Whether this is a demonstration and no real payment.
    pub demo: bool,
    /// Text of the QR code.
    pub qr_text: String,
}

/// A labelled value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Chinese label.
    pub zh: &'static str,
    /// English label.
    pub en: &'static str,
    /// The value.
    pub value: String,
}

impl VoucherFace {
    /// What was paid for, in Chinese.
    #[must_use]
    pub fn scheme_zh(&self) -> String {
        format!("{SCHEME_ZH} · {} 年度", self.benefit_year)
    }

    /// What was paid for, in English.
    #[must_use]
    pub fn scheme_en(&self) -> String {
        format!("{SCHEME_EN}, {}", self.benefit_year)
    }

    /// Who is insured, where and for how long.
    #[must_use]
    pub fn insured_rows(&self) -> Vec<Row> {
        let relation = match self.relation {
            PayerRelation::Insured => "本人 The insured",
            PayerRelation::Other => "他人代缴 Another person",
            PayerRelation::Unstated => "未填 Not stated",
        };
        let period = format!("{} — {}", self.period_first, self.period_last);
        vec![
            row("参保人", "Insured", self.name_masked.clone()),
            row("证件号码", "Document", self.document_masked.clone()),
            row("缴费人", "Payer", relation.to_owned()),
            row("参保地区", "Region", pair(&self.region_zh, &self.region_en)),
            row("待遇期间", "Cover", period),
        ]
    }

    /// How and when it was paid, and who says so.
    #[must_use]
    pub fn payment_rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        if !self.channel_zh.is_empty() {
            let channel = pair(&self.channel_zh, &self.channel_en);
            rows.push(row("支付渠道", "Channel", channel));
        }
        if !self.channel_txn.is_empty() {
            rows.push(row("渠道流水号", "Reference", self.channel_txn.clone()));
        }
        rows.push(row("支付时间", "Paid at", self.paid_at.local()));
        rows.push(row("签发时间", "Issued at", self.issued_at.local()));
        rows.push(row("签发机构", "Issuer", self.issuer.clone()));
        rows
    }

    /// How the amount comes about: items, less subsidies.
    #[must_use]
    pub fn groups(&self) -> [Group<'_>; 2] {
        [
            Group {
                title: ITEMS,
                note: "",
                sign: "",
                lines: &self.items,
            },
            Group {
                title: SUBSIDIES,
                note: SUBSIDY_NOTE,
                sign: "–",
                lines: &self.subsidies,
            },
        ]
    }

    /// What stands beside the signature.
    #[must_use]
    pub fn signature_text(&self) -> String {
        format!("签名 Signature  {} · {}", self.algorithm, self.key_id)
    }

    /// Every text that a reader must find on the face; for tests and for search.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let mut texts = vec![
            TITLE_ZH.to_owned(),
            self.scheme_zh(),
            self.number.clone(),
            self.check_code.clone(),
            self.state.zh().to_owned(),
            self.amount.to_string(),
            self.amount_capital.clone(),
        ];
        for row in self.insured_rows().into_iter().chain(self.payment_rows()) {
            texts.extend([row.zh.to_owned(), row.value]);
        }
        for group in self.groups() {
            for line in group.lines {
                texts.extend([line.zh.clone(), group.amount_of(line)]);
            }
        }
        texts
    }
}

impl FaceLine {
    /// Both labels in one text.
    #[must_use]
    pub fn label(&self) -> String {
        pair(&self.zh, &self.en)
    }
}

fn row(zh: &'static str, en: &'static str, value: String) -> Row {
    Row { zh, en, value }
}

fn pair(zh: &str, en: &str) -> String {
    format!("{zh} {en}").trim_end().to_owned()
}
