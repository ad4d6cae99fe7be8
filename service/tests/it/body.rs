//! Reading a body within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use service::body::{BodyError, is_of_type, read};

use crate::harness::{endless, in_time, whole, written_bit_by_bit};

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_body_is_read_up_to_its_bound() {
    assert_eq!(read(whole("12345"), 5, LONG).await, Ok(Bytes::from("12345")));
    assert_eq!(read(whole("123456"), 5, LONG).await, Err(BodyError::TooLong));
    assert_eq!(in_time(read(endless(), 5000, LONG)).await, Err(BodyError::TooLong));
    let (sender, body) = written_bit_by_bit();
    sender.send("12".into()).await.unwrap();
    sender.send("3".into()).await.unwrap();
    drop(sender);
    assert_eq!(read(body, 5, LONG).await, Ok(Bytes::from("123")));
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let (sender, body) = written_bit_by_bit();
    sender.send("12".into()).await.unwrap();
    assert_eq!(in_time(read(body, 5, Duration::from_millis(50))).await, Err(BodyError::TooSlow));
}

#[test]
fn the_media_type_is_compared_without_case_and_takes_no_parameters() {
    let with = |value: &str| HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
    assert!(is_of_type(&with("Application/CBOR"), "application/cbor"));
    assert!(!is_of_type(&with("application/cbor; charset=utf-8"), "application/cbor"));
    assert!(!is_of_type(&with("application/cbor-seq"), "application/cbor"));
    assert!(!is_of_type(&HeaderMap::new(), "application/cbor"));
}
