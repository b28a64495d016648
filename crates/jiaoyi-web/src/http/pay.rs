//! From the question for whom to the wallet.
//!
//! The sealed reference of a bill travels in cookies between pages and in hidden fields of the
//! forms that act, never in an address; the form's own reference is the one that counts, so two
//! tabs cannot mix.

use super::asker::{Asker, cookie};
use super::{Answered, Fields, Lenient, WebState, relation, see_other, show};
use crate::look::Browser;
use crate::pages::check::{Checking, check as check_page};
use crate::pages::method as ways;
use crate::pages::person::{DOCUMENT_KINDS, PersonForm, RegionStep, person as person_page};
use crate::pages::trouble::Trouble;
use crate::pages::{home, method as method_page};
use crate::shell::Page;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use jiaoyi_app::portal::{
    BillState, BillView, FieldProblem, LookupAnswer, LookupRequest, Next, RegionView, StartAnswer,
    StartRequest,
};
use jiaoyi_domain::channel::Method;
use serde::Deserialize;

/// How long a sealed reference may be used.
const BILL_S: u32 = 30 * 60;
/// How long WeChat may take to send a visitor back.
const STATE_S: u32 = 10 * 60;
/// How long an openid is remembered; a refusal only as long as a look-up.
const OPENID_S: u32 = 30 * 24 * 3600;
/// At most so many hits are offered; more means that the text says too little.
const HITS_MAX: usize = 12;

/// `GET /pay`
pub async fn who(Extension(asker): Extension<Asker>) -> Response {
    show(home::who(&asker.look))
}

/// The query of `/pay/person`.
#[derive(Debug, Default, Deserialize)]
pub struct PersonQuery {
    #[serde(default)]
    relation: String,
    #[serde(default)]
    change: String,
}

/// `GET /pay/person`
pub async fn person(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Lenient(query): Lenient<PersonQuery>,
) -> Answered {
    let mut form = PersonForm {
        relation: relation(&query.relation).to_owned(),
        document_kind: DOCUMENT_KINDS[0].0.to_owned(),
        form_key: state.token(),
        ..PersonForm::default()
    };
    if let (false, Some(held)) = (query.change.is_empty(), Held::read(&asker, cookie::BILLS))
        && let Some(reference) = held.references.first()
        && let Some(bill) = state.portal.bill(&asker.visitor, reference).await?
    {
        form.relation = held.relation.to_owned();
        form.name = bill.name;
        form.region = bill.region_zh;
        form.changing = true;
    }
    Ok(show(person_page(&asker.look, &form)))
}

/// `POST /pay/person`
pub async fn look_up(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    fields: Fields,
) -> Answered {
    let mut form = PersonForm {
        relation: fields.relation().to_owned(),
        name: fields.text("name"),
        document_kind: fields.text("document_kind"),
        document: fields.text("document"),
        region: fields.text("region"),
        form_key: state.token(),
        ..PersonForm::default()
    };
    if fields.find("search").is_some() {
        return Ok(show(person_page(&asker.look, &form)));
    }
    if let Some(code) = fields.find("browse") {
        form.region_step = browse(&state, code).await?;
        return Ok(show(person_page(&asker.look, &form)));
    }
    let region = match find_region(&state, &fields, &form.region).await? {
        Ok(region) => region,
        Err(step) => {
            form.region_step = step;
            form.problems = missing(&form);
            return Ok(show(person_page(&asker.look, &form)));
        }
    };
    // The Chinese path, because the search takes it as exactly this region in any language.
    form.region.clone_from(&region.path_zh);
    let request = LookupRequest {
        name: form.name.clone(),
        document_kind: form.document_kind.clone(),
        document: form.document.clone(),
        region: region.code,
    };
    let key = fields.get("form_key");
    match state.portal.lookup(&asker.visitor, request, key).await? {
        LookupAnswer::Found(bills) if !bills.is_empty() => {
            let held = Held {
                relation: fields.relation(),
                displace: false,
                references: bills.into_iter().map(|bill| bill.bill_ref).collect(),
            };
            let mut response = see_other("/pay/check")?;
            held.write(&asker, &mut response, cookie::BILLS);
            return Ok(response);
        }
        LookupAnswer::Found(_) | LookupAnswer::Miss => form.miss = true,
        LookupAnswer::Invalid(problems) => form.problems = problems,
        LookupAnswer::RateLimited { retry_after_s } => {
            return Err(Trouble::RateLimited { retry_after_s }.into());
        }
    }
    Ok(show(person_page(&asker.look, &form)))
}

/// What can be said about empty fields while the region is still open.
fn missing(form: &PersonForm) -> Vec<FieldProblem> {
    [
        (form.name.is_empty(), FieldProblem::NameMissing),
        (form.document.is_empty(), FieldProblem::DocumentMissing),
    ]
    .into_iter()
    .filter_map(|(empty, problem)| empty.then_some(problem))
    .collect()
}

async fn browse(state: &WebState, code: &str) -> Result<RegionStep, super::Stop> {
    let parent = match code {
        "" => None,
        code => state.portal.region(code).await?,
    };
    let below = parent.as_ref().map(|region| region.code.as_str());
    let children = state.portal.regions_children(below).await?;
    Ok(RegionStep::Browse { parent, children })
}

/// The one region that was picked or typed, or what the form must ask next.
async fn find_region(
    state: &WebState,
    fields: &Fields,
    text: &str,
) -> Result<Result<RegionView, RegionStep>, super::Stop> {
    if let Some(code) = fields.find("pick") {
        let region = state
            .portal
            .region(code)
            .await?
            .filter(|region| region.selectable);
        return Ok(region.ok_or(RegionStep::NoHit));
    }
    if text.is_empty() {
        return Ok(Err(RegionStep::Missing));
    }
    let mut hits = state.portal.regions_search(text, HITS_MAX).await?;
    Ok(match hits.len() {
        0 => Err(RegionStep::NoHit),
        1 => {
            let only = hits.remove(0);
            if only.selectable {
                Ok(only)
            } else {
                Err(browse(state, &only.code).await?)
            }
        }
        _ => Err(RegionStep::Pick(hits)),
    })
}

/// Sealed references with what the payer said about them, as a cookie holds them.
#[derive(Clone, Debug)]
struct Held {
    relation: &'static str,
    displace: bool,
    references: Vec<String>,
}

impl Held {
    fn read(asker: &Asker, name: &str) -> Option<Held> {
        let mut parts = asker.cookie(name)?.split('~');
        let head = parts.next()?;
        let references: Vec<String> = parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        (!references.is_empty()).then(|| Held {
            relation: relation(head.trim_end_matches('!')),
            displace: head.ends_with('!'),
            references,
        })
    }

    fn write(&self, asker: &Asker, response: &mut Response, name: &str) {
        let mark = if self.displace { "!" } else { "" };
        let value = format!("{}{mark}~{}", self.relation, self.references.join("~"));
        asker.set_cookie(response, name, &value, BILL_S);
    }
}

/// `GET /pay/check`
pub async fn check(State(state): State<WebState>, Extension(asker): Extension<Asker>) -> Answered {
    let held = Held::read(&asker, cookie::BILLS).ok_or(Trouble::SessionExpired)?;
    if let Some(away) = ask_openid(&state, &asker, "/pay/check") {
        return away;
    }
    let mut bills = Vec::new();
    for reference in &held.references {
        bills.extend(state.portal.bill(&asker.visitor, reference).await?);
    }
    if bills.is_empty() {
        return Err(Trouble::SessionExpired.into());
    }
    let change = Some("/pay/person?change=1");
    Ok(show(check_of(
        &state,
        &asker,
        &bills,
        held.relation,
        "/pay/check",
        change,
    )))
}

/// The check page of `bills` as this visitor can use it.
pub fn check_of(
    state: &WebState,
    asker: &Asker,
    bills: &[BillView],
    relation: &str,
    here: &str,
    change: Option<&'static str>,
) -> Page {
    let form_keys: Vec<String> = bills.iter().map(|_| state.token()).collect();
    let checking = Checking {
        relation,
        here,
        change,
        now: state.now(),
        methods: &state.settings.methods,
        openid: asker.openid().is_some(),
        form_keys: &form_keys,
    };
    check_page(&asker.look, bills, checking)
}

/// Inside WeChat: sends the visitor once, without a tap, to learn the openid that the bridge needs.
pub fn ask_openid(state: &WebState, asker: &Asker, path: &str) -> Option<Answered> {
    let wanted = asker.look.browser == Browser::Wechat
        && state.settings.methods.contains(&Method::WechatJsapi)
        && asker.cookie(cookie::OPENID).is_none();
    if !wanted {
        return None;
    }
    let nonce = state.token();
    let url = state.portal.wechat_authorize_url(&nonce)?;
    Some(see_other(&url).map(|mut response| {
        asker.set_cookie(
            &mut response,
            cookie::STATE,
            &format!("{nonce}~{path}"),
            STATE_S,
        );
        response
    }))
}

/// What WeChat sends back.
#[derive(Debug, Default, Deserialize)]
pub struct WechatBack {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
}

/// `GET /wechat/back`
pub async fn wechat_back(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Lenient(query): Lenient<WechatBack>,
) -> Answered {
    let back = query;
    let remembered = asker
        .cookie(cookie::STATE)
        .and_then(|value| value.split_once('~'));
    let (nonce, path) = remembered.ok_or(Trouble::SessionExpired)?;
    if nonce != back.state || !path.starts_with('/') || path.starts_with("//") {
        return Err(Trouble::BadRequest.into());
    }
    let openid = match back.code.as_str() {
        "" => None,
        code => state.portal.wechat_openid(code).await?,
    };
    let plain = |text: &String| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let (value, seconds) = match openid.filter(plain) {
        Some(openid) => (openid, OPENID_S),
        None => ("-".to_owned(), BILL_S),
    };
    let mut response = see_other(path)?;
    asker.set_cookie(&mut response, cookie::OPENID, &value, seconds);
    asker.set_cookie(&mut response, cookie::STATE, "", 0);
    Ok(response)
}

/// `POST /pay/method`: remembers which bill, so that the page itself is a GET and can be reloaded.
pub async fn choose(Extension(asker): Extension<Asker>, fields: Fields) -> Answered {
    let reference = fields.text("bill_ref");
    if reference.is_empty() {
        return Err(Trouble::SessionExpired.into());
    }
    let held = Held {
        relation: fields.relation(),
        displace: fields.get("displace") == "1",
        references: vec![reference],
    };
    let mut response = see_other("/pay/method")?;
    held.write(&asker, &mut response, cookie::CHOSEN);
    Ok(response)
}

/// `GET /pay/method`
pub async fn method(State(state): State<WebState>, Extension(asker): Extension<Asker>) -> Answered {
    let held = Held::read(&asker, cookie::CHOSEN).ok_or(Trouble::SessionExpired)?;
    let reference = held.references.first().ok_or(Trouble::SessionExpired)?;
    let bill = state.portal.bill(&asker.visitor, reference).await?;
    let bill = bill.ok_or(Trouble::SessionExpired)?;
    if !payable(&bill, held.displace) {
        return Ok(show(check_of(
            &state,
            &asker,
            &[bill],
            held.relation,
            "/pay/method",
            None,
        )));
    }
    let openid = asker.openid().is_some();
    let mut methods = ways::offered(asker.look.browser, &state.settings.methods, openid);
    let news = state.portal.announcements().await?;
    // What may not work is not offered first.
    methods.sort_by_key(|method| {
        let channel = Some(method.channel());
        news.iter().any(|item| item.channel == channel)
    });
    let key = state.token();
    let page = method_page::ask(
        &asker.look,
        &bill,
        &methods,
        held.relation,
        &key,
        held.displace,
        &news,
    );
    Ok(show(page))
}

fn payable(bill: &BillView, displace: bool) -> bool {
    match bill.state {
        BillState::Payable { .. } => true,
        BillState::Locked { may_displace, .. } => may_displace && displace,
        BillState::NothingToPay
        | BillState::Paid { .. }
        | BillState::NotYet { .. }
        | BillState::Resting { .. }
        | BillState::Closed { .. }
        | BillState::Withdrawn => false,
    }
}

/// `POST /pay/start`
pub async fn start(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    fields: Fields,
) -> Answered {
    let method = Method::from_code(fields.get("method"))
        .filter(|method| state.settings.methods.contains(method))
        .ok_or(Trouble::BadRequest)?;
    let request = StartRequest {
        bill_ref: fields.text("bill_ref"),
        method,
        form_key: fields.text("form_key"),
        openid: asker.openid().map(str::to_owned),
        relation: fields.relation().to_owned(),
        displace: fields.get("displace") == "1",
    };
    let answer = state.portal.start(&asker.visitor, request).await?;
    started(&state, &asker, answer, fields.relation())
}

/// `POST /pay/zero`
pub async fn zero(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    fields: Fields,
) -> Answered {
    let (reference, key) = (fields.text("bill_ref"), fields.text("form_key"));
    let relation = fields.relation();
    let answer = state
        .portal
        .confirm_zero(&asker.visitor, &reference, relation, &key)
        .await?;
    started(&state, &asker, answer, relation)
}

/// Sends the payer on, or says why not.
pub fn started(state: &WebState, asker: &Asker, answer: StartAnswer, relation: &str) -> Answered {
    match answer {
        StartAnswer::Started {
            next: Next::Redirect(url),
            ..
        } => {
            let mut response = see_other(&url)?;
            response.extensions_mut().insert(ToWallet);
            Ok(response)
        }
        StartAnswer::Started {
            order,
            next: Next::Form,
        } => see_other(&format!("/o/{order}/pay")),
        StartAnswer::Started {
            order,
            next: Next::Page,
        }
        | StartAnswer::ChannelDown { order: Some(order) } => see_other(&format!("/o/{order}")),
        StartAnswer::Expired => Err(Trouble::SessionExpired.into()),
        StartAnswer::NotPayable(bill) => {
            let page = check_of(state, asker, &[*bill], relation, "/pay/check", None);
            Ok(show(page.with_status(409)))
        }
        StartAnswer::Resting { channel, opens_at } => {
            Err(Trouble::Resting { channel, opens_at }.into())
        }
        StartAnswer::TooMany => Err(Trouble::TooManyOrders.into()),
        StartAnswer::ChannelDown { order: None } => Err(Trouble::ChannelDown.into()),
        StartAnswer::Busy { retry_after_s } => Err(Trouble::Busy { retry_after_s }.into()),
    }
}

/// Marks a redirect to a wallet: its own policy must not take the referrer away again.
#[derive(Clone, Copy, Debug)]
pub struct ToWallet;
