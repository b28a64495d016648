//! `jiaoyi demo pay`: walks the pages of a running demo as a payer would, presses the wallet page's
//! own button and fetches the voucher. Counts the taps on the way.

use super::forms::{Form, forms, links};
use super::running;
use crate::exit::{Exit, note, print};
use clap::{Args, ValueEnum};
use jiaoyi_documents::find_qr_text;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE, USER_AGENT};
use reqwest::{Client, StatusCode, redirect};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi demo pay\n  jiaoyi demo pay --base-url http://127.0.0.1:8080 --channel wechat --json"
)]
pub struct PayArgs {
    /// The portal of the running demo; the one started last unless given.
    #[arg(long)]
    base_url: Option<String>,
    #[arg(long, value_enum, default_value_t = Channel::Alipay)]
    channel: Channel,
    /// One line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Channel {
    Wechat,
    Alipay,
    Unionpay,
}

impl Channel {
    /// What a phone browser is offered.
    const fn method(self) -> &'static str {
        match self {
            Channel::Wechat => "wechat_h5",
            Channel::Alipay => "alipay_wap",
            Channel::Unionpay => "unionpay_wap",
        }
    }
}

const PHONE: &str = "Mozilla/5.0 (Linux; Android 12; Mobile) AppleWebKit/537.36 Chrome/120 Mobile";

/// A payer's browser: cookies by site, no script, redirects followed by hand.
struct Browser {
    client: Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    taps: u32,
}

struct Page {
    url: String,
    text: String,
}

fn site(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn absolute(from: &str, to: &str) -> String {
    if to.starts_with("http://") || to.starts_with("https://") {
        to.to_owned()
    } else if to.starts_with('/') {
        format!("{}{to}", site(from))
    } else {
        let folder = from.split(['?', '#']).next().unwrap_or(from);
        format!(
            "{}/{to}",
            folder.rsplit_once('/').map_or(folder, |(folder, _)| folder)
        )
    }
}

impl Browser {
    fn open() -> Result<Browser, Exit> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(15))
            .build()
            .map_err(Exit::unexpected)?;
        Ok(Browser {
            client,
            cookies: BTreeMap::new(),
            taps: 0,
        })
    }

    fn headers(&self, url: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(value) = PHONE.parse() {
            headers.insert(USER_AGENT, value);
        }
        let jar = self.cookies.get(&site(url));
        let pairs: Vec<String> = jar
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if let Ok(value) = pairs.join("; ").parse()
            && !pairs.is_empty()
        {
            headers.insert(COOKIE, value);
        }
        headers
    }

    fn keep_cookies(&mut self, url: &str, headers: &HeaderMap) {
        let jar = self.cookies.entry(site(url)).or_default();
        for value in headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
        {
            let pair = value.split(';').next().unwrap_or_default();
            if let Some((name, text)) = pair.split_once('=') {
                if text.is_empty() || value.to_ascii_lowercase().contains("max-age=0") {
                    jar.remove(name.trim());
                } else {
                    jar.insert(name.trim().to_owned(), text.trim().to_owned());
                }
            }
        }
    }

    async fn go(&mut self, url: String, body: Option<String>) -> Result<Page, Exit> {
        let (mut url, mut body) = (url, body);
        for _ in 0..10 {
            let headers = self.headers(&url);
            let request = match &body {
                Some(body) => self
                    .client
                    .post(&url)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body.clone()),
                None => self.client.get(&url),
            };
            let answer = request.headers(headers).send().await.map_err(|error| {
                Exit::unavailable(format!(
                    "{}: {error}; is the demo still running? `jiaoyi demo` starts one",
                    site(&url)
                ))
            })?;
            self.keep_cookies(&url, answer.headers());
            let status = answer.status();
            if status.is_redirection()
                && let Some(to) = answer
                    .headers()
                    .get(LOCATION)
                    .and_then(|to| to.to_str().ok())
            {
                url = absolute(&url, to);
                body = None;
                continue;
            }
            let text = answer.text().await.map_err(Exit::unavailable)?;
            // A conflict is a page too: somebody else was faster.
            if status != StatusCode::OK && status != StatusCode::CONFLICT {
                let place = url.split('?').next().unwrap_or_default();
                return Err(Exit::unexpected(format!("{place} answered {status}")));
            }
            return Ok(Page { url, text });
        }
        Err(Exit::unexpected("more than ten redirects"))
    }

    async fn submit(&mut self, page: &Page, form: &Form, post: bool) -> Result<Page, Exit> {
        self.taps += 1;
        let url = absolute(&page.url, &form.action);
        if post {
            self.go(url, Some(form.body())).await
        } else {
            self.go(format!("{url}?{}", form.body()), None).await
        }
    }

    /// What a script or one more tap does on a page that only leads to another site by a form, as the
    /// way to UnionPay's cashier and back.
    async fn lead_on(&mut self, page: Page) -> Result<Page, Exit> {
        let leads = page.url.ends_with("/pay") || page.url.ends_with("/act");
        let elsewhere = |form: &Form| form.action.starts_with("http");
        match forms(&page.text).into_iter().find(elsewhere) {
            Some(form) if leads => self.go(form.action.clone(), Some(form.body())).await,
            Some(_) | None => Ok(page),
        }
    }

    async fn bytes(&mut self, url: &str) -> Result<Vec<u8>, Exit> {
        let answer = self.client.get(url).headers(self.headers(url)).send().await;
        let answer = answer.map_err(Exit::unavailable)?;
        Ok(answer.bytes().await.map_err(Exit::unavailable)?.to_vec())
    }
}

fn form_to(page: &Page, action: &str) -> Result<Form, Exit> {
    forms(&page.text)
        .into_iter()
        .find(|form| form.action.starts_with(action))
        .ok_or_else(|| {
            let place = page.url.split('?').next().unwrap_or_default();
            Exit::unexpected(format!("{place}: no form leads to {action}"))
        })
}

struct Sample {
    name: String,
    id_number: String,
    region: String,
}

async fn samples(browser: &mut Browser, base: &str) -> Result<Vec<Sample>, Exit> {
    let page = browser.go(format!("{base}/_demo"), None).await?;
    let told: serde_json::Value = serde_json::from_str(&page.text).map_err(Exit::unexpected)?;
    let listed = told["samples"].as_array().cloned().unwrap_or_default();
    let read = |sample: serde_json::Value| {
        let text = |key: &str| sample[key].as_str().unwrap_or_default().to_owned();
        Sample {
            name: text("name"),
            id_number: text("id_number"),
            region: text("region"),
        }
    };
    Ok(listed.into_iter().map(read).collect())
}

/// Walks to the wallet for the first sample that nobody else pays meanwhile.
async fn next_to_wallet(base: &str, channel: Channel) -> Result<(Browser, Page), Exit> {
    for sample in samples(&mut Browser::open()?, base).await? {
        let mut browser = Browser::open()?;
        if let Some(wallet) = to_wallet(&mut browser, base, &sample, channel).await? {
            return Ok((browser, wallet));
        }
    }
    Err(Exit::not_found(
        "every sample is paid; start a new demo, or one with more --people",
    ))
}

fn wallet_form(page: &Page) -> Option<Form> {
    forms(&page.text)
        .into_iter()
        .find(|form| form.action.contains("/_wallet/"))
}

/// Walks from the home page to the wallet; `None` when somebody else is paying or has paid.
async fn to_wallet(
    browser: &mut Browser,
    base: &str,
    sample: &Sample,
    channel: Channel,
) -> Result<Option<Page>, Exit> {
    let home = browser.go(format!("{base}/"), None).await?;
    let pay = links(&home.text).into_iter().find(|link| link == "/pay");
    let pay = pay.ok_or_else(|| Exit::unexpected("the home page has no link to pay"))?;
    browser.taps += 1;
    let who = browser.go(format!("{base}{pay}"), None).await?;
    let mut form = form_to(&who, "/pay/person")?;
    form.set("relation", "other");
    let person = browser.submit(&who, &form, false).await?;
    let mut form = form_to(&person, "/pay/person")?;
    form.set("name", &sample.name);
    form.set("document_kind", "id_card");
    form.set("document", &sample.id_number);
    form.set("region", &sample.region);
    let check = browser.submit(&person, &form, true).await?;
    let form = form_to(&check, "/pay/method").or_else(|_| form_to(&check, "/pay/start"));
    let Ok(form) = form else { return Ok(None) };
    let methods = browser.submit(&check, &form, true).await?;
    // Between the two pages somebody else may have locked the bill.
    let Ok(mut form) = form_to(&methods, "/pay/start") else {
        return Ok(None);
    };
    form.set("method", channel.method());
    let page = browser.submit(&methods, &form, true).await?;
    let wallet = browser.lead_on(page).await?;
    Ok(wallet_form(&wallet).is_some().then_some(wallet))
}

/// Presses the wallet page's button for paying and comes back to the order.
async fn press_pay(browser: &mut Browser, wallet: &Page) -> Result<Page, Exit> {
    let mut form = wallet_form(wallet).ok_or_else(|| {
        let place = wallet.url.split('?').next().unwrap_or_default();
        Exit::unexpected(format!("{place}: this is not the wallet's page"))
    })?;
    form.set("do", "pay");
    let url = absolute(&wallet.url, &form.action);
    let page = browser.go(url, Some(form.body())).await?;
    browser.lead_on(page).await
}

/// Waits for the page that says paid; the link to its voucher.
async fn voucher_link(browser: &mut Browser, order: Page) -> Result<(String, String), Exit> {
    let token = order.url.split("/o/").nth(1).unwrap_or_default();
    let token = token
        .split(['/', '?'])
        .next()
        .unwrap_or_default()
        .to_owned();
    let url = format!("{}/o/{token}", site(&order.url));
    let mut page = order;
    for _ in 0..40 {
        if let Some(link) = links(&page.text)
            .into_iter()
            .find(|link| link.starts_with("/v/"))
        {
            return Ok((token, absolute(&url, &link)));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        page = browser.go(url.clone(), None).await?;
    }
    Err(Exit::unavailable(
        "the payment was not confirmed within ten seconds",
    ))
}

/// Pays and prints what came of it.
pub async fn run(args: PayArgs) -> Result<(), Exit> {
    let base = match &args.base_url {
        Some(base) => base.trim_end_matches('/').to_owned(),
        None => {
            let told = running()?;
            told["portal"].as_str().unwrap_or_default().to_owned()
        }
    };
    let started = Instant::now();
    let (mut browser, wallet) = next_to_wallet(&base, args.channel).await?;
    let taps = browser.taps;
    let order = press_pay(&mut browser, &wallet).await?;
    let (token, page) = voucher_link(&mut browser, order).await?;
    let shown = browser.go(page.clone(), None).await?;
    let number = page.split("/v/").nth(1).unwrap_or_default();
    let number = number
        .split(['?', '/'])
        .next()
        .unwrap_or_default()
        .to_owned();
    let pdf_link = links(&shown.text)
        .into_iter()
        .find(|link| link.contains("/pdf"));
    let pdf = pdf_link.map_or_else(|| format!("{page}/pdf"), |link| absolute(&page, &link));
    let qr_text = find_qr_text(&browser.bytes(&pdf).await?).unwrap_or_default();
    let check_code = check_code(&shown.text);
    let seconds = format!("{:.3}", started.elapsed().as_secs_f64());
    if args.json {
        let seconds: serde_json::Value = serde_json::from_str(&seconds).unwrap_or_default();
        print(serde_json::json!({
            "order": token,
            "voucher_no": number,
            "check_code": check_code,
            "page": page,
            "pdf": pdf,
            "qr_text": qr_text,
            "taps": taps,
            "seconds": seconds,
        }));
    } else {
        print(format!(
            "缴费成功 paid  {number}  校验码 check code {check_code}"
        ));
        print(format!("  凭证 voucher  {page}"));
        print(format!("  PDF           {pdf}"));
        note(format!(
            "{taps} 次点按到钱包 taps to the wallet, {seconds} s"
        ));
    }
    Ok(())
}

/// The check code as the voucher's page marks it.
fn check_code(page: &str) -> String {
    let marked = page.split("data-check-code=\"").nth(1);
    marked
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default()
        .to_owned()
}
