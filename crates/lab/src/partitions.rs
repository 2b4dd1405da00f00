//! Several handlers on the same partitions: each partition is with one of them, and may move to another at random moments.
//! The unfinished batch is then delivered again to the new owner while the old one still works on it.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::sync::watch;

use crate::assignment::a_moment;

/// The shortest and longest time between two moves.
const BETWEEN_MS: (u64, u64) = (500, 4_000);

/// Every partition of every function, and where it is.
#[derive(Debug)]
pub(crate) struct Partitions {
    http: reqwest::Client,
    /// The control ports of the functions hosts. The first one owns everything in the beginning.
    hosts: Vec<String>,
    places: Vec<Place>,
    random: StdRng,
}

#[derive(Debug, Clone)]
struct Place {
    function: String,
    partition: String,
    owner: usize,
}

impl Partitions {
    /// Those that the first host owns.
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) async fn of(
        http: reqwest::Client,
        hosts: Vec<String>,
        seed: u64,
    ) -> Result<Self, reqwest::Error> {
        let first = hosts.first().cloned().unwrap_or_default();
        let positions: Value = http.get(format!("{first}/positions")).send().await?.json().await?;
        Ok(Self { http, hosts, places: places(&positions), random: StdRng::seed_from_u64(seed) })
    }

    /// Moves one after the other until it is told to stop.
    pub(crate) async fn wander(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() && self.hosts.len() > 1 && !self.places.is_empty() {
            let wait = Duration::from_millis(self.random.random_range(BETWEEN_MS.0..BETWEEN_MS.1));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => break,
            }
            self.move_one().await;
        }
    }

    /// Gives each host its share, in turn.
    pub(crate) async fn spread(mut self) {
        for index in 0..self.places.len() {
            self.move_to(index, index % self.hosts.len().max(1)).await;
        }
    }

    async fn move_one(&mut self) {
        let index = self.random.random_range(0..self.places.len());
        let Some(owner) = self.places.get(index).map(|place| place.owner) else { return };
        self.move_to(index, (owner + 1) % self.hosts.len()).await;
    }

    async fn move_to(&mut self, index: usize, to: usize) {
        let Some(place) = self.places.get(index).filter(|place| place.owner != to).cloned() else { return };
        // Given up before it is taken: two owners at one time are not what a host ever makes.
        self.tell(place.owner, &place, "release").await;
        self.tell(to, &place, "acquire").await;
        if let Some(place) = self.places.get_mut(index) {
            place.owner = to;
        }
    }

    /// Until it is done: a partition that nobody owns would never be worked off.
    async fn tell(&self, host: usize, place: &Place, what: &str) {
        let Some(host) = self.hosts.get(host) else { return };
        let url = format!("{host}/partitions/{}/{}/{what}", place.function, place.partition);
        loop {
            let told = self.http.post(&url).send().await.and_then(reqwest::Response::error_for_status);
            if told.is_ok() {
                return;
            }
            tokio::time::sleep(a_moment()).await;
        }
    }
}

fn places(positions: &Value) -> Vec<Place> {
    let functions = positions.as_object().into_iter().flatten();
    let of = |(function, partitions): (&String, &Value)| -> Vec<Place> {
        let ids = partitions.as_object().into_iter().flat_map(|partitions| partitions.keys());
        let place = |id: &String| Place { function: function.clone(), partition: id.clone(), owner: 0 };
        ids.map(place).collect()
    };
    functions.flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_partition_of_every_function_is_known() {
        let known = places(&json!({"registry-sync":{"0":{},"1":{}},"twin-sync":{"0":{"next":4}}}));
        let names: Vec<_> =
            known.iter().map(|place| (place.function.as_str(), place.partition.as_str())).collect();
        assert_eq!(names, [("registry-sync", "0"), ("registry-sync", "1"), ("twin-sync", "0")]);
    }
}
