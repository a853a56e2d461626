//! `mute`: do not tell people of incidents about some part of an estate, for some time. They are found and published all
//! the same.

use super::said::{self, Position, Voice, Word};
use crate::error::Error;
use crate::settings::Settings;
use crate::{listing, moment};
use clap::Subcommand;
use engine::span::Span;
use schemas::ControlKind;

/// The estate that is meant where no other is named, as everywhere on the control topic.
const USUAL: &str = "default";

/// Commands about mutes.
#[derive(Debug, Subcommand)]
pub enum Mute {
    /// Tell nobody of incidents that touch nothing else
    On {
        /// What about: key=value,… over cluster, namespace, workload, kind, name; `cluster=*` is everything
        #[arg(value_name = "SELECTOR", value_parser = something)]
        selector: String,
        /// For how long, such as 2h
        #[arg(long = "for", value_name = "TIME", value_parser = said::span)]
        lasting: Span,
        /// Its name, to take it back or to say it anew [default: the selector]
        #[arg(long, value_name = "NAME")]
        id: Option<String>,
        /// Whose estate
        #[arg(long, default_value = USUAL, value_name = "TENANT")]
        tenant: String,
        #[command(flatten)]
        voice: Voice,
    },
    /// Take it back before its time
    Off {
        /// Its name, as `list` shows it
        #[arg(value_name = "NAME")]
        id: String,
        /// Whose estate
        #[arg(long, default_value = USUAL, value_name = "TENANT")]
        tenant: String,
        #[command(flatten)]
        voice: Voice,
    },
    /// Every mute, and until when it counts
    List(crate::cli::Listed),
}

pub(super) fn execute(settings: Settings, command: &Mute) -> Result<(), Error> {
    match command {
        Mute::On { selector, lasting, id, tenant, voice } => {
            let id = id.as_deref().unwrap_or(selector);
            let word = Word { kind: ControlKind::Mute, tenant, id, selector, on: true, lasting: Some(*lasting) };
            said::say(&settings, &word, voice)?;
            listing::text(&format!("{selector} is muted for {lasting}, said by {}\n", voice.by))
        }
        Mute::Off { id, tenant, voice } => {
            let mutes = said::positions(settings.clone(), ControlKind::Mute)?;
            let selector = &in_force(&mutes, tenant, id)?.selector;
            let word = Word { kind: ControlKind::Mute, tenant, id, selector, on: false, lasting: None };
            said::say(&settings, &word, voice)?;
            listing::text(&format!("mute {id} is off, said by {}\n", voice.by))
        }
        Mute::List(listed) => {
            let mutes = said::positions(settings, ControlKind::Mute)?;
            said::list(&mutes, "MUTE", "nothing was ever muted\n", listed.json)
        }
    }
}

/// The mute of a name. What does not count is not taken back: a name mistyped would leave somebody in silence.
fn in_force<'a>(mutes: &'a [Position], tenant: &str, id: &str) -> Result<&'a Position, Error> {
    let of_tenant = || mutes.iter().filter(move |mute| mute.tenant == tenant);
    match of_tenant().find(|mute| mute.id == id) {
        Some(mute) if mute.position == "on" => Ok(mute),
        Some(mute) => {
            let since = if mute.expires_at == 0 { mute.at } else { mute.expires_at };
            Err(Error::Unwell(format!("mute {id} is off since {}", moment::format(since))))
        }
        None => {
            let known: Vec<&str> = of_tenant().filter(|mute| mute.position == "on").map(|mute| &*mute.id).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(" · ") };
            Err(Error::Unwell(format!("there is no mute {id} of tenant {tenant}; in force: {known}")))
        }
    }
}

/// A selector that selects: to mute everything must be meant.
fn something(text: &str) -> Result<String, String> {
    match said::selector(text)?.as_str() {
        "" => Err("it selects nothing in particular; `cluster=*` is everything".to_owned()),
        selector => Ok(selector.to_owned()),
    }
}
