//! Names and texts of the example packs.

/// Every example pack: file name and TOML text.
pub const EXAMPLES: &[(&str, &str)] = &[];
