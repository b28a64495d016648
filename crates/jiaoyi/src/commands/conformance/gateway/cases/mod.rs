//! The cases of a gateway, by what they are about.

mod bill;
mod clock;
mod close;
mod doubt;
mod lies;
mod notice;
mod order;
mod query;
mod refund;

use super::kit::Kit;
use crate::commands::conformance::play::{Case, case};
use jiaoyi_domain::channel::{ChannelCode, Close, Method};

type GatewayCase = Case<Kit>;

/// The cases of a channel, in the order in which they are played: those that look at a paid order
/// before those that use it up.
pub fn of(channel: ChannelCode) -> impl Iterator<Item = &'static GatewayCase> {
    let methods = || {
        Method::ALL
            .into_iter()
            .filter(move |m| m.channel() == channel)
    };
    let when = |there: bool, cases: &'static [GatewayCase]| if there { cases } else { &[] };
    let called = methods().any(Method::placed_by_call);
    let closes = methods().any(|method| method.close() != Close::None);
    let fresh = channel == ChannelCode::Wechat;
    let bank = matches!(channel, ChannelCode::Bank1 | ChannelCode::Bank2);
    [
        when(called, order::CALLED),
        order::CASES,
        query::CASES,
        when(closes, close::CLOSING),
        when(!closes, close::WITHOUT),
        lies::CASES,
        when(called, lies::CALLED),
        when(!bank, lies::NAMED_KEYS),
        doubt::CASES,
        when(called, doubt::CALLED),
        when(closes, doubt::CLOSING),
        clock::CASES,
        notice::CASES,
        when(fresh, notice::FRESH),
        bill::CASES,
        refund::CASES,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_gateway_has_its_cases_and_each_its_own_name() {
        for channel in ChannelCode::ALL {
            let names: Vec<&str> = of(channel).map(|case| case.name).collect();
            let apart: BTreeSet<&str> = names.iter().copied().collect();
            assert_eq!(apart.len(), names.len(), "{names:?}");
            assert!(names.len() >= 30, "{channel:?}: {}", names.len());
        }
        let has = |channel, name| of(channel).any(|case| case.name == name);
        assert!(has(ChannelCode::Wechat, "close.open") && !has(ChannelCode::Bank1, "close.open"));
        assert!(has(ChannelCode::Bank1, "close.cannot"));
    }
}
