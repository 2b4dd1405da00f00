//! What the README says of switches and options is what there is.

use super::over_tls::World;
use super::*;
use clap::CommandFactory;
use iothub_emulator::cli::CommandLine;
use reqwest::Method;
use std::collections::BTreeMap;

const README: &str = include_str!("../../README.md");

/// The rows of the table under a heading: what the first column names, and the second column.
fn table(heading: &str) -> BTreeMap<String, String> {
    let section = README.split_once(&format!("\n{heading}\n")).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
    let named = cells.flat_map(|cells| {
        let names = cells[0].split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>();
        let values: Vec<String> = cells[1].split(", ").map(str::to_owned).collect();
        names.into_iter().enumerate().map(move |(at, name)| (name, values[at.min(values.len() - 1)].clone()))
    });
    named.collect()
}

#[tokio::test]
async fn every_switch_is_in_the_table_with_its_default() {
    let world = World::start().await;
    let switches = world.control(Method::GET, "/switches", Value::Null).await;
    let switches = switches.as_object().unwrap().iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), value)
    });
    assert_eq!(switches.collect::<BTreeMap<_, _>>(), table("## Switches"));
}

#[test]
fn every_option_is_in_the_readme() {
    let command = CommandLine::command();
    let options = command.get_arguments().filter_map(|argument| argument.get_long());
    let missing: Vec<&str> =
        options.filter(|option| !README.contains(&format!("--{option}")) && *option != "help").collect();
    assert_eq!(missing, Vec::<&str>::new());
}
