//! Progress bars on standard error; where that is no terminal, nothing is drawn.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// So many things to do.
pub(crate) fn progress_bar(length: u64, things: &str) -> ProgressBar {
    bar(length, &format!("{{bar:40}} {{human_pos}}/{{human_len}} {things} {{eta}}"))
}

/// So many bytes to read; an unknown size shows what has been read.
pub(crate) fn byte_bar(length: u64, name: &str) -> ProgressBar {
    let name = name.replace(['{', '}'], "");
    if length == 0 {
        return bar(0, &format!("{name} {{bytes}}"));
    }
    bar(length, &format!("{name} {{bar:40}} {{bytes}}/{{total_bytes}} {{eta}}"))
}

/// So many milliseconds of an estate's time to live through.
pub(super) fn time_bar(length: i64) -> ProgressBar {
    bar(u64::try_from(length).unwrap_or(0), "living {bar:40} {percent}% {elapsed}")
}

/// So many raw records to understand.
pub(super) fn live_bar(length: u64) -> ProgressBar {
    bar(length, "{spinner} {bar:40} {human_pos}/{human_len} raw records, {msg}, {elapsed}")
}

fn bar(length: u64, template: &str) -> ProgressBar {
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::new(length);
    // A template that cannot be read leaves the library's own style.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
