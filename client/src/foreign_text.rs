//! Text by strangers, made fit to be shown: [`printable`]. What a server puts into its answer, and a name in an address book, may
//! be of any length and hold what moves a terminal's cursor.

/// The first `max_chars` characters of `text`, each control character of them as a space.
///
/// ```
/// use client::foreign_text::printable;
///
/// assert_eq!(printable("Not\u{1b}[2J today.\n", 11), "Not [2J tod");
/// ```
#[must_use]
pub fn printable(text: &str, max_chars: usize) -> String {
    text.chars().take(max_chars).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
