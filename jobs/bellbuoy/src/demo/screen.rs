//! What people see of the demo, 100 columns wide.

mod incident;

use super::News;
use super::found::{Found, Told};
use super::generate::Raw;
use super::story::belongs;
use super::summary::Summary;
use crate::error::Error;
use crate::{listing, moment};
use estate::{Estate, EventKind};
use schemas::Band;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Widest line.
const WIDTH: usize = 100;
/// Where the text of an anomaly begins: behind its time and band.
const INDENT: usize = 14;

/// What the band takes beyond that.
const NARROW: usize = 7;
/// Width of a time.
const TIME: usize = 11;
/// An entity's further anomalies take one line each until it has been quiet for so long, milliseconds.
const SAME_MATTER: i64 = 60 * 60 * 1000;

const BOLD: &str = "1";
const RED: &str = "1;31";
const YELLOW: &str = "33";
const GREEN: &str = "32";
const DIM: &str = "2";

/// Where people look: standard output, or standard error where a program reads the former.
pub(super) struct Screen {
    to_error: bool,
    colour: bool,
    /// When each entity was last told of.
    told_of: RefCell<BTreeMap<String, i64>>,
    /// Anomalies of the learning period, which are counted only.
    learning: Cell<u64>,
}

impl Screen {
    pub(super) fn new(to_error: bool) -> Self {
        let terminal = if to_error { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Screen { to_error, colour: terminal && !plain, told_of: RefCell::default(), learning: Cell::default() }
    }

    pub(super) fn opening(&self, seed: u64, estate: &Estate) -> Result<(), Error> {
        let days = (estate.end() - estate.start()) / 86_400_000;
        self.write(&format!(
            "{}\n{}\n\n",
            self.paint(BOLD, "Bellbuoy learns what is normal, and rings when it is not."),
            wrap(
                &format!(
                    "A cluster that never was lives {days} days in a moment, from {} (seed {seed}). Its kubelets, API \
                     server and network write what real ones write. Most of it is ordinary life to learn from; in the \
                     last half day something happens.",
                    day(estate.start())
                ),
                0
            )
        ))
    }

    pub(super) fn learning(&self, raw: &Raw) -> Result<(), Error> {
        let mut out = format!("{} raw records, {}:", listing::count(raw.records), listing::bytes(raw.bytes));
        for (topic, count) in &raw.topics {
            out.push_str(&format!("  {topic} {}", listing::count(*count)));
        }
        self.write(&format!(
            "{out}\n\n{}\n",
            self.paint(
                DIM,
                "ingest → signals → detect → anomalies → correlate → incidents → remediate → commands, as they come:"
            )
        ))
    }

    /// Whatever has come.
    pub(super) fn news(&self, news: &News, estate: &Estate) -> Result<(), Error> {
        match news {
            News::Anomaly(found) => self.anomaly(found, estate),
            News::Incident(change) => self.incident(&change.0, change.1.as_ref(), estate),
            News::Command(told) => self.command(told, estate),
        }
    }

    /// One anomaly with its sentence.
    fn anomaly(&self, found: &Found, estate: &Estate) -> Result<(), Error> {
        if found.told.band < Band::Sharp {
            return Ok(());
        }
        if found.told.time < estate.learning_ends() {
            self.learning.set(self.learning.get() + 1);
            return Ok(());
        }
        if let guesses @ 1.. = self.learning.take() {
            let line = format!("while learning, {guesses} departures that are not shown: little was known yet");
            self.write(&format!("{}\n", self.paint(DIM, &line)))?;
        }
        let event = estate.story().into_iter().find(|event| belongs(found.told.time, &found.entity, event));
        let of = match event.map(|event| event.kind) {
            Some(EventKind::Takeover) => "takeover",
            Some(EventKind::PerformanceFault) => "fault",
            Some(EventKind::HarmlessDeploy) => "deploy",
            None => "besides",
        };
        let before = self.told_of.borrow_mut().insert(found.told.entity.clone(), found.told.time);
        let whole = before.is_none_or(|before| found.told.time - before > SAME_MATTER);
        self.write(&self.told(&found.told, of, whole))
    }

    /// What was injected, what was found of it, and what besides.
    pub(super) fn summary(&self, summary: &Summary) -> Result<(), Error> {
        let mut out = format!("\n{}\n", self.paint(BOLD, "What happened, and what was found of it"));
        for chapter in &summary.story {
            let (mark, colour) = match (chapter.expected, chapter.told().count()) {
                (true, 1) => ("one incident".to_owned(), GREEN),
                (true, 0) => ("MISSED".to_owned(), RED),
                (true, several) => (format!("{several} incidents"), YELLOW),
                (false, 0) => ("quiet, rightly".to_owned(), GREEN),
                (false, _) => ("told, wrongly".to_owned(), RED),
            };
            let head = format!("{}  {} – {}", chapter.kind, short(chapter.at), &short(chapter.until)[6..]);
            let space = " ".repeat((WIDTH - mark.len()).saturating_sub(head.chars().count() + 2));
            out.push_str(&format!("\n  {}{space}{}\n", self.paint(BOLD, &head), self.paint(colour, &mark)));
            out.push_str(&format!("    {}\n", self.paint(DIM, &wrap(&chapter.description, 4))));
            chapter.told().for_each(|incident| out.push_str(&self.whole(incident, &summary.commands)));
        }
        if summary.false_incidents.is_empty() {
            out.push_str(&format!("\n  {}\n", self.paint(GREEN, "no incident was told besides, after learning")));
        } else {
            let head = format!("{} incidents told besides, after learning", summary.false_incidents.len());
            out.push_str(&format!("\n  {}\n", self.paint(YELLOW, &head)));
            summary.false_incidents.iter().for_each(|told| out.push_str(&self.whole(told, &summary.commands)));
        }
        if !summary.false_anomalies.is_empty() {
            let head = format!("{} anomalies besides, told to nobody by themselves", summary.false_anomalies.len());
            out.push_str(&format!("\n  {}\n{}", self.paint(DIM, &head), grouped(&summary.false_anomalies)));
        }
        let count = listing::count;
        out.push_str(&format!(
            "\n  {} raw records → {} signals with {} samples → {} anomalies → {} incidents → {} commands; {} dead letters, {} items dropped\n",
            count(summary.records),
            count(summary.signals),
            count(summary.samples),
            count(summary.anomalies.total),
            count(summary.incidents.len() as u64),
            count(summary.commands.len() as u64),
            count(summary.dead_letters),
            count(summary.dropped.values().sum()),
        ));
        out.push_str(&format!("  {:.1} s, seed {}, digest {}\n", summary.seconds, summary.seed, summary.digest));
        self.write(&out)
    }

    pub(super) fn kept(&self, folder: &Path) -> Result<(), Error> {
        let log = folder.join("log");
        self.write(&format!(
            "\n  kept in {}; look around with\n    BELLBUOY__LOG__EMBEDDED={} bellbuoy consume bellbuoy.anomalies.v1 --format json\n",
            folder.display(),
            log.display()
        ))
    }

    /// Time, band and what it is; with sentence and arithmetic where `whole`.
    fn told(&self, told: &Told, of: &str, whole: bool) -> String {
        let (word, colour) = match told.band {
            Band::Novel => ("NOVEL", RED),
            Band::Sharp => ("sharp", YELLOW),
            Band::Unusual => ("unusual", DIM),
        };
        let right = format!("{} {:.0} · {of}", told.detector, told.score);
        let begin = INDENT + NARROW;
        let room = WIDTH - begin - right.chars().count() - 2;
        let left = shortened(&format!("{} · {}", told.entity, told.measure), room);
        let gap = " ".repeat((begin - TIME).saturating_sub(2 + word.len()).max(1));
        let space = " ".repeat(WIDTH - begin - left.chars().count() - right.chars().count());
        let mut out = format!(
            "{}  {}{gap}{}{space}{}\n",
            self.paint(DIM, &short(told.time)),
            self.paint(colour, word),
            self.paint(BOLD, &left),
            self.paint(DIM, &right)
        );
        if !whole {
            return out;
        }
        let indent = " ".repeat(INDENT);
        out.insert(0, '\n');
        out.push_str(&format!("{indent}{}\n", wrap(&told.sentence, INDENT)));
        out
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        if self.to_error {
            // Nobody who reads a summary by program needs this to arrive.
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
            return Ok(());
        }
        listing::text(text)
    }
}

/// Anomalies by entity, with its highest score, the gravest first.
fn grouped(told: &[Told]) -> String {
    let mut entities: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for told in told {
        entities.entry(&told.entity).or_default().push(told);
    }
    let gravest = |told: &[&Told]| told.iter().map(|told| told.score).fold(0.0, f64::max);
    let mut groups: Vec<Vec<&Told>> = entities.into_values().collect();
    groups.sort_by(|a, b| gravest(b).total_cmp(&gravest(a)));
    let mut out = String::new();
    for group in groups {
        let Some(top) = group.iter().find(|told| told.score >= gravest(&group)) else { continue };
        let measures: BTreeSet<&str> = group.iter().map(|told| told.measure.as_str()).collect();
        let more = if measures.len() > 1 { format!(" and {} more", measures.len() - 1) } else { String::new() };
        let times = if group.len() > 1 { format!(", {} times", group.len()) } else { String::new() };
        let right = format!("{} {:.0}{times}", top.detector, top.score);
        let room = WIDTH - 14 - right.chars().count() - more.len();
        let left = shortened(&format!("{} · {}", top.entity, top.measure), room) + &more;
        let space = " ".repeat(WIDTH - 12 - left.chars().count() - right.chars().count());
        out.push_str(&format!("    {}   {left}{space}{right}\n", &short(top.time)[6..]));
    }
    out
}

fn digits(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (size >= 1.0 && value.fract() == 0.0 && size < 1e7) {
        return format!("{value:.0}");
    }
    let fixed = match size {
        size if (1e-3..1.0).contains(&size) => format!("{value:.4}"),
        size if (1.0..100.0).contains(&size) => format!("{value:.2}"),
        size if (100.0..1e7).contains(&size) => format!("{value:.0}"),
        _ => return format!("{value:.2e}"),
    };
    if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.').to_owned() } else { fixed }
}

/// Lines no wider than the screen; all but the first are indented.
fn wrap(text: &str, indent: usize) -> String {
    let (mut out, mut column) = (String::new(), indent);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// `03-04 14:05`.
fn short(millis: i64) -> String {
    let text = moment::format(millis);
    format!("{} {}", &text[5..10], &text[11..16])
}

fn day(millis: i64) -> String {
    moment::format(millis)[..10].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let told = Told {
            time: 1_772_409_600_000,
            entity: format!("workload shop/{}", "cart-".repeat(30)),
            detector: "univariate".to_owned(),
            measure: "container.cpu.time rate".to_owned(),
            band: Band::Novel,
            score: 97.3,
            sentence: "a sentence that goes on ".repeat(12),
            terms: vec![("observed".to_owned(), 0.123_456, "s/s".to_owned()); 12],
        };
        let screen = Screen { to_error: true, colour: false, told_of: RefCell::default(), learning: Cell::default() };
        let text = screen.told(&told, "takeover", true) + &grouped(&[told]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn numbers_show_the_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (3.0, "3"),
            (0.5, "0.5"),
            (12.345, "12.35"),
            (1234.6, "1235"),
            (2.5e-7, "2.50e-7"),
            (1e9, "1.00e9"),
        ] {
            assert_eq!(digits(value), text);
        }
    }
}
