//! Form parameters as bytes: Alipay signs them in the charset they were sent in.

use percent_encoding::percent_decode;

/// The parameters of a form body, percent-decoded once, in their order.
pub(crate) fn parse(body: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    body.split(|byte| *byte == b'&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let cut = part
                .iter()
                .position(|byte| *byte == b'=')
                .unwrap_or(part.len());
            let (key, value) = part.split_at(cut);
            (decode(key), decode(value.get(1..).unwrap_or_default()))
        })
        .collect()
}

fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&spaced).collect()
}

/// The string that Alipay signs: not `sign`, nothing empty, sorted by key, `k=v` joined by `&`.
pub(crate) fn signed_string<K: AsRef<[u8]>, V: AsRef<[u8]>>(parameters: &[(K, V)]) -> Vec<u8> {
    let mut kept: Vec<(&[u8], &[u8])> = parameters
        .iter()
        .map(|(key, value)| (key.as_ref(), value.as_ref()))
        .filter(|(key, value)| !value.is_empty() && *key != b"sign")
        .collect();
    kept.sort_unstable();
    let mut text = Vec::new();
    for (key, value) in kept {
        if !text.is_empty() {
            text.push(b'&');
        }
        text.extend_from_slice(key);
        text.push(b'=');
        text.extend_from_slice(value);
    }
    text
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn encode<'a>(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_once_and_keeps_its_bytes() {
        let parsed = parse(b"a=1%2B1&b=x+y&&c&d=%C4%E3=");
        let expected: [(&[u8], &[u8]); 4] = [
            (b"a", b"1+1"),
            (b"b", b"x y"),
            (b"c", b""),
            (b"d", b"\xc4\xe3="),
        ];
        assert_eq!(parsed.len(), expected.len());
        for ((key, value), (k, v)) in parsed.iter().zip(expected) {
            assert_eq!((key.as_slice(), value.as_slice()), (k, v));
        }
        assert_eq!(signed_string(&parsed), b"a=1+1&b=x y&d=\xc4\xe3=");
    }
}
