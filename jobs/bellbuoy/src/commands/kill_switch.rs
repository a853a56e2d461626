//! `kill-switch`: stop everything new, here or everywhere, until somebody says otherwise.

use crate::error::Error;
use crate::settings::Settings;
use crate::site::Site;
use crate::{control, listing, moment, whole};
use clap::{Args, Subcommand};
use engine::span::Span;
use schemas::{Control, ControlKind, Record as _};
use serde::Serialize;
use std::collections::BTreeMap;
use topics::declared::CONTROL;

/// The switch that is meant where no other is named.
const USUAL: &str = "all";

/// Commands about kill switches.
#[derive(Debug, Subcommand)]
pub enum KillSwitch {
    /// Order and do nothing new from now on
    On {
        #[command(flatten)]
        switch: Switch,
        /// Only here: key=value,… over cluster, namespace, workload, kind, name [default: everywhere]
        #[arg(long, default_value = "", value_name = "SELECTOR", hide_default_value = true)]
        selector: String,
        /// Off again by itself after this long, such as 2h [default: never]
        #[arg(long = "for", value_name = "TIME", value_parser = span)]
        lasting: Option<Span>,
    },
    /// Take it back
    Off {
        #[command(flatten)]
        switch: Switch,
    },
    /// What every switch says
    Status(crate::cli::Listed),
}

/// Which switch, who and why.
#[derive(Debug, Args)]
pub struct Switch {
    /// Which switch; of several that are on each stops what it selects
    #[arg(long, default_value = USUAL, value_name = "NAME")]
    id: String,
    /// Who says so
    #[arg(long, env = "USER", value_name = "NAME")]
    by: String,
    /// Why
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    reason: String,
    /// Whose estate [default: everybody's]
    #[arg(long, default_value = "", value_name = "TENANT", hide_default_value = true)]
    tenant: String,
}

pub(super) fn execute(settings: Settings, command: &KillSwitch) -> Result<(), Error> {
    match command {
        KillSwitch::On { switch, selector, lasting } => say(&settings, switch, "on", selector, *lasting),
        KillSwitch::Off { switch } => say(&settings, switch, "off", "", None),
        KillSwitch::Status(listed) => status(settings, listed.json),
    }
}

fn say(settings: &Settings, switch: &Switch, value: &str, selector: &str, lasting: Option<Span>) -> Result<(), Error> {
    use engine::clock::WallClock as _;
    let at = engine::clock::SystemClock::new().now_millis();
    let control = Control {
        tenant: switch.tenant.clone().into(),
        kind: ControlKind::KillSwitch,
        id: switch.id.clone().into(),
        selector: selector.to_owned().into(),
        value: value.to_owned().into(),
        author: switch.by.clone().into(),
        reason: switch.reason.clone().into(),
        at,
        expires_at: lasting.map_or(0, |lasting| at + lasting.millis()),
    };
    control::say(settings, &control)?;
    listing::text(&format!("kill switch {} is {value}, said by {}\n", switch.id, switch.by))
}

/// The latest word on one switch.
#[derive(Debug, Serialize)]
struct Position {
    tenant: String,
    id: String,
    /// What counts now: on, or off.
    position: &'static str,
    selector: String,
    author: String,
    reason: String,
    at: i64,
    expires_at: i64,
}

fn status(settings: Settings, json: bool) -> Result<(), Error> {
    let site = Site::look(settings)?;
    let now = site.clock.now_millis();
    let mut latest: BTreeMap<(String, String), Position> = BTreeMap::new();
    whole::each(&site, &CONTROL, |_, record| {
        let Some(bytes) = &record.value else { return Ok(()) };
        let control = Control::decode(bytes)?;
        if control.kind != ControlKind::KillSwitch {
            return Ok(());
        }
        let key = (control.tenant.to_string(), control.id.to_string());
        if latest.get(&key).is_none_or(|known| known.at <= control.at) {
            latest.insert(key, position(&control, now));
        }
        Ok(())
    })?;
    let positions: Vec<Position> = latest.into_values().collect();
    if json {
        return listing::json(&positions);
    }
    if positions.is_empty() {
        return listing::text("no kill switch was ever touched: nothing is stopped\n");
    }
    let rows: Vec<Vec<String>> = positions.iter().map(row).collect();
    listing::table(&["SWITCH", "IS", "WHERE", "BY", "SINCE", "UNTIL", "WHY"], &[], &rows)
}

fn position(control: &Control<'_>, now: i64) -> Position {
    // As the jobs read it: what is not understood stops.
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

fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "allowed is a whole number with ms, s, m, h or d".to_owned())
}
