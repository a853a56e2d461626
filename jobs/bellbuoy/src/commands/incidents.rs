//! `incidents`: what goes wrong now, why it is said, and a person's judgement of it.

mod shown;

use super::beginning;
use super::said::Voice;
use crate::error::Error;
use crate::settings::Settings;
use crate::site::Site;
use crate::{control, listing, whole};
use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use schemas::{Control, ControlKind, Incident, IncidentBody, IncidentRecord, Record as _};
use std::collections::BTreeMap;
use topics::declared::INCIDENTS;

/// Commands about incidents.
#[derive(Debug, Subcommand)]
pub enum Incidents {
    /// The incidents that go on, the newest last
    List {
        /// Those that are over, too
        #[arg(long)]
        all: bool,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// One incident whole: what is wrong, likely causes, the arithmetic of its score, and what happened when
    Show {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Say what an incident was; of one that is not `true` nothing is ordered any more
    Label(Label),
}

/// A person's judgement.
#[derive(Debug, Args)]
pub struct Label {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    /// What it was
    #[arg(value_name = "JUDGEMENT")]
    judgement: Judgement,
    #[command(flatten)]
    voice: Voice,
}

/// What an incident was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Judgement {
    /// Something was wrong
    True,
    /// Nothing was wrong
    False,
    /// Something that was known, or done on purpose
    Known,
}

impl Judgement {
    fn word(self) -> &'static str {
        match self {
            Judgement::True => "true",
            Judgement::False => "false",
            Judgement::Known => "known",
        }
    }
}

pub(super) fn execute(settings: Settings, command: &Incidents) -> Result<(), Error> {
    let site = Site::look(settings.clone())?;
    let now = site.clock.now_millis();
    let records = whole::values(&site, &INCIDENTS)?;
    let incidents = latest(&records)?;
    match command {
        Incidents::List { all, json } => {
            let listed: Vec<&Incident<'_>> = incidents.iter().filter(|incident| *all || !incident.is_over()).collect();
            if *json { listing::json(&listed) } else { shown::table(&listed) }
        }
        Incidents::Show { id, json } => {
            let incident = by_id(&incidents, id)?;
            if *json { listing::json(incident) } else { listing::text(&shown::text(incident)) }
        }
        Incidents::Label(label) => {
            let incident = by_id(&incidents, &label.id)?;
            say(&settings, now, incident, label)
        }
    }
}

/// Each incident as it was told last, the oldest first.
fn latest(records: &[Bytes]) -> Result<Vec<Incident<'_>>, Error> {
    let mut latest: BTreeMap<(String, String), Incident<'_>> = BTreeMap::new();
    for bytes in records {
        let IncidentBody::Incident(incident) = IncidentRecord::decode(bytes)?.body else { continue };
        let key = (incident.tenant.to_string(), incident.id.to_string());
        if latest.get(&key).is_none_or(|known| known.revision <= incident.revision) {
            latest.insert(key, *incident);
        }
    }
    let mut incidents: Vec<Incident<'_>> = latest.into_values().collect();
    incidents.sort_by(|one, other| (one.onset, &one.id).cmp(&(other.onset, &other.id)));
    Ok(incidents)
}

/// The one incident whose id begins so.
fn by_id<'i, 'a>(incidents: &'i [Incident<'a>], beginning: &str) -> Result<&'i Incident<'a>, Error> {
    let incidents = incidents.iter().map(|incident| (incident.id.as_str(), incident));
    beginning::one(incidents, beginning, ("incident", "incidents list --all"))
}

fn say(settings: &Settings, now: i64, incident: &Incident<'_>, label: &Label) -> Result<(), Error> {
    label.voice.check()?;
    let control = Control {
        tenant: incident.tenant.clone(),
        kind: ControlKind::Label,
        id: incident.id.clone(),
        value: label.judgement.word().into(),
        author: label.voice.by.clone().into(),
        reason: label.voice.reason.clone().into(),
        at: now,
        ..Control::default()
    };
    control::say(settings, &control)?;
    listing::text(&format!("incident {} is {}, said by {}\n", incident.id, label.judgement.word(), label.voice.by))
}
