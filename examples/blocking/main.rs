//! Reads all files below a folder on up to 500 threads: `cargo run --release --example blocking -- [FOLDER]`.
mod pool;

fn main() -> Result<(), walkdir::Error> {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let pool = pool::Pool::new(500, std::time::Duration::from_millis(500));
    let (sender, sizes) = std::sync::mpsc::channel();
    for entry in walkdir::WalkDir::new(folder) {
        let (entry, sender) = (entry?, sender.clone());
        if entry.file_type().is_file() {
            let read = move || std::io::copy(&mut std::fs::File::open(entry.path())?, &mut std::io::sink());
            pool.push(move || sender.send(read()).unwrap());
        }
    }
    let (threads, sizes) = (pool.end().thread_start_count, sizes.try_iter().collect::<Vec<_>>());
    let (read, bytes) = (sizes.iter().flatten().count(), sizes.iter().flatten().sum::<u64>());
    println!("read {read} of {} files, {bytes} bytes; started {threads} threads", sizes.len());
    Ok(())
}
