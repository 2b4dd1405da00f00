//! What to try while everything stays up.

use super::Story;
use super::live::Live;
use crate::error::LabError;
use crate::hubs::{API_VERSION, Hub};
use crate::signals;
use crate::terminal::say;
use crate::world::World;

impl Story {
    /// Prints what there is, shows it on a page, and waits for Ctrl-C.
    pub(super) async fn stay(&mut self) -> Result<(), LabError> {
        let live = Live::begin(self).await?;
        let (world, devices) = (&self.world, self.fleet.len());
        let pump = self.pumps.first().map(|pump| pump.id.as_str()).unwrap_or_default();
        say(&format!(
            "\nEverything stays up, with {devices} devices connected. It is all on this machine and made up at start.\n"
        ));
        say(&format!("Watch it, and break it with buttons\n  {}\n", live.address()));
        say(&hubs(world));
        say(&router(&world.router()?, pump));
        say(&command_line(world)?);
        say(&trouble(&world.control()?, &world.blobs.switch()));
        say("Ctrl-C ends it all.");
        tokio::select! {
            () = live.go_on(self) => {}
            () = signals::interrupted() => {}
        }
        Ok(())
    }
}

fn hubs(world: &World) -> String {
    let (primary, secondary) = (&world.primary, &world.secondary);
    format!(
        "Make a device on the primary, look for it on the secondary\n{}\n{}\n\n\
         The hubs, for any tool that takes a connection string and a certificate authority, except\n\
         Node's and .NET's service clients, which insist on port 443 (crates/iothub-emulator/README.md)\n  \
         authority  {}\n  primary    {}\n  secondary  {}\n  MQTT       on {} and {}\n",
        curl(world, primary, "-X PUT -H 'content-type: application/json' -d '{\"deviceId\":\"mine\"}'"),
        curl(world, secondary, ""),
        world.ca_file.display(),
        primary.connection_string,
        secondary.connection_string,
        primary.mqtt_port,
        secondary.mqtt_port,
    )
}

fn curl(world: &World, hub: &Hub, options: &str) -> String {
    let (ca, token) = (world.ca_file.display(), hub.token());
    let url = format!("https://{}/devices/mine?api-version={API_VERSION}", hub.host);
    format!("  curl --cacert {ca} -H 'authorization: {token}' {options} '{url}'")
}

fn router(router: &str, pump: &str) -> String {
    format!(
        "Ask where a device should be\n  curl {router}/{pump}\n  curl -H 'accept: text/plain' {router}/{pump}\n"
    )
}

fn command_line(world: &World) -> Result<String, LabError> {
    let folder = world.command_line_for_a_shell()?;
    Ok(format!(
        "The app's command line, in another terminal\n  cd {}\n  ./iot-hadr status\n  \
         ./iot-hadr promote --to secondary --reason 'trying it'\n  ./iot-hadr pending list\n  \
         ./iot-hadr promote --to secondary --reason 'it is broken' --force     # the primary broken, as below\n  \
         ./iot-hadr rejoin --accept     # when it is mended; without --accept: what that would do\n  \
         . ./settings.sh     # for programs of your own: settings, and whom to trust\n",
        folder.display()
    ))
}

fn trouble(control: &str, storage: &str) -> String {
    let outage = |mode: &str| {
        let body = format!("-H 'content-type: application/json' -d '{{\"mode\":\"{mode}\"}}'");
        format!("  curl -X POST {body} {control}/hubs/primary/outage")
    };
    format!(
        "Break the primary, and mend it; storage likewise\n{}\n{}\n  curl -X POST {storage}/off\n  \
         curl -X POST {storage}/on\n",
        outage("refuse"),
        outage("off")
    )
}
