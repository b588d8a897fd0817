//! The Redis that the settings choose.

use std::time::Duration;

use futures_util::FutureExt;

use worker::wasm_bindgen::JsValue;
use worker::{Env, ObjectNamespace};

use super::fetch::Fetch;
use super::socket::Sockets;
use crate::redis::resp::Resp;
use crate::redis::rest::Rest;
use crate::redis::sharded::{Sharded, Shards};
use crate::redis::{Command, Redis, RedisError, Reply};

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

    async fn get_ascii(&self, key: &str, deadline: Duration) -> Result<Reply, RedisError> {
        match self {
            Self::Rest(rest) => rest.get_ascii(key, deadline).await,
            // In boxes, so that what waits for another is not as large.
            Self::Resp(resp) => resp.get_ascii(key, deadline).boxed_local().await,
            Self::Embedded(embedded) => embedded.get_ascii(key, deadline).boxed_local().await,
        }
    }

    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        match self {
            Self::Rest(rest) => rest.execute(commands, deadline).await,
            Self::Resp(resp) => resp.execute(commands, deadline).boxed_local().await,
            Self::Embedded(embedded) => embedded.execute(commands, deadline).boxed_local().await,
        }
    }
}

/// The embedded store: the Durable Objects of this Worker, in the same dialect.
pub(super) struct Embedded(Sharded<DurableObjects>);

impl Embedded {
    /// None when the Worker has no such binding.
    pub fn new(env: &Env) -> Option<Self> {
        let namespace = env.durable_object("EMBEDDED").ok()?;
        Some(Self(Sharded::new(DurableObjects { namespace })))
    }
}

struct DurableObjects {
    namespace: ObjectNamespace,
}

impl Shards for DurableObjects {
    type Shard = Rest<Fetch>;

    fn shard(&self, number: u8) -> Result<Rest<Fetch>, RedisError> {
        let stub = self
            .namespace
            .get_by_name(&format!("shard-{number}"))
            .map_err(|_| RedisError::Unreachable)?;
        Ok(Rest::embedded(Fetch::bound(stub.into_rpc::<JsValue>()), "https://embedded"))
    }
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
        self.0.execute(commands, deadline).await
    }
}
