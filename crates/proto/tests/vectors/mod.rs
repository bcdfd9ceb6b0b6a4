//! The golden vectors beside this file, and their notation.

#![allow(dead_code)] // Each test binary uses a part of this.

use std::fmt::Debug;
use std::path::Path;

use serde_json::Value;

/// One file of vectors.
pub(crate) fn load(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    let text = std::fs::read_to_string(&path).expect("the vectors lie beside the tests");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

/// The cases under a key; there is at least one.
pub(crate) fn cases<'a>(file: &'a Value, key: &str) -> &'a [Value] {
    let cases = file[key].as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    cases
}

/// The text under a key.
pub(crate) fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{case} has no text '{key}'"))
}

/// The bytes under a key, written in hexadecimal.
pub(crate) fn bytes(case: &Value, key: &str) -> Vec<u8> {
    hex(text(case, key))
}

/// Bytes from their hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    assert_eq!(digits.len() % 2, 0, "'{digits}' has half a byte");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The name of the innermost error, as the vectors call it.
pub(crate) fn error_name(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    let inner = text.trim_start_matches("Target(");
    inner.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// So many bytes under a key.
pub(crate) fn array<const N: usize>(case: &Value, key: &str) -> [u8; N] {
    bytes(case, key).try_into().unwrap_or_else(|_| panic!("'{key}' has not {N} bytes"))
}

/// The number under a key.
pub(crate) fn number(case: &Value, key: &str) -> u64 {
    case[key].as_u64().unwrap_or_else(|| panic!("{case} has no number '{key}'"))
}
