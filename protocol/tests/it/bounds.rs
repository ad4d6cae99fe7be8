//! Every bound at its last value and one beyond, what is read back of each message, and what is shown of what.

use std::time::Duration;

use protocol::MAX_NAME_BYTES;
use protocol::authenticated::{self, UnverifiedMapping, VerifiedMapping};
use protocol::cbor::{Value, encode};
use protocol::change::{Kind, LogEntry};
use protocol::conflict::ConflictQuery;
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, Method};
use protocol::enrollment::Code;
use protocol::labels::name_in;
use protocol::lookup::{Answer, CompactAnswer, CompactEntry, Entry, LookupRequest, MAX_CPIS, MAX_MAPPINGS, Outcome};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_query::{
    FieldSource, IdentifierRequest, IdentifierResponse, MAX_RESULTS, MAX_VALUE_BYTES, ProfileField, QueryElement,
    UserProfile,
};
use protocol::mimi_uri::{ImUri, MAX_BYTES, MimiUri, Msp};
use protocol::problem::{Problem, ProblemType};
use protocol::receipt::{Position, Receipt};
use protocol::trust::{TrustAnchor, TrustAnchorTable, TrustAnchors};
use protocol::{Signed, SigningKey, Timestamp, Unverified};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn msp() -> Msp {
    Msp::parse("mimi://a.example").unwrap()
}

fn number(n: usize) -> Cpi {
    Cpi::parse(&format!("tel:+1415555{n:04}")).unwrap()
}

#[test]
fn names_have_their_length() {
    let read = |length: usize| {
        let receipt = Receipt {
            provider: "p".repeat(length),
            published_hash: [8; 32],
            position: Position { shard: 0, number: 1 },
            issued_at: NOW,
        };
        Unverified::<Receipt>::parse(Signed::sign(receipt, &SigningKey::from_seed(&[3; 32])).bytes()).is_ok()
    };
    assert_eq!([1, MAX_NAME_BYTES, MAX_NAME_BYTES + 1, MAX_NAME_BYTES + 2].map(read), [true, true, false, false]);
}

#[test]
fn uris_have_their_length() {
    let uri = |length: usize| {
        let start = "mimi://a.example/u/";
        MimiUri::parse(&format!("{start}{}", "x".repeat(length - start.len()))).is_ok()
    };
    assert_eq!([MAX_BYTES, MAX_BYTES + 1, MAX_BYTES + 2].map(uri), [true, false, false]);
}

/// What stands before `=` is a protocol only if it can be one.
#[test]
fn an_im_uri_names_a_protocol_or_none() {
    let protocol = |uri: &str| ImUri::parse(uri).unwrap().protocol().map(str::to_owned);
    assert_eq!(protocol("im:XMPP=alice@a.example").as_deref(), Some("xmpp"));
    assert_eq!(["im:=alice@a.example", "im:x-y=alice@a.example"].map(protocol), [None, None]);
}

#[test]
fn the_largest_answers_can_be_read() {
    let answer = |entries: usize, mappings: usize, bytes: usize| Answer {
        entries: vec![Entry { outcome: Outcome::SeveralHolders, mappings: vec![vec![7; bytes]; mappings] }; entries],
    };
    let is_read = |answer: &Answer| Answer::decode(&answer.encode()).is_ok_and(|read| read == *answer);
    assert!(is_read(&answer(MAX_CPIS, MAX_MAPPINGS, authenticated::MAX_BYTES)));
    assert!(!is_read(&answer(0, 0, 0)));
    assert!(!is_read(&answer(MAX_CPIS + 1, 1, 1)));
    assert!(!is_read(&answer(1, MAX_MAPPINGS + 1, 1)));
    assert!(!is_read(&answer(1, 1, authenticated::MAX_BYTES + 1)));
}

#[test]
fn the_largest_compact_answers_can_be_read() {
    let labels = [63, 63, 63].map(|length| "x".repeat(length)).join(".");
    let domain = |n: usize| Msp::from_domain(&format!("{labels}.m{n:057}.ex")).unwrap();
    assert_eq!(domain(0).domain().len(), 253);
    let answer = |entries: usize, providers: usize| {
        let msps = (0..providers).map(domain).collect();
        CompactAnswer { entries: vec![CompactEntry { outcome: Outcome::SeveralHolders, msps }; entries] }
    };
    let is_read = |answer: &CompactAnswer| CompactAnswer::decode(&answer.encode()).is_ok_and(|read| read == *answer);
    assert!(is_read(&answer(MAX_CPIS, MAX_CPIS * MAX_MAPPINGS)));
    assert!(!is_read(&answer(1, MAX_CPIS * MAX_MAPPINGS + 1)));
    assert!(!is_read(&answer(MAX_CPIS + 1, 1)));
    assert!(!is_read(&answer(0, 0)));
}

/// Found by the fuzz target `lookup`: what contradicts itself had a compact form that could not be read.
#[test]
fn a_contradictory_answer_has_a_compact_form() {
    let vector = include_str!("../../../docs/vectors/authenticated-mapping.hex");
    let digits: String =
        vector.lines().filter_map(|line| line.split('#').next()).flat_map(str::split_whitespace).collect();
    let mapping = hex::decode(digits).unwrap();
    for outcome in Outcome::ALL {
        let answer = Answer { entries: vec![Entry { outcome, mappings: vec![mapping.clone()] }] };
        let compact = answer.to_compact().unwrap();
        assert_eq!(CompactAnswer::decode(&compact.encode()).as_ref(), Ok(&compact), "{outcome:?}");
    }
}

#[test]
fn no_bit_stands_for_no_provider() {
    let domains: Vec<Value> = (0..9).map(|n| Value::from(format!("m{n}.example"))).collect();
    let with = |bits: [u8; 2]| {
        let entry = Value::Array(vec![3.into(), Value::from(bits.to_vec())]);
        CompactAnswer::decode(&encode(&Value::Array(vec![Value::Array(domains.clone()), Value::Array(vec![entry])])))
    };
    assert_eq!(with([0xff, 0x80]).unwrap().entries[0].msps.len(), 9);
    for position in 1..8 {
        assert!(with([0xff, 0x80 | (0x80 >> position)]).is_err(), "{position}");
    }
}

#[test]
fn a_request_says_what_it_asks_for() {
    let cpis: Vec<_> = (0..=MAX_CPIS).map(number).collect();
    let request = LookupRequest::new(cpis[1..].to_vec(), Some(msp())).unwrap();
    let read = LookupRequest::decode(&request.encode()).unwrap();
    assert_eq!((read.cpis(), read.msp(), read.is_compact()), (&cpis[1..], Some(&msp()), false));
    let compact = LookupRequest::new(cpis[1..].to_vec(), None).unwrap().compact();
    let read = LookupRequest::decode(&compact.encode()).unwrap();
    assert_eq!((read.msp(), read.is_compact()), (None, true));
    assert!(LookupRequest::new(cpis, None).is_err());
    let longest = format!("mailto:{}@{}.example", "a".repeat(64), ["b"; 3].map(|b| b.repeat(59)).join("."));
    let longest = LookupRequest::new(vec![Cpi::parse(&longest).unwrap(); MAX_CPIS], None).unwrap();
    assert_eq!(LookupRequest::decode(&longest.encode()), Ok(longest));
}

#[test]
fn values_of_a_query_have_their_length() {
    let value = |length: usize| QueryElement::Nick("n".repeat(length));
    let name = |length: usize| QueryElement::VcardField("n".repeat(length), "v".to_owned());
    let is_read = |element| {
        IdentifierRequest::new(vec![element]).is_ok_and(|made| IdentifierRequest::decode(&made.encode()) == Ok(made))
    };
    let lengths = [MAX_VALUE_BYTES, MAX_VALUE_BYTES + 1, MAX_VALUE_BYTES + 2];
    assert_eq!(lengths.map(value).map(is_read), [true, false, false]);
    assert_eq!(lengths.map(name).map(is_read), [true, false, false]);
}

/// A vector of TLS presentation language with a length of variable size (RFC 9420 §2.1.2).
fn vector(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let head = match length {
        0..64 => vec![u8::try_from(length).unwrap()],
        _ => (0x4000 | length).to_be_bytes().to_vec(),
    };
    [head, content.to_vec()].concat()
}

#[test]
fn a_response_has_its_length() {
    let read = |uris: usize, profiles: usize, fields: usize| {
        let uris = vector(&vector(b"mimi://a.example/u/x").repeat(uris));
        let field = [&[8][..], &vector(b"ORG"), &vector(b"Example")].concat();
        let profile = [vector(b"mimi://a.example/u/x"), vector(&field.repeat(fields))].concat();
        let response = [vec![0], uris, vector(&profile.repeat(profiles)), vec![0]].concat();
        IdentifierResponse::decode(&response).map(|read| assert_eq!(read.encode(), response)).is_ok()
    };
    assert!(read(1, 1, 1) && read(MAX_RESULTS, MAX_RESULTS, 1) && read(1, 1, MAX_RESULTS));
    assert!(!read(MAX_RESULTS + 1, 1, 1) && !read(1, MAX_RESULTS + 1, 1) && !read(1, 1, MAX_RESULTS + 1));
}

#[test]
fn the_largest_entry_of_a_feed_can_be_read() {
    let position = Position { shard: u32::MAX, number: u64::MAX };
    let entry = LogEntry { position, kind: Kind::Mapping, document: vec![7; authenticated::MAX_BYTES] };
    assert_eq!(LogEntry::parse(&entry.clone().encode()), Ok(entry));
}

#[test]
fn a_mapping_may_end_with_its_credential() {
    let (user, prover) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    let credential = CpiCredential {
        prover: "prover.example".to_owned(),
        cpi: number(1),
        msp: msp(),
        user_key: user.public(),
        method: Method::SmsOtp,
        issued_at: NOW,
        expires_at: NOW.plus(30 * DAY),
        id: [9; 16],
    };
    let credential = Signed::sign(credential, &prover);
    let mapping = |ends: Timestamp| Mapping {
        cpi: number(1),
        reachability: Reachability::At { msp: msp(), psi: None },
        tags: Tags::new(["Default"]).unwrap(),
        seq: 1,
        credential_hash: credential.hash(),
        fresh: false,
        state: State::Live,
        issued_at: NOW,
        expires_at: ends,
    };
    let anchor = |days: u32| TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![prover.public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: days * DAY,
    };
    let trust = TrustAnchors::new(vec![anchor(30), anchor(45), anchor(7)]);
    assert_eq!(trust.max_credential_lifetime(), 45 * DAY);
    let verified = |ends: Timestamp| {
        let bytes = VerifiedMapping::encode(&credential, &Signed::sign(mapping(ends), &user));
        UnverifiedMapping::parse(&bytes).unwrap().verify(&trust, NOW)
    };
    let verified_to_the_end = verified(NOW.plus(30 * DAY)).unwrap();
    assert_eq!(verified_to_the_end.hash().as_slice(), Sha256::digest(verified_to_the_end.bytes()).as_slice());
    assert!(verified(NOW.plus(30 * DAY + Duration::from_secs(1))).is_err());
}

#[test]
fn a_conflict_query_holds_for_five_minutes_either_way() {
    let user = SigningKey::from_seed(&[1; 32]);
    let query = ConflictQuery { cpi: number(1), provider: "p".to_owned(), user_key: user.public(), issued_at: NOW };
    let query = Signed::sign(query, &user);
    let holds = |now: Timestamp| ConflictQuery::verify(query.bytes(), "p", now).is_ok();
    let (edge, beyond) = (Duration::from_secs(300), Duration::from_secs(301));
    assert!(holds(NOW.plus(edge)) && holds(NOW.minus(edge)));
    assert!(!holds(NOW.plus(beyond)) && !holds(NOW.minus(beyond)));
}

#[test]
fn a_trust_anchor_in_a_file_counts_in_days() {
    let key = hex::encode(SigningKey::from_seed(&[2; 32]).public().as_bytes());
    let json = format!(r#"{{"name":"prover.example","keys":["{key}"],"methods":["sms-otp"]}}"#);
    let table: TrustAnchorTable = serde_json::from_str(&json).unwrap();
    assert_eq!(table.max_credential_days, 45);
    let anchor = TrustAnchor::try_from(table.clone()).unwrap();
    assert_eq!(anchor.max_credential_lifetime, 45 * DAY);
    assert_eq!(TrustAnchorTable::from(&anchor), table);
}

/// Bytes as they are given.
struct Given(Vec<u8>);

impl TryRng for Given {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("a code is made of bytes")
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("a code is made of bytes")
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.iter_mut().for_each(|byte| *byte = self.0.remove(0));
        Ok(())
    }
}

impl TryCryptoRng for Given {}

#[test]
fn no_digit_of_a_code_is_favoured() {
    let code = Code::generate(8, &mut Given(vec![255, 249, 250, 0, 251, 10, 99, 128, 254, 201, 32, 7]));
    assert_eq!(code.digits(), "90098127");
}

#[test]
fn an_address_has_two_parts() {
    let Cpi::Email(address) = Cpi::parse("mailto:b%C3%BCro@xn--bcher-kva.example").unwrap() else { unreachable!() };
    assert_eq!(address.as_address(), "b\u{fc}ro@xn--bcher-kva.example");
    assert_eq!((address.local_part(), address.domain()), ("b\u{fc}ro", "xn--bcher-kva.example"));
    assert_eq!(address.to_unicode(), "b\u{fc}ro@b\u{fc}cher.example");
}

/// What `Debug` and messages do show.
#[test]
fn what_is_redacted_says_what_it_is() {
    assert_eq!(format!("{:?}", number(1)), "Cpi(Phone, redacted)");
    let uri = MimiUri::parse("mimi://a.example/u/alice").unwrap();
    assert_eq!(format!("{uri:?}"), "MimiUri(User at a.example, redacted)");
    assert_eq!(format!("{:?}", Code::parse("12345678").unwrap()), "Code(redacted)");
    assert_eq!(format!("{:?}", QueryElement::Nick("alice".to_owned())), "QueryElement(nick, redacted)");
    let field = ProfileField { source: FieldSource::VcardField, name: "ORG".to_owned(), value: "Example".to_owned() };
    assert_eq!(format!("{field:?}"), "ProfileField(VcardField, redacted)");
    let profile = UserProfile { stable_uri: uri.to_string(), fields: vec![field] };
    assert_eq!(format!("{profile:?}"), "UserProfile(1 fields, redacted)");
    let wrong = Problem { tries_left: Some(4), ..ProblemType::WrongCode.because("as sent") };
    assert_eq!(wrong.to_string(), "The code is wrong. (as sent) Tries left: 4.");
}

#[test]
fn labels_have_the_names_of_their_maps() {
    let map = |labels: &[i64]| labels.iter().map(|label| (Value::from(*label), Value::from(0))).collect::<Vec<_>>();
    let named = |labels: &[i64]| {
        let pairs = map(labels);
        pairs.iter().map(|(key, _)| name_in(&pairs, key).unwrap_or("-")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(named(&[1, 4, 16, 6]), "alg kid typ -");
    assert_eq!(named(&[1, 2, 3, 4, 6, 7, 8, 9]), "iss sub aud exp iat cti cnf -");
    let ours: Vec<_> = [6].into_iter().chain((65537..=65555).map(|label: i64| -label)).collect();
    assert_eq!(
        named(&ours),
        "iat ohttp-keys msp psi tags seq credential-hash fresh state method issued-before published-hash shard \
         position request-hash code-length hpke-key holder displaced-at -"
    );
    assert_eq!(named(&[1, -1, -2, 2]), "kty crv x -");
    assert_eq!(named(&[1, 2, 3]), "enc ciphertext -");
    let key = [(Value::from(1), Value::Map(Vec::new()))];
    assert_eq!(name_in(&key, &Value::from(1)), Some("COSE_Key"));
    let request = [(Value::from(1), Value::Array(Vec::new())), (Value::from(2), Value::from(0))];
    assert_eq!(
        [1, 2, 3].map(|label| name_in(&request, &Value::from(label))),
        [Some("cpis"), Some("msp"), Some("form")]
    );
}
