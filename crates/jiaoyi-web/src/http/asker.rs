//! Who asks: cookies, device, address, and how the pages look to them.

use super::{WebSettings, WebState};
use crate::locale::Lang;
use crate::look::{Browser, Look, Size, Theme};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use jiaoyi_app::portal::Visitor;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;

/// Names of our cookies.
pub mod cookie {
    /// Random value that recognises the device.
    pub const DEVICE: &str = "jy_device";
    /// Relation and sealed references of the last look-up.
    pub const BILLS: &str = "jy_bill";
    /// The one bill whose way of paying is being chosen.
    pub const CHOSEN: &str = "jy_pay";
    /// The payer's openid at our WeChat app, or `-` when WeChat gave none.
    pub const OPENID: &str = "jy_wx";
    /// State of a visit to WeChat's authorization, with the path to come back to.
    pub const STATE: &str = "jy_wx_state";
    pub const SIZE: &str = "jy_size";
    pub const LANG: &str = "jy_lang";
    pub const THEME: &str = "jy_theme";
}

/// The visitor of one request.
#[derive(Clone, Debug)]
pub struct Asker {
    pub visitor: Visitor,
    pub look: Look,
    /// Finds the log line of this request.
    pub trace: String,
    /// A device cookie that must be sent with the response.
    pub new_device: Option<String>,
    cookies: Vec<(String, String)>,
    secure: bool,
}

impl Asker {
    /// Reads everything that the request tells about its sender.
    #[must_use]
    pub fn of(request: &Request, state: &WebState) -> Asker {
        let headers = request.headers();
        let cookies = cookies(headers);
        let known = find(&cookies, cookie::DEVICE).filter(|value| is_token(value));
        let new_device = known.is_none().then(|| state.token());
        let device = known.or(new_device.as_deref()).unwrap_or_default();
        let visitor = Visitor {
            device: Sha256::digest(device.as_bytes()).into(),
            ip: address(request, &state.settings),
        };
        Asker {
            visitor,
            look: look_of(headers, &cookies, state.settings.demo),
            trace: state.token().chars().take(10).collect(),
            new_device,
            cookies,
            secure: state.settings.https,
        }
    }

    /// The value of one of our cookies.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        find(&self.cookies, name)
    }

    /// The payer's openid, if WeChat gave one.
    #[must_use]
    pub fn openid(&self) -> Option<&str> {
        self.cookie(cookie::OPENID).filter(|value| *value != "-")
    }

    /// Lets `response` set a cookie for so many seconds. A value that no cookie can hold is left
    /// out; ours never are.
    pub fn set_cookie(&self, response: &mut Response, name: &str, value: &str, seconds: u32) {
        let secure = if self.secure { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
}

fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    let lines = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn find<'a>(cookies: &'a [(String, String)], name: &str) -> Option<&'a str> {
    cookies
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// 32 lower-case hexadecimal characters, as [`WebState::token`] makes them.
fn is_token(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// How pages look to the sender of these headers.
pub fn look(headers: &HeaderMap, demo: bool) -> Look {
    look_of(headers, &cookies(headers), demo)
}

fn look_of(headers: &HeaderMap, cookies: &[(String, String)], demo: bool) -> Look {
    let setting = |name| find(cookies, name).unwrap_or_default();
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    Look {
        lang: Lang::from_tag(setting(cookie::LANG)).unwrap_or_default(),
        size: Size::from_code(setting(cookie::SIZE)).unwrap_or_default(),
        theme: Theme::from_code(setting(cookie::THEME)).unwrap_or_default(),
        browser: Browser::from_user_agent(agent.unwrap_or_default()),
        demo,
    }
}

/// The visitor's address: from our own proxy's header when one is configured, else the connection's.
pub fn address(request: &Request, settings: &WebSettings) -> String {
    let from_proxy = settings.client_ip_header.as_ref().and_then(|name| {
        let value = request.headers().get(name)?.to_str().ok()?;
        // A proxy appends; what stands last was written by ours, the rest by anybody.
        Some(value.rsplit(',').next().unwrap_or(value).trim().to_owned())
    });
    let connected = || {
        request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip().to_string())
    };
    from_proxy
        .or_else(connected)
        .unwrap_or_else(|| "0.0.0.0".to_owned())
}
