//! What to try while everything stays up.

use super::cast::Pump;
use crate::error::LabError;
use crate::terminal::say;
use crate::world::World;

/// Prints what there is and waits for Ctrl-C.
pub(super) async fn stay(world: &World, pumps: &[Pump], devices: usize) -> Result<(), LabError> {
    let id = pumps.first().map(|pump| pump.id.as_str()).unwrap_or_default();
    let router = world.router()?;
    let settings: String =
        world.settings().iter().map(|(name, value)| format!("  export {name}='{value}'\n")).collect();
    say(&format!(
        "\n{devices} devices stay connected. Everything below is on this machine and made up at start.\n\n\
         Where should this device be?\n  curl {router}/{id}\n  curl -H 'accept: text/plain' {router}/{id}\n\n\
         The hubs' owner connection strings (certificate authority: {})\n  primary    {}\n  secondary  {}\n\n\
         The app's command line, in another terminal:\n{settings}  target/release/iot-hadr status\n  \
         target/release/iot-hadr promote --to secondary --reason 'trying it'\n  \
         target/release/iot-hadr owed list\n\n\
         Break something: a hub, or storage\n  curl -X POST -H 'content-type: application/json' \
         -d '{{\"mode\":\"refuse\"}}' {}/hubs/primary/outage\n  curl -X POST {}/off\n\nCtrl-C ends everything.",
        world.ca_file.display(),
        world.primary.connection_string,
        world.secondary.connection_string,
        world.control()?,
        world.blobs.switch(),
    ));
    std::future::pending().await
}
