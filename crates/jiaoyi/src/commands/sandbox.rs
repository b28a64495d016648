//! `jiaoyi sandbox`: the other side of the payment channels, alone.

use crate::edge;
use crate::exit::{Exit, note, print};
use crate::serving::stopped;
use clap::Args;
use jiaoyi_sandbox::{SandboxConfig, serve, write_demo_identities};
use std::path::PathBuf;
use tokio::net::TcpListener;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi sandbox --port 9090 --config sandbox.toml\n  jiaoyi sandbox --make-identities ./identities"
)]
pub struct SandboxArgs {
    /// Where to listen on 127.0.0.1; 0 takes a free port.
    #[arg(long, default_value_t = 9090)]
    port: u16,
    /// Merchants and keys; key entries are PEM files relative to it.
    #[arg(long, default_value = "sandbox.toml")]
    config: PathBuf,
    /// Write new keys and both sides' configurations into this folder, and end.
    #[arg(long, value_name = "DIR")]
    make_identities: Option<PathBuf>,
}

/// Serves until the process is asked to stop.
pub async fn run(args: SandboxArgs) -> Result<(), Exit> {
    if let Some(folder) = args.make_identities {
        let made =
            write_demo_identities(&folder, edge::system_now().0).map_err(Exit::unexpected)?;
        print(made.sandbox_toml.display());
        print(made.channels_toml.display());
        return Ok(());
    }
    let config = SandboxConfig::load(&args.config).map_err(Exit::usage)?;
    let listener = TcpListener::bind(("127.0.0.1", args.port))
        .await
        .map_err(|error| Exit::unavailable(format!("listen on port {}: {error}", args.port)))?;
    let address = listener.local_addr().map_err(Exit::unexpected)?;
    let base_url = format!("http://{address}");
    let running = serve(listener, config, edge::system_clock(), base_url.clone())
        .await
        .map_err(Exit::unexpected)?;
    note("simulated payment channels; nothing here is a real payment");
    print(&base_url);
    stopped().await;
    running.shutdown().await;
    Ok(())
}
