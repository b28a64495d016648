//! Where a server is, and how the way to it is guarded.
//!
//! A server on another machine is spoken to over TLS, and its certificate is always checked, name
//! and all: what does not check it only keeps away those who do nothing but listen.

use super::session::said;
use super::without_password;
use crate::error::StoreError;
use futures_util::future::poll_fn;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long opening a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long one of several addresses may take to answer.
const ADDRESS_TIME: Duration = Duration::from_secs(1);
/// How long sent data may take to arrive.
const ARRIVE_TIME: Duration = Duration::from_secs(5);
/// After so much silence, and then so often, it is asked whether the server's machine is still there.
const SILENCE: Duration = Duration::from_secs(5);
const SILENCE_AGAIN: Duration = Duration::from_secs(1);
/// A machine that is so often not heard of is gone.
const SILENCE_MAX: u32 = 3;

/// What has to be said of the way to another machine.
const SAY_HOW: &str = "the server is on another machine: add sslmode=verify-full to the URL, and \
     sslrootcert=/PATH/ca.pem when its certificate is from an authority of your own; or \
     sslmode=disable when the way there is guarded by other means";

/// What to look at when there is no handshake.
const OF_TLS: &str = "; the server needs ssl = on, and a certificate for the name in the URL from an \
     authority in sslrootcert or, without that, one that this system believes";

/// The same when nothing answers there.
const OF_ADDRESS: &str = "; is this its address, does it run, and does it listen there?";

/// The same when the server has no such database.
const OF_DATABASE: &str = "; make it: CREATE DATABASE … OWNER … TEMPLATE template0 ENCODING 'UTF8'";

/// The same when the server does not know the role, or not this password.
const OF_ROLE: &str = "; look at the role and the password in the URL, and at pg_hba.conf";

/// A server as a URL names it.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    /// `None` when the way there needs no guard.
    tls: Option<MakeRustlsConnect>,
}

/// The parts of a URL: what the client library knows, and how the way is guarded.
struct Parts {
    config: Config,
    guard: Guard,
}

#[derive(Debug, PartialEq, Eq)]
enum Guard {
    Plain,
    /// TLS, the server's certificate being from an authority in this file, or from one that the
    /// system believes.
    Tls(Option<PathBuf>),
}

/// Whether a URL can be understood; nothing is read or reached.
pub(crate) fn check_url(url: &str) -> Result<(), StoreError> {
    parts(url).map(|_| ())
}

/// The name of the database in a URL; empty without one.
pub(crate) fn database_name(url: &str) -> Result<String, StoreError> {
    let name = parts(url)?.config.get_dbname().map(str::to_owned);
    Ok(name.unwrap_or_default())
}

impl Server {
    /// The server of a URL; authorities are read, nothing is reached.
    pub(super) fn of(url: &str) -> Result<Server, StoreError> {
        let Parts { config, guard } = parts(url)?;
        let tls = match guard {
            Guard::Plain => None,
            Guard::Tls(authority) => {
                let trusted = trusted(authority.as_deref()).map_err(|why| refused(url, why))?;
                Some(MakeRustlsConnect::new(trusted))
            }
        };
        Ok(Server { config, tls })
    }

    /// Connects. The connection's own work is spawned on the current runtime; the flag is raised when
    /// the server has remarked anything of note.
    pub(super) async fn connect(&self) -> Result<(Client, Arc<AtomicBool>), StoreError> {
        let connecting = async {
            match &self.tls {
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    Ok((client, drive(connection)))
                }
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    Ok((client, drive(connection)))
                }
            }
        };
        let connected = tokio::time::timeout(CONNECT_TIME, connecting).await;
        let connected = connected.map_err(|_| unreachable("the server does not answer"))?;
        connected.map_err(|error: tokio_postgres::Error| {
            let why = said(&error);
            unreachable(format!("{why}{}", hint(&error, &why)))
        })
    }
}

/// What is to be done when nobody is let in.
fn hint(error: &tokio_postgres::Error, why: &str) -> &'static str {
    match error.code() {
        Some(&SqlState::INVALID_CATALOG_NAME) => OF_DATABASE,
        Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION | &SqlState::INVALID_PASSWORD) => {
            OF_ROLE
        }
        Some(_) => "",
        // The library does not say of what kind an error is that is none of the server's.
        None if why.contains("TLS") => OF_TLS,
        None => OF_ADDRESS,
    }
}

/// Spawns a connection's own work; what it returns is raised by the server's remarks.
fn drive<S, T>(mut connection: Connection<S, T>) -> Arc<AtomicBool>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let warned = Arc::new(AtomicBool::new(false));
    let of_task = Arc::clone(&warned);
    tokio::spawn(async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) => {
                    // A commit that was not confirmed is remarked as a warning; hints of other
                    // severities, and a rollback of nothing, are none of our business.
                    let of_note = notice.parsed_severity() == Some(Severity::Warning);
                    if of_note && *notice.code() != SqlState::NO_ACTIVE_SQL_TRANSACTION {
                        tracing::warn!(code = notice.code().code(), text = notice.message());
                        of_task.store(true, Ordering::SeqCst);
                    }
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
    });
    warned
}

fn unreachable(why: impl Into<String>) -> StoreError {
    StoreError::Unavailable { why: why.into() }
}

fn refused(url: &str, why: impl Into<String>) -> StoreError {
    StoreError::Open {
        path: without_password(url),
        why: why.into(),
    }
}

/// A URL without those of its parameters that the client library does not know, and what they say.
fn parts(url: &str) -> Result<Parts, StoreError> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut authority, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let decoded = form_urlencoded::parse(pair.as_bytes()).next();
        match decoded {
            Some((name, value)) if name == "sslmode" => mode = Some(value.into_owned()),
            Some((name, value)) if name == "sslrootcert" => {
                authority = Some(PathBuf::from(value.into_owned()));
            }
            _ => rest.push(pair),
        }
    }
    let known = match rest.is_empty() {
        true => address.to_owned(),
        false => format!("{address}?{}", rest.join("&")),
    };
    let mut config: Config = known.parse().map_err(|error: tokio_postgres::Error| {
        let why = std::error::Error::source(&error).map(ToString::to_string);
        refused(url, why.unwrap_or_else(|| error.to_string()))
    })?;
    let guard = guard(mode.as_deref(), authority, is_here(&config));
    let guard = guard.map_err(|why| refused(url, why))?;
    config.ssl_mode(match guard {
        Guard::Plain => SslMode::Disable,
        Guard::Tls(_) => SslMode::Require,
    });
    config.application_name("jiaoyi");
    notice_silence(&mut config);
    Ok(Parts { config, guard })
}

fn guard(mode: Option<&str>, authority: Option<PathBuf>, here: bool) -> Result<Guard, String> {
    if let Some(file) = &authority
        && !file.is_absolute()
    {
        return Err(format!(
            "sslrootcert={} has to be an absolute path, as what a relative one is relative to differs \
             from command to command",
            file.display()
        ));
    }
    match (mode, authority) {
        (Some("disable"), None) => Ok(Guard::Plain),
        (Some("disable"), Some(_)) => {
            Err("sslmode=disable and sslrootcert contradict each other".to_owned())
        }
        (Some("require" | "verify-ca" | "verify-full"), authority) => Ok(Guard::Tls(authority)),
        (None, Some(authority)) => Ok(Guard::Tls(Some(authority))),
        (None, None) if here => Ok(Guard::Plain),
        (None, None) => Err(SAY_HOW.to_owned()),
        (Some(mode @ ("allow" | "prefer")), _) => Err(format!(
            "sslmode={mode} does without encryption whenever somebody on the way says so; take \
             verify-full or disable"
        )),
        (Some(mode), _) => Err(format!(
            "sslmode={mode} is not known; take verify-full or disable"
        )),
    }
}

/// Whether the server is on this machine, so that nobody stands between.
fn is_here(config: &Config) -> bool {
    let is_here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.parse::<IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
    };
    let addresses = config.get_hostaddrs();
    config.get_hosts().iter().all(is_here) && addresses.iter().all(IpAddr::is_loopback)
}

/// A machine that loses its power says nothing: without these, unless the URL sets others, whoever
/// waits for its answer would wait for hours, even when it has long been back.
fn notice_silence(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(ADDRESS_TIME);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(ARRIVE_TIME);
    }
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(SILENCE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(SILENCE_AGAIN);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(SILENCE_MAX);
    }
}

/// Whom a server's certificate may be from.
fn trusted(authority: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    let from = match authority {
        Some(file) => {
            let unread = |error| format!("read sslrootcert {}: {error}", file.display());
            let found = CertificateDer::pem_file_iter(file).map_err(unread)?;
            for certificate in found {
                let added = roots.add(certificate.map_err(unread)?);
                added.map_err(|error| format!("sslrootcert {}: {error}", file.display()))?;
            }
            file.display().to_string()
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            "the system's folder of authorities".to_owned()
        }
    };
    if roots.is_empty() {
        return Err(format!("no certificate authority was found in {from}"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard_of(url: &str) -> Result<Guard, String> {
        match parts(url) {
            Ok(parts) => Ok(parts.guard),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn silence_is_noticed_unless_the_url_says_how() {
        let config = parts("postgres://jiaoyi@localhost/jiaoyi").unwrap().config;
        assert_eq!(config.get_keepalives_idle(), SILENCE);
        assert_eq!(config.get_tcp_user_timeout(), Some(&ARRIVE_TIME));
        let url = "postgres://jiaoyi@localhost/jiaoyi?keepalives_idle=60&tcp_user_timeout=30";
        let config = parts(url).unwrap().config;
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(60));
        assert_eq!(
            config.get_tcp_user_timeout(),
            Some(&Duration::from_secs(30))
        );
    }

    #[test]
    fn the_way_to_another_machine_is_guarded_or_said_to_be() {
        for here in [
            "127.0.0.1:5433",
            "localhost",
            "[::1]",
            "%2Frun%2Fpostgresql",
        ] {
            let url = format!("postgres://jiaoyi@{here}/jiaoyi");
            assert_eq!(guard_of(&url), Ok(Guard::Plain), "{url}");
        }
        for there in ["db.example", "10.0.0.7", "localhost,db.example"] {
            let url = format!("postgres://jiaoyi:secret@{there}/jiaoyi");
            let why = guard_of(&url).unwrap_err();
            assert!(why.contains("sslmode=verify-full"), "{why}");
            assert!(!why.contains("secret"), "{why}");
            let plain = format!("{url}?sslmode=disable&keepalives_idle=60");
            assert_eq!(guard_of(&plain), Ok(Guard::Plain));
            let tls = format!("{url}?keepalives_idle=60&sslmode=verify-full");
            assert_eq!(guard_of(&tls), Ok(Guard::Tls(None)));
        }
        // Somebody else's machine behind a name of ours.
        let url = "postgres://jiaoyi@localhost/jiaoyi?hostaddr=10.0.0.7";
        assert!(guard_of(url).is_err());
    }

    #[test]
    fn a_guard_that_guards_nothing_is_refused() {
        let url = "postgres://jiaoyi@localhost/jiaoyi?";
        for (query, said) in [
            ("sslmode=prefer", "verify-full or disable"),
            ("sslmode=allow", "verify-full or disable"),
            ("sslmode=on", "not known"),
            ("sslmode=disable&sslrootcert=/ca.pem", "contradict"),
            ("sslrootcert=ca.pem", "absolute"),
        ] {
            let why = guard_of(&format!("{url}{query}")).unwrap_err();
            assert!(why.contains(said), "{query}: {why}");
        }
        let url = format!("{url}sslrootcert=%2Fetc%2Four%20ca.pem");
        let file = PathBuf::from("/etc/our ca.pem");
        assert_eq!(guard_of(&url), Ok(Guard::Tls(Some(file))));
    }
}
