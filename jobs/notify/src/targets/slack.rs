//! Slack: an incoming webhook, whose address is its secret.
//!
//! `https://api.slack.com/messaging/webhooks`. There is no identity to compare: after a crash at the wrong moment a message
//! may come twice.

use super::http::{Access, Http, Request, check_url};
use super::{Failure, Target, secret};
use crate::dispatch::Delivery;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Longest text of a section (`https://api.slack.com/reference/block-kit/blocks#section`).
const LONGEST: usize = 3000;
/// Longest text of a header.
const LONGEST_HEADER: usize = 150;

/// Where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A file with the webhook's address, which is a secret.
    pub url_file: PathBuf,
    /// How it is trusted.
    pub access: Access,
}

impl Config {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if self.url_file.as_os_str().is_empty() {
            return Err(("url_file".to_owned(), "a file with the webhook's address is needed".to_owned()));
        }
        Ok(())
    }
}

pub(super) struct Slack {
    config: Config,
    http: Http,
}

impl Slack {
    pub(super) fn new(config: Config) -> Self {
        Slack { http: Http::new(config.access.clone()), config }
    }

    fn url(&self) -> Result<String, Failure> {
        let url = secret::read("url_file", &self.config.url_file)?;
        check_url("url_file", &url).map_err(|(_, message)| Failure::later(format!("url_file: {message}")))?;
        Ok(url)
    }
}

impl Target for Slack {
    fn look(&mut self) -> Result<String, Failure> {
        self.url().map(|_| "its address can be read".to_owned())
    }

    fn send(&mut self, delivery: &Delivery) -> Result<String, Failure> {
        let url = self.url()?;
        let body = message(delivery)?.to_string();
        let body = Some(("application/json", body.as_bytes()));
        self.http.send(&Request { method: "POST", url: &url, headers: &[], body })
    }
}

fn message(delivery: &Delivery) -> Result<Value, Failure> {
    let title = delivery.title()?;
    // `plain_text` renders no markup: names in telemetry can neither link nor mention anybody.
    let plain = |text: &str, longest: usize| json!({"type": "plain_text", "text": cut(text, longest), "emoji": false});
    let mut blocks = vec![json!({"type": "header", "text": plain(&title, LONGEST_HEADER)})];
    let lines = delivery.lines()?;
    if !lines.is_empty() {
        blocks.push(json!({"type": "section", "text": plain(&lines.join("\n"), LONGEST)}));
    }
    Ok(json!({"text": escape(&cut(&title, LONGEST)), "blocks": blocks}))
}

fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

/// `https://api.slack.com/reference/surfaces/formatting#escaping`.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_telemetry_mentions_nobody() {
        assert_eq!(escape("<!channel> & co"), "&lt;!channel&gt; &amp; co");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
