//! Measures how long a journal with 1,000 closed and 20 open payments takes to open, and what a put costs.
//!
//! `cargo run --release --example journal_open -- DIRECTORY` uses (and then removes) `DIRECTORY/vpmeter-bench`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use vpmeter_core::journal::directory::Directory;
use vpmeter_core::journal::disk::RealDisk;
use vpmeter_core::journal::{Shelf, Store, StoreError};

fn main() -> Result<(), StoreError> {
    let base = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let path = base.join("vpmeter-bench");
    let open = || Directory::open(&path, Arc::new(RealDisk::new()));
    // As large as a payment with its request's body and a receipt of ten lines.
    let record = vec![b'x'; 3000];

    let store = open()?;
    for n in 0..1000 {
        store.put(
            Shelf::Closed,
            &format!("Ride-closed-{n:04}"),
            &record[..300],
        )?;
    }
    let start = Instant::now();
    for n in 0..20 {
        store.put(Shelf::Open, &format!("Ride-open-{n:04}"), &record)?;
    }
    println!("first put: {:?} each", start.elapsed() / 20);
    let start = Instant::now();
    for n in 0..20 {
        store.put(Shelf::Open, &format!("Ride-open-{n:04}"), &record)?;
    }
    println!("next put:  {:?} each", start.elapsed() / 20);
    println!("so far:    {:?}", store.stats());
    drop(store);

    for _ in 0..5 {
        let start = Instant::now();
        let store = open()?;
        let opened = start.elapsed();
        let mut count = 0;
        store.each(Shelf::Open, &mut |_, _| {
            count += 1;
            true
        })?;
        let visited = start.elapsed();
        println!(
            "open: {opened:?}, and {count} open records visited: {visited:?}; {:?}",
            store.stats()
        );
    }
    let _ = std::fs::remove_dir_all(&path);
    Ok(())
}
