//! How calls and answers are written on the wire, when not as JSON.
//!
//! The door brings a translator with the call. Everything behind this file reads and writes JSON;
//! what is signed, either way, is what goes over the wire.

use super::{BillerReply, Failure, JSON, RawCall};
use std::borrow::Cow;
use std::fmt;

/// Another way to write the fields of the contract.
pub trait Profile: fmt::Debug + Send + Sync {
    /// The body of a call of this verb, as JSON.
    ///
    /// # Errors
    ///
    /// [`Misread`] when it is not of this form, or has other fields than the verb.
    fn to_json(&self, verb: &str, body: &[u8]) -> Result<Vec<u8>, Misread>;

    /// The body of an answer.
    fn of_json(&self, json: &[u8]) -> Vec<u8>;

    /// The content type of such an answer.
    fn content_type(&self) -> &'static str;
}

/// Why a body could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// The place, as an error names it.
    pub field: String,
    pub message: String,
}

impl From<Misread> for Failure {
    fn from(why: Misread) -> Failure {
        Failure::bad(&why.field, &why.message)
    }
}

impl RawCall {
    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Cow<'_, [u8]>, Failure> {
        match &self.body_in {
            Some(profile) => Ok(Cow::Owned(profile.to_json(&self.verb, &self.body)?)),
            None => Ok(Cow::Borrowed(&self.body)),
        }
    }

    /// An answer as this call wants it written. A file stays as it is.
    pub(super) fn answered(&self, reply: BillerReply) -> BillerReply {
        match &self.answer_in {
            Some(profile) if reply.content_type == JSON => BillerReply {
                content_type: profile.content_type(),
                body: profile.of_json(&reply.body),
                ..reply
            },
            Some(_) | None => reply,
        }
    }
}
