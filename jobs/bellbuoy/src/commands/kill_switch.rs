//! `kill-switch`: stop everything new, here or everywhere, until somebody says otherwise.

use super::said::{self, Voice, Word};
use crate::error::Error;
use crate::listing;
use crate::settings::Settings;
use clap::{Args, Subcommand};
use engine::span::Span;
use schemas::ControlKind;

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
        #[arg(long, default_value = "", value_name = "SELECTOR", hide_default_value = true, value_parser = said::selector)]
        selector: String,
        /// Off again by itself after this long, such as 2h [default: never]
        #[arg(long = "for", value_name = "TIME", value_parser = said::span)]
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
    #[command(flatten)]
    voice: Voice,
    /// Whose estate [default: everybody's]
    #[arg(long, default_value = "", value_name = "TENANT", hide_default_value = true)]
    tenant: String,
}

pub(super) fn execute(settings: Settings, command: &KillSwitch) -> Result<(), Error> {
    match command {
        KillSwitch::On { switch, selector, lasting } => turn(&settings, switch, true, selector, *lasting),
        KillSwitch::Off { switch } => turn(&settings, switch, false, "", None),
        KillSwitch::Status(listed) => {
            let switches = said::positions(settings, ControlKind::KillSwitch)?;
            said::list(&switches, "SWITCH", "no kill switch was ever touched: nothing is stopped\n", listed.json)
        }
    }
}

fn turn(settings: &Settings, switch: &Switch, on: bool, selector: &str, lasting: Option<Span>) -> Result<(), Error> {
    let Switch { id, voice, tenant } = switch;
    said::say(settings, &Word { kind: ControlKind::KillSwitch, tenant, id, selector, on, lasting }, voice)?;
    listing::text(&format!("kill switch {id} is {}, said by {}\n", if on { "on" } else { "off" }, voice.by))
}
