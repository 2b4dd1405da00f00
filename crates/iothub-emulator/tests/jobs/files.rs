//! Files that are not as they should be, and large ones.

use super::azurite::Container;
use super::exports::lines;
use super::imports::job;
use super::world::World;
use super::*;

#[tokio::test]
async fn lines_that_cannot_be_read_are_told_and_the_others_are_imported() {
    let (world, container) = (World::start().await, Container::new().await);
    let mut file = b"\xef\xbb\xbf{\"id\":\"a\",\"status\":\"enabled\"}\r\n".to_vec();
    file.extend_from_slice(b"The keys were excluded.\r\n\r\n");
    file.extend_from_slice(b"{\"id\":\"\xff\"}\n[1]\n");
    file.extend_from_slice(format!("{{\"id\":\"{}\"}}\n", "x".repeat(3 << 20)).as_bytes());
    file.extend_from_slice("[".repeat(100_000).as_bytes());
    file.extend_from_slice(b"\n{\"id\":\"b\",\"status\":\"enabled\"}");
    container.put("devices.txt", file).await;
    let ended = world.run(job(&container)).await;
    assert_eq!((&ended["status"], &ended["progress"]), (&json!("completed"), &json!(100)));
    let errors = lines(&container, "importErrors.log").await;
    let codes: Vec<_> = errors.iter().map(|error| error["errorCode"].as_u64().unwrap()).collect();
    assert_eq!(codes, [400_012, 400_012, 400_006, 400_012, 400_012]);
    assert!(world.get("/devices/a").await.is_some() && world.get("/devices/b").await.is_some());
}

#[tokio::test]
async fn files_of_many_blocks_make_the_trip() {
    let (world, container) = (World::start().await, Container::new().await);
    let note = "n".repeat(4000);
    let line =
        |n: u32| json!({"id": format!("d{n:04}"), "status": "enabled", "tags": {"note": note}}).to_string();
    let file: String = (0..3000).map(|n| line(n) + "\n").collect();
    container.put("devices.txt", file).await;
    assert_eq!(world.run(job(&container)).await["status"], "completed");
    let export = json!({"type": "export", "outputBlobContainerUri": container.uri("rwd"), "outputBlobName": "out.txt"});
    assert_eq!(world.run(export).await["status"], "completed");
    let exported = lines(&container, "out.txt").await;
    assert!(
        exported
            .iter()
            .enumerate()
            .all(|(n, line)| line["id"] == format!("d{n:04}") && line["tags"]["note"] == note)
    );
    assert_eq!(exported.len(), 3000);
}
