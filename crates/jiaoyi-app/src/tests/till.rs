//! A payment channel that answers what a test has told it to, and remembers what it was asked.

use jiaoyi_channels::{BillOutcome, Bills, Call, Gateway, NoticeAnswer};
use jiaoyi_domain::bill::BillSort;
use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Handover, Method, News, Notice,
    NoticeRefusal, QueryOutcome, RefundOutcome, RefundTerms,
};
use jiaoyi_domain::{AttemptNo, Date, Instant, RefundNo};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// What it will answer.
pub struct Answers {
    /// None: the payer can be sent to pay.
    pub create: Option<CreateOutcome>,
    pub query: QueryOutcome,
    pub close: CloseOutcome,
    pub refund: RefundOutcome,
    pub query_refund: RefundOutcome,
    /// What a message of it says.
    pub news: News,
    /// What it sends for a bill, and what it says of it.
    pub bill: (String, fn() -> BillOutcome),
}

pub struct Till {
    code: ChannelCode,
    answers: Mutex<Answers>,
    asked: Mutex<Vec<String>>,
    /// Takes every question and never answers.
    hangs: AtomicBool,
}

impl Till {
    pub fn new(code: ChannelCode) -> Till {
        let answers = Answers {
            create: None,
            query: QueryOutcome::NotPaid(None),
            close: CloseOutcome::Closed,
            refund: RefundOutcome::Processing,
            query_refund: RefundOutcome::Processing,
            news: News::Other("nothing".to_owned()),
            bill: (String::new(), || BillOutcome::NotYet),
        };
        Till {
            code,
            answers: Mutex::new(answers),
            asked: Mutex::default(),
            hangs: AtomicBool::new(false),
        }
    }

    pub fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap()
    }

    /// From now on it answers nothing, or answers again.
    pub fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    /// What it was asked since the last time.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn note<T: Send + 'static>(&self, what: String, nonce: &str, answer: T) -> Call<'_, T> {
        assert!(nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let told = format!("{} is asked to {what}", self.code.code());
        self.asked.lock().unwrap().push(told);
        if self.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(answer))
    }
}

/// What was rendered for an attempt comes with every question about it.
fn is_of(no: &AttemptNo, rendered: &[u8]) {
    let text = String::from_utf8_lossy(rendered);
    assert!(text.starts_with(no.as_str()), "{no}: {text}");
}

impl Gateway for Till {
    fn channel(&self) -> ChannelCode {
        self.code
    }

    fn merchant(&self) -> &str {
        "merchant"
    }

    fn app(&self) -> &str {
        "app"
    }

    fn render(&self, terms: &AttemptTerms) -> Vec<u8> {
        let AttemptTerms {
            no,
            amount,
            description,
            notify_url,
            return_url,
            payer_ip,
            openid,
            ..
        } = terms;
        format!("{no} {amount} {description} {notify_url} {return_url} {payer_ip} {openid:?}")
            .into_bytes()
    }

    fn create<'a>(
        &'a self,
        method: Method,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        _: Instant,
        nonce: String,
    ) -> Call<'a, CreateOutcome> {
        let ready = CreateOutcome::Ready(match method {
            Method::WechatNative | Method::AlipayPrecreate => Handover::Qr(format!("qr {no}")),
            Method::WechatJsapi => Handover::PrepayId(format!("prepay {no}")),
            _ => Handover::Redirect(format!("https://{}/{no}", self.code.code())),
        });
        let answer = self.answers().create.clone().unwrap_or(ready);
        let request = String::from_utf8_lossy(rendered);
        self.note(format!("create {method:?} {request}"), &nonce, answer)
    }

    fn query<'a>(
        &'a self,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        _: Instant,
        nonce: String,
    ) -> Call<'a, QueryOutcome> {
        is_of(no, rendered);
        let answer = match self.answers().query.clone() {
            // Of another order nothing is known.
            QueryOutcome::Paid(seen) if seen.attempt_no != no.as_str() => {
                QueryOutcome::NotPaid(None)
            }
            answer => answer,
        };
        self.note(format!("query {no}"), &nonce, answer)
    }

    fn close<'a>(
        &'a self,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        _: Instant,
        nonce: String,
    ) -> Call<'a, CloseOutcome> {
        is_of(no, rendered);
        let answer = self.answers().close.clone();
        self.note(format!("close {no}"), &nonce, answer)
    }

    fn render_refund(&self, terms: &RefundTerms) -> Vec<u8> {
        format!("{} of {} {}", terms.no, terms.attempt_no, terms.amount).into_bytes()
    }

    fn refund<'a>(
        &'a self,
        rendered: &'a [u8],
        _: Instant,
        nonce: String,
    ) -> Call<'a, RefundOutcome> {
        let answer = self.answers().refund.clone();
        let request = String::from_utf8_lossy(rendered);
        self.note(format!("refund {request}"), &nonce, answer)
    }

    fn query_refund<'a>(
        &'a self,
        attempt_no: &'a AttemptNo,
        refund_no: &'a RefundNo,
        _: &'a [u8],
        _: Instant,
        nonce: String,
    ) -> Call<'a, RefundOutcome> {
        let answer = self.answers().query_refund.clone();
        self.note(
            format!("query refund {refund_no} of {attempt_no}"),
            &nonce,
            answer,
        )
    }

    fn read_notice(
        &self,
        headers: &[(String, String)],
        body: &[u8],
        _: Instant,
    ) -> Result<Notice, NoticeRefusal> {
        if headers.iter().any(|(name, _)| name == "bad") {
            return Err(NoticeRefusal::BadSignature);
        }
        Ok(Notice {
            id: String::from_utf8_lossy(body).into_owned(),
            news: self.answers().news.clone(),
            plaintext: body.to_vec(),
        })
    }

    fn notice_answer(&self, ok: bool) -> NoticeAnswer {
        if ok {
            (200, "text/plain", "success")
        } else {
            (401, "text/plain", "fail")
        }
    }
}

impl Bills for Till {
    fn daily(&self) -> &'static [BillSort] {
        &[BillSort::Funds]
    }

    fn ready_hour(&self) -> i64 {
        10
    }

    fn fetch<'a>(
        &'a self,
        sort: BillSort,
        day: Date,
        file: &'a mut (dyn Write + Send),
        _: Instant,
        nonces: [String; 2],
    ) -> Call<'a, BillOutcome> {
        let (text, outcome) = self.answers().bill.clone();
        file.write_all(text.as_bytes()).unwrap();
        assert_ne!(nonces[0], nonces[1]);
        self.note(
            format!("send {} of {day}", sort.code()),
            &nonces[0],
            outcome(),
        )
    }
}
