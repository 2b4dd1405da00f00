//! What the real host has sent (`tests/payloads/observed`).

use std::path::Path;

/// The headers of a recorded request, their names in small letters.
fn headers(name: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/payloads/observed");
    let request = std::fs::read_to_string(folder.join(format!("{name}.http"))).unwrap();
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

/// The names of a recorded request's headers, in order of the alphabet.
pub(crate) fn names_of_headers(name: &str) -> Vec<String> {
    let mut names: Vec<_> = headers(name).into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

/// One header of a recorded request.
pub(crate) fn header(name: &str, header: &str) -> String {
    headers(name).into_iter().find(|(known, _)| known == header).unwrap().1
}
