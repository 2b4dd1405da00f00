//! The handler is killed at random points under load.

use std::time::Duration;

use rand::RngExt;
use serde_json::json;

use crate::world::World;
use crate::world::processes::send_signal;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_points_under_load_both_hubs_are_equal_after_redelivery() {
    let world = World::start().await;
    let load = async {
        for n in 0..120 {
            let device = format!("d{n}");
            world.primary.create(&device).await;
            world
                .primary
                .patch_twin(&device, json!({"tags": {"n": n}, "properties": {"desired": {"n": n}}}))
                .await;
            if n >= 20 && n % 3 == 0 {
                world.primary.delete(&format!("d{}", n - 20)).await;
            }
        }
    };
    let kills = async {
        for _ in 0..12 {
            let pause = rand::rng().random_range(20..250);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            send_signal(world.handler_id().await, "KILL");
        }
    };
    tokio::join!(load, kills);
    world.settle().await;
    world.sweep().await;
    world.sweep().await;
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty(), "{:?}", world.pending().await);
}
