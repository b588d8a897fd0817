//! The Redis that the settings choose.

use std::time::Duration;

use sha2::{Digest, Sha256};
use worker::wasm_bindgen::JsValue;
use worker::{Env, ObjectNamespace};

use super::fetch::Fetch;
use super::socket::Sockets;
use crate::redis::resp::Resp;
use crate::redis::rest::Rest;
use crate::redis::{Command, Redis, RedisError, Reply};

/// How many Durable Objects share the keys. Changing it moves every entry.
const SHARDS: u8 = 16;

/// One of the transports.
pub(super) enum Store {
    Rest(Rest<Fetch>),
    Resp(Resp<Sockets>),
    Embedded(Embedded),
}

impl Store {
    /// The name of the transport.
    pub fn transport(&self) -> &'static str {
        match self {
            Self::Rest(_) => "rest",
            Self::Resp(_) => "resp",
            Self::Embedded(_) => "embedded",
        }
    }
}

impl Redis for Store {
    fn wakes(&self) -> bool {
        match self {
            Self::Rest(rest) => rest.wakes(),
            Self::Resp(resp) => resp.wakes(),
            Self::Embedded(embedded) => embedded.wakes(),
        }
    }

    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        match self {
            Self::Rest(rest) => rest.execute(commands, deadline).await,
            Self::Resp(resp) => resp.execute(commands, deadline).await,
            Self::Embedded(embedded) => embedded.execute(commands, deadline).await,
        }
    }
}

/// The embedded store: the Durable Objects of this Worker, in the same dialect.
pub(super) struct Embedded {
    namespace: ObjectNamespace,
}

impl Embedded {
    /// None when the Worker has no such binding.
    pub fn new(env: &Env) -> Option<Self> {
        env.durable_object("EMBEDDED").ok().map(|namespace| Self { namespace })
    }

    async fn send(
        &self,
        shard: u8,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        let stub = self
            .namespace
            .get_by_name(&format!("shard-{shard}"))
            .map_err(|_| RedisError::Unreachable)?;
        let http = Fetch::bound(stub.into_rpc::<JsValue>());
        Rest::new(http, "https://embedded", None).execute(commands, deadline).await
    }
}

/// The shard of a key: its hash, so that a namespace spreads over all of them.
fn shard_of(command: &Command<'_>) -> u8 {
    let key = command.key().unwrap_or_default();
    Sha256::digest(key).first().map_or(0, |byte| byte % SHARDS)
}

impl Redis for Embedded {
    fn wakes(&self) -> bool {
        true
    }

    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        // Runs of commands for one shard go together; the cache sends one command at a time.
        let mut replies = Vec::with_capacity(commands.len());
        for run in commands.chunk_by(|a, b| shard_of(a) == shard_of(b)) {
            let Some(first) = run.first() else { continue };
            replies.extend(self.send(shard_of(first), run, deadline).await?);
        }
        Ok(replies)
    }
}
