//! The constants of the ranking.
//!
//! The bounds, the dead zone, the bonuses and the lags are the incident score's. The share that is blamed, the weight of
//! network volume and what counts as one kind of evidence were settled after about a hundred settings had been compared
//! on Nezha's Online Boutique, so its figures are in part in-sample.
//!
//! Invariant: no weight is negative, so evidence never clears a suspect.

use schemas::Family;

/// Strongest evidence there is, −log10 p.
pub(super) const STRONGEST: f64 = 8.0;
/// Strength below which evidence says nothing, as in the incident score.
pub(super) const DEAD_ZONE: f64 = 2.0;
/// What strength is worth below the dead zone and beside it: enough to order, too little to convince.
pub(super) const WHISPER: f64 = 0.1;
/// What a fall is worth against a rise: traffic that stays away pulls every resource down with it.
pub(super) const FALL: f64 = 0.5;
/// Share of a dependency's latency or errors that is taken for the reason of its caller's.
pub(super) const BLAMED: f64 = 0.5;
/// Evidence below this convinces nobody, as for incidents.
pub(super) const LEAST: f64 = 1.0;
/// What it is worth to depart first.
pub(super) const FIRST_BONUS: f64 = 1.0;
/// Lag at which that is halved: the lag over which calls are correlated.
pub(super) const FIRST_UNIT_MS: f64 = 120_000.0;
/// What a change shortly before is worth.
pub(super) const CHANGE_BONUS: f64 = 2.0;
/// How long after a change its effect is looked for.
pub(super) const CHANGE_LAG_MS: i64 = 900_000;
/// How much later than its effect a change may be recorded.
pub(super) const CHANGE_SLACK_MS: i64 = 60_000;

/// What a family is worth. Network volume follows the callers; a change is counted by itself.
pub(super) fn of(family: Family) -> f64 {
    match family {
        Family::Latency | Family::Errors | Family::Saturation | Family::Novelty | Family::Logs => 1.0,
        Family::Peers => 0.7,
        Family::Network | Family::Forecast => 0.5,
        Family::Change | Family::DataQuality => 0.0,
    }
}

/// Whether callers inherit it from what they call.
pub(super) fn is_inherited(family: Family) -> bool {
    matches!(family, Family::Latency | Family::Errors)
}

/// A family as a person reads it.
pub(super) fn name(family: Family) -> &'static str {
    match family {
        Family::Latency => "latency",
        Family::Errors => "errors",
        Family::Saturation => "saturation",
        Family::Novelty => "novelty",
        Family::Network => "network",
        Family::Change => "change",
        Family::Logs => "logs",
        Family::Peers => "peers",
        Family::Forecast => "forecast",
        Family::DataQuality => "data quality",
    }
}
