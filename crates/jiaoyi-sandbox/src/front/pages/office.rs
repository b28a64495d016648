//! Answers for: an institution's back office: its books, and the end of its day.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::{View, button, fact, gone};
use crate::front::books::{self, Payment};
use crate::front::catalog::Institution;
use crate::front::day::{self, Hangs};
use crate::money::yuan;
use crate::server::Sandbox;
use crate::times::plain;

/// How many payments are listed, newest first.
const LISTED: usize = 50;

/// `GET /front/office/{code}`.
pub(crate) async fn show(
    State(sandbox): State<Arc<Sandbox>>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Response {
    let view = View::new(&headers, format!("/front/office/{code}"));
    match Institution::by_code(&code) {
        Some(institution) => page(&sandbox, &view, institution, &html! {}),
        None => gone(&view),
    }
}

#[derive(Deserialize)]
pub(crate) struct Day {
    day: String,
}

/// `POST /front/office/{code}`: ends an accounting day.
pub(crate) async fn end_day(
    State(sandbox): State<Arc<Sandbox>>,
    Path(code): Path<String>,
    headers: HeaderMap,
    Form(asked): Form<Day>,
) -> Response {
    let view = View::new(&headers, format!("/front/office/{code}"));
    let Some(institution) = Institution::by_code(&code) else {
        return gone(&view);
    };
    let told = match day::end(&sandbox, institution, &asked.day).await {
        Ok(_) => html! { p.card role="status" { "对账文件已送出，结果在下面。" } },
        Err(Hangs::Open(open)) => {
            html! { p.card.trouble role="alert" { "还有 " (open) " 笔没有结果，不能日终。" } }
        }
        Err(Hangs::Told(error)) => {
            html! {
                p.card.trouble role="alert" {
                    "平台没有收下文件：" (error.code) " "
                    span.small lang="en" { (error.message) }
                }
            }
        }
        Err(Hangs::Silence) => {
            html! { p.card.trouble role="alert" { "平台没有可信的回答，请再送一次。" } }
        }
    };
    page(&sandbox, &view, institution, &told)
}

fn page(sandbox: &Sandbox, view: &View, own: &Institution, told: &Markup) -> Response {
    let today = books::accounting_day(own, sandbox.now_ms());
    let books = sandbox.books();
    let fronts = &books.fronts;
    let totals = fronts.totals(own.code, None);
    let mut payments: Vec<&Payment> = fronts.payments_of(own.code, None).collect();
    payments.sort_by_key(|payment| std::cmp::Reverse(payment.taken_at_ms));
    let main = html! {
        (told)
        div.card {
            dl {
                (fact("机构号", own.inst_id))
                (fact("会计日", &today))
                (fact("收下", format!("{} 元", yuan(totals.taken_fen))))
                (fact("已缴", format!("{} 元，{} 笔", yuan(totals.paid_fen), totals.paid_count)))
                (fact("已退回", format!("{} 元", yuan(totals.returned_fen))))
                (fact("还没有结果", format!("{} 元", yuan(totals.held_fen))))
            }
        }
        form.card method="post" {
            label for="day" { "会计日 " span.small lang="en" { "Accounting day" } }
            input id="day" name="day" type="text" value=(today) required;
            p.small { "平台在会计日结束十分钟以后才收文件。" }
            (button("end", "日终，送对账文件", "End the day, send the day file", true))
        }
        @for ended in fronts.day_ends.iter().rev().filter(|ended| ended.code == own.code) {
            div.card { dl {
                (fact("日终", &ended.trace_date))
                (fact("我方", format!("{} 笔 {} 元", ended.count, yuan(ended.amount_fen))))
                (fact("平台", format!("{} 笔 {} 元", ended.answer.ours.count, yuan(ended.answer.ours.amount_fen))))
                (fact("结果", result(&ended.answer.state)))
                (fact("我多、我少、金额不同、状态不同", format!(
                    "{}、{}、{}、{}", ended.answer.long, ended.answer.short,
                    ended.answer.amount_differs, ended.answer.state_differs
                )))
            } }
        }
        h2 { "流水 " small lang="en" { "Payments" } }
        @if payments.is_empty() { p { "还没有。" } }
        ul {
            @for payment in payments.iter().take(LISTED) { (line(payment)) }
        }
    };
    view.plain(StatusCode::OK, own.name, "Back office", &main)
}

fn result(state: &str) -> &'static str {
    match state {
        "BALANCED" => "相符",
        _ => "不符",
    }
}

fn line(payment: &Payment) -> Markup {
    html! {
        li {
            strong { (yuan(payment.amount_fen)) " 元" } " " span.tag { (payment.standing()) }
            br;
            span.small {
                (plain(payment.taken_at_ms)) " · " (payment.sub_channel) " · " (payment.payer_masked)
                " · " (payment.seq)
                @if !payment.caller.is_empty() {
                    " · " (payment.clerk) " 代 " (payment.caller) " 办理"
                }
            }
        }
    }
}
