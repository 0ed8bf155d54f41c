//! The simulator from outside: over real sockets, in this process, on free ports, without waiting.

mod audit;
mod bench;
mod cancel;
mod codes;
mod command_line;
mod connections;
mod control;
mod documents;
mod events;
mod fault_files;
mod faults;
mod idempotency;
mod landing;
mod limits;
mod order_management;
mod page;
mod passenger;
mod qr;
mod ride;
mod snapshots;
mod strict;
mod switches;
mod time;
mod tls;
mod tokens;
