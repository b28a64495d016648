//! Opening all configured channels at once.

use crate::alipay::AlipayGateway;
use crate::bank::BankGateway;
use crate::bill::Bills;
use crate::config::{ChannelsConfig, ConfigError};
use crate::crypto::SigningThreads;
use crate::gateway::Gateway;
use crate::hook::WebhookSender;
use crate::http::Http;
use crate::sms::SmsGateway;
use crate::unionpay::UnionpayGateway;
use crate::wechat::WechatGateway;
use jiaoyi_domain::channel::ChannelCode;
use std::path::Path;
use std::sync::Arc;

/// The configured channels; those without a section are `None`.
#[derive(Clone, Default)]
pub struct Channels {
    /// WeChat Pay.
    pub wechat: Option<Arc<WechatGateway>>,
    /// Alipay.
    pub alipay: Option<Arc<AlipayGateway>>,
    /// UnionPay.
    pub unionpay: Option<Arc<UnionpayGateway>>,
    /// A bank's own gateway.
    pub bank1: Option<Arc<BankGateway>>,
    /// Another bank's.
    pub bank2: Option<Arc<BankGateway>>,
    /// Text messages.
    pub sms: Option<Arc<SmsGateway>>,
    /// Events for institutions.
    pub webhooks: Option<Arc<WebhookSender>>,
    /// Payment channels of another make, each instead of ours.
    others: Vec<Arc<dyn Gateway>>,
    /// Those of them that hand out bills.
    other_bills: Vec<Arc<dyn Bills>>,
}

impl Channels {
    /// Opens what a `channels.toml` names; key files are relative to its folder.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: file, entry and what is wrong with it.
    pub fn load(path: &Path) -> Result<Channels, ConfigError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        Channels::open(ChannelsConfig::load(path)?, dir)
    }

    /// Opens the channels of a configuration; key files are relative to `dir`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: file, entry and what is wrong with it.
    pub fn open(config: ChannelsConfig, dir: &Path) -> Result<Channels, ConfigError> {
        let plain_only = config.plain_only();
        let http = Http::open(&config.http, plain_only)?;
        let webhooks = WebhookSender::open(&config.webhooks, &config.http, plain_only)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = SigningThreads::start(cores).map_err(|error| ConfigError::Invalid {
            what: format!("no thread can be started to sign with: {error}"),
        })?;
        let wechat = config.wechat.map(|wechat| {
            WechatGateway::open(wechat, dir, http.clone(), Arc::clone(&threads)).map(Arc::new)
        });
        let alipay = config.alipay.map(|alipay| {
            AlipayGateway::open(alipay, dir, http.clone(), Arc::clone(&threads)).map(Arc::new)
        });
        let unionpay = config.unionpay.map(|unionpay| {
            UnionpayGateway::open(unionpay, dir, http.clone(), Arc::clone(&threads)).map(Arc::new)
        });
        let bank = |channel, config: Option<_>| {
            let open = |config| {
                BankGateway::open(channel, config, dir, http.clone(), Arc::clone(&threads))
            };
            config.map(open).transpose()
        };
        let bank1 = bank(ChannelCode::Bank1, config.bank1)?.map(Arc::new);
        let bank2 = bank(ChannelCode::Bank2, config.bank2)?.map(Arc::new);
        let sms = config
            .sms
            .map(|sms| SmsGateway::open(&sms, http.clone()).map(Arc::new));
        Ok(Channels {
            wechat: wechat.transpose()?,
            alipay: alipay.transpose()?,
            unionpay: unionpay.transpose()?,
            bank1,
            bank2,
            sms: sms.transpose()?,
            webhooks: Some(Arc::new(webhooks)),
            others: Vec::new(),
            other_bills: Vec::new(),
        })
    }

    /// Channels of one's own, such as simulated ones, one for each code.
    #[must_use]
    pub fn over(gateways: Vec<Arc<dyn Gateway>>) -> Channels {
        Channels {
            others: gateways,
            ..Channels::default()
        }
    }

    /// With the bills of channels of one's own.
    #[must_use]
    pub fn with_bills(mut self, bills: Vec<Arc<dyn Bills>>) -> Channels {
        self.other_bills = bills;
        self
    }

    /// The gateway of a channel, if it is configured.
    #[must_use]
    pub fn gateway(&self, channel: ChannelCode) -> Option<Arc<dyn Gateway>> {
        let other = self.others.iter().find(|own| own.channel() == channel);
        if let Some(other) = other {
            return Some(Arc::clone(other));
        }
        match channel {
            ChannelCode::Wechat => self
                .wechat
                .clone()
                .map(|gateway| gateway as Arc<dyn Gateway>),
            ChannelCode::Alipay => self
                .alipay
                .clone()
                .map(|gateway| gateway as Arc<dyn Gateway>),
            ChannelCode::Unionpay => self
                .unionpay
                .clone()
                .map(|gateway| gateway as Arc<dyn Gateway>),
            ChannelCode::Bank1 => self.bank1.clone().map(|own| own as Arc<dyn Gateway>),
            ChannelCode::Bank2 => self.bank2.clone().map(|own| own as Arc<dyn Gateway>),
            // These call us.
            ChannelCode::Inbound(_) => None,
        }
    }

    /// Where the bills of a channel are, if it is configured.
    #[must_use]
    pub fn bills(&self, channel: ChannelCode) -> Option<Arc<dyn Bills>> {
        let other = self.other_bills.iter().find(|own| own.channel() == channel);
        if let Some(other) = other {
            return Some(Arc::clone(other));
        }
        match channel {
            ChannelCode::Wechat => self.wechat.clone().map(|own| own as Arc<dyn Bills>),
            ChannelCode::Alipay => self.alipay.clone().map(|own| own as Arc<dyn Bills>),
            ChannelCode::Unionpay => self.unionpay.clone().map(|own| own as Arc<dyn Bills>),
            ChannelCode::Bank1 => self.bank1.clone().map(|own| own as Arc<dyn Bills>),
            ChannelCode::Bank2 => self.bank2.clone().map(|own| own as Arc<dyn Bills>),
            // These call us.
            ChannelCode::Inbound(_) => None,
        }
    }

    /// Every configured payment channel.
    pub fn gateways(&self) -> impl Iterator<Item = Arc<dyn Gateway>> {
        ChannelCode::ALL
            .into_iter()
            .filter_map(|channel| self.gateway(channel))
    }
}
