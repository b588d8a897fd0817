//! stub
pub mod api;
pub mod cache;
pub mod clock;
pub mod codec;
pub mod config;
pub mod definition;
pub mod http;
pub mod json;
pub mod key;
pub mod node;
pub mod prompt;
pub mod redis;
mod template;
#[cfg(feature = "worker")]
mod worker;
