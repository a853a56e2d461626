//! Structured logs on standard error, so that standard output holds answers only.

use crate::cli::LogFormat;
use crate::error::Error;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Variable with the filter, as `info` or `engine=debug,info`.
const FILTER: &str = "BELLBUOY_LOG";

/// Starts logging; `usual` is what is shown unless the environment says otherwise.
pub(crate) fn start(format: LogFormat, usual: &str) -> Result<(), Error> {
    let filter = match std::env::var(FILTER) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text).map_err(|e| {
            Error::Usage(format!("{FILTER}: `{text}` is no filter: {e}; allowed is e.g. info or engine=debug,warn"))
        })?,
        _ => EnvFilter::new(usual),
    };
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    let started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|e| Error::Usage(format!("logging: {e}")))
}
