//! The `discovery` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    discovery::commands::main()
}
