//! Answers for: the pages of a visit up to the payment: taps, person, bills, check.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::{View, button, fact, gone, outcome, trouble};
use crate::front::books::{Person, Step, Visit};
use crate::front::catalog::{Front, Login, Means, Place};
use crate::front::wire::{Bill, BillStatus};
use crate::front::wording::{self, MISHAPS, REGIONS};
use crate::money::yuan;
use crate::server::Sandbox;
use crate::times::plain;

#[derive(Deserialize)]
pub(crate) struct At {
    /// How many taps were made; without it all.
    tap: Option<usize>,
    /// The printed slip of a payment.
    slip: Option<String>,
}

/// `GET /front/{slug}/{visit}`: the page that the visit has come to.
pub(crate) async fn show(
    State(sandbox): State<Arc<Sandbox>>,
    Path((slug, token)): Path<(String, String)>,
    Query(at): Query<At>,
    headers: HeaderMap,
) -> Response {
    let here = format!("/front/{slug}/{token}");
    let view = View::new(&headers, here.clone());
    let known = {
        let books = sandbox.books();
        let visit = books.fronts.visits.get(&token).cloned();
        visit.filter(|visit| visit.front.slug == slug).map(|visit| {
            let key = (visit.front.slug, visit.user.clone().unwrap_or_default());
            let bound = books.fronts.users.get(&key).map(|user| user.bound.clone());
            let seq = visit.seq.as_ref();
            let payment = seq.and_then(|seq| books.fronts.payments.get(seq).cloned());
            (visit, bound.unwrap_or_default(), payment)
        })
    };
    let Some((visit, bound, payment)) = known else {
        return gone(&view);
    };
    let taps = at.tap.filter(|tap| *tap < visit.front.taps.len());
    match (taps, visit.step, payment) {
        (Some(tap), _, _) => tap_page(&view, visit.front, &here, tap),
        (None, Step::Done, Some(payment)) if at.slip.is_some() => {
            outcome::slip(&view, &visit, &payment)
        }
        (None, Step::Done, Some(payment)) => {
            let portal = sandbox
                .config
                .front
                .as_ref()
                .map(|link| link.platform_url.as_str());
            outcome::page(&view, &visit, &payment, &here, portal)
        }
        (None, Step::Bills, _) => bills_page(&view, &visit),
        (None, Step::Check, _) => check_page(&view, &visit, sandbox.now_ms()),
        (None, Step::Person | Step::Done, _) => person_page(&view, &visit, &bound),
    }
}

fn tap_page(view: &View, front: &Front, here: &str, tap: usize) -> Response {
    let made = front.taps[..tap].join(" › ");
    let next = front.taps[tap];
    let main = html! {
        @if !made.is_empty() { p.path { (made) } }
        a.btn.main href=(format!("{here}?tap={}", tap + 1)) { (next) }
        p.small { "真实入口这里还有别的服务，演示里只有这一条路。" }
    };
    let title = tap
        .checked_sub(1)
        .map_or(front.name, |last| front.taps[last]);
    view.page(front, title, front.english, &main)
}

/// A radio button with its words.
fn pick(name: &str, value: &str, words: &Markup, checked: bool) -> Markup {
    html! {
        label.pick {
            input type="radio" name=(name) value=(value) checked[checked];
            span { (words) }
        }
    }
}

fn relation(front: &Front) -> Markup {
    html! {
        @if front.asks_for_whom {
            fieldset {
                legend { "给谁缴 " span.small lang="en" { "For whom" } }
                (pick("relation", "self", &html! { "本人" }, true))
                (pick("relation", "other", &html! { "代他人缴费" }, false))
            }
        }
    }
}

fn person_page(view: &View, visit: &Visit, bound: &[Person]) -> Response {
    let front = visit.front;
    let Person {
        name,
        id_no,
        region,
    } = &visit.person;
    let main = html! {
        p.path { (front.taps.join(" › ")) }
        @if let Some(clerk) = &visit.clerk {
            p.small {
                "经办 " (clerk.number)
                @if !clerk.caller.is_empty() { "，代 " (clerk.caller) " 办理，已记录" }
            }
        }
        (trouble(visit.trouble.as_deref()))
        @for (which, person) in bound.iter().enumerate() {
            form.card method="post" {
                input type="hidden" name="which" value=(which);
                p { strong { (masked(&person.name)) } " " (tail(&person.id_no)) }
                (button("bound", "查询这个人", "Look up this person", true))
            }
        }
        form.card method="post" {
            (relation(front))
            @if !front.kinds.is_empty() {
                fieldset {
                    legend { "险种 " span.small lang="en" { "Kind of insurance" } }
                    @for (place, kind) in front.kinds.iter().enumerate() {
                        (pick("kind", kind, &html! { (kind) }, place == 0))
                    }
                }
            }
            label for="name" { "姓名 " span.small lang="en" { "Name" } }
            input id="name" name="name" type="text" value=(name) autocomplete="off";
            label for="id_no" { "身份证号 " span.small lang="en" { "ID number" } }
            input id="id_no" name="id_no" type="text" value=(id_no) autocomplete="off" maxlength="18";
            label for="region" { "参保地 " span.small lang="en" { "Region" } }
            select id="region" name="region" {
                @for (code, words) in REGIONS {
                    option value=(code) selected[code == region] { (words) }
                }
            }
            (button("find", front.find, "Look up", bound.is_empty()))
        }
    };
    let (title, english) = match (front.binds, front.login) {
        (true, _) if bound.is_empty() => ("绑定参保人", "Bind a person once"),
        (true, _) => ("我的参保人", "My persons"),
        (false, Login::StaffForCaller) => ("代办居民医保缴费", "Pay for a caller"),
        (false, _) => ("居民医保缴费", "Resident medical insurance"),
    };
    view.page(front, title, english, &main)
}

/// `王桂兰` as `*桂兰`.
fn masked(name: &str) -> String {
    let rest: String = name.chars().skip(1).collect();
    format!("*{rest}")
}

fn tail(id_no: &str) -> String {
    let last: String = id_no.chars().skip(14).collect();
    format!("尾号 {last}")
}

fn bills_page(view: &View, visit: &Visit) -> Response {
    let (name, bills) = match &visit.found {
        Some(found) => (found.name_masked.as_str(), found.bills.as_slice()),
        None => ("", [].as_slice()),
    };
    let main = html! {
        (trouble(visit.trouble.as_deref()))
        @if bills.is_empty() { p.card { "没有应缴的账单。" } }
        @for (which, bill) in bills.iter().enumerate() {
            div.card {
                dl {
                    (fact("参保人", name))
                    (fact("年度", bill.benefit_year))
                    (fact("类别", &bill.category_name))
                    (fact("应缴", format!("{} 元", yuan(bill.amount_fen))))
                }
                @if bill.status == BillStatus::Payable {
                    form method="post" {
                        input type="hidden" name="which" value=(which);
                        (button("open", "打开这一笔", "Open this bill", true))
                    }
                } @else {
                    p { span.tag { (status(bill)) } }
                }
            }
        }
        form method="post" { (button("anew", "查别的人", "Look up somebody else", false)) }
    };
    view.page(visit.front, "应缴账单", "Bills", &main)
}

fn status(bill: &Bill) -> String {
    match bill.status {
        BillStatus::Payable => "可以缴".to_owned(),
        BillStatus::Locked => match &bill.lock {
            Some(lock) => format!(
                "{}正在缴费，到 {}",
                wording::channel(&lock.channel),
                clock(&lock.until)
            ),
            None => "有人正在缴费".to_owned(),
        },
        BillStatus::Paid => match &bill.paid {
            Some(paid) => format!(
                "已缴：{}，{}",
                wording::channel(&paid.channel),
                clock(&paid.at)
            ),
            None => "已缴".to_owned(),
        },
        BillStatus::NotYet => "还没开始缴费".to_owned(),
        BillStatus::Closed => "缴费期已过".to_owned(),
        BillStatus::NothingToPay => "全额资助，不用付钱".to_owned(),
        BillStatus::Withdrawn => "已撤销".to_owned(),
        BillStatus::Unknown => "现在不能缴".to_owned(),
    }
}

/// An RFC 3339 time as people read it.
fn clock(at: &str) -> String {
    at.get(..16).unwrap_or(at).replace('T', " ")
}

fn check_page(view: &View, visit: &Visit, now_ms: i64) -> Response {
    let front = visit.front;
    let (Some(found), Some(bill)) = (&visit.found, visit.bill()) else {
        return gone(view);
    };
    let locks = front.place.lock_ms().is_some();
    let until = visit.locked_until_ms.filter(|until| *until > now_ms);
    let main = html! {
        (trouble(visit.trouble.as_deref()))
        div.card {
            p.amount { (yuan(bill.amount_fen)) " 元" }
            dl {
                (fact("参保人", &found.name_masked))
                (fact("证件号", &found.document_masked))
                (fact("年度", bill.benefit_year))
                (fact("类别", &bill.category_name))
                @for item in &bill.items {
                    (fact(&item.name, format!("{} 元", yuan(item.amount_fen))))
                }
                @if bill.gross_fen > bill.amount_fen {
                    (fact("其中由他人出资", format!("{} 元", yuan(bill.gross_fen - bill.amount_fen))))
                }
                @if let Some(day) = &bill.due_to { (fact("缴费截止", day)) }
                @if let Some(day) = &bill.benefit_first { (fact("待遇开始", day)) }
            }
        }
        @if let Some(paid) = &bill.paid {
            p.card { "已缴：" (wording::channel(&paid.channel)) "，" (clock(&paid.at)) }
        }
        p { "请核对姓名、年度和金额。缴成以后不能在这里改，要改请找医保经办。" }
        @if locks && until.is_none() {
            form method="post" {
                (button("collect", lock_words(front.place), "Lock the bill, then take the money", true))
            }
        } @else {
            (pay_form(front, bill, until))
        }
        form method="post" { (button("cancel", "取消", "Cancel", false)) }
    };
    view.page(front, "核对", "Check", &main)
}

fn lock_words(place: Place) -> &'static str {
    match place {
        Place::Machine => "锁定账单，放钞或插卡",
        Place::Counter | Place::Online => "锁定账单，开始收款",
    }
}

fn pay_form(front: &Front, bill: &Bill, until: Option<i64>) -> Markup {
    let fen = bill.amount_fen;
    html! {
        @if let Some(until) = until {
            p.card { "账单已锁定到 " strong { (plain(until)) } "，别处暂时不能缴。" }
        }
        form method="post" {
            fieldset {
                legend { "怎么付 " span.small lang="en" { "How to pay" } }
                @for (place, means) in front.means.iter().enumerate() {
                    (pick("means", means.code(), &means_words(*means, fen), place == 0))
                }
            }
            (button("pay", &format!("{} {} 元", front.pay, yuan(fen)), "Pay", true))
            details {
                summary { "演示：让它出点差错" }
                fieldset {
                    legend { "出什么差错 " span.small lang="en" { "What goes wrong" } }
                    (pick("mishap", "", &html! { "不出差错" }, true))
                    @for (name, chinese, english) in MISHAPS {
                        @if name != "jam" || front.place != Place::Online {
                            (pick("mishap", name, &html! { (chinese) " " small.small lang="en" { (english) } }, false))
                        }
                    }
                }
                (button("low", "余额不足", "Balance too low", false))
            }
        }
    }
}

/// Notes of 100 yuan go in, change comes out.
fn means_words(means: Means, fen: u64) -> Markup {
    let (chinese, english) = means.words();
    let notes = fen.div_ceil(10_000);
    html! {
        (chinese) " " small.small lang="en" { (english) }
        @if means == Means::Cash {
            small.small { " 放入 " (notes) " 张 100 元，找零 " (yuan(notes * 10_000 - fen)) " 元" }
        }
    }
}
