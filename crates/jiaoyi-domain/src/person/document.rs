//! Identity documents: the 18-digit forms of GB 11643, old permanent-residence cards, passports
//! and birth certificates.
//!
//! Checksum and birth date are hard errors. The region part of a number is the code at the time of
//! first registration, so it never refuses a number: [`Document::region_part`] is looked up in the
//! dated table only to warn staff.

use super::mask::Masked;
use super::text::compact;
use crate::time::Date;
use std::fmt;

/// The kinds of documents under which a person can be insured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// Resident identity card (居民身份证), 18 digits.
    IdCard,
    /// Residence permit for Hong Kong residents (港澳居民居住证), 18 digits from 81.
    ResidencePermitHongKong,
    /// Residence permit for Macao residents (港澳居民居住证), 18 digits from 82.
    ResidencePermitMacao,
    /// Residence permit for Taiwan residents (台湾居民居住证), 18 digits from 83.
    ResidencePermitTaiwan,
    /// Foreign permanent resident's card (外国人永久居留身份证): 15 characters, or 18 digits from 9.
    PermanentResidence,
    /// A foreign passport (护照).
    Passport,
    /// Medical certificate of birth (出生医学证明), for newborns without an ID number.
    BirthCertificate,
}

impl DocumentKind {
    /// Every kind.
    pub const ALL: [DocumentKind; 7] = [
        DocumentKind::IdCard,
        DocumentKind::ResidencePermitHongKong,
        DocumentKind::ResidencePermitMacao,
        DocumentKind::ResidencePermitTaiwan,
        DocumentKind::PermanentResidence,
        DocumentKind::Passport,
        DocumentKind::BirthCertificate,
    ];

    /// Stored in rows and used in forms and files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            DocumentKind::IdCard => "id_card",
            DocumentKind::ResidencePermitHongKong => "residence_permit_hk",
            DocumentKind::ResidencePermitMacao => "residence_permit_mo",
            DocumentKind::ResidencePermitTaiwan => "residence_permit_tw",
            DocumentKind::PermanentResidence => "permanent_residence",
            DocumentKind::Passport => "passport",
            DocumentKind::BirthCertificate => "birth_certificate",
        }
    }

    /// The kind named by a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<DocumentKind> {
        DocumentKind::ALL
            .into_iter()
            .find(|kind| kind.code() == code)
    }

    /// `psn_cert_type` of the national platform's interface. Source: S-030.
    #[must_use]
    pub const fn psn_cert_type(self) -> &'static str {
        match self {
            DocumentKind::IdCard => "01",
            DocumentKind::ResidencePermitHongKong
            | DocumentKind::ResidencePermitMacao
            | DocumentKind::ResidencePermitTaiwan => "17",
            DocumentKind::PermanentResidence => "07",
            DocumentKind::Passport => "08",
            DocumentKind::BirthCertificate => "990201",
        }
    }

    /// The Chinese name of the kind.
    #[must_use]
    pub const fn name_zh(self) -> &'static str {
        match self {
            DocumentKind::IdCard => "居民身份证",
            DocumentKind::ResidencePermitHongKong | DocumentKind::ResidencePermitMacao => {
                "港澳居民居住证"
            }
            DocumentKind::ResidencePermitTaiwan => "台湾居民居住证",
            DocumentKind::PermanentResidence => "外国人永久居留身份证",
            DocumentKind::Passport => "护照",
            DocumentKind::BirthCertificate => "出生医学证明",
        }
    }

    /// The English name of the kind.
    #[must_use]
    pub const fn name_en(self) -> &'static str {
        match self {
            DocumentKind::IdCard => "Resident identity card",
            DocumentKind::ResidencePermitHongKong | DocumentKind::ResidencePermitMacao => {
                "Residence permit for Hong Kong and Macao residents"
            }
            DocumentKind::ResidencePermitTaiwan => "Residence permit for Taiwan residents",
            DocumentKind::PermanentResidence => "Foreign permanent resident ID card",
            DocumentKind::Passport => "Passport",
            DocumentKind::BirthCertificate => "Medical certificate of birth",
        }
    }

    /// Whether the number is one of the 18-digit forms, which say their kind themselves.
    const fn has_18_digits(self) -> bool {
        !matches!(
            self,
            DocumentKind::Passport | DocumentKind::BirthCertificate
        )
    }
}

/// A part of the birth date inside an 18-digit number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentPart {
    /// Positions 7 to 10.
    Year,
    /// Positions 11 and 12.
    Month,
    /// Positions 13 and 14.
    Day,
}

impl DocumentPart {
    /// First and last position, counted from 1.
    #[must_use]
    pub const fn positions(self) -> (usize, usize) {
        match self {
            DocumentPart::Year => (7, 10),
            DocumentPart::Month => (11, 12),
            DocumentPart::Day => (13, 14),
        }
    }
}

/// Why a text is no valid document number. Positions count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Nothing was given.
    #[error("the document number is empty")]
    Empty,
    /// An 18-digit form of another length.
    #[error("the number has {want} characters, this one has {got}")]
    Length { got: usize, want: usize },
    /// A character that cannot stand at this place.
    #[error("character {position} of the number cannot stand there")]
    Character { position: usize },
    /// The birth date inside the number does not exist, or lies more than 150 years back.
    #[error("positions {} to {} of the number are no date", .part.positions().0, .part.positions().1)]
    BirthDate { part: DocumentPart },
    /// The birth date inside the number is after today.
    #[error("the birth date in positions 7 to 14 of the number lies in the future")]
    FutureBirth,
    /// The last character does not fit the others.
    #[error("character {position} of the number does not fit the others")]
    Checksum { position: usize },
    /// A number of a first-generation card (15 digits); the present card shows 18.
    #[error("this is a 15-digit number of a first-generation card")]
    FirstGeneration,
    /// The number is valid, but of another kind of document than was said.
    #[error("the number belongs to another kind of document: {}", .is.code())]
    OtherKind { is: DocumentKind },
    /// A passport or certificate number with a shape that none has.
    #[error("a number of this kind has {min} to {max} letters and digits")]
    Shape { min: usize, max: usize },
}

impl DocumentError {
    /// Stable across releases: chosen wording, metrics and tests go by it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            DocumentError::Empty => "document.empty",
            DocumentError::Length { .. } => "document.length",
            DocumentError::Character { .. } => "document.character",
            DocumentError::BirthDate { .. } => "document.birth_date",
            DocumentError::FutureBirth => "document.future_birth",
            DocumentError::Checksum { .. } => "document.checksum",
            DocumentError::FirstGeneration => "document.first_generation",
            DocumentError::OtherKind { .. } => "document.other_kind",
            DocumentError::Shape { .. } => "document.shape",
        }
    }
}

/// A valid identity document in normal form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Document {
    kind: DocumentKind,
    number: String,
}

impl Document {
    /// Reads a number as typed or imported.
    ///
    /// Full-width characters, spaces, hyphens and a lower-case x are fine. With
    /// [`DocumentKind::IdCard`] every 18-digit form is accepted and gets the kind that its first
    /// digits say, because people call all of these cards their ID card.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] says which position is wrong; `today` is the Beijing date.
    ///
    /// # Source
    ///
    /// S-031 (GB 11643), S-032 (residence permits), S-033 (permanent residence).
    pub fn parse(kind: DocumentKind, text: &str, today: Date) -> Result<Document, DocumentError> {
        let number = compact(text);
        if number.is_empty() {
            return Err(DocumentError::Empty);
        }
        let is = match kind {
            DocumentKind::Passport => plain(&number, 5, 20).map(|()| kind)?,
            DocumentKind::BirthCertificate => plain(&number, 6, 20).map(|()| kind)?,
            _ if is_old_permanent_residence(&number) => DocumentKind::PermanentResidence,
            _ => check_18(&number, today)?,
        };
        if is != kind && kind != DocumentKind::IdCard {
            return Err(DocumentError::OtherKind { is });
        }
        Ok(Document { kind: is, number })
    }

    /// The kind of the document.
    #[must_use]
    pub const fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// The raw number: for sealing, hashing, comparing and official files, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.number
    }

    /// The text under which the document is hashed: one for all 18-digit forms, so that the same
    /// number under two names of its kind is found.
    #[must_use]
    pub fn index_text(&self) -> String {
        let class = if self.kind.has_18_digits() {
            "id"
        } else {
            self.kind.code()
        };
        format!("{class}:{}", self.number)
    }

    /// First four and last two characters, never the birth date: `1101************2X`.
    #[must_use]
    pub fn masked(&self) -> Masked {
        Masked::ends(&self.number, 4, 2)
    }

    /// The birth date inside an 18-digit number.
    #[must_use]
    pub fn birth_date(&self) -> Option<Date> {
        let is_18 = self.kind.has_18_digits() && self.number.len() == 18;
        if is_18 {
            date_in(&self.number).ok()
        } else {
            None
        }
    }

    /// Month and day of birth, which a notice link asks for.
    #[must_use]
    pub fn month_day(&self) -> Option<(i8, i8)> {
        self.birth_date().map(|date| (date.month(), date.day()))
    }

    /// The region code of an identity card: the place of first registration, by the code of that
    /// time. For a warning to staff only.
    #[must_use]
    pub fn region_part(&self) -> Option<&str> {
        match self.kind {
            DocumentKind::IdCard => self.number.get(..6),
            _ => None,
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({}, {})", self.kind.code(), self.masked())
    }
}

/// An 18-digit number with its check character: for invented persons of demo and tests.
///
/// `None` when `region` is not six digits or `serial` is over 999.
#[must_use]
pub fn id_number(region: &str, birth: Date, serial: u16) -> Option<String> {
    if region.len() != 6 || !region.bytes().all(|b| b.is_ascii_digit()) || serial > 999 {
        return None;
    }
    let (year, month, day) = (birth.year(), birth.month(), birth.day());
    let body = format!("{region}{year:04}{month:02}{day:02}{serial:03}");
    let check = check_character(&body)?;
    Some(format!("{body}{check}"))
}

/// The kind that a valid 18-digit number says, or what is wrong with it.
fn check_18(number: &str, today: Date) -> Result<DocumentKind, DocumentError> {
    let got = number.chars().count();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if got == 15 && digits(number) {
        return Err(DocumentError::FirstGeneration);
    }
    let wrong = |(place, c): (usize, char)| {
        let good = c.is_ascii_digit() || (c == 'X' && place == 17);
        (!good).then_some(place + 1)
    };
    if let Some(position) = number.chars().enumerate().find_map(wrong) {
        // An X at the end of a number that lost a digit is a slip in length, not in that place.
        let is_last_x = position == got && number.ends_with('X');
        if !is_last_x {
            return Err(DocumentError::Character { position });
        }
    }
    if got != 18 {
        return Err(DocumentError::Length { got, want: 18 });
    }
    let birth = date_in(number).map_err(|part| DocumentError::BirthDate { part })?;
    if birth > today {
        return Err(DocumentError::FutureBirth);
    }
    if today.year().saturating_sub(birth.year()) > 150 {
        let part = DocumentPart::Year;
        return Err(DocumentError::BirthDate { part });
    }
    if check_character(&number[..17]) != number.chars().last() {
        return Err(DocumentError::Checksum { position: 18 });
    }
    Ok(kind_of_18(number))
}

/// The first digits of an 18-digit number say its kind.
fn kind_of_18(number: &str) -> DocumentKind {
    match &number[..2] {
        "81" => DocumentKind::ResidencePermitHongKong,
        "82" => DocumentKind::ResidencePermitMacao,
        "83" => DocumentKind::ResidencePermitTaiwan,
        // Behind the 9 of a permanent-residence card stands a province, and none begins with 9:
        // 99 is the region part of demo persons.
        "99" => DocumentKind::IdCard,
        head if head.starts_with('9') => DocumentKind::PermanentResidence,
        _ => DocumentKind::IdCard,
    }
}

/// The date in positions 7 to 14 of eighteen characters, or the part that is wrong.
fn date_in(number: &str) -> Result<Date, DocumentPart> {
    let part =
        |range: std::ops::Range<usize>| number.get(range).and_then(|t| t.parse::<i16>().ok());
    let year = part(6..10).filter(|y| *y > 0).ok_or(DocumentPart::Year)?;
    let month = part(10..12)
        .and_then(|m| i8::try_from(m).ok())
        .filter(|m| (1..=12).contains(m))
        .ok_or(DocumentPart::Month)?;
    let day = part(12..14)
        .and_then(|d| i8::try_from(d).ok())
        .ok_or(DocumentPart::Day)?;
    Date::new(year, month, day).map_err(|_| DocumentPart::Day)
}

/// The check character of seventeen digits: ISO 7064 MOD 11-2.
fn check_character(body: &str) -> Option<char> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let digits: Option<Vec<u32>> = body.chars().map(|c| c.to_digit(10)).collect();
    let digits = digits.filter(|digits| digits.len() == WEIGHTS.len())?;
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(d, w)| d * w).sum();
    CHECKS.get(usize::try_from(sum % 11).ok()?).copied()
}

/// Three letters and twelve digits.
fn is_old_permanent_residence(number: &str) -> bool {
    let bytes = number.as_bytes();
    bytes.len() == 15
        && bytes[..3].iter().all(u8::is_ascii_uppercase)
        && bytes[3..].iter().all(u8::is_ascii_digit)
}

/// Letters and digits only, at least one of them a digit.
fn plain(number: &str, min: usize, max: usize) -> Result<(), DocumentError> {
    if let Some(place) = number.chars().position(|c| !c.is_ascii_alphanumeric()) {
        return Err(DocumentError::Character {
            position: place + 1,
        });
    }
    let has_digit = number.bytes().any(|b| b.is_ascii_digit());
    if !has_digit || number.len() < min || number.len() > max {
        return Err(DocumentError::Shape { min, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TODAY: Date = Date::constant(2026, 11, 22);

    fn id(text: &str) -> Result<Document, DocumentError> {
        Document::parse(DocumentKind::IdCard, text, TODAY)
    }

    #[test]
    fn every_vector_passes() {
        let vectors = include_str!("../../data/id_vectors.csv");
        let mut rows = 0;
        for line in vectors.lines().skip(1) {
            let number = line.split(',').next().unwrap();
            let want = line.rsplit(',').next().unwrap();
            let got = id(number);
            match want {
                "valid shape+checksum" | "valid after normalisation" => {
                    let document = got.unwrap();
                    assert_eq!(document.expose(), number.to_uppercase());
                }
                other => {
                    let code = match other {
                        "invalid date" => "document.birth_date",
                        "future" => "document.future_birth",
                        "invalid checksum" => "document.checksum",
                        "legacy" => "document.first_generation",
                        unknown => panic!("no such expectation: {unknown}"),
                    };
                    assert_eq!(got.unwrap_err().code(), code, "{number}");
                }
            }
            rows += 1;
        }
        assert_eq!(rows, 13);
    }

    #[test]
    fn numbers_say_their_kind() {
        for (number, kind) in [
            ("11010519491231002X", DocumentKind::IdCard),
            ("810000199408230021", DocumentKind::ResidencePermitHongKong),
            ("820000199501010017", DocumentKind::ResidencePermitMacao),
            ("830000199201300022", DocumentKind::ResidencePermitTaiwan),
            ("931840199001010011", DocumentKind::PermanentResidence),
            ("CAN110108091001", DocumentKind::PermanentResidence),
        ] {
            assert_eq!(id(number).unwrap().kind(), kind);
            assert_eq!(Document::parse(kind, number, TODAY).unwrap().kind(), kind);
        }
        let other = Document::parse(
            DocumentKind::PermanentResidence,
            "11010519491231002X",
            TODAY,
        );
        let is = DocumentKind::IdCard;
        assert_eq!(other, Err(DocumentError::OtherKind { is }));
        for kind in DocumentKind::ALL {
            assert_eq!(DocumentKind::from_code(kind.code()), Some(kind));
        }
        let kinds = DocumentKind::ALL.into_iter();
        let named: Vec<_> = kinds.map(|kind| (kind.name_zh(), kind.name_en())).collect();
        assert!(named.contains(&("居民身份证", "Resident identity card")));
        assert!(named.contains(&("护照", "Passport")));
    }

    #[test]
    fn bounds_of_dates_lengths_and_serials_are_kept() {
        let born = |date: &str| id_number("110105", date.parse().unwrap(), 1).unwrap();
        let part = |text: &str| id(text).unwrap_err();
        assert!(id(&born("2026-11-22")).is_ok(), "today");
        assert_eq!(part(&born("2026-11-23")), DocumentError::FutureBirth);
        assert!(id(&born("1876-01-01")).is_ok(), "150 years");
        let year = DocumentError::BirthDate {
            part: DocumentPart::Year,
        };
        assert_eq!(part(&born("1875-12-31")), year);
        assert_eq!(part("110105000001010010"), year);

        let serial = |region: &str, serial| id_number(region, TODAY, serial);
        assert!(serial("110105", 999).is_some());
        for (region, no) in [
            ("110105", 1000),
            ("110105", 1001),
            ("11010", 1),
            ("11010a", 1),
            ("11010a", 1000),
            ("1101", 1000),
        ] {
            assert_eq!(serial(region, no), None, "{region} {no}");
        }

        let passport = |text: &str| Document::parse(DocumentKind::Passport, text, TODAY);
        let mut good = (1..40).filter(|length| passport(&"1".repeat(*length)).is_ok());
        let (min, max) = (good.next().unwrap(), good.next_back().unwrap());
        for length in [min - 1, max + 1, max + 2] {
            let shape = DocumentError::Shape { min, max };
            assert_eq!(passport(&"1".repeat(length)), Err(shape), "{length}");
        }
        let place = passport("E1234_678").unwrap_err();
        assert_eq!(place, DocumentError::Character { position: 6 });
        let long = Document::parse(DocumentKind::BirthCertificate, "110105199001010011", TODAY);
        assert_eq!(long.unwrap().birth_date(), None);
        let foreign = Document::parse(DocumentKind::PermanentResidence, "CAN110108091001", TODAY);
        assert_eq!(foreign.unwrap().birth_date(), None);
        let shown = format!("{:?}", id("11010519491231002X").unwrap());
        assert!(
            shown.starts_with("Document(") && !shown.contains("1949"),
            "{shown}"
        );
    }

    /// All 18-digit forms are one number; other documents are never taken for one of them.
    #[test]
    fn a_document_is_found_by_its_number_and_class() {
        for (kind, number, index, month_day) in [
            (
                DocumentKind::IdCard,
                "11010519491231002X",
                "id:11010519491231002X",
                Some((12, 31)),
            ),
            (
                DocumentKind::ResidencePermitTaiwan,
                "830000199201300022",
                "id:830000199201300022",
                Some((1, 30)),
            ),
            (
                DocumentKind::PermanentResidence,
                "CAN110108091001",
                "id:CAN110108091001",
                None,
            ),
            (
                DocumentKind::Passport,
                "E12345678",
                "passport:E12345678",
                None,
            ),
        ] {
            let document = Document::parse(kind, number, TODAY).unwrap();
            assert_eq!(document.index_text(), index);
            assert_eq!(document.month_day(), month_day, "{number}");
            let own = kind == DocumentKind::IdCard;
            assert_eq!(document.region_part(), own.then_some("110105"));
        }
    }

    #[test]
    fn typing_habits_are_accepted() {
        for text in [
            "11010519491231002x",
            " 110105 19491231 002X ",
            "110105-19491231-002x",
            "１１０１０５１９４９１２３１００２Ｘ",
            "110105\u{3000}194912310\u{200b}02ｘ",
        ] {
            assert_eq!(id(text).unwrap().expose(), "11010519491231002X", "{text}");
        }
    }

    #[test]
    fn errors_name_the_position() {
        let length = |got| DocumentError::Length { got, want: 18 };
        let part = |part| DocumentError::BirthDate { part };
        for (text, want) in [
            ("", DocumentError::Empty),
            ("--", DocumentError::Empty),
            ("1101051949123100X", length(17)),
            ("11010519491231002", length(17)),
            ("1101051949123100211", length(19)),
            (
                "1101051949123l002X",
                DocumentError::Character { position: 14 },
            ),
            (
                "11010519491231002Z",
                DocumentError::Character { position: 18 },
            ),
            (
                "1101051949X231002X",
                DocumentError::Character { position: 11 },
            ),
            ("110105000012310021", part(DocumentPart::Year)),
            ("110105180012310021", part(DocumentPart::Year)),
            ("110105194913310021", part(DocumentPart::Month)),
            ("110105194902300021", part(DocumentPart::Day)),
            (
                "110105194912310021",
                DocumentError::Checksum { position: 18 },
            ),
        ] {
            assert_eq!(id(text), Err(want), "{text}");
        }
    }

    #[test]
    fn a_wrong_date_is_found_where_it_stands() {
        let number = "110105194912310021";
        for (part, stands) in [
            (DocumentPart::Year, "1949"),
            (DocumentPart::Month, "12"),
            (DocumentPart::Day, "31"),
        ] {
            let (first, last) = part.positions();
            assert_eq!(&number[first - 1..last], stands, "{part:?}");
        }
    }

    #[test]
    fn other_documents_have_their_shape() {
        let parse = |kind, text| Document::parse(kind, text, TODAY);
        let passport = parse(DocumentKind::Passport, "e 1234 5678").unwrap();
        assert_eq!(passport.expose(), "E12345678");
        assert_eq!(passport.birth_date(), None);
        assert_eq!(passport.masked().as_str(), "E123***78");
        let birth = parse(DocumentKind::BirthCertificate, "U330001234").unwrap();
        assert_eq!(birth.kind().psn_cert_type(), "990201");
        assert_ne!(birth.index_text(), passport.index_text());
        for (kind, text, code) in [
            (DocumentKind::Passport, "ABC", "document.shape"),
            (DocumentKind::Passport, "ABCDEF", "document.shape"),
            (DocumentKind::Passport, "E1234=678", "document.character"),
            (DocumentKind::BirthCertificate, "U33", "document.shape"),
        ] {
            assert_eq!(parse(kind, text).unwrap_err().code(), code, "{text}");
        }
    }

    #[test]
    fn a_document_is_printed_masked_only() {
        let number = id_number("990101", Date::constant(1990, 3, 7), 123).unwrap();
        let document = id(&number).unwrap();
        assert!(document.masked().as_str().starts_with("9901************"));
        assert!(!format!("{document:?}").contains("1990"));
        assert_eq!(document.month_day(), Some((3, 7)));
        assert_eq!(document.region_part(), Some("990101"));
    }

    proptest! {
        #[test]
        fn made_numbers_parse_and_one_slip_does_not(
            days in 0i32..45_000, serial in 0u16..1000, place in 0usize..18, other in 0u8..10,
        ) {
            let birth = Date::constant(1900, 1, 1)
                .saturating_add(jiff::Span::new().days(days));
            let number = id_number("990101", birth, serial).unwrap();
            let document = id(&number).unwrap();
            prop_assert_eq!(document.birth_date(), Some(birth));
            let mut slip = number.clone();
            slip.replace_range(place..=place, &other.to_string());
            prop_assert_eq!(id(&slip).is_ok(), slip == number);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            for kind in DocumentKind::ALL {
                let _ = Document::parse(kind, &text, TODAY);
            }
        }
    }
}
