//! What people say on the control topic that has a place and an end: kill switches and mutes, each under a name of its own
//! of which the last word counts.

use crate::error::Error;
use crate::settings::Settings;
use crate::site::Site;
use crate::{control, listing, moment, whole};
use clap::Args;
use engine::clock::{SystemClock, WallClock as _};
use engine::span::Span;
use schemas::{Control, ControlKind, Record as _, Selector};
use serde::Serialize;
use std::collections::BTreeMap;
use topics::declared::CONTROL;

/// Who says something, and why.
#[derive(Clone, Debug, Args)]
pub struct Voice {
    /// Who says so
    #[arg(long, env = "USER", value_name = "NAME")]
    pub by: String,
    /// Why
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    pub reason: String,
}

/// Something that is on or off somewhere for some time.
pub(super) struct Word<'a> {
    pub(super) kind: ControlKind,
    pub(super) tenant: &'a str,
    pub(super) id: &'a str,
    pub(super) selector: &'a str,
    pub(super) on: bool,
    pub(super) lasting: Option<Span>,
}

impl Voice {
    /// Refuses a voice that is nobody's.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.by.trim().is_empty() { Err(Error::Usage("say who: --by NAME".to_owned())) } else { Ok(()) }
    }
}

/// Says it from now on.
pub(super) fn say(settings: &Settings, word: &Word<'_>, voice: &Voice) -> Result<(), Error> {
    voice.check()?;
    let at = SystemClock::new().now_millis();
    let control = Control {
        tenant: word.tenant.to_owned().into(),
        kind: word.kind,
        id: word.id.to_owned().into(),
        selector: word.selector.to_owned().into(),
        value: if word.on { "on" } else { "off" }.into(),
        author: voice.by.clone().into(),
        reason: voice.reason.clone().into(),
        at,
        expires_at: word.lasting.map_or(0, |lasting| at + lasting.millis()),
    };
    control::say(settings, &control)
}

/// The last word under one name.
#[derive(Debug, Serialize)]
pub(super) struct Position {
    pub(super) tenant: String,
    pub(super) id: String,
    /// What counts now: on, or off.
    pub(super) position: &'static str,
    pub(super) selector: String,
    pub(super) author: String,
    pub(super) reason: String,
    pub(super) at: i64,
    pub(super) expires_at: i64,
}

/// The last word under each name, by tenant and name.
pub(super) fn positions(settings: Settings, kind: ControlKind) -> Result<Vec<Position>, Error> {
    let site = Site::look(settings)?;
    let now = site.clock.now_millis();
    let mut latest: BTreeMap<(String, String), Position> = BTreeMap::new();
    whole::each(&site, &CONTROL, |_, record| {
        let Some(bytes) = &record.value else { return Ok(()) };
        let control = Control::decode(bytes)?;
        if control.kind != kind {
            return Ok(());
        }
        let key = (control.tenant.to_string(), control.id.to_string());
        if latest.get(&key).is_none_or(|known| known.at <= control.at) {
            latest.insert(key, position(&control, now));
        }
        Ok(())
    })?;
    Ok(latest.into_values().collect())
}

fn position(control: &Control<'_>, now: i64) -> Position {
    // As the jobs read it: what is not `off` counts.
    let is_off = control.value == "off" || (control.expires_at != 0 && control.expires_at <= now);
    Position {
        tenant: control.tenant.to_string(),
        id: control.id.to_string(),
        position: if is_off { "off" } else { "on" },
        selector: control.selector.to_string(),
        author: control.author.to_string(),
        reason: control.reason.to_string(),
        at: control.at,
        expires_at: control.expires_at,
    }
}

/// Lists them under the name of what they are; `none` where there are none.
pub(super) fn list(positions: &[Position], name: &str, none: &str, json: bool) -> Result<(), Error> {
    if json {
        return listing::json(&positions);
    }
    if positions.is_empty() {
        return listing::text(none);
    }
    let rows: Vec<Vec<String>> = positions.iter().map(row).collect();
    listing::table(&[name, "IS", "WHERE", "BY", "SINCE", "UNTIL", "WHY"], &[], &rows)
}

fn row(position: &Position) -> Vec<String> {
    let everywhere = position.selector.is_empty();
    vec![
        position.id.clone(),
        position.position.to_owned(),
        if everywhere { "everywhere".to_owned() } else { position.selector.clone() },
        position.author.clone(),
        moment::format(position.at),
        if position.expires_at == 0 { "taken back".to_owned() } else { moment::format(position.expires_at) },
        position.reason.clone(),
    ]
}

/// A time on the command line.
pub(super) fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "allowed is a whole number with ms, s, m, h or d".to_owned())
}

/// A selector on the command line.
pub(super) fn selector(text: &str) -> Result<String, String> {
    text.parse::<Selector>().map(|selector| selector.to_string()).map_err(|error| error.to_string())
}
