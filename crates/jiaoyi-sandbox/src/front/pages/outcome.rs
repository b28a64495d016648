//! Answers for: what became of a payment, in the payer's words: first whose the money is, then why,
//! then what to do. And the printed slip.

use axum::http::{HeaderValue, header};
use axum::response::Response;
use maud::{Markup, html};

use super::{View, button, fact};
use crate::front::books::{Payment, State, Visit};
use crate::front::catalog::{Means, Place};
use crate::front::wording;
use crate::money::yuan;
use crate::times::{plain, time_of_day};

/// What the page says: title, English, money, what to do.
struct Said {
    title: &'static str,
    english: &'static str,
    money: String,
    what: (&'static str, &'static str),
}

fn said(payment: &Payment) -> Said {
    let amount = yuan(payment.amount_fen);
    let (back, _) = Means::by_code(payment.means).map_or(("已退回", ""), Means::way_back);
    let returned = format!("钱：没有缴成，{back}，{amount} 元。");
    match &payment.state {
        _ if payment.is_open() => Said {
            title: "还在确认",
            english: "Not known yet",
            money: format!("钱：已收下 {amount} 元，还不知道平台收到没有。"),
            what: (
                "请不要再付一次。我们会一直问到有结果：不是缴成，就是全部退给您。",
                "Do not pay again. It ends with a receipt, or with all the money back.",
            ),
        },
        State::Asked | State::Paid(_) => Said {
            title: "缴费成功",
            english: "Paid",
            money: format!("钱：已缴 {amount} 元。"),
            what: ("请留好回执号。", "Keep the receipt number."),
        },
        State::Refused { code } => Said {
            title: "没有缴成",
            english: "Not paid",
            money: returned,
            what: wording::of(code),
        },
        State::Reversed { .. } => Said {
            title: "没有缴成，已冲正",
            english: "Not paid: reversed",
            money: returned,
            what: (
                "这一笔当作没有发生，可以重新缴。",
                "It counts as if it had never been; you may pay again.",
            ),
        },
        State::NotFound => Said {
            title: "没有缴成",
            english: "Not paid",
            money: returned,
            what: (
                "平台没有收到，以后也不会收这一笔，可以重新缴。",
                "It never arrived and never will; you may pay again.",
            ),
        },
    }
}

/// The page after paying; it asks for itself again while the outcome is open.
pub(super) fn page(
    view: &View,
    visit: &Visit,
    payment: &Payment,
    here: &str,
    portal: Option<&str>,
) -> Response {
    let told = said(payment);
    let open = payment.is_open();
    let main = html! {
        div.card.money role="status" { p { (told.money) } }
        p { (told.what.0) " " span.small lang="en" { (told.what.1) } }
        div.card { dl { (facts(payment)) } }
        @if !open { (after(visit, payment, here, portal)) }
        details {
            summary { "经过" }
            ul.story {
                @for (at_ms, words) in &payment.story {
                    li { (time_of_day(*at_ms)) " " (words) }
                }
            }
        }
    };
    let mut response = view.page(visit.front, told.title, told.english, &main);
    if open {
        let again = HeaderValue::from_static("3");
        response.headers_mut().insert(header::REFRESH, again);
    }
    response
}

fn facts(payment: &Payment) -> Markup {
    let means = Means::by_code(payment.means).map_or("", |means| means.words().0);
    html! {
        (fact("参保人", &payment.payer_masked))
        (fact("年度", payment.benefit_year))
        (fact("金额", format!("{} 元（{means}）", yuan(payment.amount_fen))))
        (fact("时间", plain(payment.taken_at_ms)))
        (fact("流水号", &payment.seq))
        @if let State::Paid(receipt) = &payment.state {
            (fact("平台回执号", &receipt.receipt_no))
            (fact("电子凭证号", &receipt.voucher_no))
            (fact("校验码", &receipt.check_code))
        }
        @if let State::Refused { code } = &payment.state { (fact("原因代码", code)) }
        @if !payment.clerk.is_empty() { (fact("经办", &payment.clerk)) }
        @if !payment.caller.is_empty() { (fact("代办（已记录）", &payment.caller)) }
    }
}

fn after(visit: &Visit, payment: &Payment, here: &str, portal: Option<&str>) -> Markup {
    let staff = visit.front.place == Place::Counter;
    html! {
        @if let State::Paid(receipt) = &payment.state {
            @if visit.front.place != Place::Online {
                a.btn.main href=(format!("{here}?slip=1")) { "打印回单" small lang="en" { "Print the slip" } }
            }
            @if let Some(portal) = portal {
                a.btn href=(format!("{portal}/v/{}", receipt.voucher_no)) {
                    "看电子缴费凭证" small lang="en" { "Electronic voucher" }
                }
            }
            @if staff {
                form method="post" { (button("undo", "当日撤销（冲正）", "Undo it today", false)) }
            }
        }
        form method="post" { (button("anew", "再办一笔", "Another one", false)) }
    }
}

/// The slip of a machine or counter.
pub(super) fn slip(view: &View, visit: &Visit, payment: &Payment) -> Response {
    let title = match payment.state {
        State::Paid(_) if !payment.is_open() => "缴费回单",
        _ => "交易凭条",
    };
    let main = html! {
        div.slip {
            p { strong { (visit.front.owner) " " (title) "（模拟，不作凭证）" } }
            dl { (facts(payment)) (fact("结果", said(payment).title)) }
            p { "签名：＿＿＿＿＿＿" }
        }
        p.small { "用浏览器的打印功能打印，只会印出虚线里的内容。" }
        a.btn href=(view.here()) { "返回" small lang="en" { "Back" } }
    };
    view.page(visit.front, title, "Slip", &main)
}
