//! Fetching Alipay's bills: a signed answer tells where the zip lies for some seconds.

use super::answer::Answer;
use super::{AlipayGateway, Request};
use crate::bill::{BillOutcome, Bills};
use crate::gateway::Call;
use jiaoyi_domain::bill::BillSort;
use jiaoyi_domain::time::{Date, Instant};
use reqwest::Url;
use reqwest::header::HeaderMap;
use std::io::Write;

const METHOD: &str = "alipay.data.dataservice.bill.downloadurl.query";
/// There is no bill, whether nothing happened or it is not made yet.
const ABSENT: &str = "bill_not_exist";

fn unknown(why: impl Into<String>) -> BillOutcome {
    BillOutcome::Unknown { why: why.into() }
}

impl AlipayGateway {
    async fn fetch_bill(
        &self,
        sort: BillSort,
        day: Date,
        file: &mut (dyn Write + Send),
        now: Instant,
        nonce: &str,
    ) -> BillOutcome {
        if sort != BillSort::Trade {
            return unknown(format!("no bill of the sort {} is fetched", sort.code()));
        }
        let content = serde_json::json!({ "bill_type": "trade", "bill_date": day.to_string() });
        let content = content.to_string();
        let fields = match self.call(&Request::new(METHOD, &content), now, nonce).await {
            Answer::Told {
                fields,
                signed: true,
            } => fields,
            Answer::Told { fields, .. } => return unknown(format!("unsigned {}", fields.reason())),
            Answer::Nothing { why } => return unknown(why),
        };
        if fields.reason().trim_start_matches("isp.") == ABSENT {
            return BillOutcome::Absent;
        }
        let url = fields.text("bill_download_url");
        let Some(url) = url.and_then(|url| url.parse::<Url>().ok()) else {
            return unknown(format!("no address of a bill, {}", fields.reason()));
        };
        match self.http.download(url, HeaderMap::new(), file).await {
            Ok(200) => BillOutcome::Ready,
            Ok(status) => unknown(format!("status {status} of the download")),
            Err(why) => unknown(why.to_string()),
        }
    }
}

impl Bills for AlipayGateway {
    fn daily(&self) -> &'static [BillSort] {
        &[BillSort::Trade]
    }

    fn ready_hour(&self) -> i64 {
        9
    }

    fn fetch<'a>(
        &'a self,
        sort: BillSort,
        day: Date,
        file: &'a mut (dyn Write + Send),
        now: Instant,
        nonces: [String; 2],
    ) -> Call<'a, BillOutcome> {
        Box::pin(async move { self.fetch_bill(sort, day, file, now, &nonces[0]).await })
    }
}
