//! An executor with sockets and timers: one of its idle workers sleeps in the event loop, and the others in their parkers.
//!
//! It runs a server that answers each request after a delay, and its clients. `--hogs` adds tasks that block their worker, as tasks should
//! not. Then the same runs twice: first without hand-over, where no idle worker takes over the event loop from a blocked one, and then with it.
//! Good figures for `--hogs 1`, on two idle cores: p99 40 ms without hand-over, and about 1 ms with it.
//!
//! | step | where |
//! | --- | --- |
//! | The event loop waits for sockets and timers, and wakes their tasks. | `reactor.rs`, `EventLoop for Reactor` |
//! | A timer that is due before all others interrupts the thread that polls. | `reactor.rs`, `Future for Timer` |
//! | The workers share the event loop. | `executor.rs`, `Executor::new` |
//!
//! `cargo run --release --example reactor -- --hogs 1`

mod executor;
mod reactor;

use atomic_parker::block_on;
use executor::{Executor, Handle};
use reactor::Registered;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// The time for which a hog blocks its worker, and then the time for which it sleeps.
const HOG: Duration = Duration::from_millis(40);

const WORKERS: usize = 2;

#[derive(Clone, Copy)]
struct Options {
    hogs: usize,
    clients: usize,
    requests: usize,
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let hogs = match (arguments.next().as_deref(), arguments.next().map(|number| number.parse())) {
        (None, None) => 0,
        (Some("--hogs"), Some(Ok(number))) => number,
        _ => return Err(io::Error::other("the only option is --hogs N, how many tasks block their worker")),
    };
    let options = Options { hogs, clients: 50, requests: 100 };
    println!("{} clients, {} requests each, {WORKERS} workers", options.clients, options.requests);
    println!("{:24} {:>8} {:>8} {:>8}   hand-overs", "answers late by (ms)", "p50", "p99", "max");
    let runs = [("no hand-over", Duration::MAX), ("hand-over after 1 ms", Duration::from_millis(1))];
    for (name, hand_over_after) in &runs[usize::from(options.hogs == 0)..] {
        let (late, hand_overs) = run(options, *hand_over_after)?;
        let [p50, p99, max] = [50, 99, 100].map(|percent| late[(late.len() - 1) * percent / 100].as_secs_f64() * 1e3);
        println!("{name:24} {p50:8.2} {p99:8.2} {max:8.2} {hand_overs:12}");
    }
    Ok(())
}

/// Runs server and clients; returns by how much each answer was late, in order, and how often the event loop was handed over.
fn run(options: Options, hand_over_after: Duration) -> io::Result<(Vec<Duration>, usize)> {
    let executor = Executor::new(WORKERS, hand_over_after)?;
    let handle = &executor.handle;
    let (listener, address) = handle.io.listen((Ipv4Addr::LOCALHOST, 0).into())?;
    handle.spawn(serve(handle.clone(), listener)).detach();
    (0..options.hogs).for_each(|_| handle.spawn(hog(handle.clone())).detach());
    let clients =
        (0..options.clients).map(|number| handle.spawn(client(handle.clone(), address, number, options.requests)));
    let mut late = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        late.extend(block_on(client)?);
    }
    late.sort_unstable();
    Ok((late, executor.hand_overs()))
}

/// Blocks its worker again and again.
async fn hog(handle: Handle) {
    loop {
        std::thread::sleep(HOG);
        handle.io.sleep_until(Instant::now() + HOG).await;
    }
}

/// A request is the delay of its answer, in milliseconds, and a number. The answer is the same.
async fn client(handle: Handle, address: SocketAddr, client: usize, requests: usize) -> io::Result<Vec<Duration>> {
    let stream = handle.io.connect(address).await?;
    let mut late = Vec::new();
    for request in 0..requests {
        let sent = [1 + (client * 7 + request) as u8 % 4, request as u8];
        let start = Instant::now();
        let mut received = [0; 2];
        stream.write(&sent).await?;
        stream.read(&mut received).await?;
        if received != sent {
            return Err(io::Error::new(ErrorKind::InvalidData, "a wrong answer"));
        }
        late.push(start.elapsed() - Duration::from_millis(sent[0].into()));
    }
    Ok(late)
}

async fn serve(handle: Handle, listener: Registered) -> io::Result<()> {
    loop {
        let stream = listener.accept().await?;
        handle.spawn(answer(handle.clone(), stream)).detach();
    }
}

/// Answers until the client closes the connection.
async fn answer(handle: Handle, stream: Registered) -> io::Result<()> {
    let mut request = [0; 2];
    loop {
        stream.read(&mut request).await?;
        handle.io.sleep_until(Instant::now() + Duration::from_millis(request[0].into())).await;
        stream.write(&request).await?;
    }
}

#[test]
fn all_requests_are_answered_beside_a_hog() {
    let options = Options { hogs: 1, clients: 5, requests: 10 };
    for hand_over_after in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
        assert_eq!(run(options, hand_over_after).unwrap().0.len(), 50);
    }
}
