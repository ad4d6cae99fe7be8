//! CBOR in diagnostic notation (RFC 8949 §8), with the names of our labels and times in words. Octet strings that hold CBOR of
//! their own (headers, payloads, embedded documents) are taken apart between `<<` and `>>`.

use protocol::Timestamp;
use protocol::cbor::{self, Value};
use protocol::labels;

/// Octet strings above this length are looked into.
const SHORT: usize = 32;
const COSE_SIGN1: u64 = 18;

pub(super) fn show(value: &Value) -> String {
    let mut text = format!("{}\n", kind(value));
    item(&mut text, value, 1, "");
    text
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Tag(COSE_SIGN1, _) => "signed document (COSE_Sign1)",
        Value::Array(items) if matches!(items.as_slice(), [Value::Bytes(_), Value::Bytes(_)]) => {
            "authenticated mapping: credential and mapping"
        }
        _ => "CBOR",
    }
}

fn line(text: &mut String, depth: usize, content: &str, remark: &str) {
    text.push_str(&"  ".repeat(depth));
    text.push_str(content);
    if !remark.is_empty() {
        text.push_str("   / ");
        text.push_str(remark);
        text.push_str(" /");
    }
    text.push('\n');
}

fn item(text: &mut String, value: &Value, depth: usize, before: &str) {
    match value {
        Value::Bytes(bytes) => match inside(bytes) {
            Some(inner) => {
                line(text, depth, &format!("{before}<<"), "");
                item(text, &inner, depth + 1, "");
                line(text, depth, ">>", "");
            }
            None => line(text, depth, &format!("{before}h'{}'", hex::encode(bytes)), ""),
        },
        Value::Array(items) if items.is_empty() => line(text, depth, &format!("{before}[]"), ""),
        Value::Array(items) => {
            line(text, depth, &format!("{before}["), "");
            items.iter().for_each(|inner| item(text, inner, depth + 1, ""));
            line(text, depth, "]", "");
        }
        Value::Map(pairs) if pairs.is_empty() => line(text, depth, &format!("{before}{{}}"), ""),
        Value::Map(pairs) => {
            line(text, depth, &format!("{before}{{"), "");
            pairs.iter().for_each(|(key, inner)| pair(text, pairs, key, inner, depth + 1));
            line(text, depth, "}", "");
        }
        Value::Tag(tag, inner) => {
            line(text, depth, &format!("{before}{tag}("), "");
            item(text, inner, depth + 1, "");
            line(text, depth, ")", "");
        }
        other => line(text, depth, &format!("{before}{}", atom(other)), ""),
    }
}

fn pair(text: &mut String, pairs: &[(Value, Value)], key: &Value, value: &Value, depth: usize) {
    let name = labels::name_in(pairs, key).unwrap_or_default();
    let before = match name {
        "" => format!("{}: ", atom(key)),
        name => format!("{} /{name}/: ", atom(key)),
    };
    let time = value.as_integer().and_then(|seconds| u64::try_from(seconds).ok()).map(Timestamp::from_seconds);
    match (name, time) {
        ("iat" | "exp" | "issued-before", Some(time)) => {
            line(text, depth, &format!("{before}{}", atom(value)), &time.to_string());
        }
        _ => item(text, value, depth, &before),
    }
}

fn inside(bytes: &[u8]) -> Option<Value> {
    let holds_more = |value: &Value| matches!(value, Value::Map(_) | Value::Tag(..) | Value::Array(_));
    if bytes.len() > SHORT { cbor::decode(bytes, bytes.len()).ok().filter(holds_more) } else { None }
}

fn atom(value: &Value) -> String {
    match value {
        Value::Integer(number) => i128::from(*number).to_string(),
        // JSON's quotes and escapes are those of diagnostic notation.
        Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => "null".to_owned(),
        other => format!("{other:?}"),
    }
}
