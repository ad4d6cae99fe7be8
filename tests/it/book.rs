//! What the book says is so: links lead somewhere, every page is in it, paths, tests and metrics that are named exist,
//! commands are ones that the command line takes, and the guides quote code that runs ([`guides`]).

mod guides;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;
use discovery::commands::CommandLine;

use crate::crates;

/// Documents outside the book, held to the same.
const OUTSIDE: [&str; 5] = ["CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", "fuzz/README.md"];
/// Where else a path that a document names may begin.
const FOLDERS: [&str; 8] = [".ci", "benches", "docs", "fuzz", "page", "src", "tests", "tools"];

/// A Markdown file, by its path from the root.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        Self { path, text }
    }

    /// Lines outside of fenced blocks.
    fn prose(&self) -> Vec<&str> {
        let mut inside = false;
        let outside = |line: &&str| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        };
        self.text.lines().filter(outside).collect()
    }

    /// Fenced blocks of a language.
    fn blocks(&self, language: &str) -> Vec<String> {
        let (mut blocks, mut open) = (Vec::new(), None::<(String, String)>);
        for line in self.text.lines() {
            match (line.strip_prefix("```"), open.take()) {
                (Some(_), Some(block)) => blocks.push(block),
                (Some(language), None) => open = Some((language.trim().to_owned(), String::new())),
                (None, Some((language, text))) => open = Some((language, text + line + "\n")),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{} has a block without end", self.path.display());
        blocks.into_iter().filter(|(of, _)| of == language).map(|(_, text)| text).collect()
    }

    /// What stands between backticks.
    fn spans(&self) -> Vec<&str> {
        self.prose().into_iter().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
    }

    /// Targets of links and images.
    fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for line in self.prose() {
            // Code may hold brackets of its own; of a link around code, the target stays.
            let plain: String = line.split('`').step_by(2).collect();
            let by_reference = plain.starts_with('[') && plain.contains("]: ");
            assert!(!by_reference, "{}: links have their targets beside them", self.path.display());
            links.extend(plain.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0.to_owned()));
        }
        links
    }

    /// Anchors of headings, as mdBook and GitHub make them.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose().into_iter().filter_map(|line| line.strip_prefix('#'));
        headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
    }

    fn is_in_book(&self) -> bool {
        self.path.starts_with("docs")
    }

    /// Follows a link; what lies on the net is not asked for.
    fn follow(&self, link: &str) -> Result<(), &'static str> {
        if link.starts_with("https://") || link.starts_with("http://") {
            return Ok(());
        }
        let (path, fragment) = link.split_once('#').map_or((link, None), |(path, at)| (path, Some(at)));
        let target = match path {
            "" => self.path.clone(),
            path => normal(&self.path.parent().unwrap().join(path)),
        };
        if !root().join(&target).exists() {
            return Err("there is no such file");
        }
        if self.is_in_book() && !target.starts_with("docs") {
            return Err("it is not in the book");
        }
        if self.is_in_book() && !root().join(&target).is_file() {
            return Err("in the book, a folder is no page");
        }
        match fragment {
            Some(fragment) if !Self::read(target).anchors().contains(fragment) => Err("there is no such heading"),
            Some(_) | None => Ok(()),
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn anchor(heading: &str) -> String {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then(|| c.to_ascii_lowercase()),
    };
    heading.chars().filter_map(kept).collect()
}

/// Resolves `.` and `..` without asking the disk.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => assert!(normal.pop(), "{} leaves the repository", path.display()),
            other => normal.push(other),
        }
    }
    normal
}

/// All documents, the book's first.
fn pages() -> Vec<Page> {
    let outside = OUTSIDE.into_iter().map(PathBuf::from);
    files("docs", "md").into_iter().chain(outside).map(Page::read).collect()
}

/// Files under a folder of the root, by how their names end.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Says all that is wrong at once.
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        for link in page.links() {
            if let Err(why) = page.follow(&link) {
                wrong.push(format!("{} links to {link}: {why}", page.path.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_page_is_in_the_book() {
    let summary = Page::read("docs/SUMMARY.md");
    let listed: BTreeSet<PathBuf> = summary.links().iter().map(|link| normal(&Path::new("docs").join(link))).collect();
    let missing = files("docs", "md").into_iter().filter(|path| *path != summary.path && !listed.contains(path));
    assert_none(&missing.map(|path| format!("docs/SUMMARY.md does not list {}", path.display())).collect::<Vec<_>>());
}

/// Whether a path of a document is there: `*` stands for anything within a name, `{a,b}` for either, and modules may be named
/// without their ending. A path may be given from the root or from a crate.
fn is_there(path: &str) -> bool {
    if let Some((before, rest)) = path.split_once('{') {
        let (choices, after) = rest.split_once('}').unwrap();
        return choices.split(',').all(|choice| is_there(&format!("{before}{choice}{after}")));
    }
    let places = std::iter::once(root().to_owned()).chain(crates::PARTS.iter().map(|name| root().join(name)));
    places.into_iter().any(|place| is_in(&place, path.trim_end_matches('/')))
}

fn is_in(place: &Path, path: &str) -> bool {
    let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let Ok(entries) = std::fs::read_dir(place) else { return false };
    entries.map(Result::unwrap).any(|entry| {
        let name = entry.file_name().into_string().unwrap();
        let same = match first.split_once('*') {
            Some((before, after)) => name.starts_with(before) && name.ends_with(after),
            None => name == first || (rest.is_none() && name == format!("{first}.rs")),
        };
        same && rest.is_none_or(|rest| is_in(&entry.path(), rest))
    })
}

#[test]
fn paths_that_are_named_exist() {
    let is_path = |span: &&str| {
        let first = span.split('/').next().unwrap();
        let known = crates::PARTS.contains(&first) || FOLDERS.contains(&first) || first == "*";
        known && span.contains('/') && span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./*{},".contains(c))
    };
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages() {
        for span in page.spans().into_iter().filter(is_path) {
            seen += 1;
            if !is_there(span) {
                wrong.push(format!("{} names {span}, which is not there", page.path.display()));
            }
        }
    }
    assert_none(&wrong);
    assert!(seen > 100, "only {seen} paths were found");
}

/// Where a document says "`function` in `path`", the file has a function of that name.
#[test]
fn functions_that_are_named_exist() {
    let mut named = 0;
    let mut wrong = Vec::new();
    for page in pages() {
        for line in page.prose() {
            let parts: Vec<_> = line.split('`').collect();
            for [function, between, path] in parts.windows(3).filter_map(|parts| <[&str; 3]>::try_from(parts).ok()) {
                if between != " in " || !path.ends_with(".rs") {
                    continue;
                }
                named += 1;
                let source = std::fs::read_to_string(root().join(path)).unwrap_or_default();
                let has = |after: &str| source.contains(&format!("fn {function}{after}"));
                if !has("(") && !has("<") {
                    wrong.push(format!("{}: {path} has no function {function}", page.path.display()));
                }
            }
        }
    }
    assert!(named > 20, "{named}");
    assert_none(&wrong);
}

/// Tests by the file that they are in.
type Tests = BTreeMap<PathBuf, BTreeSet<String>>;

/// The tests of a crate; `discovery` is the root's.
fn tests_of(name: &str) -> Tests {
    let folders = match name {
        "discovery" => ["src".to_owned(), "tests".to_owned()],
        name => [format!("{name}/src"), format!("{name}/tests")],
    };
    let mut tests = Tests::new();
    for path in folders.iter().flat_map(|folder| files(folder, "rs")) {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[") {
                marked |= line.contains("test]") || line.contains("test(");
            } else if let Some((_, signature)) = line.split_once("fn ") {
                let end = signature.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(signature.len());
                if std::mem::take(&mut marked) {
                    tests.entry(path.clone()).or_default().insert(signature[..end].to_owned());
                }
            }
        }
    }
    tests
}

/// Whether there is `module::test` or `module::*` among a crate's integration tests, or `test` anywhere in it.
fn has(tests: &Tests, named: &str) -> bool {
    match named.split_once("::") {
        Some((module, test)) => {
            let file = tests.iter().find(|(path, _)| path.ends_with(format!("tests/it/{module}.rs")));
            file.is_some_and(|(_, tests)| test == "*" || tests.contains(test))
        }
        None => tests.values().any(|tests| tests.contains(named)),
    }
}

/// In tables whose last column is called `test`, a cell names a crate, then tests in it, and so on.
#[test]
fn tests_that_are_named_exist() {
    let (mut known, mut seen, mut wrong) = (BTreeMap::<&str, Tests>::new(), 0, Vec::new());
    let pages = pages();
    for page in &pages {
        let mut in_table = false;
        for line in page.prose() {
            let cell = line.trim_end_matches('|').rsplit('|').next().unwrap().trim();
            in_table = line.starts_with('|') && (in_table || cell == "test");
            if !in_table {
                continue;
            }
            let mut name = "";
            for span in cell.split('`').skip(1).step_by(2) {
                if span == "discovery" || crates::PARTS.contains(&span) {
                    name = span;
                    continue;
                }
                seen += 1;
                if !has(known.entry(name).or_insert_with(|| tests_of(name)), span) {
                    wrong.push(format!("{}: `{name}` has no test `{span}`", page.path.display()));
                }
            }
        }
    }
    assert_none(&wrong);
    assert!(seen > 50, "only {seen} tests were found");
}

/// Names of metrics are a public interface: the operators' table has what the code has, and nothing else.
#[test]
fn the_metrics_are_those_of_the_table() {
    let services = ["service", "relay", "gateway", "mapping-store", "id-prover"];
    let mut in_code = BTreeSet::new();
    for service in services {
        let text = std::fs::read_to_string(root().join(service).join("src/metrics.rs")).unwrap();
        let names = text.lines().filter(|line| line.starts_with("pub const "));
        in_code.extend(names.filter_map(|line| Some(line.split('"').nth(1)?.to_owned())));
    }
    let operations = Page::read("docs/operations.md");
    let rows = operations.prose().into_iter().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let is_metric = |name: &str| services.iter().any(|of| name.starts_with(&format!("{}_", of.replace('-', "_"))));
    let in_table: BTreeSet<_> = rows.map(|(name, _)| name.to_owned()).filter(|name| is_metric(name)).collect();
    assert_eq!(in_table, in_code);
}

/// The words of a line that begins with the `discovery` command, up to what belongs to the shell.
fn discovery_words(line: &str) -> Option<Vec<&str>> {
    let mut words = line.split_whitespace();
    let first = words.next()?;
    if first != "discovery" && !first.ends_with("/discovery") {
        return None;
    }
    let shell = |word: &&str| ["|", "&", "&&", "||", ";", ">", "<", "2>"].contains(word) || word.starts_with('#');
    Some(std::iter::once("discovery").chain(words.take_while(|word| !shell(word))).collect())
}

#[test]
fn commands_are_ones_that_the_command_line_takes() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages() {
        let text = page.blocks("sh").concat().replace("\\\n", " ");
        for words in text.lines().filter_map(discovery_words) {
            seen += 1;
            let Err(error) = CommandLine::try_parse_from(&words) else { continue };
            if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
                wrong.push(format!("{}: {words:?}: {error}", page.path.display()));
            }
        }
    }
    assert_none(&wrong);
    assert!(seen > 10, "only {seen} commands were found");
}

#[test]
fn settings_in_the_documents_are_toml() {
    let mut wrong = Vec::new();
    for page in pages() {
        for block in page.blocks("toml") {
            if let Err(error) = toml::from_str::<toml::Table>(&block) {
                wrong.push(format!("{}: {error}", page.path.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn the_guides_quote_code_that_runs() {
    let (code, mut seen, mut wrong) = (include_str!("book/guides.rs"), 0, Vec::new());
    for page in pages() {
        for block in page.blocks("rust") {
            seen += 1;
            if !code.contains(block.trim()) {
                let first = block.lines().next().unwrap_or_default();
                wrong.push(format!("{}: tests/it/book/guides.rs has no such code: {first}", page.path.display()));
            }
        }
    }
    assert_none(&wrong);
    assert!(seen > 5, "only {seen} blocks were found");
}
