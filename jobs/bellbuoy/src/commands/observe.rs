//! `observe`: what the observer needs in a cluster. `run observe` runs it.

use super::actuate::print_manifests;
use crate::error::Error;
use crate::settings::Settings;
use ::observe::manifests;
use clap::Args;

/// Options of `observe`.
#[derive(Debug, Args)]
pub struct Observe {
    /// Print what a cluster needs: an account that may get, list and watch what is read, and no more
    #[arg(long, required = true)]
    manifests: bool,
    /// Namespace of the account
    #[arg(long, default_value = "bellbuoy", value_name = "NAME")]
    namespace: String,
    /// JSON instead of YAML
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(settings: &Settings, asked: &Observe) -> Result<(), Error> {
    print_manifests(&manifests::all(&settings.observe, &asked.namespace), asked.json)
}
