//! Tells a rule's finding once, and again only when graver or after a quiet time.

use crate::DetectError;
use crate::state::{Reader, put_number, put_signed};
use schemas::Band;

/// What was told last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet {
    told: Option<(i64, Band)>,
    count: u64,
}

impl Quiet {
    /// True when it is to be told; how often it happened before is [`Quiet::count`].
    pub fn tell(&mut self, time: i64, band: Band, quiet: i64) -> bool {
        let again = self.told.is_none_or(|(since, before)| band > before || time.saturating_sub(since) >= quiet);
        if again {
            self.told = Some((time, band));
        }
        self.count += 1;
        again
    }

    /// How often it happened, this time included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.count);
        if let Some((time, band)) = self.told {
            put_signed(out, time);
            out.push(band as u8);
        }
    }

    /// Reads what [`Quiet::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let count = from.number()?;
        if count == 0 {
            return Ok(Quiet::default());
        }
        let time = from.signed()?;
        let band = match from.byte()? {
            0 => Band::Unusual,
            1 => Band::Sharp,
            2 => Band::Novel,
            _ => return Err(from.corrupt("unknown band")),
        };
        Ok(Quiet { told: Some((time, band)), count })
    }
}
