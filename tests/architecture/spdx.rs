//! SPDX licence expressions: `MIT OR (Apache-2.0 WITH LLVM-exception AND Zlib)`.
//!
//! Invariant: `AND` binds tighter than `OR`, `WITH` tighter than both. An exception only adds permissions, so that a
//! licence is judged without it. The old spelling `MIT/Apache-2.0` means `OR`.

/// Whether the expression can be met with licences the judge allows.
pub fn satisfied(expression: &str, judge: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let mut words = Words { words: words(expression), next: 0, judge };
    let verdict = words.choice()?;
    match words.take() {
        None => Ok(verdict),
        Some(word) => Err(format!("`{word}` is not expected here")),
    }
}

struct Words<'a> {
    words: Vec<String>,
    next: usize,
    judge: &'a dyn Fn(&str) -> bool,
}

impl Words<'_> {
    fn choice(&mut self) -> Result<bool, String> {
        let mut verdict = self.union()?;
        while self.accept("OR") {
            let other = self.union()?;
            verdict = verdict || other;
        }
        Ok(verdict)
    }

    fn union(&mut self) -> Result<bool, String> {
        let mut verdict = self.licence()?;
        while self.accept("AND") {
            let other = self.licence()?;
            verdict = verdict && other;
        }
        Ok(verdict)
    }

    fn licence(&mut self) -> Result<bool, String> {
        if self.accept("(") {
            let verdict = self.choice()?;
            return if self.accept(")") { Ok(verdict) } else { Err("a bracket is not closed".to_owned()) };
        }
        let licence = self.name("a licence")?;
        if self.accept("WITH") {
            self.name("an exception")?;
        }
        Ok((self.judge)(&licence))
    }

    fn name(&mut self, what: &str) -> Result<String, String> {
        match self.take() {
            None => Err(format!("{what} is missing at the end")),
            Some(word) if ["AND", "OR", "WITH", "(", ")"].contains(&word.as_str()) => {
                Err(format!("{what} is missing before `{word}`"))
            }
            Some(word) => Ok(word),
        }
    }

    fn accept(&mut self, word: &str) -> bool {
        let found = self.words.get(self.next).is_some_and(|next| next == word);
        self.next += usize::from(found);
        found
    }

    fn take(&mut self) -> Option<String> {
        let word = self.words.get(self.next).cloned();
        self.next += usize::from(word.is_some());
        word
    }
}

fn words(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(expression: &str) -> Result<bool, String> {
        satisfied(expression, &|licence| ["MIT", "Zlib"].contains(&licence))
    }

    #[test]
    fn expressions_follow_the_binding_of_their_words() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("GPL-3.0-only/MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only AND GPL-2.0-only", true),
            ("(MIT OR GPL-3.0-only) AND GPL-2.0-only", false),
            ("(MIT OR GPL-3.0-only) AND (Zlib OR GPL-2.0-only)", true),
            ("MIT WITH LLVM-exception AND Zlib", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", false),
        ] {
            assert_eq!(verdict(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn a_garbled_expression_says_what_is_wrong() {
        for (expression, expected) in [
            ("", "a licence is missing at the end"),
            ("MIT AND", "a licence is missing at the end"),
            ("OR MIT", "a licence is missing before `OR`"),
            ("MIT WITH", "an exception is missing at the end"),
            ("(MIT OR Zlib", "a bracket is not closed"),
            ("MIT)", "`)` is not expected here"),
            ("MIT Zlib", "`Zlib` is not expected here"),
        ] {
            assert_eq!(verdict(expression), Err(expected.to_owned()), "{expression}");
        }
    }
}
