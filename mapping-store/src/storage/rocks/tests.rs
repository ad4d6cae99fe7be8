//! A database after a restart, a crash and damage: all of it is there, or the start is refused.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::storage::{Kind, NewEntry};

const CACHE: usize = 8 << 20;

fn update(n: u8, expected: u64) -> Update {
    let entry = NewEntry {
        kind: Kind::Mapping,
        document: vec![n; 500],
        hash: [n; 32],
        at: Timestamp::from_seconds(1),
        turn: 0,
    };
    Update {
        label: [n; 33],
        expected,
        moved_from: None,
        record: Some(vec![n; 600]),
        was_due: None,
        is_due: None,
        entries: vec![entry],
        tally: Tally::default(),
    }
}

fn largest_table(folder: &Path) -> std::path::PathBuf {
    let is = |path: &std::path::PathBuf| path.extension().is_some_and(|found| found == "sst");
    let tables = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(is);
    tables.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap()
}

/// The write-ahead log in use.
fn latest_log(folder: &Path) -> std::path::PathBuf {
    let is = |path: &std::path::PathBuf| path.extension().is_some_and(|found| found == "log");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(is).max().unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    std::fs::write(path, bytes).unwrap();
}

/// A database of a hundred records, closed in order.
fn filled(folder: &Path) {
    let rocks = Rocks::open(folder, CACHE).unwrap();
    for n in 1..=100 {
        assert_eq!(rocks.write_group(&[update(n, 0)]).unwrap().len(), 1);
    }
}

/// The same as a crash leaves it: nothing was closed.
fn crashed(folder: &Path) {
    let original = tempfile::tempdir().unwrap();
    let rocks = Rocks::open(original.path(), CACHE).unwrap();
    for n in 1..=100 {
        assert_eq!(rocks.write_group(&[update(n, 0)]).unwrap().len(), 1);
    }
    // A crash leaves all files as of one moment: nothing may be written, renamed or tidied up while they are copied.
    rocks.db.cancel_all_background_work(true);
    for file in std::fs::read_dir(original.path()).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
}

fn refusal(folder: &Path) -> String {
    match Rocks::open(folder, CACHE) {
        Ok(_) => panic!("a damaged database opens"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rocks = Rocks::open(folder.path(), CACHE).unwrap();
    rocks.db.put_cf(rocks.family(META), FORMAT_KEY, 2_u32.to_be_bytes()).unwrap();
    drop(rocks);
    assert_eq!(Rocks::open(folder.path(), CACHE).err(), Some(StorageError::Newer { found: 2, known: 1 }));
}

#[test]
fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let rocks = Rocks::open(folder.path(), CACHE).unwrap();
    assert_eq!(rocks.state().heads, [100]);
    assert_eq!(
        rocks.write_group(&[update(101, 0), update(5, 0)]).unwrap(),
        [Updated::Done(vec![Position { shard: 0, number: 101 }]), Updated::Conflict,]
    );
}

fn cut(path: &Path, bytes: u64) {
    let length = std::fs::metadata(path).unwrap().len();
    std::fs::File::options().write(true).open(path).unwrap().set_len(length - bytes).unwrap();
}

#[test]
fn everything_is_there_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    crashed(folder.path());
    assert_eq!(Rocks::open(folder.path(), CACHE).unwrap().state().heads, [100]);
}

/// What was being written when the power failed was not acknowledged: the store opens without it.
#[test]
fn a_torn_tail_of_the_write_ahead_log_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    crashed(folder.path());
    cut(&latest_log(folder.path()), 700);
    assert_eq!(Rocks::open(folder.path(), CACHE).unwrap().state().heads, [99]);
}

#[test]
fn damage_inside_the_write_ahead_log_stops_the_opening() {
    let folder = tempfile::tempdir().unwrap();
    crashed(folder.path());
    let log = latest_log(folder.path());
    flip(&log, usize::try_from(std::fs::metadata(&log).unwrap().len() / 2).unwrap());
    let refusal = refusal(folder.path());
    assert!(refusal.contains(folder.path().to_str().unwrap()), "{refusal}");
    assert!(refusal.contains("Corruption"), "{refusal}");
}

/// What was closed in order stands in tables: nothing is lost with the log.
#[test]
fn a_write_ahead_log_that_is_emptied_after_closing_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let log = latest_log(folder.path());
    cut(&log, std::fs::metadata(&log).unwrap().len());
    assert_eq!(Rocks::open(folder.path(), CACHE).unwrap().state().heads, [100]);
}

#[test]
fn a_missing_or_cut_table_stops_the_opening_and_is_named() {
    for shorten in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        let table = largest_table(folder.path());
        if shorten {
            cut(&table, std::fs::metadata(&table).unwrap().len() / 2);
        } else {
            std::fs::remove_file(&table).unwrap();
        }
        let refusal = refusal(folder.path());
        assert!(refusal.contains(table.file_name().unwrap().to_str().unwrap()), "{refusal}");
    }
}

/// A flipped bit in a table is found when the block is read: an error that names the file, never other bytes.
#[tokio::test]
async fn a_flipped_bit_in_a_table_is_never_served() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let tables = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    for table in tables.filter(|path| path.extension().is_some_and(|found| found == "sst")) {
        flip(&table, 100);
    }
    let Ok(rocks) = Rocks::open(folder.path(), CACHE) else { return };
    let mut failed = 0;
    for n in 1..=100 {
        match rocks.record(&[n; 33], |stored| stored.map(|stored| stored.bytes.to_vec())).await {
            Ok(bytes) => assert_eq!(bytes, Some(vec![n; 600])),
            Err(error) => {
                failed += 1;
                assert!(error.to_string().contains(".sst"), "{error}");
            }
        }
    }
    assert!(failed > 0);
}

#[test]
fn figures_come_from_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let figures = Rocks::open(folder.path(), CACHE).unwrap().figures();
    assert!(figures.records >= 100, "{figures:?}");
    assert!(figures.memory_bytes > 0, "{figures:?}");
}

/// Each update writes the next number; whoever reads meets at least what was acknowledged before, and never an earlier number than
/// last time: whatever is held in memory meanwhile.
#[test]
fn no_reader_goes_back_in_time() {
    const LABEL: Label = [7; 33];
    const CHANGES: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let rocks = Rocks::open(folder.path(), CACHE).unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let read = |runtime: &tokio::runtime::Runtime| {
        let number = |stored: Option<Stored<'_>>| {
            stored.map_or((0, 0), |stored| (stored.revision, u64::from_be_bytes(*stored.bytes.first_chunk().unwrap())))
        };
        runtime.block_on(rocks.record(&LABEL, number)).unwrap()
    };
    let (acknowledged, readings) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let (runtime, mut last) = (runtime(), 0);
                while last < CHANGES {
                    let at_least = acknowledged.load(Ordering::SeqCst).max(last);
                    (_, last) = read(&runtime);
                    assert!(last >= at_least, "{last} after {at_least}");
                    readings.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let runtime = runtime();
        for number in 1..=CHANGES {
            let (expected, _) = read(&runtime);
            let record = Some([number.to_be_bytes().as_slice(), &[0; 600]].concat());
            let change = Update { label: LABEL, record, entries: Vec::new(), ..update(7, expected) };
            assert_eq!(rocks.write_group(&[change]).unwrap(), [Updated::Done(Vec::new())]);
            acknowledged.store(number, Ordering::SeqCst);
        }
    });
    assert!(readings.into_inner() > CHANGES);
}
