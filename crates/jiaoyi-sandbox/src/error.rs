//! Answers for: what can go wrong while the sandbox starts. Refusals on the wire are answers of
//! the channel and live with the channel.

use std::path::PathBuf;

/// Why the sandbox could not be configured or started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A file named by the configuration, or the configuration itself, could not be read.
    #[error("reading {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// An identity file could not be written.
    #[error("writing {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The configuration is not TOML, or has an unknown, missing or mistyped key.
    #[error("{path}: {message}")]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// Line, key and what is wrong with it.
        message: String,
    },
    /// A value of the configuration cannot be used.
    #[error("sandbox setting {key}: {message}")]
    Setting {
        /// `section.key`.
        key: &'static str,
        /// What is wrong and what is expected.
        message: String,
    },
    /// Keys or certificates could not be made.
    #[error("making {what}: {message}")]
    Identity {
        /// Which key or certificate.
        what: &'static str,
        /// What the library said.
        message: String,
    },
    /// The listening socket or the client for notices could not be used.
    #[error("starting the sandbox: {message}")]
    Start {
        /// What failed.
        message: String,
    },
}

impl SandboxError {
    /// Stable across releases.
    pub fn code(&self) -> &'static str {
        match self {
            SandboxError::Read { .. } => "sandbox.read",
            SandboxError::Write { .. } => "sandbox.write",
            SandboxError::Config { .. } => "sandbox.config",
            SandboxError::Setting { .. } => "sandbox.setting",
            SandboxError::Identity { .. } => "sandbox.identity",
            SandboxError::Start { .. } => "sandbox.start",
        }
    }
}
