//! Every status that a payer can be shown is reached by walking pages, and says first whether money
//! was taken.

use crate::harness::{Channel, MINUTE, Page, Payer, SECOND, World};
use jiaoyi_app::portal::OrderStatus;
use serde_json::json;

/// How a status is reached; `None` where the two wallets alone cannot show it.
async fn reach(status: OrderStatus) -> Option<Page> {
    let world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let wechat = Channel::Wechat;
    if status == OrderStatus::ChannelDown {
        let times = json!({ "times": 3 });
        world.fault(wechat, "create", "error_before", times).await;
        let check = payer.look_up(&person).await;
        let methods = payer.choose(&check).await;
        return Some(ended(world, payer.start(&methods, wechat).await).await);
    }
    if status == OrderStatus::Failed {
        // The channel refuses to take the order at all.
        let more = json!({ "code": "PARAM_ERROR", "times": 3 });
        world.fault(wechat, "create", "error_before", more).await;
        let check = payer.look_up(&person).await;
        let methods = payer.choose(&check).await;
        return Some(ended(world, payer.start(&methods, wechat).await).await);
    }
    let wallet = payer.walk_to_wallet(&world, &person, wechat).await;
    match status {
        OrderStatus::ToPay | OrderStatus::Failed | OrderStatus::ChannelDown => {}
        OrderStatus::Confirming => {
            world.fault(wechat, "query", "lose", json!({})).await;
            payer.press(&wallet, "no_result").await;
        }
        OrderStatus::Paid => {
            payer.press(&wallet, "pay").await;
        }
        OrderStatus::Cancelled => {
            payer.cancel(&wallet.order).await;
        }
        OrderStatus::Expired => {
            world.pass(16 * MINUTE).await;
            world.pass(12 * MINUTE).await;
        }
        OrderStatus::Abandoned => {
            world
                .fault(wechat, "close", "error_before", json!({}))
                .await;
            payer.cancel(&wallet.order).await;
        }
        OrderStatus::RefundPending | OrderStatus::Refunded | OrderStatus::RefundManual => {
            if status == OrderStatus::RefundManual {
                let more = json!({ "code": "ABNORMAL" });
                world.fault(wechat, "refund", "contradict", more).await;
            }
            world.turn(4 * MINUTE);
            let mut family = Payer::new(&world);
            family.pay(&world, &person, Channel::Alipay).await;
            payer.press(&wallet, "pay").await;
            if status != OrderStatus::RefundPending {
                world.work().await;
                world.pass(3 * SECOND).await;
                world.pass(30 * SECOND).await;
            }
        }
        OrderStatus::Disputed => {
            let more = json!({ "amount_fen": 39_900 });
            world.play(&wallet, more).await;
        }
        // Giving premium back needs a member of staff who approves it.
        OrderStatus::Returned => {
            let mut world = world;
            world.end().await;
            return None;
        }
    }
    let page = payer.order(&wallet.order).await;
    Some(ended(world, page).await)
}

async fn ended(mut world: World, page: Page) -> Page {
    // What is under way is finished, so that the books of both sides can be compared.
    world.pass(2 * MINUTE).await;
    world.holds().await;
    world.end().await;
    page
}

/// What the page must say of the money.
const fn words(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::ToPay => "还没有收到付款",
        OrderStatus::Confirming | OrderStatus::Disputed => "可能已扣款",
        OrderStatus::Paid => "已扣款",
        OrderStatus::Cancelled
        | OrderStatus::Expired
        | OrderStatus::Failed
        | OrderStatus::ChannelDown => "没有扣款",
        OrderStatus::Abandoned => "没有看到扣款",
        OrderStatus::RefundPending => "正在退回",
        OrderStatus::Refunded => "已原路退回",
        OrderStatus::RefundManual => "退款要人工办理",
        OrderStatus::Returned => "保费已退回",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_is_reached() {
    let mut unreached = Vec::new();
    for status in OrderStatus::ALL {
        match reach(status).await {
            Some(page) => {
                let told = page.code().replace('_', "");
                let wanted = format!("order.{status:?}").to_ascii_lowercase();
                assert_eq!(told, wanted, "{}", page.words());
                page.says(words(status));
            }
            None => unreached.push(status),
        }
    }
    assert_eq!(unreached, [OrderStatus::Returned]);
}
