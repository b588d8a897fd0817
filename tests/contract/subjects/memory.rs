use std::rc::Rc;
use std::time::Duration;

use edgememo::redis::memory::{Fault, Memory};
use edgememo::redis::{Command, Redis, RedisError, Reply};

use crate::contract::{Subject, ask};

/// `Memory`: its time passes when it is told so, and its faults are injected.
#[derive(Default)]
pub struct InMemory(Rc<Memory>);

/// One of its clients.
pub struct Client(Rc<Memory>);

impl Redis for Client {
    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        self.0.execute(commands, deadline).await
    }
}

fn failing(fault: Fault) -> Client {
    let memory = Memory::new();
    memory.set_fault(Some(fault));
    Client(Rc::new(memory))
}

impl Subject for InMemory {
    type Client = Client;

    fn client(&self) -> Client {
        Client(Rc::clone(&self.0))
    }

    fn hanging(&self) -> Client {
        failing(Fault::Hangs)
    }

    fn gone(&self) -> Client {
        failing(Fault::Fails(RedisError::Unreachable))
    }

    fn pass(&self, time: Duration) {
        self.0.advance(time);
    }

    /// It belongs to one thread: one after the other.
    fn at_once(&self, commands: Vec<Command<'static>>) -> Vec<Reply> {
        commands.into_iter().map(|command| ask(self, command)).collect()
    }
}
