//! Which containers a job takes, how many jobs there are, and what becomes of them.

use super::azurite::Container;
use super::world::World;
use super::*;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn code(body: &Value) -> &str {
    body["Message"].as_str().unwrap().split(';').next().unwrap()
}

#[tokio::test]
async fn a_container_that_cannot_be_used_is_refused_at_once() {
    let (world, container) = (World::start().await, Container::new().await);
    let mut tampered = container.uri("rwd");
    tampered.push('A');
    let missing = container.uri("rwd").replace("test-", "none-");
    for output in [
        container.uri("rw"),
        container.uri("rd"),
        container.uri("wd"),
        container.address(),
        tampered,
        missing,
        "http://127.0.0.1:1/account/container?sig=x".to_owned(),
        "not an address".to_owned(),
    ] {
        let (status, refused) =
            world.create(json!({"type": "export", "outputBlobContainerUri": output})).await;
        assert_eq!((status, code(&refused)), (400, "ErrorCode:BlobContainerValidationError"), "{output}");
        assert!(!refused.to_string().contains("sig="), "{refused}");
    }
    let import = json!({"type": "import", "inputBlobContainerUri": container.uri("w"), "outputBlobContainerUri": container.uri("rwd")});
    assert_eq!(world.create(import).await.0, 400);
    assert_eq!(world.get("/jobs").await.unwrap(), json!([]));
    // Only what was written to find out that it could not be deleted again.
    let left = container.names().await;
    assert!(left.len() == 1 && left[0].starts_with("iothub-access-"), "{left:?}");
}

#[tokio::test]
async fn a_job_whose_blob_is_missing_fails_and_says_why() {
    let (world, container) = (World::start().await, Container::new().await);
    let import = json!({"type": "import", "inputBlobContainerUri": container.uri("r"), "outputBlobContainerUri": container.uri("rwd")});
    let ended = world.run(import).await;
    assert_eq!((&ended["status"], &ended["progress"]), (&json!("failed"), &json!(0)));
    assert!(ended["failureReason"].as_str().unwrap().contains("BlobNotFound"), "{ended}");
}

#[tokio::test]
async fn jobs_are_listed_and_unknown_ones_answer_404() {
    let (world, container) = (World::start().await, Container::new().await);
    let export = json!({"type": "export", "outputBlobContainerUri": container.uri("rwd")});
    let first = world.run(export.clone()).await;
    let second = world.run(export).await;
    assert_eq!(world.get("/jobs").await.unwrap(), json!([second, first]));
    for method in [Method::GET, Method::DELETE] {
        let answer = world.ask(method, "/jobs/none", Value::Null).await;
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()["iothub-errorcode"], "JobNotFound");
    }
    let cancelled =
        world.ask(Method::DELETE, &format!("/jobs/{}", first["jobId"].as_str().unwrap()), Value::Null).await;
    assert_eq!(cancelled.status(), 204);
    assert_eq!(world.get("/jobs").await.unwrap()[1]["status"], "completed");
}

#[tokio::test]
async fn signatures_are_not_in_what_the_hub_remembers() {
    let (world, container) = (World::start().await, Container::new().await);
    world.run(json!({"type": "export", "outputBlobContainerUri": container.uri("rwd")})).await;
    let remembered = world.remembered().await;
    assert!(remembered.contains("outputBlobContainerUri") && !remembered.contains("sig="), "{remembered}");
}

/// Storage that says yes to everything and never sends the blob it is asked for.
async fn silent_storage() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    let yes: &[u8] = match request[..length].starts_with(b"GET") {
                        true => b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{",
                        false => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                    };
                    stream.write_all(yes).await.unwrap();
                    if !request.starts_with(b"GET") {
                        return;
                    }
                }
            });
        }
    });
    format!("http://127.0.0.1:{port}/account/container?sig=x")
}

#[tokio::test]
async fn one_job_runs_at_a_time_and_a_cancelled_one_makes_room() {
    let (world, container, silent) = (World::start().await, Container::new().await, silent_storage().await);
    let stuck = json!({"type": "import", "inputBlobContainerUri": silent, "outputBlobContainerUri": silent});
    let (status, first) = world.create(stuck).await;
    assert_eq!(status, 200, "{first}");
    let export = json!({"type": "export", "outputBlobContainerUri": container.uri("rwd")});
    let (status, refused) = world.create(export.clone()).await;
    assert_eq!((status, code(&refused)), (403, "ErrorCode:JobQuotaExceeded"));
    let path = format!("/jobs/{}", first["jobId"].as_str().unwrap());
    assert_eq!(world.ask(Method::DELETE, &path, Value::Null).await.status(), 204);
    let cancelled = world.get(&path).await.unwrap();
    assert_eq!((&cancelled["status"], &cancelled["failureReason"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(world.run(export).await["status"], "completed");
}
