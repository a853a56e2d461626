//! Comma-separated values as the sets have them: quoted where a field holds a comma, a first row of names.
//!
//! Invariant: every row has as many fields as the first.

use super::error::{EvaluateError, read};
use std::path::{Path, PathBuf};

/// A file of comma-separated values.
#[derive(Debug)]
pub(super) struct Table {
    place: PathBuf,
    heads: Vec<String>,
    /// Rows after the first.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a file.
    pub(super) fn read(place: &Path) -> Result<Table, EvaluateError> {
        Table::parse(place, &read(place)?)
    }

    fn parse(place: &Path, text: &str) -> Result<Table, EvaluateError> {
        let mut rows = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let row = fields(line)
                .ok_or_else(|| EvaluateError::content(place, index + 1, "a quote is open; a field ends on its line"))?;
            let expected = rows.first().map_or(row.len(), Vec::len);
            if row.len() != expected {
                let message = format!("{} fields, the first line has {expected}", row.len());
                return Err(EvaluateError::content(place, index + 1, message));
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Err(EvaluateError::content(place, 0, "empty; a line of names is needed"));
        }
        let heads = rows.remove(0);
        Ok(Table { place: place.to_owned(), heads, rows })
    }

    /// The names of the columns.
    pub(super) fn heads(&self) -> &[String] {
        &self.heads
    }

    /// Where a column is.
    pub(super) fn column(&self, name: &str) -> Result<usize, EvaluateError> {
        let found = self.heads.iter().position(|head| head == name);
        found.ok_or_else(|| EvaluateError::content(&self.place, 1, format!("there is no column {name}")))
    }

    /// A column of numbers; empty fields are no number.
    pub(super) fn numbers(&self, column: usize) -> Result<Vec<f64>, EvaluateError> {
        self.each(
            column,
            |text| if text.is_empty() { Some(f64::NAN) } else { text.parse().ok() },
            "a number or nothing",
        )
    }

    /// A column through a reader of fields.
    pub(super) fn each<T>(
        &self,
        column: usize,
        read: impl Fn(&str) -> Option<T>,
        allowed: &str,
    ) -> Result<Vec<T>, EvaluateError> {
        let field = |(index, row): (usize, &Vec<String>)| {
            let message = || format!("{} is {:?}; allowed is {allowed}", self.heads[column], row[column]);
            read(&row[column]).ok_or_else(|| EvaluateError::content(&self.place, index + 2, message()))
        };
        self.rows.iter().enumerate().map(field).collect()
    }
}

/// The fields of a line; none where a quote stays open.
fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            letter => field.push(letter),
        }
    }
    fields.push(field);
    if quoted { None } else { Some(fields) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Table, EvaluateError> {
        Table::parse(Path::new("t.csv"), text)
    }

    #[test]
    fn quoted_fields_hold_commas_and_quotes() {
        let table = parse("a,b\n\"x, \"\"y\"\"\",2\n,\n").expect("sound");
        assert_eq!(table.rows, [["x, \"y\"", "2"], ["", ""]]);
        let numbers = table.numbers(1).expect("numbers");
        assert!(numbers[0] == 2.0 && numbers[1].is_nan());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let message = |text: &str| parse(text).map(|table| table.numbers(0)).map_err(|e| e.to_string());
        assert_eq!(message("a,b\n1\n").expect_err("short"), "t.csv:2: 1 fields, the first line has 2");
        assert!(message("a\n\"x\n").expect_err("open").contains("t.csv:2"));
        assert!(message("").is_err());
        let numbers = message("a\n1\nx\n").expect("a table").expect_err("no number");
        assert_eq!(numbers.to_string(), "t.csv:3: a is \"x\"; allowed is a number or nothing");
        assert!(parse("a\n1\n").expect("sound").column("b").is_err());
    }
}
