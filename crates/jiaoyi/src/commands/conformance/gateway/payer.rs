//! Whoever pays: the sandbox by its control interface, somebody who is shown what to pay, or nobody.

use super::kit::{Kit, Order};
use crate::commands::conformance::play::{Miss, Ran};
use crate::commands::conformance::report::escaped;
use crate::exit::note;
use jiaoyi_domain::channel::{Handover, PayForm, QueryOutcome, SeenPayment};
use reqwest::Url;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// How long a sandbox may take until a payment is told.
const SANDBOX_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked whether somebody has paid.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Who pays.
pub enum Payer {
    /// Where its control interface is.
    Sandbox(String),
    /// Somebody who has so long.
    Somebody(Duration),
    Nobody,
}

impl Kit {
    /// A call of the sandbox's control interface; not run where there is none.
    pub async fn control(&self, path: &str, body: &Value) -> Result<Value, Miss> {
        let Payer::Sandbox(base) = &self.payer else {
            return Err(Miss::NotRun(
                "only a sandbox does this on demand".to_owned(),
            ));
        };
        let url = format!("{base}/_sandbox/{path}");
        let request = self.http.post(&url).body(body.to_string());
        let failed = |error: reqwest::Error| Miss::Failed(format!("{url}: {error}"));
        let reply = request.send().await.map_err(failed)?;
        let status = reply.status();
        let text = reply.text().await.map_err(failed)?;
        match (status.is_success(), serde_json::from_str(&text)) {
            (true, Ok(told)) => Ok(told),
            _ => Err(Miss::Failed(format!("{url}: {status} {text}"))),
        }
    }

    /// Does what a browser does with a link or a form; the status that is answered.
    ///
    /// `None` for what no browser opens.
    pub async fn open(&self, handover: &Handover) -> Result<Option<u16>, Miss> {
        let request = match handover {
            Handover::Redirect(url) | Handover::Qr(url) if url.starts_with("http") => {
                self.http.get(url)
            }
            Handover::Form(form) => {
                let mut text = Url::parse("http://form").map_err(|e| e.to_string())?;
                text.query_pairs_mut().extend_pairs(&form.fields);
                let body = text.query().unwrap_or_default().to_owned();
                let kind = "application/x-www-form-urlencoded";
                self.http
                    .post(&form.action)
                    .header("content-type", kind)
                    .body(body)
            }
            Handover::Redirect(_) | Handover::Qr(_) | Handover::PrepayId(_) | Handover::Tn(_) => {
                return Ok(None);
            }
        };
        let reply = request.send().await.map_err(|error| error.to_string())?;
        let status = reply.status();
        let page = reply.bytes().await.map_err(|error| error.to_string())?;
        if status.is_success() && page.is_empty() {
            return Err(Miss::Failed("a browser is shown an empty page".to_owned()));
        }
        Ok(Some(status.as_u16()))
    }

    /// Pays an order that was handed over, and waits until the gateway tells so.
    pub async fn pay(&self, order: &Order, handover: &Handover) -> Result<SeenPayment, Miss> {
        let patience = match &self.payer {
            Payer::Nobody => {
                let why = "needs a payer: give --wait SECONDS and pay what is shown";
                return Err(Miss::NotRun(why.to_owned()));
            }
            Payer::Somebody(patience) => {
                self.show(handover, *patience)?;
                *patience
            }
            Payer::Sandbox(_) => {
                self.open(handover).await?;
                self.pay_at_sandbox(order).await?;
                SANDBOX_PATIENCE
            }
        };
        let seen = self.until(patience, || async {
            match self.query(order).await {
                QueryOutcome::Paid(seen) => Some(seen),
                QueryOutcome::NotPaid(_)
                | QueryOutcome::Closed
                | QueryOutcome::NotFound
                | QueryOutcome::Unknown { .. } => None,
            }
        });
        seen.await.ok_or_else(|| match self.payer {
            Payer::Somebody(_) => Miss::NotRun("nobody paid in time".to_owned()),
            Payer::Sandbox(_) | Payer::Nobody => Miss::Failed(format!(
                "{} was paid and the query does not say so",
                order.no()
            )),
        })
    }

    /// Lets the sandbox's payer pay, or its notice be sent again when it has paid.
    pub async fn pay_at_sandbox(&self, order: &Order) -> Ran {
        let body = json!({ "channel": self.channel.code(), "out_trade_no": order.no() });
        self.control("pay", &body).await.map(drop)
    }

    /// Asks again and again until there is an answer.
    pub async fn until<T, F: Future<Output = Option<T>>>(
        &self,
        patience: Duration,
        mut ask: impl FnMut() -> F,
    ) -> Option<T> {
        let end = tokio::time::Instant::now() + patience;
        loop {
            if let Some(found) = ask().await {
                return Some(found);
            }
            if tokio::time::Instant::now() >= end {
                return None;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

/// A page that sends the form as soon as it is opened.
fn page(form: &PayForm) -> String {
    let mut text = format!(
        "<!doctype html><meta charset=utf-8><title>Pay</title>\n\
         <body onload=\"document.forms[0].submit()\">\n<form method=post action=\"{}\">\n",
        escaped(&form.action)
    );
    for (name, value) in &form.fields {
        let (name, value) = (escaped(name), escaped(value));
        let _ = writeln!(
            text,
            "<input type=hidden name=\"{name}\" value=\"{value}\">"
        );
    }
    text.push_str("<button>Pay</button></form>\n");
    text
}

impl Kit {
    /// Shows somebody what is to be paid.
    fn show(&self, handover: &Handover, patience: Duration) -> Ran {
        let seconds = patience.as_secs();
        note(match handover {
            Handover::Qr(text) => {
                format!("make a QR code of this and pay it within {seconds} s: {text}")
            }
            Handover::Redirect(url) => format!("open this and pay within {seconds} s: {url}"),
            Handover::Form(form) => {
                let path = self.folder.join("pay.html");
                let written = std::fs::write(&path, page(form));
                written.map_err(|error| format!("{}: {error}", path.display()))?;
                let path = path.display();
                format!("open this page and pay within {seconds} s: {path}")
            }
            Handover::PrepayId(id) => format!("pay this prepay_id within {seconds} s: {id}"),
            Handover::Tn(tn) => format!("pay this tn within {seconds} s: {tn}"),
        });
        Ok(())
    }
}
