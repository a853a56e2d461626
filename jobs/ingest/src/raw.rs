//! The raw record as it lies on the log, before anyone knows what it says.

/// One record of a raw topic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'a> {
    /// Topic it was read from.
    pub topic: &'a str,
    /// Partition it was read from.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When it was written, milliseconds; 0 where unknown.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its headers, in their order.
    pub headers: &'a [(String, Vec<u8>)],
    /// Its content; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

impl<'a> Raw<'a> {
    /// The last header of a name, where it is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers.iter().rev().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_header_of_a_name_counts() {
        let headers = vec![("a".to_owned(), b"1".to_vec()), ("A".to_owned(), b"2".to_vec())];
        let raw = Raw { headers: &headers, ..Raw::default() };
        assert_eq!(raw.header("a"), Some("2"));
        assert_eq!(raw.header("b"), None);
    }
}
