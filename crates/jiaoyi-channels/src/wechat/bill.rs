//! Fetching WeChat Pay's bills: asked for by a signed call, then downloaded from the address in its
//! answer, which is not signed and known by its SHA-1 instead.

use super::WechatGateway;
use super::call::{Answer, Refusal, Verb};
use crate::bill::{BillFault, BillOutcome, Bills, PlainHash};
use crate::gateway::Call;
use jiaoyi_domain::bill::BillSort;
use jiaoyi_domain::time::{Date, Instant};
use reqwest::Url;
use serde::Deserialize;
use std::io::Write;

#[derive(Deserialize)]
struct Offered {
    hash_type: String,
    hash_value: String,
    download_url: String,
}

fn unknown(why: impl Into<String>) -> BillOutcome {
    BillOutcome::Unknown { why: why.into() }
}

/// What a refusal says about the bill.
fn refused(refusal: &Refusal) -> BillOutcome {
    match refusal.plain_code().as_str() {
        "NOSTATEMENTEXIST" => BillOutcome::NoBill,
        "STATEMENTCREATING" => BillOutcome::NotYet,
        _ => unknown(format!("status {}, {}", refusal.status, refusal.code)),
    }
}

impl WechatGateway {
    fn bill_path(&self, sort: BillSort, day: Date) -> String {
        let path = match sort {
            BillSort::Trade => format!("tradebill?bill_date={day}&bill_type=ALL"),
            BillSort::Success => format!("tradebill?bill_date={day}&bill_type=SUCCESS"),
            BillSort::Refund => format!("tradebill?bill_date={day}&bill_type=REFUND"),
            BillSort::Funds => format!("fundflowbill?bill_date={day}&account_type=BASIC"),
        };
        let packed = if self.config.packed_bills {
            "&tar_type=GZIP"
        } else {
            ""
        };
        format!("/v3/bill/{path}{packed}")
    }

    async fn fetch_bill(
        &self,
        sort: BillSort,
        day: Date,
        file: &mut (dyn Write + Send),
        now: Instant,
        nonces: &[String; 2],
    ) -> BillOutcome {
        let path = self.bill_path(sort, day);
        let answer = self.call(Verb::Get, &path, Vec::new(), now, &nonces[0]);
        let offered = match answer.await {
            Answer::Good(body) => match serde_json::from_slice::<Offered>(&body) {
                Ok(offered) => offered,
                Err(_) => return unknown("the answer offers no bill"),
            },
            Answer::Refusal(refusal) => return refused(&refusal),
            Answer::Nothing { why } => return unknown(why),
        };
        if offered.hash_type != "SHA1" {
            return unknown(format!("hash_type {}", offered.hash_type));
        }
        match self.download(&offered, file, now, &nonces[1]).await {
            Ok(found) if found.eq_ignore_ascii_case(&offered.hash_value) => BillOutcome::Ready,
            Ok(found) => BillOutcome::Refused(BillFault::Hash {
                told: offered.hash_value,
                found,
            }),
            Err(why) => unknown(why),
        }
    }

    /// The SHA-1 of the plain text of what was downloaded.
    async fn download(
        &self,
        offered: &Offered,
        file: &mut (dyn Write + Send),
        now: Instant,
        nonce: &str,
    ) -> Result<String, String> {
        let url: Result<Url, _> = offered.download_url.parse();
        let url = url.map_err(|_| "download_url is not an address")?;
        // Our signature is for WeChat's eyes alone.
        if url.origin() != self.address("")?.origin() {
            return Err("download_url leads elsewhere".to_owned());
        }
        let headers = self.signed(Verb::Get, &url, b"", now, nonce).await?;
        let mut hash = PlainHash::new(file, self.config.packed_bills);
        let done = self.http.download(url, headers, &mut hash).await;
        match done.map_err(|why| why.to_string())? {
            200 => hash.finish().map_err(|error| error.to_string()),
            status => Err(format!("status {status} of the download")),
        }
    }
}

impl Bills for WechatGateway {
    fn daily(&self) -> &'static [BillSort] {
        &[BillSort::Trade, BillSort::Funds]
    }

    fn ready_hour(&self) -> i64 {
        10
    }

    fn fetch<'a>(
        &'a self,
        sort: BillSort,
        day: Date,
        file: &'a mut (dyn Write + Send),
        now: Instant,
        nonces: [String; 2],
    ) -> Call<'a, BillOutcome> {
        Box::pin(async move { self.fetch_bill(sort, day, file, now, &nonces).await })
    }
}
