//! Incidents and commands on the screen: a line when one opens, grows or closes, and all of it at the end.

use super::{BOLD, DIM, GREEN, INDENT, RED, Screen, TIME, WIDTH, YELLOW, digits, short, shortened, wrap};
use crate::demo::commands;
use crate::demo::incidents::Told;
use crate::error::Error;
use estate::Estate;
use schemas::{IncidentState, Notice};

/// A rise of severity worth a line.
const RISE: f64 = 10.0;

impl Screen {
    /// A change of an incident that people hear of, where it is worth a line.
    pub(super) fn incident(&self, told: &Told, before: Option<&Told>, estate: &Estate) -> Result<(), Error> {
        if told.notice != Notice::Notify || told.opened < estate.learning_ends() {
            return Ok(());
        }
        let news: Vec<&str> = match before {
            Some(before) => told.families.iter().filter(|f| !before.families.contains(f)).map(String::as_str).collect(),
            None => told.families.iter().map(String::as_str).collect(),
        };
        let rise = before.map_or(told.severity, |before| told.severity - before.severity);
        let (word, colour) = match told.state {
            IncidentState::Open => ("INCIDENT", RED),
            IncidentState::Reopen => ("INCIDENT again", RED),
            IncidentState::Merge => ("incident merged", DIM),
            IncidentState::Close => ("incident closed", GREEN),
            _ if news.is_empty() && rise < RISE => return Ok(()),
            _ => ("incident grows", YELLOW),
        };
        let begin = TIME + 2;
        let head = format!("{word} · severity {}", digits(told.severity));
        let what = match told.state {
            IncidentState::Close => format!("after {} h", (told.closed - told.opened) / 3_600_000),
            _ if before.is_some() && !news.is_empty() => format!("now with {}", news.join(", ")),
            _ => told.families.join(", "),
        };
        let line = shortened(&format!("{head} · {what} · {}", told.entities.join(", ")), WIDTH - begin);
        let gap = if before.is_none() { "\n" } else { "" };
        self.write(&format!("{gap}{}  {}\n", self.paint(DIM, &short(told.at)), self.paint(colour, &line)))?;
        if told.state == IncidentState::Open {
            let indent = " ".repeat(INDENT);
            self.write(&format!("{indent}{}\n", wrap(&told.sentence, INDENT)))?;
        }
        Ok(())
    }

    /// A command of the time after learning.
    pub(super) fn command(&self, told: &commands::Told, estate: &Estate) -> Result<(), Error> {
        if told.at < estate.learning_ends() {
            return Ok(());
        }
        let line = format!("→ {} · {} · {}", told.state, told.action, told.target);
        self.write(&format!("{}  {}\n", self.paint(DIM, &short(told.at)), shortened(&line, WIDTH - TIME - 2)))
    }

    /// An incident with its evidence, arithmetic, cause and commands.
    pub(super) fn whole(&self, told: &Told, commands: &[commands::Told]) -> String {
        let closed = if told.closed == 0 { "still open".to_owned() } else { format!("closed {}", short(told.closed)) };
        let head = format!(
            "{} · severity {} · {} · opened {} · {closed}",
            told.id,
            digits(told.severity),
            told.families.join(", "),
            &short(told.opened)[6..]
        );
        let mut out = format!("    {}\n", self.paint(BOLD, &shortened(&head, WIDTH - 4)));
        out.push_str(&format!("      {}\n", wrap(&told.entities.join(" · "), 6)));
        // The last line is the sum, which comes by itself.
        for line in told.explanation.split_last().map_or(&[][..], |(_, lines)| lines) {
            out.push_str(&format!("      {}\n", wrap(line, 6)));
        }
        let terms: Vec<String> = told.terms.iter().map(|(name, value)| format!("{name} {}", digits(*value))).collect();
        let sum = format!("score {} = {}", digits(told.score), terms.join(" + "));
        out.push_str(&format!("      {}\n", self.paint(DIM, &wrap(&sum, 6))));
        let mut lines: Vec<(String, usize)> = Vec::new();
        for command in commands.iter().filter(|command| command.incident == told.id) {
            let line = format!("→ {} · {} · {} ({})", command.state, command.action, command.target, command.policy);
            match lines.iter_mut().find(|(known, _)| *known == line) {
                Some((_, times)) => *times += 1,
                None => lines.push((line, 1)),
            }
        }
        for (line, times) in lines {
            let times = if times > 1 { format!(", {times} times") } else { String::new() };
            out.push_str(&format!("      {}\n", self.paint(BOLD, &wrap(&format!("{line}{times}"), 8))));
        }
        out
    }
}
