//! edgememo remembers LLM node calls at the edge.
//!
//! A *node* is a piece of work with an id: here, a call of a language model. Before it executes,
//! its output is looked up in Redis under a key made from the node's id and the canonical form of
//! its input; a hit skips the execution, a miss stores the output afterwards. Keys and values are,
//! bit for bit, those of Dynamiq's Python library, so that both share one cache.
//!
//! The crate is the core, which runs anywhere, and with the feature `worker` the Cloudflare Worker.
//!
//! | feature | what it adds |
//! |---|---|
//! | (none) | JSON, keys, codec, Redis commands, node lifecycle, prompts, a store in memory |
//! | `js` | the functions that the npm package wraps |
//! | `worker` | the Worker: HTTP routes, fetch, the embedded store, the definitions in `workflows/` |
//!
//! # The modules, from the inside out
//!
//! | module | what it is |
//! |---|---|
//! | [`json`] | JSON that loses nothing, and Python's spelling of it |
//! | [`key`], [`codec`] | cache keys and why they differ, stored values |
//! | [`redis`] | commands, transports, the meaning of the commands |
//! | [`cache`] | lookup, store and lease, with a name for every way in which they fail |
//! | [`definition`], [`prompt`] | what is deployed; templates over inputs |
//! | [`html`] | web pages as Markdown or plain text |
//! | [`transform`] | what Dynamiq's transformers do to inputs and outputs |
//! | [`node`] | what can be run, and the order of a run |
//! | [`flow`] | nodes that wait for one another |
//! | [`api`] | the HTTP interface without HTTP |
//! | `js` | the same keys for JavaScript |
//! | `worker` | the glue between workerd and all of this |
//!
//! Dependencies point up this table, and nothing above `worker` knows of Workers.
//!
//! # Caching a node of one's own
//!
//! ```
//! use edgememo::cache::{Cache, Deadlines};
//! use edgememo::config::RedisCacheConfig;
//! use edgememo::definition::CachingConfig;
//! use edgememo::json::{Dialect, Document};
//! use edgememo::node::{Context, Execution, Node, NodeError, Run, Slots, run};
//! use edgememo::redis::memory::Memory;
//!
//! struct Shout;
//!
//! impl Node for Shout {
//!     fn id(&self) -> &str {
//!         "shout"
//!     }
//!
//!     fn caching(&self) -> CachingConfig {
//!         CachingConfig { enabled: true, ..CachingConfig::default() }
//!     }
//!
//!     async fn execute(&self, _: Execution<'_>) -> Result<String, NodeError> {
//!         Ok(r#"{"content": "HELLO"}"#.to_owned())
//!     }
//! }
//!
//! # futures_executor::block_on(async {
//! let cache = Cache::new(Memory::new(), Deadlines::default());
//! let config = RedisCacheConfig { namespace: Some("my-app".to_owned()), ttl: Some(3600) };
//! let input = Document::parse(r#"{"text": "hello"}"#, Dialect::STRICT)?;
//! let given = Run { cache: Some(&config), ..Run::new(input.root()) };
//! let slots = Slots::default();
//! let context = Context::new(&cache, &slots);
//!
//! let first = run(&Shout, given, context).await;
//! assert!(!first.cache.is_output_from_cache());
//! if let Some(entry) = &first.write {
//!     cache.store(entry).await;
//! }
//! assert!(run(&Shout, given, context).await.cache.is_output_from_cache());
//! # Ok::<(), edgememo::json::ParseError>(())
//! # }).unwrap();
//! ```

pub mod ai;
pub mod api;
pub mod cache;
pub mod clock;
pub mod codec;
pub mod config;
pub mod definition;
pub mod flow;
pub mod html;
pub mod http;
#[cfg(feature = "js")]
mod js;
pub mod json;
pub mod key;
pub mod node;
pub mod prompt;
pub mod redis;
mod template;
pub mod transform;
#[cfg(feature = "worker")]
mod worker;
