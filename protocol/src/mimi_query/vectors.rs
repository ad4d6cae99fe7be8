//! The annotated vectors under `docs/vectors-tls/`: one field a line, its octets and a remark. `UPDATE_VECTORS=1` writes
//! the files anew, for a reviewer to read.

use std::path::PathBuf;

use super::*;
use crate::fixtures::{cpi, mapping};
use crate::mimi_uri::Psi;

/// A vector under way: lines, and the octets on them.
#[derive(Default)]
struct Lines {
    text: String,
    octets: Vec<u8>,
}

impl Lines {
    fn line(&mut self, depth: usize, octets: &[u8], remark: &str) {
        let hex = format!("{}{}", "  ".repeat(depth), hex::encode(octets));
        self.text.push_str(&format!("{hex:<40} # {remark}\n"));
        self.octets.extend_from_slice(octets);
    }

    /// The length of a vector, as RFC 9420 §2.1.2 has it up to 16,383.
    fn length(&mut self, depth: usize, octets: usize, name: &str) {
        let short = u8::try_from(octets).ok().filter(|octets| *octets < 64);
        let long = (u16::try_from(octets).unwrap() | 0x4000).to_be_bytes();
        let remark = format!("{name}: {octets} octets");
        match short {
            Some(short) => self.line(depth, &[short], &remark),
            None => self.line(depth, &long, &remark),
        }
    }

    fn opaque(&mut self, depth: usize, text: &str, name: &str) {
        self.length(depth, text.len(), name);
        self.line(depth + 1, text.as_bytes(), &format!("\"{text}\""));
    }

    fn compare(self, name: &str, message: &[u8]) {
        assert_eq!(hex::encode(&self.octets), hex::encode(message), "{name}");
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors-tls");
        let path = folder.join(format!("{name}.hex"));
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &self.text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), self.text, "{name}");
    }
}

fn of_request(name: &str, elements: &[QueryElement]) {
    let request = IdentifierRequest::new(elements.to_vec()).unwrap();
    let length = |element: &QueryElement| {
        let one = IdentifierRequest::new(vec![element.clone()]).unwrap().encode();
        one.len() - 2
    };
    let mut lines = Lines::default();
    lines.length(0, elements.iter().map(length).sum(), "query_elements");
    for element in elements {
        let remark = format!("searchType: {}", element.search_type_name());
        lines.line(1, &[element.search_type()], &remark);
        match element {
            QueryElement::OidcStdClaim(claim, value) => {
                lines.opaque(2, claim, "claimName");
                lines.opaque(2, value, "searchValue");
            }
            QueryElement::VcardField(property, value) => {
                lines.opaque(2, property, "propertyName");
                lines.opaque(2, value, "searchValue");
            }
            QueryElement::Handle(value)
            | QueryElement::Nick(value)
            | QueryElement::Email(value)
            | QueryElement::Phone(value)
            | QueryElement::PartialName(value)
            | QueryElement::WholeProfile(value) => lines.opaque(2, value, "searchValue"),
        }
    }
    lines.length(0, 0, "id_request_extensions");
    assert_eq!(IdentifierRequest::decode(&request.encode()).as_ref(), Ok(&request));
    lines.compare(name, &request.encode());
}

fn of_response(name: &str, response: &IdentifierResponse) {
    let mut lines = Lines::default();
    lines.line(0, &[response.code() as u8], &format!("responseCode: {}", response.code().name()));
    let uris: Vec<&String> = response.uris().iter().collect();
    lines.length(0, uris.iter().map(|uri| uri.len() + 1).sum(), "uri");
    uris.iter().for_each(|uri| lines.opaque(1, uri, "IdentifierUri"));
    lines.length(0, 0, "foundProfiles");
    lines.length(0, 0, "id_response_extensions");
    assert_eq!(IdentifierResponse::decode(&response.encode()).as_ref(), Ok(response));
    lines.compare(name, &response.encode());
}

#[test]
fn requests() {
    let psi = mapping().reachability.psi().cloned().unwrap();
    of_request("identifier-request-phone", &[QueryElement::of_cpi(&cpi())]);
    let email = QueryElement::Email("asmith@a.example".to_owned());
    of_request("identifier-request-three", &[QueryElement::of_cpi(&cpi()), email, QueryElement::of_handle(psi.uri())]);
    let claim = QueryElement::OidcStdClaim("given_name".to_owned(), "Alice".to_owned());
    let property = QueryElement::VcardField("ORG".to_owned(), "Example".to_owned());
    of_request("identifier-request-unsupported", &[claim, property]);
}

#[test]
fn responses() {
    let psi: Psi = mapping().reachability.psi().cloned().unwrap();
    of_response("identifier-response-success", &IdentifierResponse::found(&psi));
    for refusal in [Refusal::NotFound, Refusal::Ambiguous, Refusal::Forbidden, Refusal::UnsupportedField] {
        let response = IdentifierResponse::refused(refusal);
        let name = match refusal {
            Refusal::NotFound => "not-found",
            Refusal::Ambiguous => "ambiguous",
            Refusal::Forbidden => "forbidden",
            Refusal::UnsupportedField => "unsupported-field",
        };
        of_response(&format!("identifier-response-{name}"), &response);
    }
}
