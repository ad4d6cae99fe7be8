//! Takes an encoding apart: one CBOR item a line, indented by depth, with a remark. Byte strings that hold CBOR (headers,
//! payloads, embedded documents) are taken apart as well.

use ciborium::Value;
use documents::cbor::{decode, encode};

use crate::labels::name_in;

pub(super) fn annotate(bytes: &[u8]) -> String {
    let value = decode(bytes, usize::MAX).unwrap();
    let mut lines = String::new();
    item(&mut lines, &value, 0, "");
    lines
}

fn line(lines: &mut String, depth: usize, hex: &str, remark: &str) {
    let hex = format!("{}{hex}", "  ".repeat(depth));
    if remark.is_empty() {
        lines.push_str(&format!("{hex}\n"));
    } else {
        lines.push_str(&format!("{hex:<40} # {remark}\n"));
    }
}

/// The head of an item is what its encoding has before its content.
fn head(value: &Value, content: usize) -> String {
    let bytes = encode(value);
    hex::encode(&bytes[..bytes.len() - content])
}

fn item(lines: &mut String, value: &Value, depth: usize, name: &str) {
    let named = |what: String| if name.is_empty() { what } else { format!("{name}: {what}") };
    match value {
        Value::Bytes(bytes) => {
            let embedded = decode(bytes, usize::MAX)
                .ok()
                .filter(|inner| matches!(inner, Value::Map(_) | Value::Tag(..) | Value::Array(_)) && bytes.len() > 32);
            line(lines, depth, &head(value, bytes.len()), &named(format!("{} bytes", bytes.len())));
            match embedded {
                Some(inner) => item(lines, &inner, depth + 1, ""),
                None => bytes.chunks(32).for_each(|chunk| line(lines, depth + 1, &hex::encode(chunk), "")),
            }
        }
        Value::Text(text) => {
            line(lines, depth, &head(value, text.len()), &named(format!("text of {} bytes", text.len())));
            line(lines, depth + 1, &hex::encode(text), &format!("\"{text}\""));
        }
        Value::Array(items) => {
            let content: usize = items.iter().map(|item| encode(item).len()).sum();
            line(lines, depth, &head(value, content), &named(format!("array of {}", items.len())));
            items.iter().for_each(|inner| item(lines, inner, depth + 1, ""));
        }
        Value::Map(pairs) => {
            let content: usize = pairs.iter().map(|(key, value)| encode(key).len() + encode(value).len()).sum();
            line(lines, depth, &head(value, content), &named(format!("map of {}", pairs.len())));
            for (key, inner) in pairs {
                line(
                    lines,
                    depth + 1,
                    &hex::encode(encode(key)),
                    &format!("label {} ({})", number(key), name_in(pairs, key).unwrap()),
                );
                item(lines, inner, depth + 2, "");
            }
        }
        Value::Tag(tag, inner) => {
            line(lines, depth, &head(value, encode(inner).len()), &named(format!("tag {tag}")));
            item(lines, inner, depth + 1, "");
        }
        Value::Integer(_) => line(lines, depth, &hex::encode(encode(value)), &named(number(value))),
        other => line(lines, depth, &hex::encode(encode(other)), &named(format!("{other:?}"))),
    }
}

fn number(value: &Value) -> String {
    value.as_integer().map_or_else(String::new, |number| i128::from(number).to_string())
}
