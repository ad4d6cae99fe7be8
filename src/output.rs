//! What a command prints: results on standard output, remarks on standard error.
//!
//! On a terminal there are tables and colours; `NO_COLOR` (any value) takes the colours away. Elsewhere a [`Table`] is lines
//! of fields with a tab between them, under a line of their names, and nothing is coloured.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, Color, ContentArrangement, presets};
use indicatif::{ProgressBar, ProgressStyle};

/// How something is to be taken, as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As hoped.
    Good,
    /// Worth a second look.
    Careful,
    /// Something is wrong.
    Bad,
    /// Of less interest.
    Quiet,
}

impl Tone {
    /// `text` in this tone; the colour is left out where nobody would see it.
    #[must_use]
    pub fn paint(self, text: impl Display) -> String {
        let style = match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Careful => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Quiet => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }

    const fn colour(self) -> Color {
        match self {
            Self::Good => Color::Green,
            Self::Careful => Color::Yellow,
            Self::Bad => Color::Red,
            Self::Quiet => Color::DarkGrey,
        }
    }
}

/// Prints a line of the result.
///
/// # Errors
///
/// If standard output is closed or full.
pub fn line(text: impl Display) -> io::Result<()> {
    writeln!(anstream::stdout().lock(), "{text}")
}

/// Prints a remark for the person at the terminal.
pub fn note(text: impl Display) {
    // If standard error is closed, nobody reads remarks.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A bar on standard error, which shows on a terminal alone.
#[must_use]
pub fn progress(what: &'static str, length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:22} {bar:40} {pos:>5}/{len} {elapsed}");
    let bar = ProgressBar::new(length as u64).with_message(what);
    bar.set_style(style.expect("the template is well-formed"));
    bar
}

/// Rows of fields under their names.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<&'static str>,
    rows: Vec<(Vec<String>, Option<Tone>)>,
}

impl Table {
    /// Without rows yet.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = &'static str>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, tone: Option<Tone>, fields: impl IntoIterator<Item = String>) {
        self.rows.push((fields.into_iter().collect(), tone));
    }

    /// Prints it as suits standard output.
    ///
    /// # Errors
    ///
    /// If standard output is closed or full.
    pub fn print(&self) -> io::Result<()> {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            let coloured = anstream::AutoStream::choice(&stdout) != ColorChoice::Never;
            return line(self.for_people(coloured));
        }
        stdout.lock().write_all(self.for_programs().as_bytes())
    }

    fn for_people(&self, coloured: bool) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(self.columns.clone());
        for (fields, tone) in &self.rows {
            let tone = tone.filter(|_| coloured);
            table.add_row(fields.iter().map(|field| match tone {
                Some(tone) => Cell::new(field).fg(tone.colour()),
                None => Cell::new(field),
            }));
        }
        table
    }

    fn for_programs(&self) -> String {
        let one_line = |field: &str| field.replace(['\t', '\n', '\r'], " ");
        let mut text = self.columns.join("\t");
        for (fields, _) in &self.rows {
            text.push('\n');
            text.push_str(&fields.iter().map(|field| one_line(field)).collect::<Vec<_>>().join("\t"));
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["name", "at"]);
        table.row(Some(Tone::Good), ["Ann".to_owned(), "a.example\nb.example".to_owned()]);
        table.row(None, ["Bob\t2".to_owned(), String::new()]);
        table
    }

    #[test]
    fn programs_read_lines_of_fields() {
        assert_eq!(table().for_programs(), "name\tat\nAnn\ta.example b.example\nBob 2\t\n");
    }

    #[test]
    fn people_read_a_table_with_colours_if_they_like() {
        let plain = table().for_people(false).to_string();
        assert!(plain.contains("│ Ann") && plain.contains("┆ b.example") && !plain.contains('\u{1b}'), "{plain}");
        let coloured = table().for_people(true).enforce_styling().to_string();
        assert!(coloured.contains('\u{1b}'), "{coloured}");
        assert!(Tone::Bad.paint("no").contains('\u{1b}'));
    }
}
