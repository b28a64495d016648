//! `jiaoyi keys new|answer FILE`: the key file of a new installation, and keys for institutions.

use crate::edge;
use crate::exit::{Exit, note, print};
use crate::keys;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Draw new keys and write them into a new file; an old one is never overwritten.
    #[command(
        after_help = "Examples:\n  jiaoyi keys new keys.toml\n  jiaoyi keys new /etc/jiaoyi/keys.toml --sm"
    )]
    New {
        /// Where they are written; its owner alone may read it.
        file: PathBuf,
        /// Sign vouchers with SM2 and seal columns with SM4 instead of ES256 and AES.
        #[arg(long)]
        sm: bool,
    },
    /// Draw keys that sign answers to institutions, RSA and SM2, and print their public halves.
    #[command(after_help = "Example:\n  jiaoyi keys answer keys.toml")]
    Answer {
        /// The key file; its other keys stay as they are.
        file: PathBuf,
    },
}

/// Adds answer keys to a key file.
fn answer(file: &Path) -> Result<(), Exit> {
    let mut keyring = keys::load(file)?;
    let random = edge::random();
    let drawn = keyring.add_answer_keys(&mut |bytes| random(bytes));
    let ids = drawn.map_err(Exit::unexpected)?;
    keys::replace(file, &keyring)?;
    for (id, key) in keyring
        .answer_keys()
        .filter(|(id, _)| ids.iter().any(|own| own == id))
    {
        print(format!("{id}\n{}", key.public_pem()));
    }
    note(
        "新的应答密钥已写入；重启服务后生效。请先把公钥交给各机构。\n\
         New keys sign answers once the service is started again; hand their public halves to the \
         institutions first.",
    );
    Ok(())
}

/// Exit 0 when written, 3 when the folder is not there, 5 when the file is.
pub fn run(args: KeysArgs) -> Result<(), Exit> {
    let (file, sm) = match args.command {
        KeysCommand::New { file, sm } => (file, sm),
        KeysCommand::Answer { file } => return answer(&file),
    };
    let keyring = keys::make(&file, sm)?;
    print(file.display());
    note(format!(
        "新密钥已写入，只有本用户能读；凭证密钥 {id}。\n\
         请另存一份，并与数据库分开保管：丢了它，封存的数据再也读不出；谁同时拿到两样，谁就能读出全部。\n\
         New keys, readable by you alone; voucher key {id}.\n\
         Keep a copy, and keep it apart from the database: without it nothing sealed can be read\n\
         again, and whoever holds both can read everything.",
        id = keyring.voucher_key().0
    ));
    Ok(())
}
