//! Fail points at every call to a channel, put around the gateways of an installation, as those at
//! the commits are put around its store.
//!
//! The list of points is read from the code: the operations of the trait `Gateway` that are calls,
//! at each channel that we call. What goes past these gateways goes wrong in the sandbox: bills
//! (`calls.rs`), events (`biller/hooks.rs`), openids, certificates and text messages (`beside.rs`).

use super::points::{Deed, Edge, Points};
use jiaoyi_channels::{Call, Channels, Gateway, NoticeAnswer};
use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Method, Notice, NoticeRefusal,
    QueryOutcome, RefundOutcome, RefundTerms,
};
use jiaoyi_domain::{AttemptNo, Instant, RefundNo};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Every call that there is.
pub fn all_calls() -> BTreeSet<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let source = std::fs::read_to_string(crates.join("jiaoyi-channels/src/gateway.rs"));
    let source = source.expect("a text");
    let operations = operations(&source);
    let of = |channel: ChannelCode| operations.iter().map(move |name| point(channel, name));
    ChannelCode::ALL.into_iter().flat_map(of).collect()
}

/// The functions of the trait that give a call.
fn operations(source: &str) -> Vec<&str> {
    let body = source.split("pub trait Gateway").nth(1);
    let body = body.expect("it is there").split("\n}").next();
    let functions = body.unwrap_or_default().split("    fn ").skip(1);
    functions
        .filter(|function| function.contains("-> Call<"))
        .filter_map(|function| function.split(['<', '(']).next())
        .collect()
}

fn point(channel: ChannelCode, operation: &str) -> String {
    format!("call {} {operation}", channel.code())
}

/// The same channels, whose calls fail where the points say so.
pub fn pointed(channels: Channels, points: &Arc<Points>) -> Channels {
    let own = channels.gateways();
    let pointed = own.map(|inner| {
        let points = Arc::clone(points);
        Arc::new(Pointed { inner, points }) as Arc<dyn Gateway>
    });
    let mut over = Channels::over(pointed.collect());
    (over.wechat, over.alipay) = (channels.wechat, channels.alipay);
    (over.unionpay, over.sms) = (channels.unionpay, channels.sms);
    (over.bank1, over.bank2) = (channels.bank1, channels.bank2);
    over.webhooks = channels.webhooks;
    over
}

struct Pointed {
    inner: Arc<dyn Gateway>,
    points: Arc<Points>,
}

impl Pointed {
    /// Makes the call, or what the points want instead of it; a call that was not answered is told
    /// as `unknown`.
    fn pass<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        call: Call<'a, T>,
        unknown: fn(String) -> T,
    ) -> Call<'a, T> {
        Box::pin(async move {
            let point = point(self.inner.channel(), operation);
            let Some((edge, deed)) = self.points.at_call(point) else {
                return call.await;
            };
            if edge == Edge::After {
                drop(call.await);
            }
            match deed {
                Deed::Crash => std::panic::resume_unwind(Box::new("a fail point")),
                Deed::Fail => unknown("a fail point".to_owned()),
            }
        })
    }
}

impl Gateway for Pointed {
    fn channel(&self) -> ChannelCode {
        self.inner.channel()
    }

    fn merchant(&self) -> &str {
        self.inner.merchant()
    }

    fn app(&self) -> &str {
        self.inner.app()
    }

    fn render(&self, terms: &AttemptTerms) -> Vec<u8> {
        self.inner.render(terms)
    }

    fn create<'a>(
        &'a self,
        method: Method,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, CreateOutcome> {
        let call = self.inner.create(method, no, rendered, now, nonce);
        self.pass("create", call, |why| CreateOutcome::Unknown { why })
    }

    fn query<'a>(
        &'a self,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, QueryOutcome> {
        let call = self.inner.query(no, rendered, now, nonce);
        self.pass("query", call, |why| QueryOutcome::Unknown { why })
    }

    fn close<'a>(
        &'a self,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, CloseOutcome> {
        let call = self.inner.close(no, rendered, now, nonce);
        self.pass("close", call, |why| CloseOutcome::Unknown { why })
    }

    fn render_refund(&self, terms: &RefundTerms) -> Vec<u8> {
        self.inner.render_refund(terms)
    }

    fn refund<'a>(
        &'a self,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, RefundOutcome> {
        let call = self.inner.refund(rendered, now, nonce);
        self.pass("refund", call, |why| RefundOutcome::Unknown { why })
    }

    fn query_refund<'a>(
        &'a self,
        attempt_no: &'a AttemptNo,
        refund_no: &'a RefundNo,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, RefundOutcome> {
        let call = self
            .inner
            .query_refund(attempt_no, refund_no, rendered, now, nonce);
        self.pass("query_refund", call, |why| RefundOutcome::Unknown { why })
    }

    fn read_notice(
        &self,
        headers: &[(String, String)],
        body: &[u8],
        now: Instant,
    ) -> Result<Notice, NoticeRefusal> {
        self.inner.read_notice(headers, body, now)
    }

    fn notice_answer(&self, ok: bool) -> NoticeAnswer {
        self.inner.notice_answer(ok)
    }
}
