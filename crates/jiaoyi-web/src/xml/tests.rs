//! Every type of the wire there and back, and everything that is refused.

use super::charset::Charset;
use super::*;
use axum::http::HeaderValue;
use jiaoyi_domain::biller::wire::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

const GBK: &str = "application/xml; charset=gbk";

fn wanted(content: &str, accept: &str, body: &[u8]) -> Wanted {
    let mut headers = HeaderMap::new();
    for (name, value) in [(header::CONTENT_TYPE, content), (header::ACCEPT, accept)] {
        if !value.is_empty() {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
    }
    Wanted::of(&headers).with(body)
}

fn xml(charset: &str) -> Xml {
    wanted(&format!("text/xml; charset={charset}"), "", b"")
        .body
        .unwrap()
}

/// What a value becomes in each encoding and is read as again.
fn there_and_back<T: Serialize + DeserializeOwned>(name: &str, value: &T) {
    let json = serde_json::to_value(value).unwrap();
    for charset in [Charset::Utf8, Charset::Gbk] {
        let bytes = write::document(name, &json, charset);
        let text = charset.read(&bytes).expect("in its encoding");
        let root = tree::read(&text).unwrap();
        assert_eq!(root.name, name);
        let read: T = fields::read(&root).unwrap_or_else(|why| panic!("{why:?}: {text}"));
        assert_eq!(serde_json::to_value(&read).unwrap(), json, "{text}");
    }
}

/// A text of any characters that XML has, not empty: empty is the same as null.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        any::<char>().prop_map(|letter| if tree::is_character(letter) {
            letter
        } else {
            '\u{fffd}'
        }),
        prop::sample::select(vec!['&', '<', '>', '"', '\'', '\r', '\n', '\t', ' ', ']']),
        prop::sample::select(vec!['王', '䶮', '€', '\u{2cc56}', '\u{e000}', 'ḿ']),
    ];
    vec(letter, 1..12).prop_map(String::from_iter)
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    option::of(text())
}

fn texts<const N: usize>() -> impl Strategy<Value = [String; N]> {
    vec(text(), N).prop_map(|texts| texts.try_into().expect("so many"))
}

fn bill() -> impl Strategy<Value = Bill> {
    let lock = (texts(), any::<bool>()).prop_map(|([channel, until], mine)| LockedBy {
        channel,
        until,
        mine,
    });
    let paid = texts().prop_map(|[channel, at]| PaidBy { channel, at });
    let item = (texts(), any::<u64>()).prop_map(|([code, name], amount_fen)| ItemOf {
        code,
        name,
        amount_fen,
    });
    let more = (option::of(lock), option::of(paid), vec(item, 0..3), maybe());
    let numbers = any::<(i16, u64, u64)>();
    (texts(), numbers, more).prop_map(|(texts, numbers, (lock, paid, items, opens_at))| {
        let [
            bill_no,
            scheme,
            region,
            category,
            category_name,
            due_to,
            first,
            last,
            status,
        ] = texts;
        Bill {
            bill_no,
            benefit_year: numbers.0,
            scheme,
            region,
            category,
            category_name,
            amount_fen: numbers.1,
            gross_fen: numbers.2,
            items,
            due_to,
            benefit_first: first,
            benefit_last: last,
            status,
            lock,
            paid,
            opens_at,
        }
    })
}

fn event() -> impl Strategy<Value = Event> {
    let rest = (vec(maybe(), 6), option::of(any::<u64>()));
    (texts(), rest).prop_map(|([event_id, kind, inst_id, at], (mut rest, amount_fen))| {
        let mut next = || rest.pop().flatten();
        Event {
            event_id,
            kind,
            inst_id,
            at,
            amount_fen,
            bill_no: next(),
            seq: next(),
            receipt_no: next(),
            voucher_no: next(),
            refund_no: next(),
            reason: next(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn calls_come_through_as_they_are(
        [a, b, c, d, e, f] in texts(), [x, y] in [maybe(), maybe()], n in any::<u64>(),
        year in option::of(any::<i16>()), limit in option::of(any::<u16>()),
    ) {
        let t = |text: &String| text.clone();
        let query = Query {
            pooling_region: t(&a), id_type: t(&b), id_no: t(&c), name: t(&d), benefit_year: year,
            relation: t(&e), channel: t(&f), terminal: x.clone(),
        };
        let collect = Collect {
            seq: t(&a), trace_date: t(&b), query_token: t(&c), bill_no: t(&d), until: t(&e),
            channel: t(&f), terminal: x.clone(),
        };
        let pay = Pay {
            seq: t(&a), trace_date: t(&b), bill_no: t(&c), query_token: x.clone(), amount_fen: n,
            paid_at: t(&d), channel: t(&e), terminal: y.clone(), account_masked: x.clone(),
        };
        let reverse = Reverse {
            seq: t(&a), trace_date: t(&b), orig_seq: t(&c), orig_date: t(&d), amount_fen: n,
            reason: t(&e),
        };
        let release = Release { seq: t(&a), trace_date: t(&b), bill_no: t(&c), channel: t(&d) };
        there_and_back("request", &query);
        there_and_back("request", &collect);
        there_and_back("request", &release);
        there_and_back("request", &pay);
        there_and_back("request", &reverse);
        there_and_back("request", &Status { orig_seq: t(&a), orig_date: x.clone() });
        there_and_back("request", &DayResult { day: t(&a) });
        there_and_back("request", &ListEvents { since: x, limit });
        there_and_back("request", &Replay { event_id: t(&a) });
    }

    #[test]
    fn answers_come_through_as_they_are(
        [a, b, c, d, e, f, g, h] in texts(), [x, y, z] in [maybe(), maybe(), maybe()],
        n in any::<[u64; 4]>(), yes in any::<bool>(), skew in any::<i64>(),
        place in option::of(any::<usize>()), bills in vec(bill(), 0..3), event in event(),
    ) {
        let t = |text: &String| text.clone();
        let (lock, paid) = match bills.first() {
            Some(bill) => (bill.lock.clone(), bill.paid.clone()),
            None => (None, None),
        };
        there_and_back("response", &Queried {
            query_token: t(&a), token_expires_at: t(&b), name_masked: t(&c),
            document_masked: t(&d), bills,
        });
        there_and_back("response", &Collected {
            seq: t(&a), state: t(&b), bill_no: t(&c), amount_fen: n[0], lock_until: t(&d),
        });
        there_and_back("response", &Released {
            seq: t(&a), state: t(&b), bill_no: t(&c), released: yes,
        });
        there_and_back("response", &Paid {
            seq: t(&a), state: t(&b), receipt_no: t(&c), bill_no: t(&d), amount_fen: n[0],
            accounting_day: t(&e), voucher_no: t(&f), check_code: t(&g), paid_at: t(&h),
            reversible_until: x.clone(),
        });
        there_and_back("response", &Reversed {
            seq: t(&a), state: t(&b), orig_seq: t(&c), undone: yes,
        });
        let refused = Refused {
            seq: t(&a), state: t(&b), reason: t(&c), message: t(&d), paid, lock, opens_at: x.clone(),
        };
        there_and_back("response", &refused);
        there_and_back("response", &Told {
            orig_seq: t(&a), state: t(&b), call: x.clone(), reason: y.clone(), answer: None,
        });
        let (theirs, ours) = (
            Sum { count: n[0], amount_fen: n[1] },
            Sum { count: n[2], amount_fen: n[3] },
        );
        there_and_back("response", &Reconciled {
            day: t(&a), file_hash: t(&b), state: t(&c), theirs, ours, long: n[0], short: n[1],
            amount_differs: n[2], state_differs: n[3],
        });
        there_and_back("response", &event);
        let listed = ListedEvent { event, state: t(&a), tries: 3, last_try: y.clone() };
        there_and_back("response", &EventList { events: vec![listed], more: yes });
        there_and_back("response", &Replayed { event_id: t(&a), state: t(&b) });
        there_and_back("response", &Failed { code: t(&a), message: t(&b), field: x.clone() });
        there_and_back("response", &Echo {
            signature: t(&a), string_differs_at: place, line: place, line_name: x, yours: y,
            ours: z, signature_fits_your_string: place.map(|_| yes), key_known: yes,
            timestamp_skew_s: skew, address_allowed: yes, string_to_sign: t(&b),
        });
    }

    /// Whatever comes in, it is read or refused.
    #[test]
    fn nothing_breaks_the_reader(bytes in vec(any::<u8>(), 0..200), tags in "[<>/&;a-c!\\[\\]? -]{0,60}") {
        for charset in ["gbk", "utf-8"] {
            let _ = xml(charset).to_json("pay", &bytes);
            let _ = xml(charset).to_json("pay", tags.as_bytes());
            let whole = format!("<request>{tags}</request>");
            let _ = xml(charset).to_json("pay", whole.as_bytes());
        }
    }
}

/// What `status` was answered has no type of its own: its texts come through.
#[test]
fn the_answer_inside_an_answer_keeps_its_fields() {
    let inner = serde_json::json!({
        "seq": "1", "undone": true, "amount_fen": 40000, "paid": null, "items": ["a", "b"],
    });
    let told = Told {
        orig_seq: "1".to_owned(),
        state: "SUCCESS".to_owned(),
        call: Some("pay".to_owned()),
        reason: None,
        answer: Some(inner),
    };
    let bytes = write::response(&serde_json::to_vec(&told).unwrap(), Charset::Gbk);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(
        text,
        "<?xml version=\"1.0\" encoding=\"GBK\"?>\n<response><orig_seq>1</orig_seq>\
         <state>SUCCESS</state><call>pay</call><reason></reason><answer><seq>1</seq>\
         <undone>true</undone><amount_fen>40000</amount_fen><paid></paid><items><item>a</item>\
         <item>b</item></items></answer></response>"
    );
    let read: Told = fields::read(&tree::read(&text).unwrap()).unwrap();
    let answer = read.answer.unwrap();
    assert_eq!(answer["amount_fen"], "40000");
    assert_eq!(answer["items"], serde_json::json!(["a", "b"]));
    assert_eq!(answer["paid"], Value::Null);
}

/// What an attacker puts between, cuts out or says twice.
const PIECES: &[&[u8]] = &[
    b"<",
    b">",
    b"/>",
    b"&",
    b";",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<!DOCTYPE a [",
    b"<?xml version=\"1.0\" encoding=\"GBK\"?>",
    b"<?a?>",
    b"<seq>",
    b"</seq>",
    b"<terminal/>",
    b"<item>",
    b"</request>",
    b" a=\"b\"",
    b":",
    b"&#x0;",
    b"&#xD800;",
    b"&#13;",
    b"&amp;lt;",
    b"\r\n",
    b"\0",
    b"\x0b",
    b"\xef\xbb\xbf",
    b"\xef\xbf\xbe",
    b"\x81",
    b"\x80",
    b"\xa3\xa0",
    b"\x84\x31\xa4\x37",
    b"\xfe\xff",
    b"0",
    b"+",
    b"e3",
];

/// A change of a document: where it begins, how much it is about, and with what.
type Change = (u8, prop::sample::Index, usize, prop::sample::Index);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = any::<prop::sample::Index>;
    vec((0..4_u8, place(), 0..24_usize, place()), 0..5)
}

fn changed(mut body: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for (kind, place, length, other) in changes {
        let at = place.index(body.len() + 1);
        let end = body.len().min(at + length);
        match kind {
            0 => drop(body.splice(at..at, other.get(PIECES).iter().copied())),
            1 => drop(body.drain(at..end)),
            2 => {
                let again = body[at..end].to_vec();
                let to = other.index(body.len() + 1);
                drop(body.splice(to..to, again));
            }
            _ if at < body.len() => body[at] ^= 1 << (length % 8),
            _ => {}
        }
    }
    body
}

proptest! {
    // As many as PROPTEST_CASES says: `cargo xtask soak xml`.
    #![proptest_config(ProptestConfig::default())]

    /// A document changed here and there is refused, or is one call: written out again in either
    /// encoding it is read as the same.
    #[test]
    fn a_changed_document_is_refused_or_one_call(
        verb in prop::sample::select(vec!["pay", "reconcile", "events", "status"]),
        gbk in any::<bool>(), terminal in maybe(), changes in changes(),
    ) {
        let call = match verb {
            "pay" => {
                let mut pay = pay(PAY).unwrap();
                pay["terminal"] = terminal.into();
                pay
            }
            "reconcile" => serde_json::json!({ "day": "2026-11-27" }),
            "events" => serde_json::json!({ "since": terminal, "limit": 7 }),
            _ => serde_json::json!({ "orig_seq": "p1", "orig_date": terminal }),
        };
        let charset = if gbk { Charset::Gbk } else { Charset::Utf8 };
        let honest = write::document(REQUEST, &call, charset);
        let body = changed(honest.clone(), &changes);
        let taken = wanted("text/xml", "", &body).body.unwrap().to_json(verb, &body);
        if body == honest {
            let taken: Value = serde_json::from_slice(taken.as_ref().unwrap()).unwrap();
            prop_assert_eq!(&taken, &call);
        }
        if let Ok(taken) = taken {
            let call: Value = serde_json::from_slice(&taken).unwrap();
            for charset in [Charset::Utf8, Charset::Gbk] {
                let again = write::document(REQUEST, &call, charset);
                let again = wanted("text/xml", "", &again).body.unwrap().to_json(verb, &again);
                prop_assert_eq!(again.as_ref(), Ok(&taken));
            }
        }
    }
}

const PAY: &str = "<request><seq>p1</seq><trace_date>2026-11-27</trace_date><bill_no>B1</bill_no>\
    <amount_fen>40000</amount_fen><paid_at>2026-11-27T09:00:00+08:00</paid_at>\
    <channel>A7</channel></request>";

fn pay(text: &str) -> Result<Value, Misread> {
    let json = xml("gbk").to_json("pay", &Charset::Gbk.written(text.to_owned()))?;
    Ok(serde_json::from_slice(&json).unwrap())
}

#[test]
fn the_same_call_is_the_same_in_many_spellings() {
    let plain = pay(PAY).unwrap();
    assert_eq!(plain["amount_fen"], 40_000);
    assert_eq!(plain["terminal"], Value::Null);
    for spelling in [
        PAY.replace(
            "<request>",
            "<?xml version=\"1.0\" encoding=\"GBK\"?>\r\n<request>\r\n\t",
        ),
        PAY.replace(
            "<request>",
            "<?xml version = '1.0'\tencoding='GBK' standalone='no' ?><request >",
        ),
        PAY.replace(
            "</channel>",
            "</channel>\n<terminal/><!-- none --><account_masked></account_masked>",
        ),
        PAY.replace("p1", "<![CDATA[p1]]>"),
        PAY.replace("p1", "&#x70;&#49;"),
        PAY.replace("p1", "p<!-- a comment -->1"),
        // In any order.
        PAY.replace("<seq>p1</seq>", "")
            .replace("</request>", "<seq>p1</seq></request>"),
        format!("<!-- before -->{PAY}\n"),
    ] {
        assert_eq!(pay(&spelling), Ok(plain.clone()), "{spelling}");
    }
    let named = PAY.replace(
        "</request>",
        "<terminal>&#x2CC56;&amp;王</terminal></request>",
    );
    assert_eq!(pay(&named).unwrap()["terminal"], "\u{2cc56}&王");
}

#[test]
fn what_could_mean_two_things_is_refused_by_its_place() {
    let doctype = "<!DOCTYPE request [<!ENTITY a \"b\">]><request>";
    let deep = format!("<request><seq>{}", "<a>".repeat(10));
    let many = format!("<request>{}", "<seq/>".repeat(1_001));
    for (from, to, field) in [
        ("<request>", doctype, "body"),
        (
            "<request>",
            "<?xml-stylesheet href=\"x\"?><request>",
            "body",
        ),
        ("<seq>", "<?pi?><seq>", "request"),
        ("<request>", " <?xml version=\"1.0\"?><request>", "body"),
        ("p1", "&nbsp;", "seq"),
        ("p1", "&a;", "seq"),
        ("p1", "a&b", "seq"),
        ("p1", "&#0;", "seq"),
        ("p1", "&#xD800;", "seq"),
        ("p1", "&#x1F;", "seq"),
        ("p1", "\u{b}", "seq"),
        ("<seq>", "<seq kind=\"x\">", "seq"),
        ("<request>", "<request xmlns=\"urn:x\">", "request"),
        ("<seq>p1</seq>", "<seq>p1</seq><seq>p1</seq>", "seq"),
        ("<seq>p1</seq>", "", "seq"),
        (
            "<seq>p1</seq>",
            "<seq>p1</seq><sequence>2</sequence>",
            "sequence",
        ),
        ("<seq>p1</seq>", "<x:seq>p1</x:seq>", "x:seq"),
        ("<seq>p1</seq>", "<seq>p<b>1</b></seq>", "seq"),
        ("<seq>p1</seq>", "<seq><b>p1</b></seq>", "b"),
        ("<seq>p1</seq>", "<seq>p1</seq>loose", "request"),
        ("<seq>p1</seq>", "<seq>p1</trace_date>", "seq"),
        ("</request>", "", "request"),
        ("</request>", "</request><request/>", "request"),
        ("</request>", "</request>x", "body"),
        ("</request>", "</request>&#32;", "body"),
        ("</request>", "</request><![CDATA[ ]]>", "body"),
        ("40000", "40000.00", "amount_fen"),
        ("40000", "040000", "amount_fen"),
        ("40000", "+40000", "amount_fen"),
        ("40000", " 40000", "amount_fen"),
        ("40000", "-1", "amount_fen"),
        ("40000", "18446744073709551616", "amount_fen"),
        ("40000", "", "amount_fen"),
        ("<request>", &deep, "a"),
        ("<request>", &many, "request"),
        // Not well formed, though a lenient reader takes it.
        ("p1", "p]]>1", "seq"),
        ("p1", "p1<!-- \u{b} -->", "seq"),
        ("p1", "&#+112;1", "seq"),
        ("p1", "&#x+70;1", "seq"),
        ("p1", "&#;", "seq"),
        ("p1", "p<!-- a -- b -->1", "seq"),
        ("<seq>", "\u{3000}<seq>", "request"),
        ("<seq>", "<seq \u{3000}>", "seq"),
        ("</request>", "</request>\u{3000}", "body"),
        ("<request>", "\u{feff}<request>", "body"),
        ("<request>", "<?xml encoding=\"GBK\"?><request>", "body"),
        ("<request>", "<?xml version=\"1.1\"?><request>", "body"),
        (
            "<request>",
            "<?xml version=\"1.0\" encoding=\"GBK\" encoding=\"UTF-8\"?><request>",
            "body",
        ),
        (
            "<request>",
            "<?xml version=\"1.0\" no=\"encoding='UTF-8'\"?><request>",
            "body",
        ),
        (
            "<request>",
            "<?xml version=\"1.0\" standalone=\"yes\" encoding=\"GBK\"?><request>",
            "body",
        ),
    ] {
        let text = PAY.replace(from, to);
        assert_ne!(text, PAY, "{from}");
        let wrong = pay(&text).expect_err(&text);
        assert_eq!(wrong.field, field, "{text}");
        assert!(!wrong.message.contains("p1"), "tells nothing that was sent");
    }
    let other = PAY.replace("request>", "pay>");
    assert_eq!(pay(&other).unwrap_err().field, "pay");
    assert_eq!(pay("").unwrap_err().field, "body");
    assert_eq!(pay("<request/>").unwrap_err().field, "seq");
}

#[test]
fn headers_and_the_declaration_say_what_is_spoken() {
    let declared = "<?xml version=\"1.0\" encoding=\"GBK\"?><request/>".as_bytes();
    let blanks = " ".repeat(300);
    let late = format!("<?xml version=\"1.0\"{blanks}encoding=\"GBK\"?><request/>");
    for (content, accept, body, asked, answered) in [
        (
            "application/json",
            "application/xml",
            &b"{}"[..],
            false,
            None,
        ),
        ("", "", b"{}", false, None),
        ("text/plain; charset=gbk", "", b"", false, None),
        ("text/plain; charset=gbk", GBK, b"", false, Some(GBK)),
        (
            "text/plain",
            "text/xml, */*",
            b"",
            false,
            Some("application/xml; charset=utf-8"),
        ),
        ("text/plain", "text/html, text/xml", b"", false, None),
        (
            "text/xml",
            "",
            b"<request/>",
            true,
            Some("application/xml; charset=utf-8"),
        ),
        ("Text/XML; Charset=\"GB2312\"", "", b"", true, Some(GBK)),
        ("text/xml", "application/json", declared, true, Some(GBK)),
        ("text/xml; charset=gb18030", "", declared, true, Some(GBK)),
        ("text/xml", "", late.as_bytes(), true, Some(GBK)),
        (
            "text/xml; charset=big5",
            "",
            b"",
            true,
            Some("application/xml; charset=utf-8"),
        ),
        ("application/xmlish", "", b"", false, None),
    ] {
        let wanted = wanted(content, accept, body);
        assert_eq!(wanted.body.is_some(), asked, "{content}");
        let kind = wanted.answer.as_ref().map(Profile::content_type);
        assert_eq!(kind, answered, "{content} {accept}");
    }
    for (content, body, field) in [
        ("text/xml; charset=big5", declared, "content-type"),
        ("text/xml; charset=utf-8", declared, "encoding"),
        (
            "text/xml",
            &b"<?xml version=\"1.0\" encoding=\"big5\"?><request/>"[..],
            "encoding",
        ),
        ("text/xml; charset=gbk", b"<request>\xff</request>", "body"),
        ("text/xml", b"<request>\xcd\xf5</request>", "body"),
    ] {
        let xml = wanted(content, "", body).body.unwrap();
        assert_eq!(
            xml.to_json("pay", body).unwrap_err().field,
            field,
            "{content}"
        );
    }
}
