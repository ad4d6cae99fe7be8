//! The demo, on a small book with every plan in it.

use std::path::Path;

use discovery::demo::{self, Setting};
use discovery::stack::Foundation;

const BOOK: &str = "\
BEGIN:VCARD\nVERSION:4.0\nFN:Ann\nTEL:+1 415-555-0101\nEMAIL:ann@example.com\nCATEGORIES:enrolled\nEND:VCARD
BEGIN:VCARD\nVERSION:4.0\nFN:Ben\nTEL:0049 30 901820\nEMAIL:büro@bücher.example\nCATEGORIES:several-providers\nEND:VCARD
BEGIN:VCARD\nVERSION:4.0\nFN:Cem\nTEL:(020) 7946 0018\nADR;CC=GB:;;;;;;GB\nCATEGORIES:several-holders\nEND:VCARD
BEGIN:VCARD\nVERSION:4.0\nFN:Cem's twin\nTEL:+442079460018\nCATEGORIES:several-holders\nEND:VCARD
BEGIN:VCARD\nVERSION:4.0\nFN:Dee\nEMAIL:dee@example.org\nCATEGORIES:opted-out\nEND:VCARD
BEGIN:VCARD\nVERSION:4.0\nFN:Eli\nEMAIL:eli@example.org\nCATEGORIES:never-enrolled\nEND:VCARD
BEGIN:VCARD\nVERSION:4.0\nFN:Fay\nTEL:+33 1 23 45 67 89\nCATEGORIES:expired\nEND:VCARD
BEGIN:VCARD\nVERSION:4.0\nFN:Gus\nEMAIL:प्रिया@example.net\nCATEGORIES:withdrawn\nEND:VCARD
";

async fn play(folder: &Path, book: &str) -> Result<demo::Report, discovery::failure::Failure> {
    let contacts = folder.join("book.vcf");
    std::fs::write(&contacts, book).unwrap();
    demo::run(Foundation::lay(&folder.join("stack")).unwrap(), &Setting { contacts }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_book_enrolls_and_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let report = play(folder.path(), BOOK).await.unwrap();
    assert!(report.all_as_expected(), "{report}");
    let text = report.to_string();
    let summary = text.lines().last().unwrap();
    assert_eq!(summary, "demo: 8 contacts, 13 enrolled, 5 found, 11 verified, 4 not found");
    for shown in ["Ann", "+1 415-555-0101", "büro@bücher.example", "(several holders)", "(opted out)", "prover.example"]
    {
        assert!(text.contains(shown), "{shown} is missing from {text}");
    }
    let mails = std::fs::read_dir(folder.path().join("stack/mail/new")).unwrap().count();
    assert_eq!(mails, 6, "codes to email addresses came by mail, one for each enrollment");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_nobody_knows_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let failure = play(folder.path(), &BOOK.replace("opted-out", "elsewhere")).await.err().unwrap();
    assert_eq!(failure.to_string(), "card 5 of the contact book: no plan named \"elsewhere\"");
}
