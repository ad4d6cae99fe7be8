//! Instructions instead of time: what callgrind counts is the same on a busy machine as on an idle one. Recorded figures are
//! compared with those of today; 5 % either way is nothing.
//!
//! callgrind shows every program the same processor on whatever has AVX2: AES-NI, PCLMULQDQ and AVX2, without AVX-512 and SHA
//! extensions. So cryptography picks the same code everywhere, though not always what it would pick in the open. Figures
//! are good for one version of the compiler.
//!
//! The file: TOML, `[made_with]` (what they are good for) and `[instructions]` (a figure for each path).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::{Result, ensure};

/// A function whose name holds this is counted, with all that it calls.
pub const COUNTED: &str = "counted_by_callgrind";
/// What a figure may differ by, in percent.
const SLACK: u64 = 5;

/// What is kept in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// What the figures are good for.
    pub made_with: MadeWith,
    /// Instructions for each path.
    pub instructions: BTreeMap<String, u64>,
}

/// What figures are good for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeWith {
    /// The compiler.
    pub rustc: String,
    /// The counter.
    pub valgrind: String,
    /// What programs are told of the processor there.
    pub processor: String,
}

/// What became of one path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Within the slack.
    Same,
    /// More: a regression.
    More,
    /// So much less that a later regression would hide behind the record.
    Less,
    /// Counted, and not in the record.
    New,
    /// In the record, and not counted any more.
    Gone,
}

/// One line of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The path.
    pub path: String,
    /// As recorded; 0 if not.
    pub recorded: u64,
    /// As counted; 0 if not.
    pub counted: u64,
    /// What follows.
    pub verdict: Verdict,
}

impl Verdict {
    fn of(recorded: Option<u64>, counted: Option<u64>) -> Self {
        let (recorded, counted) = match (recorded, counted) {
            (_, None) => return Self::Gone,
            (None, Some(_)) => return Self::New,
            (Some(recorded), Some(counted)) => (recorded, counted),
        };
        let (counted, least, most) =
            (counted.saturating_mul(100), recorded.saturating_mul(100 - SLACK), recorded.saturating_mul(100 + SLACK));
        if counted > most {
            Self::More
        } else if counted < least {
            Self::Less
        } else {
            Self::Same
        }
    }

    /// Whether the guard is to fail.
    #[must_use]
    pub const fn fails(self) -> bool {
        matches!(self, Self::More | Self::New | Self::Gone)
    }
}

/// Compares what was counted with what was recorded, path by path.
#[must_use]
pub fn compare(recorded: &Recorded, counted: &BTreeMap<String, u64>) -> Vec<Compared> {
    let paths: std::collections::BTreeSet<_> = recorded.instructions.keys().chain(counted.keys()).collect();
    let line = |path: &String| {
        let (recorded, counted) = (recorded.instructions.get(path).copied(), counted.get(path).copied());
        Compared {
            path: path.clone(),
            recorded: recorded.unwrap_or_default(),
            counted: counted.unwrap_or_default(),
            verdict: Verdict::of(recorded, counted),
        }
    };
    paths.into_iter().map(line).collect()
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, recorded, counted, verdict } = self;
        let change = 100.0 * (crate::report::count(*counted) / crate::report::count((*recorded).max(1)) - 1.0);
        match verdict {
            Verdict::Same => write!(f, "{path:32} {counted:>12} {change:>+7.1} %"),
            Verdict::More => write!(f, "{path:32} {counted:>12} {change:>+7.1} %  MORE than {recorded}: a regression"),
            Verdict::Less => write!(
                f,
                "{path:32} {counted:>12} {change:>+7.1} %  less than {recorded}: record it (make bench-guard-record)"
            ),
            Verdict::New => write!(f, "{path:32} {counted:>12}  NOT RECORDED (make bench-guard-record)"),
            Verdict::Gone => write!(f, "{path:32} {:>12}  RECORDED, and not counted any more", "-"),
        }
    }
}

/// A command under callgrind that writes its figures to `figures`. With `toggle`, [`COUNTED`] alone is counted.
#[must_use]
pub fn callgrind(figures: &Path, toggle: bool) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", figures.display()));
    if toggle {
        command.arg(format!("--toggle-collect=*{COUNTED}*"));
    }
    command
}

/// The instructions in a file that callgrind wrote.
///
/// # Errors
///
/// If there is no such file, or no total in it.
pub fn instructions(figures: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(figures)?;
    total(&text).ok_or_else(|| format!("{} has no total", figures.display()).into())
}

/// `totals: N`, or `summary: N` of a file that was cut short.
fn total(figures: &str) -> Option<u64> {
    let line = |name: &str| figures.lines().rev().find_map(|line| line.strip_prefix(name));
    line("totals: ").or_else(|| line("summary: "))?.split_whitespace().next()?.parse().ok()
}

/// The first line that a program says of its version.
///
/// # Errors
///
/// If it is not there.
pub fn version(program: &str) -> Result<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    ensure(output.status.success(), format!("{program} does not say its version"))?;
    Ok(String::from_utf8(output.stdout)?.lines().next().unwrap_or_default().to_owned())
}

/// What a program is told of the processor: of the extensions that decide which code is run, those that are there.
#[must_use]
pub fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("aes", std::arch::is_x86_feature_detected!("aes")),
            ("pclmulqdq", std::arch::is_x86_feature_detected!("pclmulqdq")),
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("bmi2", std::arch::is_x86_feature_detected!("bmi2")),
            ("adx", std::arch::is_x86_feature_detected!("adx")),
            ("sha", std::arch::is_x86_feature_detected!("sha")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ];
        let there: Vec<_> = known.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        format!("x86_64 {}", there.join(" "))
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(figures: &[(&str, u64)]) -> Recorded {
        Recorded { made_with: MadeWith::default(), instructions: figures_of(figures) }
    }

    fn figures_of(figures: &[(&str, u64)]) -> BTreeMap<String, u64> {
        figures.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect()
    }

    #[test]
    fn more_fails_less_is_told_and_nothing_is_passed_over() {
        let recorded = recorded(&[("a", 1000), ("b", 1000), ("c", 1000), ("d", 1000), ("gone", 1)]);
        let counted = figures_of(&[("a", 1050), ("b", 1051), ("c", 950), ("d", 949), ("new", 1)]);
        let compared = compare(&recorded, &counted);
        let verdicts: Vec<_> = compared.iter().map(|line| (line.path.as_str(), line.verdict)).collect();
        let (same, more, less, new, gone) = (Verdict::Same, Verdict::More, Verdict::Less, Verdict::New, Verdict::Gone);
        assert_eq!(verdicts, [("a", same), ("b", more), ("c", same), ("d", less), ("gone", gone), ("new", new)]);
        assert_eq!(compared.iter().filter(|line| line.verdict.fails()).count(), 3);
        assert!(compared[1].to_string().contains("+5.1 %  MORE than 1000"));
        assert!(compared[3].to_string().contains("-5.1 %  less than 1000"));
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let recorded = recorded(&[("a path", 12)]);
        assert_eq!(toml::from_str::<Recorded>(&toml::to_string(&recorded).unwrap()).unwrap(), recorded);
        assert!(toml::from_str::<Recorded>("[instructions]\na = 1\n").is_err(), "it says what it is good for");
    }

    #[test]
    fn the_total_is_read_from_callgrinds_file() {
        assert_eq!(total("version: 1\nsummary: 5\nfn=(1) x\n12 5\ntotals: 17\n"), Some(17));
        assert_eq!(total("summary: 5\n"), Some(5));
        assert_eq!((total(""), total("totals: x\n")), (None, None));
        assert!(instructions(Path::new("/nowhere")).is_err());
    }
}
