//! What can be asked for on the command line.

mod address;
mod switch;
mod tier;

pub use address::HubAddress;
pub(crate) use address::as_host;
pub use switch::SwitchOption;
pub use tier::TierOption;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

use crate::events::RETENTION_MIB;
use crate::throttle::Throttling;

/// What `--help` says beyond the options.
const ABOUT: &str = "\
Azure IoT Hubs on this machine, for tests and demonstrations: the service API, device twins over MQTT, and the events \
that leave a hub, for the official SDKs as they are.

Every hub listens on a loopback address of its own, or shares one with others: requests are then told apart by the \
Host header, TLS connections by the server name, devices by their user name. Nothing leaves this machine, and nothing \
here is a secret worth keeping.

When everything answers, one line of JSON on standard output says where: hubs (hostName, connectionString and ports), \
eventHubs, control, caFile. Logs go to standard error; RUST_LOG chooses which.";

/// What `--help` ends with.
const EXAMPLES: &str = "\
Examples:
  Two hubs on the ports that every SDK finds (below 1024: needs privileges or a network namespace), with their names
  in the hosts file as 127.0.0.2 and 127.0.0.3:
    iothub-emulator --hub contoso.azure-devices.net@127.0.0.2 --hub contoso2.azure-devices.net@127.0.0.3

  One hub on ports that any user may take; its connection string says 127.0.0.1:8443, which is enough for the Python
  service SDK, the Node device SDK over MQTT (with the MQTT port) and az iot:
    iothub-emulator --hub contoso --https-port 8443 --mqtt-port 18883

  For a test: free ports everywhere, read from the ready line, ended with the test:
    iothub-emulator --hub a --hub b --https-port 0 --mqtt-port 0 --amqp-port 0 --ca-dir DIR --exit-with-stdin

  Let the SDKs of this shell trust it:
    eval \"$(iothub-emulator trust)\"

Which SDK can use which port:
  443   everything over HTTPS, and MQTT over WebSockets. The Node and .NET service SDKs can use no other port
  8883  MQTT. The Python and .NET device SDKs can use no other port
  5672  events, as with UseDevelopmentEmulator=true";

/// The whole command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "iothub-emulator",
    version,
    about = "Azure IoT Hubs on this machine, for tests and demonstrations",
    long_about = ABOUT,
    after_long_help = EXAMPLES,
    after_help = "See --help for examples and for which SDK needs which port.",
    subcommand_negates_reqs = true
)]
pub struct CommandLine {
    /// Something else than running hubs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Which hubs to run, and how.
    #[command(flatten)]
    pub options: Options,
}

/// Something else than running hubs.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Print the environment variables that make SDKs trust the emulator.
    ///
    /// Makes the certificate authority when there is none yet; the emulator uses it from then on, if started with the
    /// same directory. For a shell: eval "$(iothub-emulator trust)".
    Trust(Trust),
}

/// How trust is printed.
#[derive(Debug, Clone, Args)]
pub struct Trust {
    /// Print `{"caFile":…,"variables":{…}}` instead of lines for a shell.
    #[arg(long)]
    pub json: bool,
}

/// Where the certificate authority is kept.
#[derive(Debug, Clone, Args)]
pub struct AuthorityDir {
    /// Where the certificate authority is kept (ca.pem, ca-key.pem): made at the first start and used again.
    ///
    /// Unless given, iothub-emulator in $XDG_DATA_HOME, or in ~/.local/share.
    #[arg(long, value_name = "DIR", env = "IOTHUB_EMULATOR_CA_DIR", global = true)]
    pub ca_dir: Option<PathBuf>,
}

/// Which hubs to run, and how.
#[derive(Debug, Clone, Parser)]
pub struct Options {
    /// A hub: its DNS name and a loopback address, or only the name for 127.0.0.1. Once per hub.
    ///
    /// Events call it by the first label of its name. A name without a dot would not resolve: the address stands in
    /// connection strings then.
    #[arg(long = "hub", required = true, value_name = "NAME[@IP]")]
    pub hubs: Vec<HubAddress>,
    /// Where the certificate authority is kept.
    #[command(flatten)]
    pub authority: AuthorityDir,
    /// HTTPS port, on every hub's address; 0 takes any free one per hub.
    #[arg(long, value_name = "PORT", default_value_t = 443)]
    pub https_port: u16,
    /// MQTT port, on every hub's address; 0 takes any free one per hub.
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    pub mqtt_port: u16,
    /// Port of the event hubs (AMQP without TLS), on every hub's address; 0 takes any free one.
    #[arg(long, value_name = "PORT", default_value_t = 5672)]
    pub amqp_port: u16,
    /// Port where devices and services that speak AMQP over TLS are told why not, on every hub's address. Unless given, 5671
    /// where MQTT has its usual port and this one is free.
    #[arg(long, value_name = "PORT")]
    pub amqps_port: Option<u16>,
    /// Port of the control API on 127.0.0.1; 0 takes any free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub control_port: u16,
    /// Partitions of every event hub.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub partitions: u16,
    /// Throttles of every hub, such as S1x1, or of one, such as primary=S2x3. None unless given.
    ///
    /// Requests queue first, then 429. With @60 a minute of throttling passes in a second.
    #[arg(long = "tier", value_name = "[HUB=]TIER[@SCALE]")]
    pub tiers: Vec<TierOption>,
    /// What all event hubs keep together, in MiB: the oldest events of a partition go when it has its share.
    #[arg(long, value_name = "MIB", default_value_t = RETENTION_MIB, value_parser = clap::value_parser!(u32).range(1..))]
    pub retention_mib: u32,
    /// A switch, such as connectionStateEvents=true; any number of them. The control port's GET /switches names all.
    #[arg(long = "switch", value_name = "NAME=VALUE")]
    pub switches: Vec<SwitchOption>,
    /// Keep everything in this directory, and go on from what is there; in memory only unless given.
    ///
    /// Every write is with the kernel before it is answered: killing the emulator loses nothing that was acknowledged.
    /// Power loss may. Ports must be the same again for connection strings to stay; the policies' keys do.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Compact the directory of --data when it could shrink by so many MiB, and by half.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub data_slack_mib: u32,
    /// Take hubs on addresses that other machines can reach, as in a container; the control port listens there too.
    ///
    /// Whoever reaches them can read every key and do everything.
    #[arg(long)]
    pub beyond_loopback: bool,
    /// Make the policies' keys the same at every start.
    #[arg(long, value_name = "TEXT")]
    pub key_seed: Option<String>,
    /// Stop when standard input closes, so that no emulator outlives whoever started it.
    #[arg(long)]
    pub exit_with_stdin: bool,
}

impl CommandLine {
    /// What is asked for that a command does not do.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        let runs_hubs = self.command.is_some() && !self.options.hubs.is_empty();
        runs_hubs.then_some("a command runs no hubs: leave out --hub")
    }
}

impl Options {
    /// The throttles of the hub of that name: its own, or those of every hub.
    #[must_use]
    pub fn throttling(&self, hub: &str) -> Option<Throttling> {
        let its_own =
            |tier: &&TierOption| tier.hub.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(hub));
        let found =
            self.tiers.iter().find(its_own).or_else(|| self.tiers.iter().find(|tier| tier.hub.is_none()));
        found.map(|tier| tier.throttling)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_ports_are_those_that_clients_insist_on_unless_others_are_asked_for() {
        let line = CommandLine::try_parse_from(["iothub-emulator", "--hub", "a.b@127.0.0.2"]).unwrap();
        let Options { https_port, mqtt_port, amqp_port, .. } = line.options;
        assert_eq!((https_port, mqtt_port, amqp_port), (443, 8883, 5672));
    }

    #[test]
    fn trust_needs_no_hub_and_running_needs_one() {
        for arguments in [["trust", "--ca-dir", "x"], ["--ca-dir", "x", "trust"]] {
            let line = CommandLine::try_parse_from([&["iothub-emulator"], &arguments[..]].concat()).unwrap();
            assert!(matches!(line.command, Some(Command::Trust(_))), "{line:?}");
            assert_eq!(line.options.authority.ca_dir, Some(PathBuf::from("x")), "{arguments:?}");
            assert_eq!(line.contradiction(), None);
        }
        assert!(CommandLine::try_parse_from(["iothub-emulator"]).is_err());
        let both = CommandLine::try_parse_from(["iothub-emulator", "--hub", "a", "trust"]);
        assert!(both.map_or(true, |line| line.contradiction().is_some()));
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        CommandLine::command().debug_assert();
    }
}
