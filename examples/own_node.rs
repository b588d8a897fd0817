//! A node of one's own behind the cache: run it twice, and it executes once.
//!
//! ```sh
//! cargo run --example own_node
//! ```

#![allow(clippy::print_stdout, reason = "it shows what happens")]

use std::error::Error;

use edgememo::cache::{Cache, Deadlines};
use edgememo::config::RedisCacheConfig;
use edgememo::definition::CachingConfig;
use edgememo::json::{Dialect, Document};
use edgememo::node::{Callbacks, Context, Execution, Node, NodeError, Run, Slots, run};
use edgememo::redis::memory::Memory;

/// Counts the words of `input.text`.
struct CountWords;

impl Node for CountWords {
    fn id(&self) -> &str {
        "count-words"
    }

    fn caching(&self) -> CachingConfig {
        CachingConfig { enabled: true, ..CachingConfig::default() }
    }

    async fn execute(&self, execution: Execution<'_>) -> Result<String, NodeError> {
        let text = execution.input.get("text").and_then(|text| text.as_str()?.to_str());
        let text = text.ok_or(NodeError::Validation("input.text has to be a string".to_owned()))?;
        Ok(format!("{{\"words\": {}}}", text.split_whitespace().count()))
    }
}

/// Tells when the node is done.
struct Tell;

impl Callbacks for Tell {
    fn on_node_end(&self, node_id: &str, is_output_from_cache: bool, _: Option<&str>) {
        println!("{node_id}: from the cache: {is_output_from_cache}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // A Worker has a Redis here, and a timer that can wait.
    let cache = Cache::new(Memory::new(), Deadlines::default());
    let config = RedisCacheConfig { namespace: Some("my-app".to_owned()), ttl: Some(3600) };
    let input = Document::parse(r#"{"text": "to be or not to be"}"#, Dialect::STRICT)?;
    let given = Run { cache: Some(&config), ..Run::new(input.root()) };
    let slots = Slots::default();
    let context = Context { callbacks: &Tell, ..Context::new(&cache, &slots) };
    futures_executor::block_on(async {
        for _ in 0..2 {
            let finished = run(&CountWords, given, context).await;
            println!("{}", finished.result?);
            // Once the response is out, for those who wait.
            if let Some(entry) = &finished.write {
                cache.store(entry).await;
            }
        }
        Ok(())
    })
}
