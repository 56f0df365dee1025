//! The clients of a server, and the measurements, one slice each.

use crate::server::{Server, BLOCK};
use atomic_parker_benches::stats::{median, p99};
use atomic_parker_benches::usage::{self, during, process, Usage};
use mio::{Interest, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// After this time without a request, all threads of a server sleep.
const SETTLED: Duration = Duration::from_millis(20);

/// Clients that send a request after each answer.
#[derive(Clone, Copy, PartialEq)]
pub enum Clients {
    /// So many at once, on one thread.
    FlatOut(usize),
    /// One that asks each 3.3 ms.
    Ping,
    /// One whose requests block the thread of their handler.
    Blocker,
}

impl Clients {
    /// Waits twice at the barrier. Returns the nanoseconds of each trip, and what the clients have used.
    fn run(self, server: SocketAddr, barrier: &Barrier, time: Duration) -> (Vec<f64>, Usage) {
        let count = if let Self::FlatOut(count) = self { count } else { 1 };
        let streams = (0..count).map(|_| TcpStream::connect(server).expect("the server listens"));
        let mut streams: Vec<_> = streams.collect();
        streams.iter_mut().for_each(|stream| _ = trip(stream, 0)); // accepted
        barrier.wait();
        barrier.wait();
        during(usage::thread, || match (self, &mut streams[..]) {
            (Self::FlatOut(_), [_, _, ..]) => together(streams, time),
            (_, streams) => {
                let (begin, mut trips) = (Instant::now(), Vec::with_capacity(1 << 16));
                while begin.elapsed() < time {
                    if self == Self::Ping {
                        thread::sleep(Duration::from_micros(3_300));
                    }
                    trips.push(trip(&mut streams[0], if self == Self::Blocker { BLOCK } else { 0 }));
                }
                trips
            }
        })
    }
}

fn trip(stream: &mut TcpStream, request: u8) -> f64 {
    let sent = Instant::now();
    stream.write_all(&[request]).expect("the server is there");
    stream.read_exact(&mut [0]).expect("the server answers");
    sent.elapsed().as_nanos() as f64
}

/// A trip after another on each stream.
fn together(streams: Vec<TcpStream>, time: Duration) -> Vec<f64> {
    let mut poll = mio::Poll::new().expect("the system has an event loop");
    let mut events = mio::Events::with_capacity(streams.len());
    let (begin, mut trips) = (Instant::now(), Vec::with_capacity(1 << 20));
    let send = |mut stream: &mio::net::TcpStream| {
        stream.write_all(&[0]).expect("the server is there");
        Instant::now()
    };
    let register = |(token, stream): (usize, TcpStream)| {
        stream.set_nonblocking(true).expect("a socket can be made nonblocking");
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(token), Interest::READABLE).expect("the event loop is there");
        let sent = send(&stream);
        (stream, sent)
    };
    let mut streams: Vec<_> = streams.into_iter().enumerate().map(register).collect();
    let mut open = streams.len();
    while open > 0 {
        poll.poll(&mut events, None).expect("nothing interrupts");
        for event in &events {
            let (stream, sent) = &mut streams[event.token().0];
            // The server sends one byte, so there is no more.
            match stream.read_exact(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                read => read.expect("the server answers"),
            }
            trips.push(sent.elapsed().as_nanos() as f64);
            match begin.elapsed() < time {
                true => *sent = send(stream),
                false => open -= 1,
            }
        }
    }
    trips
}

/// What the server uses during `run`, which returns what clients use meanwhile.
fn by_server<T>(run: impl FnOnce() -> (T, Usage)) -> (T, Usage) {
    let (((result, clients), this), all) = during(process, || during(usage::thread, run));
    (result, all - this - clients)
}

/// The values of a slice: of the clients that send flat out, together, and of those that ping.
pub const MICROS_A_TRIP: usize = 0;
pub const CPU_MICROS_A_TRIP: usize = 1;
pub const WAKES_A_TRIP: usize = 2;
pub const SLEEPS_A_TRIP: usize = 3;
pub const PING_MILLIS: usize = 4;
pub const PING_P99_MILLIS: usize = 5;
pub const SWITCHES_A_PING: usize = 6;
pub const CPU_MICROS_A_PING: usize = 7;
pub const TRIP_P99_MILLIS: usize = 8;

/// These clients at the same time.
pub fn clients(server: &Server, clients: &[Clients], time: Duration) -> Vec<f64> {
    let barrier = Arc::new(Barrier::new(clients.len() + 1));
    let start = |&clients: &Clients| {
        let (address, barrier) = (server.address, barrier.clone());
        (clients, thread::spawn(move || clients.run(address, &barrier, time)))
    };
    let threads: Vec<_> = clients.iter().map(start).collect();
    barrier.wait();
    thread::sleep(SETTLED);
    let counts = (server.counts)();
    let (trips, used) = by_server(|| {
        barrier.wait();
        let mut by_clients = Usage::NONE;
        let mut trips = (Vec::new(), Vec::new());
        for (clients, thread) in threads {
            let (of_clients, used) = thread.join().expect("the server answers");
            by_clients = by_clients + used;
            match clients {
                Clients::FlatOut(_) => trips.0 = of_clients,
                Clients::Ping => trips.1 = of_clients,
                Clients::Blocker => {}
            }
        }
        (trips, by_clients)
    });
    let (count, pings) = (trips.0.len() as f64, trips.1.len() as f64);
    let [wakes, sleeps] = [0, 1].map(|index| (server.counts)()[index] - counts[index]);
    vec![
        time.as_nanos() as f64 / 1e3 / count,
        used.cpu / 1e3 / count,
        wakes / count,
        sleeps / count,
        median(&trips.1) / 1e6,
        p99(&trips.1) / 1e6,
        used.voluntary_switches / pings,
        used.cpu / 1e3 / pings,
        p99(&trips.0) / 1e6,
    ]
}

pub const LATE_MILLIS: usize = 0;
pub const LATE_P99_MILLIS: usize = 1;
pub const SWITCHES_A_TIMER: usize = 2;
pub const CPU_MICROS_A_TIMER: usize = 3;

/// So many timers at random times within two seconds.
pub fn timers(server: &Server, count: usize) -> Vec<f64> {
    let begin = Instant::now();
    let ends = (0..count).map(|_| begin + Duration::from_nanos(fastrand::u64(..2_000_000_000))).collect();
    let (late, used) = by_server(|| (server.sleep(ends), Usage::NONE));
    let count = count as f64;
    vec![median(&late) / 1e6, p99(&late) / 1e6, used.voluntary_switches / count, used.cpu / 1e3 / count]
}

/// The context switches within two seconds in which there is nothing to do, after a client that sent flat out.
pub fn idle(server: &Server) -> Vec<f64> {
    clients(server, &[Clients::FlatOut(1)], Duration::from_millis(20));
    thread::sleep(SETTLED);
    let nothing = || (thread::sleep(Duration::from_secs(2)), Usage::NONE);
    vec![by_server(nothing).1.voluntary_switches]
}
