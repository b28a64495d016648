//! `jiaoyi sandbox`: the other side of the payment channels, alone.

use crate::commands::make_folder;
use crate::config::hinted;
use crate::edge;
use crate::exit::{Exit, note, print};
use crate::serving::{listen, stopped};
use clap::Args;
use jiaoyi_sandbox::{EXAMPLE_FAULTS, SandboxConfig, SandboxError, serve, write_demo_identities};
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi sandbox --make-identities channels --port 9090\n  jiaoyi sandbox --config channels/sandbox.toml --port 9090\n  jiaoyi sandbox --example-faults > faults.toml\n  jiaoyi sandbox --config channels/sandbox.toml --faults faults.toml"
)]
pub struct SandboxArgs {
    /// Where to listen on 127.0.0.1; 0 takes a free port. With --make-identities: where the sandbox
    /// will listen, which channels.toml has to name.
    #[arg(long, default_value_t = 9090)]
    port: u16,
    /// Merchants and keys; key entries are PEM files relative to it.
    #[arg(long, default_value = "sandbox.toml")]
    config: PathBuf,
    /// Write new keys and both sides' configurations into this folder, and end.
    #[arg(long, value_name = "DIR")]
    make_identities: Option<PathBuf>,
    /// What goes wrong, and when: a file of rules, see --example-faults.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Print a commented file of rules with every kind of fault, and end.
    #[arg(long)]
    example_faults: bool,
}

/// Serves until the process is asked to stop.
pub async fn run(args: SandboxArgs) -> Result<(), Exit> {
    if let Some(folder) = args.make_identities {
        return make_identities(&folder, args.port);
    }
    if args.example_faults {
        print(EXAMPLE_FAULTS.trim_end());
        return Ok(());
    }
    let mut config = SandboxConfig::load(&args.config).map_err(refused)?;
    if let Some(faults) = &args.faults {
        load_faults(&mut config, faults)?;
    }
    let listener = listen(&format!("127.0.0.1:{}", args.port), "--port").await?;
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

/// Reads a file of rules, of what goes wrong.
pub fn load_faults(config: &mut SandboxConfig, file: &Path) -> Result<(), Exit> {
    config.load_faults(file).map_err(|error| match &error {
        SandboxError::Read { path, source } => {
            let how = "`jiaoyi sandbox --example-faults` prints one";
            Exit::unread_or(path, source, how)
        }
        _ => refused(error),
    })
}

/// Writes both sides' configurations where none is yet: new keys would make the old ones useless.
fn make_identities(folder: &Path, port: u16) -> Result<(), Exit> {
    if port == 0 {
        return Err(Exit::usage(
            "--port 0: channels.toml has to name the port; choose one, such as --port 9090",
        ));
    }
    for file in ["sandbox.toml", "channels.toml"] {
        if folder.join(file).exists() {
            return Err(Exit::conflict(format!(
                "{}: is there already and is never overwritten; name another folder",
                folder.join(file).display()
            )));
        }
    }
    make_folder(folder)?;
    let base_url = format!("http://127.0.0.1:{port}");
    let made = write_demo_identities(folder, &base_url, edge::system_now().0).map_err(refused)?;
    print(made.sandbox_toml.display());
    print(made.channels_toml.display());
    note(format!(
        "channels.toml sends every call to {base_url}; start it with\n  \
         jiaoyi sandbox --config {} --port {port}",
        made.sandbox_toml.display()
    ));
    Ok(())
}

fn refused(error: SandboxError) -> Exit {
    match &error {
        SandboxError::Read { path, source } => {
            Exit::unread_or(path, source, "make it with --make-identities DIR")
        }
        SandboxError::Write { path, source } => Exit::unwritten(path, source),
        SandboxError::Config { .. } => Exit::usage(hinted(&error.to_string())),
        SandboxError::Setting { .. } => Exit::usage(&error),
        SandboxError::Identity { .. } | SandboxError::Start { .. } => Exit::unexpected(&error),
    }
}
