//! The page of metrics is what an operator has when a board is under attack.

use std::collections::BTreeSet;

use crate::start;

/// `docs/OPERATIONS.md` has a row for each metric, and for no other.
#[test]
fn the_document_names_exactly_the_metrics_that_there_are() {
    let (_site, relay) = start("");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, table) = document.split_once("| metric | tells |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();

    let cells = table.lines().filter_map(|row| row.split('|').nth(1));
    let named: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split('`'))
        .filter(|word| word.starts_with("tasuki_"))
        .map(|word| word.split('{').next().unwrap())
        .collect();

    assert_eq!(named, relay.metrics().names());
}
