//! Many documents from a file: what is refused is told, and what was cut short goes on.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use mapping_store::import::{Import, ImportError, Imported, import};
use mapping_store::verify;
use protocol::lookup::Outcome;
use rand::RngExt as _;

use crate::binary::Binary;
use crate::papers::{DAY, NOW, Paper, number, signed_removal};
use crate::place::{Place, Server};

const MANY: u32 = 24_000;

fn sequence(place: &Place, documents: &[Vec<u8>]) -> PathBuf {
    let file = place.path("mappings.cbor-seq");
    std::fs::write(&file, documents.concat()).unwrap();
    file
}

async fn run(place: &Place, file: PathBuf) -> Result<Imported, ImportError> {
    let what = Import { file, report: Some(place.path("report")), brings_forward: false };
    import(&place.config().store, place.clock(), &what, |_| {}).await
}

#[tokio::test]
async fn documents_are_taken_and_refusals_told() {
    let place = Place::new();
    let mut forged = Paper::of(5).bytes();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let documents = [
        Paper::of(1).bytes(),
        Paper::of(2).bytes(),
        Paper::of(1).bytes(),
        forged,
        vec![0x81, 0x01],
        Paper::withdrawal(2, 2).bytes(),
        Paper::of(3).bytes(),
        signed_removal(&number(3), NOW.plus(Duration::from_secs(1))),
        Paper { seq: 1, msp: Some("b.example"), ..Paper::of(3) }.bytes(),
    ];
    let file = sequence(&place, &documents);
    let imported = run(&place, file.clone()).await.unwrap();
    assert_eq!(imported, Imported { taken: 5, known: 1, refused: 3 });
    let report = std::fs::read_to_string(place.path("report")).unwrap();
    let report: Vec<serde_json::Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let offset = |index: usize| documents[..index].concat().len() as u64;
    let told: Vec<_> = report.iter().map(|line| line["offset"].as_u64().unwrap()).collect();
    assert_eq!(told, [offset(3), offset(4), offset(8)]);
    assert!(report[0]["rule"].as_str().unwrap().contains("signature"), "{report:?}");
    assert!(report.iter().all(|line| !line.to_string().contains("1415555")), "no identifier is told");
    let server = Server::start(&place).await;
    let outcomes = server.lookup((1..=3).map(number).collect()).await;
    assert_eq!(
        outcomes.iter().map(|entry| entry.outcome).collect::<Vec<_>>(),
        [Outcome::OneMapping, Outcome::NeverMapped, Outcome::NeverMapped]
    );
    server.stop().await;
    // A finished import begins anew: all of it is known.
    assert_eq!(run(&place, file).await.unwrap(), Imported { taken: 0, known: 6, refused: 3 });
}

/// A kept change feed is such a file too, and so is what another store exports.
#[tokio::test]
async fn feeds_and_exports_are_imported() {
    let (place, second, third) = (Place::new(), Place::new(), Place::new());
    let source = Server::start(&place).await;
    for n in 0..9 {
        source.publish_paper(&Paper::of(n)).await;
    }
    source.publish_paper(&Paper::withdrawal(4, 2)).await;
    let feed = second.path("feed");
    std::fs::write(&feed, source.get("/v1/changes").await.body()).unwrap();
    source.stop().await;
    assert_eq!(run(&second, feed).await.unwrap(), Imported { taken: 10, known: 0, refused: 0 });
    let exported = third.path("exported");
    let count = mapping_store::import::export(&second.config().store, second.clock(), &exported).await.unwrap();
    assert_eq!(count, 8);
    assert_eq!(run(&third, exported).await.unwrap(), Imported { taken: 8, known: 0, refused: 0 });
    assert_eq!(third.open().check().await.unwrap().live, 8);
}

#[tokio::test]
async fn what_is_no_sequence_stops_the_import_and_says_where() {
    let place = Place::new();
    let file = sequence(&place, &[Paper::of(1).bytes(), vec![0xff]]);
    let error = run(&place, file).await.unwrap_err();
    assert!(error.to_string().contains(&format!("octet {}", Paper::of(1).bytes().len())), "{error}");
}

/// What has expired counts as it did: a withdrawal still takes back what is older, and nothing expired is served.
#[tokio::test]
async fn expired_documents_are_remembered_and_not_served() {
    let place = Place::new();
    let long = Paper { lifetime: 40 * DAY, ..Paper::of(1) };
    let documents = [long.bytes(), Paper { lifetime: DAY, ..Paper::withdrawal(1, 2) }.bytes()];
    let file = sequence(&place, &documents);
    place.advance(3 * DAY);
    assert_eq!(run(&place, file).await.unwrap(), Imported { taken: 2, known: 0, refused: 0 });
    let server = Server::start(&place).await;
    assert_eq!(server.lookup_one(&number(1)).await.outcome, Outcome::NeverMapped);
    server.stop().await;
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The binary, killed at random moments, started again until it is through.
#[tokio::test]
async fn an_import_that_is_killed_goes_on() {
    let place = Place::at_present();
    let binary = Binary::new(&place);
    let papers: Vec<_> = (0..MANY).map(|n| Paper { issued: place.now(), ..Paper::of(n) }.bytes()).collect();
    let file = sequence(&place, &papers);
    let file = file.to_str().unwrap();
    for _ in 0..4 {
        let mut process = binary.start(&["import", file]);
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(300..1500)));
        process.kill();
    }
    let output = binary.run(&["import", file]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = binary.run(&["verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains(&format!("{MANY} live mappings")), "{}", said(&output));
    let store = place.open();
    assert_eq!(verify::verify(&store, |_, _| {}).await.unwrap().documents, u64::from(MANY));
}

#[tokio::test]
async fn exit_statuses_tell_how_it_went() {
    let place = Place::at_present();
    let binary = Binary::new(&place);
    let paper = |n| Paper { issued: place.now(), ..Paper::of(n) };
    let good = sequence(&place, &[paper(1).bytes(), paper(2).bytes()]);
    let output = binary.run(&["import", "--format", "cbor-seq", good.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("2 taken, 0 known before, 0 refused"), "{}", said(&output));
    let some = sequence(&place, &[paper(1).bytes(), vec![0xff], paper(4).bytes()]);
    assert_eq!(binary.run(&["import", some.to_str().unwrap()]).status.code(), Some(2));
    let some = sequence(&place, &[paper(1).bytes(), vec![0x80], paper(4).bytes()]);
    let output = binary.run(&["import", some.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(binary.run(&["import", "/no/such/file"]).status.code(), Some(2));
    let backup = place.path("backup").display().to_string();
    assert_eq!(binary.run(&["backup", &backup]).status.code(), Some(0));
    assert_eq!(binary.run(&["backup", &backup]).status.code(), Some(2));
    assert_eq!(binary.run(&["restore", &backup]).status.code(), Some(2));
    assert_eq!(binary.run(&["verify", &backup]).status.code(), Some(0));
    let description = std::fs::read(place.path("backup/backup.json")).unwrap();
    let table = std::fs::read_dir(place.path("backup/database")).unwrap().map(|entry| entry.unwrap().path());
    let table = table.into_iter().find(|path| path.extension().is_some_and(|found| found == "sst")).unwrap();
    let mut content = std::fs::read(&table).unwrap();
    content[20] ^= 1;
    std::fs::write(&table, content).unwrap();
    assert!(!description.is_empty());
    let output = binary.run(&["verify", &backup]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains(table.file_name().unwrap().to_str().unwrap()), "{}", said(&output));
}
