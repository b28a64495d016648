//! Runs a sandbox alone, with identities that it makes itself when the directory has none:
//! `cargo run -p jiaoyi-sandbox --example sandbox -- 9090 /tmp/identities` (port 0 = a free one).
//! Prints one line, `listening <base url>`, and serves until it is ended.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiaoyi_sandbox::{SandboxConfig, serve, write_demo_identities};

#[expect(
    clippy::disallowed_methods,
    reason = "the edge of the program reads the clock"
)]
fn now_ms() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().unwrap_or_default().parse().unwrap_or(0);
    let dir = PathBuf::from(arguments.next().ok_or("usage: sandbox PORT DIRECTORY")?);
    let config = dir.join("sandbox.toml");
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    if !config.exists() {
        write_demo_identities(&dir, &base_url, now_ms())?;
    }
    let running = serve(
        listener,
        SandboxConfig::load(&config)?,
        Arc::new(now_ms),
        base_url.clone(),
    )
    .await?;
    writeln!(std::io::stdout(), "listening {base_url}")?;
    running.wait().await;
    Ok(())
}
