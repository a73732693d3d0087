//! Logs: to journald where systemd reads our standard error, else to standard error; with
//! `log_format = "json"` one object a line to standard output, as container engines collect them.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, LogFormat};

/// Begins logging at the configured level.
pub(crate) fn start(config: &Config) {
    let filter = EnvFilter::new(config.log_level.as_str());
    let registry = tracing_subscriber::registry().with(filter);
    if config.services.log_format == LogFormat::Json {
        registry.with(fmt::layer().json().with_writer(std::io::stdout)).init();
        return;
    }
    // systemd sets JOURNAL_STREAM for a service whose standard error goes to the journal.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    match journal {
        Some(journal) => registry.with(journal).init(),
        None => {
            let color = std::io::stderr().is_terminal();
            let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(color);
            registry.with(layer).init();
        }
    }
}
