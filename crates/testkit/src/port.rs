//! Ports for servers that must be told theirs.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

/// Where these are looked for: below the range out of which systems take ports for connections, one of which could have
/// it before the server does, or while the server is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of the loopback that is free. Tests that run at the same time in processes of their own begin at different ones.
pub fn port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() * 8) % u32::from(COUNT);
    let start = u16::try_from(start).expect("less than it");
    let mut tries = (0..COUNT).map(|_| {
        let step = TAKEN.fetch_add(1, Ordering::Relaxed);
        FIRST + (start + step % COUNT) % COUNT
    });
    tries.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
