//! `load`: measures the real binaries, prints the tables, and writes them with pictures into a folder. `make load` builds and
//! runs it.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use load::Result;
use load::scenario::Bench;
use load::settings::Settings;
use rustix::process::{Resource, getrlimit, setrlimit};

fn main() -> ExitCode {
    match run(Settings::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<()> {
    // For idle connections; what is started from here has the same.
    let mut descriptors = getrlimit(Resource::Nofile);
    descriptors.current = descriptors.maximum;
    setrlimit(Resource::Nofile, descriptors)?;
    let folder = settings.report();
    let report = Bench::run(settings, |what| {
        // Progress: whoever does not read it misses nothing.
        let _ = writeln!(std::io::stderr(), "measuring: {what}");
    })?;
    report.write(&folder)?;
    write!(std::io::stdout(), "{report}")?;
    writeln!(std::io::stderr(), "written to {}", folder.display())?;
    Ok(())
}
