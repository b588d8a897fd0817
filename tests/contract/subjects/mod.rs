//! The transports with the stores of the tests behind them. Where these are comes in the environment,
//! from tests/support/transports.mjs.

mod http;
mod memory;
mod remote;
mod sockets;

pub use self::memory::InMemory;
pub use self::remote::{OverEmbedded, OverResp, OverRest};
pub use self::sockets::Sockets;

/// A variable of the environment that names a server.
pub fn server(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run node tests/support/transports.mjs"))
}
