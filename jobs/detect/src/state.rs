//! How baselines become bytes and come back: a plain little-endian layout with variable-length integers.
//!
//! Invariant: what was written is read back bit for bit, floating-point numbers included, so that a restored baseline
//! continues exactly as the one that was stored.

use crate::DetectError;

/// Appends an unsigned number, seven bits a byte.
pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number, small magnitudes short.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_number(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends a 32-bit floating-point number.
pub fn put_f32(out: &mut Vec<u8>, value: f32) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Appends a 64-bit floating-point number.
pub fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Appends a text with its length.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends 32-bit floating-point numbers: a mask of those that are not plain zero, then these.
pub fn put_sparse(out: &mut Vec<u8>, values: &[f32]) {
    for chunk in values.chunks(8) {
        let mask = chunk.iter().enumerate().fold(0u8, |mask, (i, v)| mask | (u8::from(v.to_bits() != 0) << i));
        out.push(mask);
        chunk.iter().filter(|v| v.to_bits() != 0).for_each(|&v| put_f32(out, v));
    }
}

/// Reads what the `put_*` functions wrote.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, length: bytes.len() }
    }

    /// The error for content that cannot be.
    pub fn corrupt(&self, what: &'static str) -> DetectError {
        DetectError::State { at: self.length - self.bytes.len(), what }
    }

    /// True when everything has been read.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DetectError> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or_else(|| self.corrupt("bytes end early"))?;
        self.bytes = tail;
        Ok(head)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, DetectError> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number.
    pub fn number(&mut self) -> Result<u64, DetectError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.corrupt("number longer than 64 bits"))
    }

    /// An unsigned number of 32 bits.
    pub fn number32(&mut self) -> Result<u32, DetectError> {
        u32::try_from(self.number()?).map_err(|_| self.corrupt("number above 32 bits"))
    }

    /// An unsigned number of 16 bits.
    pub fn number16(&mut self) -> Result<u16, DetectError> {
        u16::try_from(self.number()?).map_err(|_| self.corrupt("number above 16 bits"))
    }

    /// A count of things that follow, each at least a byte long.
    pub fn count(&mut self) -> Result<usize, DetectError> {
        let count = self.number()?;
        if count > self.bytes.len() as u64 { Err(self.corrupt("count above what follows")) } else { Ok(count as usize) }
    }

    /// A signed number.
    pub fn signed(&mut self) -> Result<i64, DetectError> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A 32-bit floating-point number.
    pub fn f32(&mut self) -> Result<f32, DetectError> {
        let bytes = self.take(4)?;
        Ok(f32::from_bits(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
    }

    /// A 64-bit floating-point number.
    pub fn f64(&mut self) -> Result<f64, DetectError> {
        let low = u64::from(self.f32()?.to_bits());
        let high = u64::from(self.f32()?.to_bits());
        Ok(f64::from_bits(high << 32 | low))
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'a str, DetectError> {
        let length = self.count()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt("text is not UTF-8"))
    }

    /// Numbers written by [`put_sparse`].
    pub fn sparse(&mut self, values: &mut [f32]) -> Result<(), DetectError> {
        for chunk in values.chunks_mut(8) {
            let mask = self.byte()?;
            for (i, value) in chunk.iter_mut().enumerate() {
                *value = if mask >> i & 1 == 1 { self.f32()? } else { 0.0 };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_bit_for_bit() {
        let mut bytes = Vec::new();
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let signed = [0, -1, 1, i64::MIN, i64::MAX];
        let floats = [0.0, -0.0, f32::NAN, f32::INFINITY, 1.5, f32::MIN_POSITIVE, 2.0, 3.0, 4.0];
        numbers.iter().for_each(|&n| put_number(&mut bytes, n));
        signed.iter().for_each(|&n| put_signed(&mut bytes, n));
        put_sparse(&mut bytes, &floats);
        put_f64(&mut bytes, -0.1);
        put_text(&mut bytes, "häuser");
        let mut reader = Reader::new(&bytes);
        for n in numbers {
            assert_eq!(reader.number().unwrap(), n);
        }
        for n in signed {
            assert_eq!(reader.signed().unwrap(), n);
        }
        let mut read = [9.0; 9];
        reader.sparse(&mut read).unwrap();
        assert_eq!(read.map(f32::to_bits), floats.map(f32::to_bits));
        assert_eq!(reader.f64().unwrap().to_bits(), (-0.1f64).to_bits());
        assert_eq!(reader.text().unwrap(), "häuser");
        assert!(reader.is_empty());
        assert!(reader.byte().is_err());
    }

    #[test]
    fn cut_bytes_are_an_error_and_never_a_panic() {
        let mut bytes = Vec::new();
        put_text(&mut bytes, "container");
        put_number(&mut bytes, u64::MAX);
        for end in 0..bytes.len() {
            let mut reader = Reader::new(&bytes[..end]);
            assert!(reader.text().is_err() || reader.number().is_err());
        }
    }
}
