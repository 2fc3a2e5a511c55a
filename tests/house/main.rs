//! The house, tried from the street: real sockets, real TLS, real old servers (as wicked as they come), all in
//! one process on free ports. Modules by subject; `stage` is what they stand on.

mod corridor;
mod stage;
