//! Writes `sql/{table}.sql` for every record type; run by `cargo xtask gen sql`.
//! With `--draft-ddl` it prints bare CREATE TABLE texts, a start for a migration written by hand.

use jiaoyi_domain::record::Kind;
use jiaoyi_store::generate::table_sql;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let draft = std::env::args().any(|arg| arg == "--draft-ddl");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    for spec in jiaoyi_store::schema::all_tables() {
        if draft {
            let mut lines = String::new();
            for column in spec.columns {
                let kind = match column.kind {
                    Kind::Int => "bigint",
                    Kind::Text => "text",
                    Kind::Bytes => "bytes",
                };
                let null = if column.nullable { "" } else { " not null" };
                lines.push_str(&format!("    {} {kind}{null},\n", column.name));
            }
            let key: Vec<&str> = spec.columns[..spec.key_len]
                .iter()
                .map(|column| column.name)
                .collect();
            std::io::Write::write_all(
                &mut std::io::stdout(),
                format!(
                    "create table {} (\n{lines}    constraint {}_pk primary key ({})\n) clustered;\n\n",
                    spec.name,
                    spec.name,
                    key.join(", ")
                )
                .as_bytes(),
            )?;
        } else {
            std::fs::write(folder.join(format!("{}.sql", spec.name)), table_sql(spec))?;
        }
    }
    Ok(())
}
