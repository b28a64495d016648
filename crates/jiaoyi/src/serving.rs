//! Putting a platform behind a listener, with its jobs running beside it.

mod jobs;

pub use jobs::run_jobs;

use crate::announcements::Followed;
use crate::exit::Exit;
use axum::Router;
use jiaoyi_app::admission::{Gate, Purpose};
use jiaoyi_app::platform::Platform;
use jiaoyi_store::Store;
use jiaoyi_web::{Desks, WebSettings, WebState, router};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

/// How often changes of policies and announcements are looked for.
const FOLLOW_EVERY: Duration = Duration::from_secs(5);
/// How long requests under way have to be answered after the store has stopped.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// Takes in, until the task is dropped, what other processes and the office change: policies and
/// announcements.
pub async fn follow(platform: Arc<Platform>, mut news: Option<Followed>) {
    let mut tick = tokio::time::interval(FOLLOW_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = platform.refresh_policies().await {
            tracing::error!(%error, "the policies were not read again");
        }
        if let Some(news) = &mut news {
            news.refresh(&platform);
        }
    }
}

/// How often the gate is told how late work is begun.
const LAG_EVERY: Duration = Duration::from_millis(20);

/// How often those who were turned away are told of.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Tells a gate how late work at the desks is begun that was due, and the log whom the gate turned
/// away, as long as there is a gate.
async fn watch_lag(gate: Weak<Gate>) {
    let mut last = tokio::time::Instant::now();
    let mut told = last;
    loop {
        let due = last + LAG_EVERY;
        tokio::time::sleep_until(due).await;
        let now = tokio::time::Instant::now();
        let Some(gate) = gate.upgrade() else { return };
        gate.note_lag(now - due, now - last);
        last = now;
        if now - told >= TELL_EVERY {
            told = now;
            let turned_away = gate.take_turned_away();
            if turned_away > 0 {
                let payments = gate.inside(Purpose::Payment);
                tracing::warn!(turned_away, payments, "too many at once");
            }
        }
    }
}

/// The portal's routes over a platform, offering what its channels can do. To be called where a
/// runtime is running.
///
/// # Errors
///
/// When the system starts no more threads.
pub fn portal(
    platform: &Arc<Platform>,
    mut settings: WebSettings,
    clock: jiaoyi_web::Clock,
) -> Result<Router, Exit> {
    settings.methods = platform.methods();
    let desks = Desks::open().map_err(Exit::unexpected)?;
    desks
        .handle()
        .spawn(watch_lag(Arc::downgrade(&settings.gate)));
    settings.desks = Some(Arc::new(desks));
    Ok(router(WebState {
        portal: Arc::clone(platform) as Arc<dyn jiaoyi_app::portal::Portal>,
        clock,
        random: crate::edge::random(),
        settings: Arc::new(settings),
    }))
}

/// How many who have connected may wait to be taken: a crowd that comes while the program starts, or
/// between two looks. Whoever finds no room tries again after 1, 3 and 7 s. The system's own bound
/// (`net.core.somaxconn`) may be lower.
const CROWD: u32 = 4096;

/// Listens on an address; `setting` is where the operator named it.
pub async fn listen(address: &str, setting: &str) -> Result<TcpListener, Exit> {
    bind(address).await.map_err(|error| {
        let what = format!("listen on {address}: {error}");
        match error.kind() {
            ErrorKind::InvalidInput => Exit::usage(format!(
                "{what}; {setting} takes an address such as 127.0.0.1:8080"
            )),
            ErrorKind::AddrInUse => Exit::unavailable(format!(
                "{what}; end the program that has it, or choose another with {setting}"
            )),
            _ => Exit::unavailable(format!("{what}; choose another with {setting}")),
        }
    })
}

async fn bind(address: &str) -> std::io::Result<TcpListener> {
    let mut refused = ErrorKind::AddrNotAvailable.into();
    for address in tokio::net::lookup_host(address).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A port is free again as soon as its program has ended.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(CROWD)) {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Serves until ctrl-c or a termination signal; waits for requests under way.
///
/// # Errors
///
/// Exit 7 when the store has stopped: a process that can acknowledge nothing makes room for one
/// that starts anew from what is on disk.
pub async fn serve(listener: TcpListener, app: Router, store: &Store) -> Result<(), Exit> {
    let server = axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(stopped())
    .into_future();
    tokio::select! {
        served = server => served.map_err(Exit::unexpected),
        () = store.stopped() => {
            // Whoever waits is being answered "unavailable" now.
            tokio::time::sleep(LAST_ANSWERS).await;
            Err(Exit::unavailable(
                "the database can no longer be trusted to keep what is written; start again, \
                 and if it comes back look at the disk",
            ))
        }
    }
}

/// Returns when the process is asked to stop.
pub async fn stopped() {
    let interrupt = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::try_join_all;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    /// The first second after a start: whoever finds no room tries again only a second later.
    #[tokio::test]
    async fn a_crowd_may_wait_to_be_taken() {
        let listener = listen("127.0.0.1:0", "--port").await.unwrap();
        let address = listener.local_addr().unwrap();
        let crowd =
            (0..600).map(|_| timeout(Duration::from_millis(900), TcpStream::connect(address)));
        let connected = try_join_all(crowd).await.expect("there is room for all");
        assert!(connected.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_and_a_wrong_address_are_told_apart() {
        let listener = listen("127.0.0.1:0", "--port").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let taken = listen(&address, "--port").await.unwrap_err().to_string();
        assert!(taken.contains("end the program that has it"), "{taken}");
        let wrong = listen("here", "`listen`").await.unwrap_err().to_string();
        assert!(wrong.contains("such as 127.0.0.1:8080"), "{wrong}");
    }
}
