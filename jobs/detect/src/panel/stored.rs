//! How a panel is stored.

use super::instance::{ABSENT, Instance, WITHOUT_VALUE};
use super::{Evidence, Panel};
use crate::DetectError;
use crate::counter::Counter;
use crate::detectors::ALL;
use crate::layout::{Layout, Reading};
use crate::state::{Reader, put_f64, put_number, put_signed, put_text};

impl Panel {
    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, &self.scope);
        self.layout.encode(out);
        put_number(out, self.open);
        put_signed(out, self.interval);
        out.push(self.votes);
        put_number(out, self.known as u64);
        put_signed(out, self.since);
        put_signed(out, self.row_time);
        put_number(out, self.judged as u64);
        put_signed(out, self.reshaped);
        put_number(out, self.hint as u64);
        put_text(out, &self.raw_topic);
        put_number(out, self.evidence.len() as u64);
        for e in &self.evidence {
            put_signed(out, e.offset);
            put_signed(out, i64::from(e.partition));
            put_signed(out, e.from);
            put_signed(out, e.to);
        }
        put_number(out, self.instances.len() as u64);
        self.instances.iter().for_each(|instance| instance.encode(self.open, out));
        put_number(out, self.detectors.len() as u64);
        let mut bytes = Vec::new();
        for (kind, detector) in &self.detectors {
            bytes.clear();
            detector.encode(&mut bytes);
            put_text(out, ALL[*kind].name);
            put_number(out, bytes.len() as u64);
            out.extend_from_slice(&bytes);
        }
    }

    /// Reads what [`Panel::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut panel = Panel::new(from.text()?);
        panel.layout = Layout::decode(from)?;
        panel.count_series = (0..panel.layout.len()).find(|&i| panel.layout.reading(i) == Reading::Instances);
        panel.open = from.number()?;
        panel.interval = from.signed()?;
        panel.votes = from.byte()?;
        panel.known = from.number()? as usize;
        panel.since = from.signed()?;
        panel.row_time = from.signed()?;
        panel.judged = from.number32()? as usize;
        panel.reshaped = from.signed()?;
        panel.hint = from.number32()? as usize;
        panel.raw_topic = from.text()?.into();
        for _ in 0..from.count()? {
            let offset = from.signed()?;
            let partition = i32::try_from(from.signed()?).map_err(|_| from.corrupt("partition above 32 bits"))?;
            panel.evidence.push(Evidence { offset, partition, from: from.signed()?, to: from.signed()? });
        }
        for _ in 0..from.count()? {
            let instance = Instance::decode(panel.open, &panel.layout, from)?;
            panel.instances.push(instance);
        }
        for _ in 0..from.count()? {
            let name = from.text()?;
            let length = from.count()?;
            let mut bytes = Reader::new(from.take(length)?);
            let kind = ALL.iter().position(|kind| kind.name == name).ok_or_else(|| from.corrupt("unknown detector"))?;
            let slot = panel.detectors.iter_mut().find(|(index, _)| *index == kind);
            let slot = slot.ok_or_else(|| from.corrupt("detector that does not read rows"))?;
            slot.1 = (ALL[kind].decode)(&mut bytes)?;
        }
        Ok(panel)
    }
}

impl Instance {
    pub(super) fn encode(&self, open: u64, out: &mut Vec<u8>) {
        put_text(out, &self.name);
        put_signed(out, self.first_time);
        put_signed(out, self.time);
        put_number(out, open - self.row);
        put_number(out, u64::from(self.expected));
        put_number(out, u64::from(self.got));
        put_number(out, self.values.len() as u64);
        for value in &self.values {
            match value.to_bits() {
                bits if bits == ABSENT.to_bits() => out.push(0),
                bits if bits == WITHOUT_VALUE.to_bits() => out.push(1),
                _ => {
                    out.push(2);
                    put_f64(out, *value);
                }
            }
        }
        put_number(out, self.counters.len() as u64);
        self.counters.iter().for_each(|counter| counter.encode(out));
    }

    pub(super) fn decode(open: u64, layout: &Layout, from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut instance = Instance::new(from.text()?, from.signed()?);
        instance.time = from.signed()?;
        instance.row = open.checked_sub(from.number()?).ok_or_else(|| from.corrupt("row before the first"))?;
        instance.expected = from.number32()?;
        instance.got = from.number32()?;
        let count = from.count()?;
        instance.values.reserve_exact(count);
        for _ in 0..count {
            instance.values.push(match from.byte()? {
                0 => ABSENT,
                1 => WITHOUT_VALUE,
                _ => from.f64()?,
            });
        }
        let count = from.count()?;
        instance.counters.reserve_exact(count);
        for _ in 0..count {
            instance.counters.push(Counter::decode(from)?);
        }
        if instance.values.len() > layout.len() || instance.counters.len() > layout.counters() {
            return Err(from.corrupt("instance with more values than series"));
        }
        Ok(instance)
    }
}
