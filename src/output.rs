//! What a command prints: results on standard output, remarks on standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Prints a line of the result.
///
/// # Errors
///
/// If standard output is closed or full.
pub fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints a remark for the person at the terminal.
pub fn note(text: impl Display) {
    // If standard error is closed, nobody reads remarks.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
