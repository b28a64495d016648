//! Where each channel keeps its signatures, as far as a forger on the wire has to know it.

use super::wire::Told;

/// How a gateway signs what it says.
#[derive(Clone, Debug)]
pub enum Speech {
    /// In headers, over time, nonce and body; they name the key.
    Wechat,
    /// In the JSON, beside what it covers; in certificate mode with the certificate's number.
    AlipayV2 { names_certificate: bool },
    /// In headers, as WeChat does; in certificate mode with the certificate's number.
    AlipayV3 { names_certificate: bool },
    /// In the form, with the certificate itself.
    Unionpay,
    /// In the form, under the name that the profile says.
    Bank { sign: String },
}

impl Speech {
    /// Whether an answer says which key signed it.
    pub const fn names_key(&self) -> bool {
        match self {
            Speech::Wechat | Speech::Unionpay => true,
            Speech::AlipayV2 { names_certificate } | Speech::AlipayV3 { names_certificate } => {
                *names_certificate
            }
            Speech::Bank { .. } => false,
        }
    }

    /// Takes the signature out of an answer: in a body by giving it a name that nobody looks for.
    pub fn unsign(&self, told: &mut Told) {
        match self {
            Speech::Wechat => drop(told.headers.remove("wechatpay-signature")),
            Speech::AlipayV3 { .. } => drop(told.headers.remove("alipay-signature")),
            Speech::AlipayV2 { .. } => spoil(&mut told.body, b"\"sign\":", 1),
            Speech::Unionpay => spoil(&mut told.body, b"signature=", 0),
            Speech::Bank { sign } => spoil(&mut told.body, format!("{sign}=").as_bytes(), 0),
        }
    }

    /// The same for a notice; Alipay's are forms.
    pub fn unsign_notice(&self, told: &mut Told) {
        match self {
            Speech::AlipayV2 { .. } | Speech::AlipayV3 { .. } => {
                spoil(&mut told.body, b"&sign=", 1);
            }
            Speech::Wechat | Speech::Unionpay | Speech::Bank { .. } => self.unsign(told),
        }
    }

    /// Gives the key another name; of UnionPay, whose answers carry the certificate, another key.
    pub fn rename_key(&self, told: &mut Told) {
        let header = match self {
            Speech::Wechat => "wechatpay-serial",
            Speech::AlipayV3 { .. } => "alipay-sn",
            // Well into the certificate, behind its first line.
            Speech::Unionpay => return spoil(&mut told.body, b"signPubKeyCert=", 300),
            Speech::AlipayV2 { .. } => {
                let mark = b"\"alipay_cert_sn\":\"";
                return spoil(&mut told.body, mark, mark.len());
            }
            Speech::Bank { .. } => return,
        };
        if let Some(value) = told.headers.get_mut(header) {
            let mut name = value.as_bytes().to_vec();
            if let Some(first) = name.first_mut() {
                *first = other(*first);
            }
            if let Ok(name) = name.as_slice().try_into() {
                *value = name;
            }
        }
    }
}

/// Makes the byte `offset` behind the last place of `mark` another one of the same kind.
fn spoil(body: &mut [u8], mark: &[u8], offset: usize) {
    let places = 0..=body.len().saturating_sub(mark.len());
    let place = places.rev().find(|place| body[*place..].starts_with(mark));
    if let Some(byte) = place.and_then(|place| body.get_mut(place + offset)) {
        *byte = other(*byte);
    }
}

/// Another letter or digit for a letter or digit.
const fn other(byte: u8) -> u8 {
    match byte {
        b'z' | b'Z' | b'9' => byte - 1,
        byte if byte.is_ascii_alphanumeric() => byte + 1,
        byte => byte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_gone_and_nothing_else_is() {
        for (speech, body, want) in [
            (
                Speech::AlipayV2 {
                    names_certificate: true,
                },
                r#"{"a_response":{"sign":"x"},"sign":"q="}"#,
                r#"{"a_response":{"sign":"x"},"tign":"q="}"#,
            ),
            (Speech::Unionpay, "a=1&signature=q", "a=1&tignature=q"),
            (
                Speech::Bank {
                    sign: "SignMsg".to_owned(),
                },
                "SignMsg=q&a=1",
                "TignMsg=q&a=1",
            ),
        ] {
            let mut told = Told {
                body: body.as_bytes().to_vec(),
                ..Told::default()
            };
            speech.unsign(&mut told);
            assert_eq!(String::from_utf8_lossy(&told.body), want);
        }
    }

    #[test]
    fn a_key_gets_another_name_of_the_same_length() {
        let mut told = Told::default();
        told.headers
            .insert("wechatpay-serial", "9F01".parse().unwrap());
        Speech::Wechat.rename_key(&mut told);
        assert_eq!(told.headers["wechatpay-serial"], "8F01");
        told.body = br#"{"a_response":{},"alipay_cert_sn":"9f01","sign":"q="}"#.to_vec();
        let alipay = Speech::AlipayV2 {
            names_certificate: true,
        };
        alipay.rename_key(&mut told);
        let want = br#"{"a_response":{},"alipay_cert_sn":"8f01","sign":"q="}"#;
        assert_eq!(told.body, want);
    }
}
