//! Our clock and the gateway's.

use super::query::is_open;
use super::{GatewayCase, case};
use crate::commands::conformance::gateway::kit::{Kit, must};
use crate::commands::conformance::play::{Miss, Ran};
use jiaoyi_domain::channel::{ChannelCode, QueryOutcome};
use jiaoyi_domain::time::{Instant, MINUTE_MS};

pub const CASES: &[GatewayCase] = &[
    case!(
        "clock.near",
        "the gateway's clock and ours are less than a minute apart",
        near
    ),
    case!(
        "clock.ahead",
        "with our clock half an hour ahead nothing false is learnt",
        ahead
    ),
    case!(
        "clock.behind",
        "with our clock half an hour behind nothing false is learnt",
        behind
    ),
];

async fn near(kit: &Kit) -> Ran {
    let order = kit.order(kit.method());
    kit.query(&order).await;
    let told = kit.wire.last();
    let told = told.ok_or_else(|| Miss::Failed("nothing came over the wire".to_owned()))?;
    let header = |name: &str| told.headers.get(name)?.to_str().ok()?.parse::<i64>().ok();
    // WeChat in seconds, Alipay v3 in milliseconds; others tell no time.
    let at = header("wechatpay-timestamp").map(|s| Instant(s * 1_000));
    let Some(at) = at.or_else(|| header("alipay-timestamp").map(Instant)) else {
        return Err(Miss::NotRun("its answers tell no time".to_owned()));
    };
    let off_ms = kit.now().since_ms(at).abs();
    must(off_ms < MINUTE_MS, "less than a minute", &off_ms)
}

async fn shifted(kit: &Kit, off_ms: i64) -> Ran {
    let (order, _) = kit.placed_with(kit.in_browser()).await?;
    let honest = kit.query(&order).await;
    must(is_open(kit, &honest), "an order that is not paid", &honest)?;
    kit.off_ms.set(off_ms);
    let outcome = kit.query(&order).await;
    let doubted = matches!(outcome, QueryOutcome::Unknown { .. });
    // WeChat refuses the call, and we would not believe an answer of another time.
    let may_be_told = kit.channel != ChannelCode::Wechat && outcome == honest;
    must(doubted || may_be_told, "Unknown, or the truth", &outcome)
}

async fn ahead(kit: &Kit) -> Ran {
    shifted(kit, 30 * MINUTE_MS).await
}

async fn behind(kit: &Kit) -> Ran {
    shifted(kit, -30 * MINUTE_MS).await
}
