//! What the gateway reports by itself. Only a sandbox can report to this machine.

use super::refund::settled;
use super::{GatewayCase, case};
use crate::commands::conformance::gateway::kit::{Kit, Order, PART, must};
use crate::commands::conformance::gateway::payer::Payer;
use crate::commands::conformance::gateway::wire::{Told, flip};
use crate::commands::conformance::play::{Miss, Ran};
use jiaoyi_domain::channel::{ChannelCode, News, Notice, NoticeRefusal, SeenPayment};
use jiaoyi_domain::time::MINUTE_MS;
use std::time::Duration;

pub const CASES: &[GatewayCase] = &[
    case!(
        "notice.payment",
        "a payment is reported, and the report says what a query says",
        payment
    ),
    case!(
        "notice.twice",
        "the same report again has the same id and says the same",
        twice
    ),
    case!(
        "notice.altered",
        "whichever byte of a report is another, it says nothing new",
        altered
    ),
    case!(
        "notice.unsigned",
        "a report without its signature is refused",
        unsigned
    ),
    case!(
        "notice.refund",
        "a refund is reported, or found by its query",
        refund
    ),
];

/// Where reports carry a time that is signed.
pub const FRESH: &[GatewayCase] = &[case!(
    "notice.stale",
    "a report that is sent again ten minutes later is refused",
    stale
)];

/// How long a sandbox may take for a report.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many bytes of a report are tried.
const PLACES: usize = 40;

fn read(kit: &Kit, told: &Told) -> Result<Notice, NoticeRefusal> {
    let headers = told.headers.iter();
    let headers: Vec<(String, String)> = headers
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    kit.gateway().read_notice(&headers, &told.body, kit.now())
}

/// The payment of an order, as it was reported.
fn reports(kit: &Kit, order: &Order) -> Vec<(Told, Notice, SeenPayment)> {
    let came = kit.desk.came().into_iter();
    came.filter_map(|told| {
        let notice = read(kit, &told).ok()?;
        match notice.news.clone() {
            News::Payment(seen) if seen.attempt_no == order.no() => Some((told, notice, seen)),
            News::Payment(_) | News::Refund { .. } | News::Other(_) => None,
        }
    })
    .collect()
}

async fn reported(kit: &Kit) -> Result<(Order, SeenPayment, Told, Notice), Miss> {
    if !matches!(kit.payer, Payer::Sandbox(_)) {
        return Err(Miss::NotRun(
            "a gateway elsewhere cannot report to this machine".to_owned(),
        ));
    }
    let (order, seen) = kit.paid().await?;
    let came = kit
        .until(PATIENCE, || async { reports(kit, &order).pop() })
        .await;
    let (told, notice, reported) = came.ok_or_else(|| {
        Miss::Failed(format!(
            "no report about {} that can be believed",
            order.no()
        ))
    })?;
    must(reported == seen, &format!("{seen:?}"), &reported)?;
    Ok((order, seen, told, notice))
}

async fn payment(kit: &Kit) -> Ran {
    reported(kit).await.map(drop)
}

async fn twice(kit: &Kit) -> Ran {
    let (order, ..) = reported(kit).await?;
    kit.pay_at_sandbox(&order).await?;
    let all = kit.until(PATIENCE, || async {
        Some(reports(kit, &order)).filter(|all| all.len() >= 2)
    });
    let all = all.await.unwrap_or_default();
    let said: Vec<_> = all
        .iter()
        .map(|(_, notice, seen)| (&notice.id, seen))
        .collect();
    let same = said.windows(2).all(|pair| pair[0] == pair[1]);
    must(said.len() >= 2 && same, "the same report twice", &said)
}

async fn altered(kit: &Kit) -> Ran {
    let (_, _, told, honest) = reported(kit).await?;
    let mut refused = 0;
    for place in 0..PLACES {
        let mut other = told.clone();
        flip(&mut other.body, place * 1_000 / PLACES);
        match read(kit, &other) {
            Err(_) => refused += 1,
            Ok(notice) => must(notice.news == honest.news, "nothing new", &notice.news)?,
        }
    }
    must(refused > PLACES / 2, "refusals", &refused)
}

async fn unsigned(kit: &Kit) -> Ran {
    let (_, _, mut told, _) = reported(kit).await?;
    kit.wire.speech().unsign_notice(&mut told);
    let outcome = read(kit, &told);
    must(outcome.is_err(), "a refusal", &outcome)
}

async fn stale(kit: &Kit) -> Ran {
    let (_, _, told, _) = reported(kit).await?;
    kit.off_ms.set(10 * MINUTE_MS);
    let outcome = read(kit, &told);
    must(
        outcome == Err(NoticeRefusal::StaleTime),
        "StaleTime",
        &outcome,
    )
}

async fn refund(kit: &Kit) -> Ran {
    reported(kit).await?;
    let (order, seen) = kit.take_paid().await?;
    let refund = kit.refund_of(&order, &seen, PART);
    kit.refund(&refund).await;
    settled(kit, &refund).await?;
    if kit.channel == ChannelCode::Alipay {
        // Its report tells the sum of all refunds, which proves no single one.
        return Ok(());
    }
    let no = refund.terms.no.as_str();
    let news = kit.until(PATIENCE, || async {
        let came = kit.desk.came();
        let mut news = came
            .iter()
            .filter_map(|told| Some(read(kit, told).ok()?.news));
        news.find(|news| matches!(news, News::Refund { refund_no, .. } if refund_no == no))
    });
    must(news.await.is_some(), "a report of the refund", &no)
}
