//! The one small trait through which the rest of the product talks to a payment channel.

use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Method, Notice, NoticeRefusal,
    QueryOutcome, RefundOutcome, RefundTerms,
};
use jiaoyi_domain::id::{AttemptNo, RefundNo};
use jiaoyi_domain::time::Instant;
use std::pin::Pin;

/// A call under way. Boxed by hand so that a gateway can be held as `Arc<dyn Gateway>`.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a notice is answered with: status, content type and body.
pub type NoticeAnswer = (u16, &'static str, &'static str);

/// One payment channel.
///
/// No method fails: what could not be learnt is an `Unknown` outcome. `now` is the time of the
/// call and `nonce` at most 32 letters or digits that no other call of this merchant used.
pub trait Gateway: Send + Sync {
    /// Which channel this is.
    fn channel(&self) -> ChannelCode;

    /// The merchant (mchid, seller_id, merId) that must have received the money of a success.
    fn merchant(&self) -> &str;

    /// The app (appid, app_id; UnionPay: the bizType) through which a success must have been paid.
    fn app(&self) -> &str;

    /// What will be sent for this attempt: pure, deterministic, stored with the attempt.
    ///
    /// The bytes are an envelope of this crate; the part that the channel compares on re-entry is
    /// inside it, byte for byte.
    fn render(&self, terms: &AttemptTerms) -> Vec<u8>;

    /// Places the order, or builds the signed link when the method needs no call.
    ///
    /// Calling it again with the same `rendered` is safe at any time.
    fn create<'a>(
        &'a self,
        method: Method,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, CreateOutcome>;

    /// Asks what became of an attempt; `rendered` is what [`Gateway::render`] gave for it.
    fn query<'a>(
        &'a self,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, QueryOutcome>;

    /// Asks the channel to let nobody pay this number any more.
    fn close<'a>(
        &'a self,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, CloseOutcome>;

    /// What will be sent for this refund: pure, deterministic, stored with the refund.
    fn render_refund(&self, terms: &RefundTerms) -> Vec<u8>;

    /// Asks for a refund. Calling it again with the same `rendered` refunds once.
    ///
    /// `Closed` says that this call was refused for good. After an `Unknown` outcome of the same
    /// number it may be believed only once [`Gateway::query_refund`] has been asked.
    fn refund<'a>(
        &'a self,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, RefundOutcome>;

    /// Asks what became of a refund; `rendered` is what [`Gateway::render_refund`] gave for it.
    fn query_refund<'a>(
        &'a self,
        attempt_no: &'a AttemptNo,
        refund_no: &'a RefundNo,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, RefundOutcome>;

    /// Verifies and reads what the channel sent on its own. No I/O.
    ///
    /// # Errors
    ///
    /// [`NoticeRefusal`]: the message is not to be believed, or cannot be read.
    fn read_notice(
        &self,
        headers: &[(String, String)],
        body: &[u8],
        now: Instant,
    ) -> Result<Notice, NoticeRefusal>;

    /// How a notice is answered: `ok` once it is stored, otherwise the channel sends it again.
    fn notice_answer(&self, ok: bool) -> NoticeAnswer;
}

/// What a query says about a close, where the channel has none.
pub(crate) fn closed_by_query(told: QueryOutcome) -> CloseOutcome {
    match told {
        QueryOutcome::Paid(_) => CloseOutcome::Paid,
        QueryOutcome::Closed => CloseOutcome::Closed,
        QueryOutcome::NotFound => CloseOutcome::NotFound,
        QueryOutcome::NotPaid(_) => CloseOutcome::CannotClose,
        QueryOutcome::Unknown { why } => CloseOutcome::Unknown { why },
    }
}

/// A call whose outcome is known without I/O.
pub(crate) fn ready<'a, T: Send + 'a>(outcome: T) -> Call<'a, T> {
    Box::pin(std::future::ready(outcome))
}
