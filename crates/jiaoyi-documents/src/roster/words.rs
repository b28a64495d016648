//! Words for what is wrong with a cell, in Chinese and English, as UX.md 2.3 has them.

use jiaoyi_domain::person::{DocumentError, DocumentKind, NameError, PhoneError};

/// Chinese and English.
pub(super) type Words = (String, String);

fn words(zh: impl Into<String>, en: impl Into<String>) -> Words {
    (zh.into(), en.into())
}

/// `1 digit`, `2 digits`.
fn count(number: usize, what: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {what}{end}")
}

pub(super) fn name(error: NameError) -> Words {
    match error {
        NameError::Empty => words("没有填姓名", "The name is missing."),
        NameError::TooLong { got } => words(
            format!("姓名有 {got} 个字，最多 100 个"),
            format!("The name has {got} characters; 100 at most."),
        ),
        NameError::Control { position } => words(
            format!("姓名第 {position} 个字是看不见的符号，请重新输入"),
            format!("Character {position} of the name is invisible; type it again."),
        ),
        NameError::Lost { position } => words(
            format!("姓名第 {position} 个字成了问号，可能是生僻字，请重新输入"),
            format!("Character {position} of the name was lost; type it again."),
        ),
        NameError::Sign { position } => words(
            format!("姓名第 {position} 个字不是文字，请检查是否填错列"),
            format!("Character {position} of the name is no letter; is it the right column?"),
        ),
    }
}

pub(super) fn phone(error: PhoneError) -> Words {
    match error {
        PhoneError::Empty => words("没有填手机号", "The mobile number is missing."),
        PhoneError::Length { got } if got < 11 => words(
            format!("手机号少 {} 位", 11 - got),
            format!("The mobile number is {} short.", count(11 - got, "digit")),
        ),
        PhoneError::Length { got } => words(
            format!("手机号多 {} 位", got.saturating_sub(11)),
            format!(
                "The mobile number has {} too many.",
                count(got.saturating_sub(11), "digit")
            ),
        ),
        PhoneError::Character { position } => words(
            format!("手机号第 {position} 位不是数字"),
            format!("Character {position} of the mobile number is no digit."),
        ),
        PhoneError::Prefix => words(
            "手机号应以 13 至 19 开头",
            "A mobile number begins with 13 to 19.",
        ),
    }
}

pub(super) fn document(kind: DocumentKind, error: DocumentError) -> Words {
    let zh = match kind {
        DocumentKind::IdCard => "身份证",
        other => other.name_zh(),
    };
    match error {
        DocumentError::Empty => words(format!("没有填{zh}号"), "The ID number is missing."),
        DocumentError::Length { got, want } if got < want => words(
            format!("{zh}号少 {} 位", want - got),
            format!("The ID number is {} short.", count(want - got, "character")),
        ),
        DocumentError::Length { got, want } => words(
            format!("{zh}号多 {} 位", got.saturating_sub(want)),
            format!(
                "The ID number has {} too many.",
                count(got.saturating_sub(want), "character")
            ),
        ),
        DocumentError::Character { position } => words(
            format!("{zh}号第 {position} 位不能是这个字，请对照证件改"),
            format!("Character {position} of the ID number cannot stand there."),
        ),
        DocumentError::BirthDate { part } => {
            let (first, last) = part.positions();
            words(
                format!("{zh}号第 {first} 到 {last} 位不是日期，请对照证件改"),
                format!("Characters {first} to {last} of the ID number are no date."),
            )
        }
        DocumentError::FutureBirth => words(
            format!("{zh}号里的出生日期还没有到，请对照证件改"),
            "The birth date in the ID number lies in the future.",
        ),
        DocumentError::Checksum { position } => words(
            format!("{zh}号第 {position} 位不对，请对照证件改"),
            format!("Character {position} of the ID number is wrong."),
        ),
        DocumentError::FirstGeneration => words(
            "这是 15 位的老号码，请填现在证件上的 18 位号码",
            "An old 15-digit number; give the 18 digits of the present card.",
        ),
        DocumentError::OtherKind { is } => words(
            format!("这是{}的号码，请改证件类型", is.name_zh()),
            format!("This number belongs to: {}; change the type.", is.name_en()),
        ),
        DocumentError::Shape { min, max } => words(
            format!("{zh}号应有 {min} 到 {max} 位字母和数字"),
            format!("The number has {min} to {max} letters and digits."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        let length = |got| DocumentError::Length { got, want: 18 };
        for (got, text) in [
            (17, "The ID number is 1 character short."),
            (16, "The ID number is 2 characters short."),
            (19, "The ID number has 1 character too many."),
        ] {
            assert_eq!(document(DocumentKind::IdCard, length(got)).1, text);
        }
        let (_, text) = phone(PhoneError::Length { got: 10 });
        assert_eq!(text, "The mobile number is 1 digit short.");
    }
}
