//! (d), the first half: from exec to the first 200 on `/`, and the program's size.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::setting::Size;
use super::table::Table;
use crate::error::LabError;
use crate::folders::Profile;
use crate::processes;
use crate::terminal::Line;
use crate::world::World;

/// Goals: milliseconds and bytes.
const MILLISECONDS: f64 = 30.0;
const BYTES: f64 = 15_000_000.0;
/// A start slower than this is a failure, not a figure.
const GIVE_UP: Duration = Duration::from_secs(20);
/// Between two attempts to connect: far below what is measured.
const PAUSE: Duration = Duration::from_micros(200);

/// Both, into the table.
pub(crate) async fn measure(world: &World, size: Size, table: &mut Table) -> Result<(), LabError> {
    let line = Line::start("(d) starts");
    let mut times = Vec::new();
    for _ in 0..size.starts {
        times.push(one_start(world).await?.as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().unwrap_or(f64::INFINITY);
    line.done(&format!("{median:.1} ms"));
    let what = format!("(d) exec to first 200 on /, median of {}", size.starts);
    table.goal(what, format!("{median:.1} ms"), "< 30 ms", median < MILLISECONDS);
    let program = Profile::Own.folder()?.join("iot-hadr");
    let bytes = std::fs::metadata(&program).map_err(LabError::file(&program))?.len() as f64;
    let figure = format!("{:.1} MB", bytes / 1e6);
    table.goal("(d) program size, stripped", figure, "< 15 MB", bytes < BYTES);
    Ok(())
}

async fn one_start(world: &World) -> Result<Duration, LabError> {
    let failed = |error: std::io::Error| LabError::Program("iot-hadr".to_owned(), error.to_string());
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let address = port.map_err(failed)?;
    let mut command = processes::command(&Profile::Own.folder()?.join("iot-hadr"));
    command.envs(world.settings()).env("FUNCTIONS_CUSTOMHANDLER_PORT", address.port().to_string());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().map_err(failed)?;
    let ready = tokio::task::spawn_blocking(move || first_ok(address, started)).await;
    child.kill().await.map_err(failed)?;
    let late = || LabError::Late("for iot-hadr to answer on /".to_owned());
    ready.ok().flatten().ok_or_else(late)
}

fn first_ok(address: SocketAddr, started: Instant) -> Option<Duration> {
    while started.elapsed() < GIVE_UP {
        match ask(address) {
            Ok(true) => return Some(started.elapsed()),
            _ => std::thread::sleep(PAUSE),
        }
    }
    None
}

fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
    let mut head = [0_u8; 12];
    stream.read_exact(&mut head)?;
    Ok(head.starts_with(b"HTTP/1.1 200"))
}
