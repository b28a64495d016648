//! `jiaoyi keys new FILE`: the key file of a new installation.

use crate::exit::{Exit, note, print};
use crate::keys;
use clap::{Args, Subcommand};
use std::path::PathBuf;

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
}

/// Exit 0 when written, 3 when the folder is not there, 5 when the file is.
pub fn run(args: KeysArgs) -> Result<(), Exit> {
    let KeysCommand::New { file, sm } = args.command;
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
