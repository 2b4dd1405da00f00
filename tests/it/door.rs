//! How devices find the router: through the host as it matches, and whatever is in front of the handler.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::world::handler::Handler;
use crate::world::{Options, World};

impl World {
    /// The status and the text that a device gets at this path of the host.
    async fn knock(&self, path: &str) -> (StatusCode, String) {
        let host = self.router.strip_suffix("/api/hub-router").unwrap();
        let response = self.http.get(format!("{host}{path}")).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    async fn restart_host_with(&mut self, setting: &'static str, value: &str) {
        self.stop_host().await;
        self.environment.retain(|(name, _)| name != setting);
        self.environment.push((setting.to_owned(), value.to_owned()));
        self.start_host(&Options::default()).await;
        self.eventually("the record is known", || async {
            let url = format!("http://127.0.0.1:{}/hub-router", self.handler_port().await);
            self.http.get(url).send().await.unwrap().status() == StatusCode::OK
        })
        .await;
    }

    async fn handler_port(&self) -> u64 {
        self.get_json(&format!("{}/handler", self.host_control)).await["port"].as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_have_no_case_slashes_are_forgiven_and_any_prefix_will_do() {
    let mut world = World::start().await;
    world.eventually("the record is known", || async { world.route("pump").await["epoch"] == 1 }).await;
    let host_name = world.primary.host_name.clone();
    for path in ["/api/Hub-Router/dev-1", "/API/HUB-ROUTER", "/api/hub-router/dev-1/", "/api/hub-router/"] {
        let (status, said) = world.knock(path).await;
        assert!(status == StatusCode::OK && said.contains(&host_name), "{path}: {status} {said}");
    }
    assert_eq!(
        world.knock("/api/hub-router//dev-1").await.0,
        StatusCode::NOT_FOUND,
        "as the real host has it"
    );
    assert_eq!(world.knock("/api/hub-router/a/b").await.0, StatusCode::BAD_REQUEST);
    for prefix in ["hub-router", "Hub-Router/v2", ""] {
        world.restart_host_with("AzureFunctionsJobHost__extensions__http__routePrefix", prefix).await;
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        for path in ["/hub-router/dev-1", "/HUB-ROUTER/dev-1/", "/hub-router", "/hub-router/hub-router"] {
            let (status, said) = world.knock(&format!("{prefix}{path}")).await;
            assert!(status == StatusCode::OK && said.contains(&host_name), "{prefix}{path}: {status} {said}");
        }
        let (status, said) = world.knock(&format!("{prefix}/hub-router/a%20b")).await;
        assert!(status == StatusCode::BAD_REQUEST && said.contains("deviceId"), "{prefix}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_asks_by_head_gets_the_head_of_the_answer() {
    let world = World::start().await;
    world.eventually("the record is known", || async { world.route("pump").await["epoch"] == 1 }).await;
    for accept in ["application/json", "text/plain"] {
        let ask = |method: Method| {
            let request = world.http.request(method, format!("{}/pump", world.router));
            request.header("Accept", accept).send()
        };
        let (got, head) = (ask(Method::GET).await.unwrap(), ask(Method::HEAD).await.unwrap());
        assert_eq!(head.status(), StatusCode::OK, "{accept}");
        for name in ["etag", "cache-control", "content-type", "hadr-epoch", "content-length"] {
            assert_eq!(head.headers().get(name), got.headers().get(name), "{accept}: {name}");
        }
        assert!(head.headers()["content-length"] != "0", "{accept}");
        assert!(head.bytes().await.unwrap().is_empty() && !got.bytes().await.unwrap().is_empty());
    }
    let bad = world.http.head(format!("{}/a%20b", world.router)).send().await.unwrap();
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    let posted = world.http.post(format!("{}/pump", world.router)).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::NOT_FOUND, "function.json names the methods");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_cannot_have_been_meant_is_refused_where_it_can_be_told() {
    let mut world = World::start().await;
    world.eventually("the record is known", || async { world.route("pump").await["epoch"] == 1 }).await;
    for (query, status, said) in [
        ("deviceId=dev%2B1", StatusCode::OK, "iotHub"),
        ("deviceId=dev+1", StatusCode::BAD_REQUEST, "%2B"),
        ("deviceId=a%2Cb", StatusCode::OK, "iotHub"),
        // The host has made one valid id of the two.
        ("deviceId=a&deviceId=b", StatusCode::OK, "iotHub"),
        ("deviceId=a&deviceId=", StatusCode::OK, "iotHub"),
        ("deviceId=a&deviceId=b+c", StatusCode::BAD_REQUEST, "deviceId"),
    ] {
        let answer = world.knock(&format!("/api/hub-router?{query}")).await;
        assert!(answer.0 == status && answer.1.contains(said), "{query}: {answer:?}");
    }
    let (status, said) = world.knock("/api/hub-router/a?deviceId=b").await;
    assert!(status == StatusCode::BAD_REQUEST && said.contains("one device at a time"), "{status} {said}");
    world
        .restart_host_with("AzureFunctionsJobHost__customHandler__enableForwardingHttpRequest", "false")
        .await;
    let (status, said) = world.knock("/api/hub-router?deviceId=a&deviceId=b").await;
    assert!(status == StatusCode::BAD_REQUEST && said.contains("one device at a time"), "{status} {said}");
    for path in ["?deviceId=a%2Cb", "/dev-1/", "/dev-1?deviceId=dev-1"] {
        let (status, said) = world.knock(&format!("/api/hub-router{path}")).await;
        assert_eq!(status, StatusCode::OK, "{path}: {said}");
    }
}

impl Handler {
    async fn ask(&self, world: &World, method: Method, path: &str) -> reqwest::Response {
        world.http.request(method, format!("{}{path}", self.url)).send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handler_itself_forgives_what_anything_in_front_of_it_may_pass_on() {
    let world = World::with(Options { host: false, ..Options::default() }).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    let handler = world.handler("door").await;
    world
        .eventually("the record is known", || async {
            handler.ask(&world, Method::GET, "/api/hub-router").await.status() == StatusCode::OK
        })
        .await;
    for path in [
        "/api/Hub-Router/dev-1",
        "/api/hub-router/dev-1/",
        "/api/hub-router//dev-1",
        "//api//hub-router//dev-1//",
        "/hub-router/hub-router/dev-1",
        "/hub-router/",
        "/HUB-router",
        "/v1/devices/hub-router/dev-1?deviceId=dev-1",
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = handler.ask(&world, method.clone(), path).await;
            assert_eq!(answer.status(), StatusCode::OK, "{method} {path}");
            assert!(answer.headers().get("allow").is_none(), "{method} {path}");
        }
    }
    for path in ["/hub-router", "/api/hub-router/dev-1"] {
        let refused = handler.ask(&world, Method::DELETE, path).await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(refused.headers()["allow"], "GET, HEAD", "{path}");
    }
    let twice = handler.ask(&world, Method::GET, "/api/hub-router?deviceId=a&deviceId=b").await;
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
    let nothing = handler.ask(&world, Method::GET, "/api/hub-routers/dev-1").await;
    assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
    let (status, _) = handler.invoke("hub-router", &json!({"Data": {"req": {"Method": "HEAD"}}})).await;
    assert_eq!(status, 200);
}
