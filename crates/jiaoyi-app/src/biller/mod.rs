//! The biller API: institutions call us. What they may say and hear is written in
//! docs/biller-api.md.
//!
//! A call is verified over its raw bytes, read, *claimed* in a commit of its own, then decided; its
//! answer is signed. An error decides and stores nothing.

pub mod access;
mod auth;
mod calls;
mod day_file;
mod hooks;
mod profile;
mod query;
mod reconcile;
mod told;

pub(crate) use auth::Desk;
pub use auth::are_networks;
pub use profile::{Misread, Profile};
pub(crate) use reconcile::PLACE as DAY_FILE;

use crate::admission::Party;
use crate::platform::Platform;
use auth::{Header, Known};
use jiaoyi_domain::biller::ErrorCode;
use jiaoyi_domain::biller::wire::{Echo, Failed};
use jiaoyi_domain::decide::Refusal;
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::institution::{KeyScheme, Scope};
use jiaoyi_domain::time::SECOND_MS;
use jiaoyi_store::StoreError;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// One call as it came.
#[derive(Clone, Debug, Default)]
pub struct RawCall {
    /// The last part of the path.
    pub verb: String,
    /// Path and query exactly as sent.
    pub path: String,
    pub authorization: Option<String>,
    /// What the caller says it has signed, in Base64; for `echo-signature`.
    pub signed_string: Option<String>,
    pub content_type: String,
    /// How the body is written, when it is neither JSON nor a file.
    pub body_in: Option<Arc<dyn Profile>>,
    /// How the answer is to be written, when not in JSON.
    pub answer_in: Option<Arc<dyn Profile>>,
    /// The caller's network address.
    pub address: String,
    /// As sent, whatever it is written in: this is what was signed.
    pub body: Vec<u8>,
}

/// What a call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillerReply {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Why nothing was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    code: ErrorCode,
    message: String,
    field: Option<String>,
    retry_after_s: Option<u32>,
}

impl Failure {
    fn new(code: ErrorCode, message: &str) -> Failure {
        Failure {
            code,
            message: message.to_owned(),
            field: None,
            retry_after_s: None,
        }
    }

    fn bad(field: &str, message: &str) -> Failure {
        Failure {
            field: Some(field.to_owned()),
            ..Failure::new(ErrorCode::BadRequest, message)
        }
    }

    fn not_allowed(field: &str) -> Failure {
        let message = "the channel is not one of yours, or its row does not allow this";
        Failure {
            field: Some(field.to_owned()),
            ..Failure::new(ErrorCode::ChannelNotAllowed, message)
        }
    }

    fn mismatch() -> Failure {
        let message = "this seq was used with other content";
        Failure::new(ErrorCode::DuplicateMismatch, message)
    }

    fn limited(retry_after_s: u32) -> Failure {
        Failure {
            retry_after_s: Some(retry_after_s),
            ..Failure::new(ErrorCode::RateLimited, "too many calls; wait")
        }
    }

    fn reply(&self) -> BillerReply {
        let failed = Failed {
            code: self.code.code().to_owned(),
            message: self.message.clone(),
            field: self.field.clone(),
        };
        let retry = self.retry_after_s.map(|s| ("retry-after", s.to_string()));
        BillerReply {
            headers: retry.into_iter().collect(),
            ..json(self.code.status(), &failed)
        }
    }
}

/// The store could not decide: the caller does not know the outcome.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let code = error.code();
        let failure = match error {
            StoreError::Refused(Refusal::KeyReused) => return Failure::mismatch(),
            StoreError::Busy { retry_after_s } => Failure {
                retry_after_s: Some(retry_after_s),
                ..Failure::new(
                    ErrorCode::Busy,
                    "too much at once; ask again with the same seq",
                )
            },
            StoreError::Refused(Refusal::Changed) => Failure::new(
                ErrorCode::Busy,
                "the bill is changing; again with the same seq",
            ),
            StoreError::Unavailable { .. } | StoreError::Stopped | StoreError::Open { .. } => {
                Failure::new(ErrorCode::Unavailable, "the outcome is unknown; ask status")
            }
            StoreError::Refused(_) | StoreError::Damaged(_) | StoreError::Engine(_) => {
                Failure::new(ErrorCode::Internal, "the outcome is unknown; ask status")
            }
        };
        tracing::error!(
            code,
            answered = failure.code.code(),
            "a biller call was not decided"
        );
        failure
    }
}

const JSON: &str = "application/json; charset=utf-8";

fn json<T: serde::Serialize>(status: u16, body: &T) -> BillerReply {
    BillerReply {
        status,
        content_type: JSON,
        headers: Vec::new(),
        body: serde_json::to_vec(body).unwrap_or_default(),
    }
}

/// A decision's body, word for word.
fn decided(body: String) -> BillerReply {
    BillerReply {
        status: 200,
        content_type: JSON,
        headers: Vec::new(),
        body: body.into_bytes(),
    }
}

/// Reads a call's body; the error names the field where it can.
fn read<T: DeserializeOwned>(call: &RawCall) -> Result<T, Failure> {
    let body = call.json()?;
    let mut reader = serde_json::Deserializer::from_slice(&body);
    let misread = |field: String, error: serde_json::Error| Failure {
        field: Some(field),
        // What was sent may hold a name: only the place is told.
        ..Failure::new(
            ErrorCode::BadRequest,
            &format!(
                "not as documented, line {} column {}",
                error.line(),
                error.column()
            ),
        )
    };
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inside = error.path().iter().next().is_some();
        let path = inside.then(|| error.path().to_string());
        let error = error.into_inner();
        // A field that is missing or stands twice is not on the way to the place.
        let text = error.to_string();
        let mut whole = ["missing field `", "duplicate field `"].into_iter();
        let named = whole.find_map(|words| text.strip_prefix(words)?.split('`').next());
        let field = named.map(str::to_owned).or(path);
        misread(field.unwrap_or("body".to_owned()), error)
    })?;
    reader
        .end()
        .map_err(|error| misread("body".to_owned(), error))?;
    Ok(read)
}

/// The front end that a call names.
fn front_end(known: &Known, code: &str) -> Result<FrontEnd, Failure> {
    let front = FrontEnd::from_code(code).ok_or_else(|| Failure::bad("channel", "unknown"))?;
    if known.institution.has_front_end(front) {
        Ok(front)
    } else {
        Err(Failure::not_allowed("channel"))
    }
}

/// The verbs of the API, and the scope that each needs.
fn scope_of(verb: &str) -> Option<Scope> {
    match verb {
        "query" | "status" | "events" | "replay" => Some(Scope::Query),
        "collect" | "release" | "pay" => Some(Scope::Pay),
        "reverse" => Some(Scope::Reverse),
        "reconcile" => Some(Scope::Reconcile),
        _ => None,
    }
}

impl Platform {
    /// The institution that a header names, if this process knows it.
    pub(crate) fn biller_party(&self, authorization: Option<&str>) -> Party {
        let header = authorization.and_then(Header::parse);
        let named = header.and_then(|header| self.desk.institution(&header.inst_id));
        named.map_or(Party::Strangers, |institution| {
            Party::Institution(institution.inst_id.as_str().into())
        })
    }

    /// Answers one call of an institution.
    pub(crate) async fn biller(&self, call: RawCall) -> BillerReply {
        let header = match call.authorization.as_deref().and_then(Header::parse) {
            Some(header) => header,
            None => {
                let message = "Authorization is missing or not of the documented form";
                return call.answered(Failure::new(ErrorCode::AuthMalformed, message).reply());
            }
        };
        if let Err(error) = self.refresh_institutions().await {
            return call.answered(Failure::from(error).reply());
        }
        if call.verb == "echo-signature" {
            return self.echo(&header, &call);
        }
        let Some(known) = self.desk.known(&header, self.now()) else {
            let message = "this institution and key are not known, or the key does not hold now";
            return call.answered(Failure::new(ErrorCode::UnknownKey, message).reply());
        };
        let reply = match self.admitted(&known, &header, &call) {
            Ok(()) => self.answer(&known, &call).await,
            Err(failure) => Err(failure),
        };
        let reply = reply.unwrap_or_else(|failure| {
            tracing::info!(
                inst = header.inst_id,
                verb = call.verb,
                code = failure.code.code(),
                "refused"
            );
            failure.reply()
        });
        self.sign_answer(known.scheme, &header, &call, reply)
    }

    /// Whether a call may be read: its address, time, signature, nonce and scope.
    fn admitted(&self, known: &Known, header: &Header, call: &RawCall) -> Result<(), Failure> {
        let now = self.now();
        if !auth::address_allowed(&known.institution.addresses, &call.address) {
            let message = "the call comes from an address that is not yours";
            return Err(Failure::new(ErrorCode::AddressNotAllowed, message));
        }
        if !header.is_fresh(now) {
            let message = "the timestamp is more than 300 s from our time";
            return Err(Failure::new(ErrorCode::TimestampOutOfRange, message));
        }
        let fits = known.scheme == header.scheme
            && known
                .verifier
                .verify(&header.signed(call), &header.signature);
        if !fits {
            let message = "the signature does not fit the request";
            return Err(Failure::new(ErrorCode::SignatureWrong, message));
        }
        if !self.desk.first_time(header, now) {
            let message = "this nonce was used before";
            return Err(Failure::new(ErrorCode::NonceReused, message));
        }
        // On a test installation everybody is a test institution, and nowhere else.
        if known.institution.live == self.config.demo {
            let message = "test institutions call test installations only, live ones live ones";
            return Err(Failure::new(ErrorCode::TestOnly, message));
        }
        match scope_of(&call.verb) {
            Some(scope) if known.institution.has_scope(scope) => Ok(()),
            Some(_) => {
                let message = "your institution may not use this verb";
                Err(Failure::new(ErrorCode::ScopeMissing, message))
            }
            None => Err(Failure::new(ErrorCode::NoSuchVerb, "there is no such verb")),
        }
    }

    async fn answer(&self, known: &Known, call: &RawCall) -> Result<BillerReply, Failure> {
        match call.verb.as_str() {
            "query" => self.biller_query(known, read(call)?).await,
            "collect" => self.biller_collect(known, read(call)?).await,
            "release" => self.biller_release(known, read(call)?).await,
            "pay" => self.biller_pay(known, read(call)?, &call.body).await,
            "reverse" => self.biller_reverse(known, read(call)?).await,
            "status" => self.biller_status(known, read(call)?).await,
            "events" => self.biller_events(known, read(call)?).await,
            "replay" => self.biller_replay(known, read(call)?).await,
            _ => self.biller_reconcile(known, call).await,
        }
    }

    /// Signs an answer in the scheme of its request.
    fn sign_answer(
        &self,
        scheme: KeyScheme,
        header: &Header,
        call: &RawCall,
        reply: BillerReply,
    ) -> BillerReply {
        let Some((id, signer)) = self.keyring.answer_key(auth::call_scheme(scheme)) else {
            tracing::error!("there is no key to sign answers with; `jiaoyi keys answer` makes one");
            let message = "this installation cannot sign answers";
            return call.answered(Failure::new(ErrorCode::Unavailable, message).reply());
        };
        let mut reply = call.answered(reply);
        let (status, at) = (reply.status.to_string(), self.now().0.div_euclid(SECOND_MS));
        let at = at.to_string();
        let lines = [status.as_str(), &call.path, &at, &header.nonce];
        let text = jiaoyi_crypto::calls::string_to_sign(lines, &reply.body);
        let signature = signer.sign(&text, &mut |bytes| (self.random)(bytes));
        reply.headers.extend([
            ("biller-scheme", scheme.code().to_owned()),
            ("biller-key-id", id.to_owned()),
            ("biller-timestamp", at),
            ("biller-nonce", header.nonce.clone()),
            ("biller-signature", signature.unwrap_or_default()),
        ]);
        reply
    }

    /// Says what is wrong with a signature. It decides nothing and needs no right one.
    fn echo(&self, header: &Header, call: &RawCall) -> BillerReply {
        let now = self.now();
        let Some(institution) = self.desk.institution(&header.inst_id) else {
            let message = "this institution is not known";
            return call.answered(Failure::new(ErrorCode::UnknownKey, message).reply());
        };
        let known = self.desk.known(header, now);
        let ours = header.signed(call);
        let theirs = auth::told_string(call);
        let verifies = |text: &[u8]| {
            let known = known.as_ref().filter(|known| known.scheme == header.scheme);
            known.is_some_and(|known| known.verifier.verify(text, &header.signature))
        };
        let differs = theirs
            .as_deref()
            .and_then(|theirs| auth::differs(theirs, &ours));
        let place = differs.as_ref();
        let echo = Echo {
            signature: if verifies(&ours) { "ok" } else { "wrong" }.to_owned(),
            string_differs_at: place.map(|differs| differs.at),
            line: place.map(|differs| differs.line),
            line_name: place.map(|differs| differs.name.to_owned()),
            yours: place.map(|differs| differs.theirs.clone()),
            ours: place.map(|differs| differs.ours.clone()),
            signature_fits_your_string: theirs.as_deref().map(verifies),
            key_known: known.is_some(),
            timestamp_skew_s: header.skew_s(now),
            address_allowed: auth::address_allowed(&institution.addresses, &call.address),
            string_to_sign: auth::base64(&ours),
        };
        self.sign_answer(header.scheme, header, call, json(200, &echo))
    }

    /// Our public keys, as institutions take them.
    pub(crate) fn answer_keys_json(&self) -> String {
        let keys: Vec<serde_json::Value> = self
            .keyring
            .answer_keys()
            .map(|(id, key)| {
                let scheme = auth::key_scheme(key.scheme()).code();
                serde_json::json!({"key_id": id, "scheme": scheme, "public_key": key.public_pem()})
            })
            .collect();
        serde_json::json!({ "keys": keys }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiaoyi_domain::biller::wire::Query;

    #[test]
    fn who_comes_too_often_or_at_a_bad_time_is_told_when_to_come_again() {
        for failure in [
            Failure::limited(7),
            Failure::from(StoreError::Busy { retry_after_s: 7 }),
        ] {
            let reply = failure.reply();
            assert_eq!(
                reply.headers,
                [("retry-after", "7".to_owned())],
                "{reply:?}"
            );
            assert!([429, 503].contains(&reply.status), "{reply:?}");
        }
        let other = Failure::bad("channel", "unknown").reply();
        assert_eq!(
            (other.status, other.headers.as_slice()),
            (400, [].as_slice())
        );
    }

    #[test]
    fn a_field_that_is_not_known_or_missing_is_named() {
        let read_error = |body: &str| {
            let call = RawCall {
                content_type: "application/json".to_owned(),
                body: body.as_bytes().to_vec(),
                ..RawCall::default()
            };
            let failure = read::<Query>(&call).err().unwrap();
            (failure.code, failure.field.unwrap())
        };
        let named = |field: &str| (ErrorCode::BadRequest, field.to_owned());
        assert_eq!(read_error(r#"{"sum":1}"#), named("sum"));
        assert_eq!(read_error("[]"), named("body"));
        assert_eq!(read_error("{}"), named("pooling_region"));
        assert_eq!(read_error(r#"{"id_no":110105}"#), named("id_no"));
        assert_eq!(read_error(r#"{"benefit_year":"x"}"#), named("benefit_year"));
        assert_eq!(read_error(r#"{"name":"a","name":"a"}"#), named("name"));
        assert_eq!(read_error(r#"{"name":"#), named("name"));
    }
}
