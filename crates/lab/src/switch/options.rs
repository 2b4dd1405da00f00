//! The options of `cargo lab -- switch`.

use clap::{Args, ValueEnum};

/// How roles are switched, and under what.
#[derive(Debug, Clone, Args)]
pub(crate) struct SwitchOptions {
    /// Devices that report once a second each.
    #[arg(long, default_value_t = 200, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=900))]
    pub(crate) devices: u32,
    /// Changes of tags and desired properties, a second.
    #[arg(long, default_value_t = 20.0, value_name = "NUMBER", value_parser = rate)]
    pub(crate) rate: f64,
    /// Devices created, and devices deleted, a second.
    #[arg(long, default_value_t = 2.0, value_name = "NUMBER", value_parser = rate)]
    pub(crate) churn: f64,
    /// Planned promotions, to and fro.
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    pub(crate) planned: u32,
    /// Forced promotions after them: the active hub is killed, and comes back.
    #[arg(long, default_value_t = 5, value_name = "COUNT")]
    pub(crate) forced: u32,
    /// Traffic for so many minutes, the promotions spread over them; one that would begin later is left out.
    #[arg(long, value_name = "MINUTES", value_parser = rate)]
    pub(crate) minutes: Option<f64>,
    /// What the traffic, the faults and their moments are drawn from.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) seed: u64,
    /// Handler processes; two have the partitions between them, which move at random moments.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) handlers: u8,
    /// What event hubs may do: bad is events that come twice, again, and in another order.
    #[arg(long, default_value = "good", value_name = "WEATHER")]
    pub(crate) weather: Weather,
    /// Handlers killed, a minute; their hosts start them again.
    #[arg(long, default_value_t = 0.0, value_name = "NUMBER", value_parser = some_or_none)]
    pub(crate) kills: f64,
    /// Handlers frozen, a minute, each for one to two times `--lease-seconds`.
    #[arg(long, default_value_t = 0.0, value_name = "NUMBER", value_parser = some_or_none)]
    pub(crate) freezes: f64,
    /// How long the router's answer is good.
    #[arg(long, default_value_t = 4, value_name = "SECONDS")]
    pub(crate) valid_seconds: u32,
    /// How long the right to write lasts.
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    pub(crate) lease_seconds: u32,
    /// How long the hubs may take to be in-sync again after a promotion.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub(crate) in_sync_seconds: u64,
    /// How many lost writes are shown with all that is known of them.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub(crate) show: usize,
}

/// What event hubs may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Weather {
    /// Each event once, in order.
    Good,
    /// Events come twice, partitions go back, and Event Grid's events overtake each other.
    Bad,
}

fn some_or_none(text: &str) -> Result<f64, String> {
    if text == "0" { Ok(0.0) } else { rate(text) }
}

fn rate(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "a number is needed".to_owned())?;
    if (0.01..=1_000.0).contains(&number) { Ok(number) } else { Err("0.01 to 1000".to_owned()) }
}
