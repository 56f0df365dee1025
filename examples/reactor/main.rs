//! An executor that sleeps in its event loop: a parker of this crate over `polling` (epoll, kqueue and so on).
//!
//! An echo server that answers with a delay, and its clients, run as tasks. Other threads do a part of each request, and
//! wake its task. Some clients hang up in the middle of a request, on purpose.
//!
//! | form | `--workers` | file | what it shows |
//! | --- | --- | --- | --- |
//! | first | 1 | `one.rs` | an event loop as the slow path of a parker |
//! | second | 2 and more | `many.rs` | one idle worker sleeps in the event loop, the others on condition variables |
//!
//! `cargo run --release --example reactor -- --help`
//!
//! Good figures, on two idle cores:
//!
//! - The latency is mostly the server's delay of 1 to 4 ms: p50 3.2 ms, p99 6 ms at most.
//! - First form: of 19,000 unparks some 800 notify the poller. The others find the thread awake.
//! - Second form: of 18,700 pushes one in five or fewer wakes a worker.
//! - With `--hogs 1`, a task that blocks its worker for 40 ms at a time, the p99 of the first form is 45 ms or more. With
//!   `--workers 2 --hogs 1` it stays near 6 ms: the other worker polls while it is idle.

mod many;
mod net;
mod one;
mod reactor;

use net::{Handle, Listener, Run, Stream};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str = "\
Usage: reactor [--workers N] [--hogs N] [--clients N] [--requests N] [--threads N] [--port N]

  --workers N   how many workers run tasks (default 1: the first form; with more of them the second)
  --hogs N      how many tasks block their worker for 40 ms at a time, every other 40 ms (default 0)
  --clients N   how many clients connect (default 100; two open files each)
  --requests N  how many requests each of them sends, one after the other (default 50)
  --threads N   how many other threads complete requests (default 2)
  --port N      where the server listens, on loopback (default 0: any port that is free)
  --help        print this";

/// A time limit, longer than any request takes, so that the example always ends.
const LIMIT: Duration = Duration::from_secs(10);

/// One of this many clients hangs up in the middle of a request.
const HANGS_UP: usize = 10;

/// The time for which a hog blocks its worker, and then the time for which it sleeps.
const HOG: Duration = Duration::from_millis(40);

#[derive(Clone, Copy)]
struct Options {
    workers: usize,
    hogs: usize,
    clients: usize,
    requests: usize,
    threads: usize,
    port: u16,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("reactor: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = match options.workers {
        1 => one::Executor::new().and_then(|executor| run(executor, options)),
        workers => many::Executor::new(workers).and_then(|executor| run(executor, options)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("reactor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    fn number<T: std::str::FromStr>(option: &str, value: Option<String>) -> Result<T, String> {
        let value = value.ok_or_else(|| format!("{option} needs a number"))?;
        value.parse().map_err(|_| format!("{option}: `{value}` is not a number that fits"))
    }
    let mut options = Options { workers: 1, hogs: 0, clients: 100, requests: 50, threads: 2, port: 0 };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--workers" => options.workers = number(&arg, args.next())?,
            "--hogs" => options.hogs = number(&arg, args.next())?,
            "--clients" => options.clients = number(&arg, args.next())?,
            "--requests" => options.requests = number(&arg, args.next())?,
            "--threads" => options.threads = number(&arg, args.next())?,
            "--port" => options.port = number(&arg, args.next())?,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("unknown argument `{arg}`")),
        }
    }
    if [options.workers, options.clients, options.requests, options.threads].contains(&0) {
        return Err("there must be at least one worker, client, request and thread".into());
    }
    Ok(Some(options))
}

fn run(executor: impl Run, options: Options) -> io::Result<bool> {
    let handle = executor.handle().clone();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = handle.listen(address).map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::AddrInUse => "the port is in use; choose another one with --port".into(),
            _ => error.to_string(),
        };
        io::Error::new(error.kind(), format!("cannot listen on {address}: {reason}"))
    })?;
    println!(
        "{} clients send {} requests each to {}; every {HANGS_UP}th hangs up halfway",
        options.clients, options.requests, listener.address
    );

    let jobs = start_threads(options.threads);
    let start = Instant::now();
    let ((mut clients, server), figures) = executor.run(scenario(handle.clone(), listener, jobs, options));
    let elapsed = start.elapsed();

    clients.latencies.sort_unstable();
    let last = clients.latencies.len().saturating_sub(1);
    let millis = |percent: usize| {
        let at = last * percent / 100;
        clients.latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    println!("requests       {} in {:.2} s", clients.latencies.len(), elapsed.as_secs_f64());
    println!("latency (ms)   p50 {:.2}, p99 {:.2}, max {:.2}", millis(50), millis(99), millis(100));
    println!("hang-ups       {} clients did, the server saw {}", clients.hang_ups, server.hang_ups);
    println!("failures       {} at the clients, {} at the server", clients.failures, server.failures);
    println!("poller waits   {}", handle.reactor().turns.load(Relaxed));
    println!("{figures}");
    Ok(clients.failures == 0 && server.failures == 0)
}

/// Runs server and clients. Ends when the clients have ended and the server has noticed it.
async fn scenario(handle: Handle, listener: Listener, jobs: Jobs, options: Options) -> (Report, Report) {
    let address = listener.address;
    let (connections, accepted) = async_channel::unbounded();
    let server = handle.spawn(serve(handle.clone(), listener, jobs, connections));
    let clients: Vec<_> = (0..options.clients)
        .map(|number| handle.spawn(client(handle.clone(), address, number, options.requests)))
        .collect();

    let hogs: Vec<_> = (0..options.hogs).map(|_| handle.spawn(hog(handle.clone()))).collect();

    let mut totals = (Report::default(), Report::default());
    for client in clients {
        totals.0.add(client.await);
    }
    for task in hogs.into_iter().chain([server]) {
        task.cancel().await;
    }
    // Connections from outside may never be closed.
    let end = Instant::now() + Duration::from_secs(1);
    while let Ok(connection) = accepted.recv().await {
        let left = end.saturating_duration_since(Instant::now());
        if let Ok(report) = handle.timeout(left, async { Ok(connection.await) }).await {
            totals.1.add(report);
        }
    }
    totals
}

#[derive(Default)]
struct Report {
    latencies: Vec<Duration>,
    hang_ups: u64,
    failures: u64,
}

impl Report {
    fn add(&mut self, other: Report) {
        self.latencies.extend(other.latencies);
        self.hang_ups += other.hang_ups;
        self.failures += other.failures;
    }
}

/// Blocks its worker, as a task should not, until it is cancelled.
async fn hog(handle: Handle) {
    loop {
        thread::sleep(HOG);
        handle.sleep(HOG).await;
    }
}

/// The size of a request. The server sends it back, with the answer in place of the question.
const FRAME: usize = 16;

fn frame(number: u64, body: u64) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    frame[..8].copy_from_slice(&number.to_le_bytes());
    frame[8..].copy_from_slice(&body.to_le_bytes());
    frame
}

fn question(frame: &[u8; FRAME]) -> (u64, u64) {
    let part = |range: std::ops::Range<usize>| u64::from_le_bytes(frame[range].try_into().expect("eight bytes"));
    (part(0..8), part(8..16))
}

async fn client(handle: Handle, address: SocketAddr, client: usize, requests: usize) -> Report {
    let mut report = Report::default();
    let hangs_up_at = (client % HANGS_UP == HANGS_UP / 2).then_some(requests / 2);
    let all = async {
        let stream = handle.timeout(LIMIT, handle.connect(address)).await?;
        for request in 0..requests {
            let number = (client * 7 + request) as u64;
            let sent = frame(number, number << 32 | 1);
            if hangs_up_at == Some(request) {
                // Half of these clients hang up within the request, the others by a reset before the answer.
                if client % (2 * HANGS_UP) < HANGS_UP {
                    handle.timeout(LIMIT, stream.write(&sent[..FRAME / 2])).await?;
                } else {
                    handle.timeout(LIMIT, stream.write(&sent)).await?;
                    stream.reset()?;
                }
                report.hang_ups += 1;
                return Ok(());
            }
            let start = Instant::now();
            let mut received = [0; FRAME];
            let echo = async {
                stream.write(&sent).await?;
                stream.read(&mut received).await
            };
            if handle.timeout(LIMIT, echo).await? < FRAME {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if question(&received) != (number, work(question(&sent).1)) {
                return Err(io::Error::new(ErrorKind::InvalidData, "a wrong answer"));
            }
            report.latencies.push(start.elapsed());
        }
        Ok(())
    };
    let result: io::Result<()> = all.await;
    if let Err(error) = result {
        eprintln!("client {client}: {error}");
        report.failures += 1;
    }
    report
}

/// Accepts until it is cancelled.
async fn serve(
    handle: Handle,
    listener: Listener,
    jobs: Jobs,
    connections: async_channel::Sender<async_task::Task<Report>>,
) {
    let mut refused = false;
    loop {
        match listener.accept().await {
            Ok(stream) => {
                refused = false;
                let connection = handle.spawn(answer(handle.clone(), stream, jobs.clone()));
                let _ = connections.send(connection).await;
            }
            Err(error) => {
                // Such as too many open files, which may soon be closed.
                if !std::mem::replace(&mut refused, true) {
                    eprintln!("server: cannot accept: {error}");
                }
                handle.sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn answer(handle: Handle, stream: Stream, jobs: Jobs) -> Report {
    let mut report = Report::default();
    let all = async {
        loop {
            let mut received = [0; FRAME];
            match stream.read(&mut received).await? {
                0 => return Ok(()),
                FRAME => {}
                _ => return Err(ErrorKind::UnexpectedEof.into()),
            }
            let (number, body) = question(&received);
            handle.sleep(Duration::from_millis(1 + number % 4)).await;
            let (reply, answer) = async_channel::bounded(1);
            jobs.send(Job { body, reply }).await.map_err(|_| io::Error::from(ErrorKind::Other))?;
            let answer = answer.recv().await.map_err(|_| io::Error::from(ErrorKind::Other))?;
            stream.write(&frame(number, answer)).await?;
        }
    };
    let result: io::Result<()> = all.await;
    if let Err(error) = result {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => report.hang_ups += 1,
            _ => {
                eprintln!("server: {error}");
                report.failures += 1;
            }
        }
    }
    report
}

type Jobs = async_channel::Sender<Job>;

struct Job {
    body: u64,
    reply: async_channel::Sender<u64>,
}

/// Starts the threads that do a part of each request, outside of the executor. They end when the sender is dropped.
fn start_threads(threads: usize) -> Jobs {
    let (jobs, queue) = async_channel::unbounded::<Job>();
    for _ in 0..threads {
        let queue = queue.clone();
        thread::spawn(move || {
            while let Ok(job) = queue.recv_blocking() {
                // Fails if the connection was cancelled.
                let _ = job.reply.send_blocking(work(job.body));
            }
        });
    }
    jobs
}

/// Some microseconds of work.
fn work(body: u64) -> u64 {
    (0..5_000).fold(body, |state, _| {
        let state = state ^ state << 13;
        let state = state ^ state >> 7;
        state ^ state << 17
    })
}
