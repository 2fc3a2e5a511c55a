//! The street's side of the door: sockets, who may come in, and whom a trusted peer brings along.
//!
//! Called by `house` (binds; keeps one `Gate` for its whole life) and `front` (accepts, reads the PROXY
//! header).
//!
//! | part | what it holds |
//! |---|---|
//! | `bind` | listening sockets, one for each worker on the same port, and what to do when there are none |
//! | `doorway` | an address that is listened on, whoever opened it: this process, the one before, systemd |
//! | `gate` | how many connections are open, in all and from one network |
//! | `entrance` | the accept loop: pauses when the house is full or the machine is out of something |
//! | `proxy` | the grammar of PROXY headers |
//! | `proxied` | reads such a header from a socket, from those who are trusted to send one |
//!
//! Promises: never more connections than the limits say; a machine out of file descriptors slows accepting
//! down and says so once a minute, it neither spins nor stops; a socket that was handed over keeps its queue; a byte behind a PROXY header is never lost.

mod bind;
mod doorway;
mod entrance;
mod gate;
mod proxied;
pub mod proxy;

pub use bind::{BindFault, Place, bind};
pub use doorway::{Doorway, Kind, Passed, doorways, named, passed};
pub use entrance::{Entrance, Trouble};
pub use gate::{Gate, Pass};
pub use proxied::proxied;
