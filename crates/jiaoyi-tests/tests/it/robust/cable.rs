//! The way from one server to another, which can be cut.

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    /// Connections stay, and nothing comes through: a switch that lost its power.
    Silent,
    /// Connections end, and none is made.
    Cut,
}

impl State {
    /// The two ways of being cut off.
    pub const CUTS: [State; 2] = [State::Silent, State::Cut];
}

/// A way to a server on this machine.
pub struct Cable {
    /// Where it begins.
    pub port: u16,
    state: watch::Sender<State>,
}

impl Cable {
    /// An open way to the server behind this port.
    pub async fn to(server: u16) -> Result<Cable> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (state, is) = watch::channel(State::Open);
        tokio::spawn(async move {
            // Ends with the sender.
            let mut over = is.clone();
            tokio::select! {
                () = accept(listener, server, is) => {}
                _ = over.wait_for(|_| false) => {}
            }
        });
        Ok(Cable { port, state })
    }

    /// Cuts it, or mends it.
    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn accept(listener: TcpListener, server: u16, is: watch::Receiver<State>) {
    while let Ok((near, _)) = listener.accept().await {
        if *is.borrow() == State::Cut {
            continue;
        }
        if let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await {
            tokio::spawn(join(near, far, is.clone()));
        }
    }
}

/// Carries bytes both ways, until one end is closed or the way is cut.
async fn join(near: TcpStream, far: TcpStream, is: watch::Receiver<State>) {
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::select! {
        _ = carry(from_near, to_far, is.clone()) => {}
        _ = carry(from_far, to_near, is) => {}
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is: watch::Receiver<State>,
) -> Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = tokio::select! {
            count = from.read(&mut bytes) => count?,
            cut = is.wait_for(|state| *state == State::Cut) => { cut?; 0 }
        };
        // What is on its way when nothing comes through any more does not arrive.
        let state = *is.wait_for(|state| *state != State::Silent).await?;
        if count == 0 || state == State::Cut {
            return Ok(());
        }
        to.write_all(&bytes[..count]).await?;
    }
}
