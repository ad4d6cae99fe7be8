//! `docs/conformance.md` is complete and true: every row is there, names tests that run and code that exists, and every test that
//! is named after a row is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::crates;

const TABLE: &str = "docs/conformance.md";
const NOT_OFFERED: &str = "not offered yet";

/// One row: what it answers, by which tests, and where the code is.
struct Row {
    answers: String,
    /// Crate and name.
    tests: Vec<(String, String)>,
    code: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between backticks.
fn spans(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Rows by their names: those of lines like `| R1 | … | … | … |`.
fn rows() -> BTreeMap<String, Row> {
    let text = std::fs::read_to_string(root().join(TABLE)).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, answers, code, tests] = cells[..] else { continue };
        let (kind, number) = name.split_at(1.min(name.len()));
        if !["R", "D", "S"].contains(&kind) || number.parse::<u32>().is_err() {
            continue;
        }
        let mut of = String::new();
        let mut named = Vec::new();
        for span in spans(tests) {
            if crates::ALL.contains(&span) {
                span.clone_into(&mut of);
            } else {
                assert!(!of.is_empty(), "{name}: a crate stands before its tests");
                named.push((of.clone(), span.to_owned()));
            }
        }
        let row = Row { answers: answers.to_owned(), tests: named, code: spans(code).map(str::to_owned).collect() };
        assert!(rows.insert(name.to_owned(), row).is_none(), "{name} stands there twice");
    }
    rows
}

/// Rust files under a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The tests of a crate that run, and those that are ignored, by name and file.
#[derive(Default)]
struct Tests {
    run: BTreeMap<String, Vec<PathBuf>>,
    ignored: BTreeSet<String>,
}

fn tests_of(name: &str) -> Tests {
    let home = if name == "discovery" { root().to_owned() } else { root().join(name) };
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&home.join(folder), &mut files);
    }
    let mut tests = Tests::default();
    for file in files {
        let (mut is_test, mut is_ignored) = (false, false);
        for line in std::fs::read_to_string(&file).unwrap().lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
                is_ignored |= line.starts_with("#[ignore");
            } else if let Some((_, signature)) = line.split_once("fn ") {
                let end = signature.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(signature.len());
                if std::mem::take(&mut is_test) {
                    if std::mem::take(&mut is_ignored) {
                        tests.ignored.insert(signature[..end].to_owned());
                    } else {
                        tests.run.entry(signature[..end].to_owned()).or_default().push(file.clone());
                    }
                }
            }
        }
    }
    tests
}

impl Tests {
    /// Whether `test`, or `module::test`, runs.
    fn has(&self, named: &str) -> bool {
        let (module, test) = named.rsplit_once("::").map_or((None, named), |(module, test)| (Some(module), test));
        self.run.get(test).is_some_and(|files| match module {
            None => true,
            Some(module) => {
                let path = module.replace("::", "/");
                let ends = [format!("{path}.rs"), format!("{path}/mod.rs"), format!("{path}/tests.rs")];
                files.iter().any(|file| ends.iter().any(|end| file.ends_with(end)))
            }
        })
    }
}

/// `r01`, `d14`, `s01`: how tests are named that show a row.
fn prefix(row: &str) -> String {
    let (kind, number) = row.split_at(1);
    format!("{}{:02}_", kind.to_lowercase(), number.parse::<u32>().unwrap())
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_row_is_there() {
    let expected = [("R", 10), ("D", 14), ("S", 11)];
    let expected: BTreeSet<_> =
        expected.into_iter().flat_map(|(kind, last)| (1..=last).map(move |row| format!("{kind}{row}"))).collect();
    assert_eq!(rows().into_keys().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_row_has_a_source_tests_and_code() {
    let tests: BTreeMap<_, _> = crates::ALL.into_iter().map(|name| (name, tests_of(name))).collect();
    let mut wrong = Vec::new();
    for (name, row) in rows() {
        if name.starts_with('S') && name != "S1" {
            if !row.answers.contains(NOT_OFFERED) || !row.tests.is_empty() || !row.code.is_empty() {
                wrong.push(format!("{name} is {NOT_OFFERED}, and says otherwise"));
            }
            continue;
        }
        if !row.answers.contains('§') && !row.answers.contains("interim") {
            wrong.push(format!("{name} names no source"));
        }
        if !row.tests.iter().any(|(_, test)| test.rsplit("::").next().unwrap().starts_with(&prefix(&name))) {
            wrong.push(format!("{name} has no test that is named after it"));
        }
        for (of, test) in &row.tests {
            let ignored = tests[of.as_str()].ignored.contains(test.rsplit("::").next().unwrap());
            if !tests[of.as_str()].has(test) {
                wrong.push(format!("{name}: `{of}` has no test `{test}`{}", if ignored { " that runs" } else { "" }));
            }
        }
        if row.code.is_empty() {
            wrong.push(format!("{name} names no code"));
        }
        wrong.extend(
            row.code.iter().filter(|code| !root().join(code).exists()).map(|code| format!("{name}: no {code}")),
        );
    }
    assert_none(&wrong);
}

#[test]
fn every_test_named_after_a_row_is_in_it() {
    let rows = rows();
    let (mut seen, mut wrong) = (0, Vec::new());
    for of in crates::ALL {
        for test in tests_of(of).run.into_keys() {
            let Some((row, _)) = rows.iter().find(|(row, _)| test.starts_with(&prefix(row))) else {
                let (head, _) = test.split_once('_').unwrap_or((&test, ""));
                let numbered = head.len() == 3 && ["r", "d", "s"].contains(&&head[..1]);
                if numbered && head[1..].parse::<u32>().is_ok() {
                    wrong.push(format!("`{of}` `{test}` is named after a row that there is not"));
                }
                continue;
            };
            seen += 1;
            let named = |(crate_of, name): &(String, String)| crate_of == of && name.rsplit("::").next() == Some(&test);
            if !rows[row].tests.iter().any(named) {
                wrong.push(format!("{row} does not name `{of}` `{test}`"));
            }
        }
    }
    assert_none(&wrong);
    assert!(seen > 40, "only {seen} tests are named after rows");
}
