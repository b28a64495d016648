//! A payer with a browser: cookies, no script, redirects followed by hand.

use super::forms::{Form, forms, links};
use super::{Channel, Person, World};
use jiaoyi_domain::AttemptNo;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE, USER_AGENT};
use reqwest::{Client, redirect};
use std::collections::BTreeMap;
use std::time::Duration;

const PHONE: &str = "Mozilla/5.0 (Linux; Android 12; Mobile) AppleWebKit/537.36 Chrome/120 Mobile";

/// What a site answered at last, after all redirects.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: String,
    pub status: u16,
    pub text: String,
}

impl Page {
    /// The stable code in the small print, such as `order.paid`.
    pub fn code(&self) -> &str {
        let told = self.text.split("给客服看：").nth(1).unwrap_or_default();
        told.split(" ·").next().unwrap_or_default()
    }

    /// The form that leads to `action`.
    pub fn form(&self, action: &str) -> Option<Form> {
        forms(&self.text)
            .into_iter()
            .find(|form| form.action.starts_with(action))
    }

    /// What a reader sees, without markup.
    pub fn words(&self) -> String {
        let main = self.text.split("<main").nth(1).unwrap_or(&self.text);
        let parts = main.split('<').filter_map(|part| part.split_once('>'));
        let texts: Vec<&str> = parts
            .map(|(_, text)| text.trim())
            .filter(|text| !text.is_empty())
            .collect();
        format!("{} {}: {}", self.status, self.url, texts.join(" | "))
    }

    /// The form that leads to `action`, which must be there.
    #[track_caller]
    pub fn need_form(&self, action: &str) -> Form {
        self.form(action)
            .unwrap_or_else(|| panic!("no form to {action} in {}", self.words()))
    }

    /// The first link that begins with `start`.
    pub fn link(&self, start: &str) -> Option<String> {
        links(&self.text)
            .into_iter()
            .find(|link| link.starts_with(start))
    }

    /// Fails with the whole page when a word is missing.
    #[track_caller]
    pub fn says(&self, words: &str) -> &Page {
        assert!(
            self.text.contains(words),
            "{words:?} is not said in {}",
            self.words()
        );
        self
    }

    /// Fails with the whole page when its small print names another code.
    #[track_caller]
    pub fn is(&self, code: &str) -> &Page {
        assert_eq!(self.code(), code, "{}", self.words());
        self
    }
}

/// The wallet's page of one attempt.
#[derive(Clone, Debug)]
pub struct Wallet {
    pub page: Page,
    pub channel: Channel,
    /// Our number, as the wallet shows it.
    pub no: AttemptNo,
    /// Token of the order's page.
    pub order: String,
}

pub struct Payer {
    client: Client,
    agent: &'static str,
    portal: String,
    /// Asks again when there is no answer, or one that says "not now".
    patient: bool,
    /// The next form goes from one site to another: browsers send no cookie with it.
    crossing: bool,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// How often a patient payer asks for one page.
const TRIES_MAX: u32 = 20;

fn site(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn absolute(from: &str, to: &str) -> String {
    if to.starts_with("http://") || to.starts_with("https://") {
        to.to_owned()
    } else {
        format!("{}{to}", site(from))
    }
}

impl Payer {
    /// A new device with a phone's browser.
    pub fn new(world: &World) -> Payer {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()
            .expect("a client needs nothing from outside");
        Payer {
            client,
            agent: PHONE,
            portal: world.portal.clone(),
            patient: world.setup.points.is_some(),
            crossing: false,
            cookies: BTreeMap::new(),
        }
    }

    /// A new device with another browser.
    pub fn with_agent(world: &World, agent: &'static str) -> Payer {
        Payer {
            agent,
            ..Payer::new(world)
        }
    }

    fn headers(&self, url: &str, crossing: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, self.agent.parse().expect("plain text"));
        if crossing {
            headers.insert("sec-fetch-site", "cross-site".parse().expect("plain text"));
            return headers;
        }
        let jar = self.cookies.get(&site(url));
        let pairs: Vec<String> = jar
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !pairs.is_empty() {
            headers.insert(COOKIE, pairs.join("; ").parse().expect("plain text"));
        }
        headers
    }

    fn keep_cookies(&mut self, url: &str, headers: &HeaderMap) {
        let jar = self.cookies.entry(site(url)).or_default();
        for value in headers.get_all(SET_COOKIE) {
            let value = value.to_str().expect("our cookies are plain text");
            let pair = value.split(';').next().unwrap_or_default();
            if let Some((name, text)) = pair.split_once('=') {
                if value.contains("Max-Age=0") {
                    jar.remove(name);
                } else {
                    jar.insert(name.to_owned(), text.to_owned());
                }
            }
        }
    }

    /// One request without following redirects.
    pub async fn send(&mut self, url: &str, body: Option<String>) -> (u16, HeaderMap, Vec<u8>) {
        let url = absolute(&self.portal, url);
        let crossing = std::mem::take(&mut self.crossing) && body.is_some();
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            let request = match &body {
                Some(body) => self
                    .client
                    .post(&url)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body.clone()),
                None => self.client.get(&url),
            };
            match request.headers(self.headers(&url, crossing)).send().await {
                Ok(answer) if self.patient && answer.status() == 503 && tries < TRIES_MAX => {}
                Ok(answer) => break answer,
                Err(_) if self.patient && tries < TRIES_MAX => {}
                Err(error) => panic!("{url}: {error:?}"),
            }
        };
        self.keep_cookies(&url, answer.headers());
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.expect("a whole body");
        (status, headers, bytes.to_vec())
    }

    /// A page, after all redirects.
    pub async fn go(&mut self, url: &str, body: Option<String>) -> Page {
        let (mut url, mut body) = (absolute(&self.portal, url), body);
        for _ in 0..10 {
            let (status, headers, bytes) = self.send(&url, body.take()).await;
            let to = headers
                .get(LOCATION)
                .filter(|_| (300..400).contains(&status));
            if let Some(to) = to {
                url = absolute(&url, to.to_str().expect("plain text"));
                continue;
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return Page { url, status, text };
        }
        panic!("{url}: more than ten redirects");
    }

    pub async fn get(&mut self, url: &str) -> Page {
        self.go(url, None).await
    }

    pub async fn post(&mut self, from: &Page, form: &Form) -> Page {
        let url = absolute(&from.url, &form.action);
        self.crossing = site(&url) != site(&from.url);
        self.go(&url, Some(form.body())).await
    }

    /// Presses the button of a page that does nothing but lead to another site by a form.
    async fn lead_on(&mut self, page: Page) -> Page {
        let elsewhere = |form: &Form| form.action.starts_with("http");
        let leads = page.url.ends_with("/pay") || page.url.ends_with("/act");
        match forms(&page.text).into_iter().find(elsewhere) {
            Some(form) if leads => self.post(&page, &form).await,
            Some(_) | None => page,
        }
    }

    /// From the start page to the answer of the look-up.
    pub async fn look_up(&mut self, person: &Person) -> Page {
        let home = self.get("/").await;
        let who = self.get(&home.link("/pay").expect("a link to pay")).await;
        let mut form = who.need_form("/pay/person");
        form.set("relation", "other");
        let url = format!("{}?{}", form.action, form.body());
        let asked = self.get(&url).await;
        let mut form = asked.need_form("/pay/person");
        form.set("name", &person.name);
        form.set("document_kind", "id_card");
        form.set("document", &person.id);
        form.set("region", person.region);
        self.post(&asked, &form).await
    }

    /// From the check page to the page that asks for the way of paying.
    pub async fn choose(&mut self, check: &Page) -> Page {
        self.post(check, &check.need_form("/pay/method")).await
    }

    /// Picks the way of paying and presses the button.
    pub async fn start(&mut self, methods: &Page, channel: Channel) -> Page {
        let mut form = methods.need_form("/pay/start");
        form.set("method", channel.method());
        let page = self.post(methods, &form).await;
        self.lead_on(page).await
    }

    /// From the start page to the wallet.
    pub async fn walk_to_wallet(
        &mut self,
        world: &World,
        person: &Person,
        channel: Channel,
    ) -> Wallet {
        let check = self.look_up(person).await;
        let methods = self.choose(&check).await;
        let page = self.start(&methods, channel).await;
        world.wallet(page).await
    }

    /// Presses a button of the wallet's page and lands where it leads.
    pub async fn press(&mut self, wallet: &Wallet, button: &str) -> Page {
        let mut form = wallet.page.need_form("/_wallet/");
        form.set("do", button);
        let page = self.post(&wallet.page, &form).await;
        self.lead_on(page).await
    }

    /// Looks up, pays by one channel and gives the order's page.
    pub async fn pay(&mut self, world: &World, person: &Person, channel: Channel) -> Page {
        let wallet = self.walk_to_wallet(world, person, channel).await;
        self.press(&wallet, "pay").await;
        self.order(&wallet.order).await
    }

    /// The page of an order.
    pub async fn order(&mut self, token: &str) -> Page {
        self.get(&format!("/o/{token}")).await
    }

    /// Presses "show the result".
    pub async fn refresh(&mut self, token: &str) -> Page {
        let path = format!("/o/{token}/refresh");
        self.go(&path, Some(String::new())).await
    }

    /// Presses "open the payment again" on the page of an order: a link, or a form to the channel.
    pub async fn reopen(&mut self, world: &World, order: &Page) -> Page {
        match order.link(&world.sandbox) {
            Some(url) => self.get(&url).await,
            None => self.post(order, &order.need_form(&world.sandbox)).await,
        }
    }

    /// Presses "cancel" on the page of an order.
    pub async fn cancel(&mut self, token: &str) -> Page {
        let order = self.order(token).await;
        let form = order.need_form(&format!("/o/{token}/cancel"));
        self.post(&order, &form).await
    }

    /// Pays an order another way, through its page of methods.
    pub async fn switch(&mut self, world: &World, token: &str, channel: Channel) -> Wallet {
        let asked = self.get(&format!("/o/{token}/switch")).await;
        let mut form = asked.need_form(&format!("/o/{token}/switch"));
        form.set("method", channel.method());
        let page = self.post(&asked, &form).await;
        let page = self.lead_on(page).await;
        world.wallet(page).await
    }
}
