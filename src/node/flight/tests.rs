//! Many runs at once over a store in memory, whose clock runs while they wait.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::Poll;

use futures_executor::block_on;
use futures_util::future::{Either, join, join_all, select};

use super::*;
use crate::cache::{Cache, Deadlines, LEASE};
use crate::config::RedisCacheConfig;
use crate::definition::CachingConfig;
use crate::json::{Dialect, Document};
use crate::node::{CacheReport, Callbacks, Execution, Finished, Node, Run, Slots, run};
use crate::redis::memory::Memory;
use crate::redis::{Command, Expiry, Redis, RedisError, Reply};

const INPUT: &str = r#"{"text": "hello"}"#;
/// How long an execution takes.
const EXECUTION: Duration = Duration::from_secs(2);

/// A store whose clock runs when somebody waits, that may refuse what a test says, and that may wake
/// those who wait.
struct Store {
    memory: Memory,
    refused: Cell<Option<&'static str>>,
    wakes: Cell<bool>,
}

impl Redis for Store {
    fn wakes(&self) -> bool {
        self.wakes.get()
    }

    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        let mut replies = Vec::new();
        for command in commands {
            if let Command::Await { keys, .. } = command {
                let ttl = [Command::PTtl(keys[1].clone())];
                while self.memory.execute(&ttl, deadline).await? != [Reply::Integer(-2)] {
                    step().await;
                }
            }
            if Some(&*command.args()[0]) == self.refused.get() {
                replies.push(Reply::Error("NOPERM this user has no permissions".to_owned()));
            } else {
                replies.extend(self.memory.execute(std::slice::from_ref(command), deadline).await?);
            }
        }
        Ok(replies)
    }
}

/// Time that passes in steps, all who wait together: a step is over when everybody has been asked.
struct Steps<'a> {
    store: &'a Store,
    now: Cell<Duration>,
    slept: RefCell<Vec<Duration>>,
    dice: Cell<u32>,
}

const STEP: Duration = Duration::from_millis(50);

/// Lets everybody else go on.
async fn step() {
    let mut is_asked = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut is_asked, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Steps<'_> {
    /// Makes time pass until a future is done.
    async fn passing<F: Future>(&self, future: F) -> F::Output {
        let clock = async {
            loop {
                self.now.set(self.now.get() + STEP);
                self.store.memory.advance(STEP);
                step().await;
            }
        };
        match select(Box::pin(future), Box::pin(clock)).await {
            Either::Left((output, _)) => output,
            Either::Right((never, _)) => never,
        }
    }
}

impl Timer for Steps<'_> {
    async fn sleep(&self, duration: Duration) {
        self.slept.borrow_mut().push(duration);
        let until = self.now.get() + duration;
        while self.now.get() < until {
            step().await;
        }
    }

    fn random(&self) -> f64 {
        self.dice.set(self.dice.get() + 1);
        f64::from(self.dice.get() % 97) / 97.0
    }
}

/// Takes its time, and fails for as long as it is told to.
struct Slow<'a> {
    timer: &'a Steps<'a>,
    executed: Cell<u32>,
    failures: Cell<u32>,
    error: NodeError,
    caching: CachingConfig,
    takes: Duration,
    /// How long what takes over takes, if something does.
    fallback: Option<Duration>,
}

impl Node for Slow<'_> {
    fn id(&self) -> &str {
        "slow"
    }

    fn caching(&self) -> CachingConfig {
        self.caching
    }

    fn fallback(&self, _: &NodeError) -> Option<impl Node> {
        let caching = CachingConfig::default();
        self.fallback.map(|takes| Slow { caching, takes, ..slow(self.timer, 0, down()) })
    }

    async fn execute(&self, _: Execution<'_>) -> Result<String, NodeError> {
        self.executed.set(self.executed.get() + 1);
        let output = format!("{{\"n\": {}}}", self.executed.get());
        self.timer.sleep(self.takes).await;
        match self.failures.get().checked_sub(1) {
            Some(left) => {
                self.failures.set(left);
                Err(self.error.clone())
            }
            None => Ok(output),
        }
    }
}

struct Setup {
    cache: Cache<Store>,
}

impl Setup {
    fn new() -> Self {
        let store =
            Store { memory: Memory::new(), refused: Cell::default(), wakes: Cell::default() };
        Self { cache: Cache::new(store, Deadlines::default()) }
    }

    fn memory(&self) -> &Memory {
        &self.cache.redis().memory
    }

    fn timer(&self) -> Steps<'_> {
        let (now, slept, dice) = (Cell::default(), RefCell::default(), Cell::default());
        Steps { store: self.cache.redis(), now, slept, dice }
    }
}

fn slow<'a>(timer: &'a Steps<'a>, failures: u32, error: NodeError) -> Slow<'a> {
    let caching = CachingConfig { enabled: true, single_flight: true, ..CachingConfig::default() };
    let (executed, failures, takes) = (Cell::new(0), Cell::new(failures), EXECUTION);
    Slow { timer, executed, failures, error, caching, takes, fallback: None }
}

/// A run and what follows its response.
async fn one(setup: &Setup, node: &Slow<'_>, lead: &dyn Fn()) -> Finished {
    let document = Document::parse(INPUT, Dialect::STRICT).unwrap();
    let config = RedisCacheConfig { namespace: None, ttl: Some(60) };
    let given = Run { cache: Some(&config), ..Run::new(document.root()) };
    let (slots, callbacks) = (Slots::default(), &crate::node::NoCallbacks as &dyn Callbacks);
    let context = Context {
        cache: &setup.cache,
        callbacks,
        timer: node.timer,
        slots: &slots,
        lead: Some(lead),
    };
    let finished = *run(node, given, context).await;
    finished.conclude(&setup.cache).await;
    finished
}

fn many(setup: &Setup, node: &Slow<'_>, count: usize) -> Vec<Finished> {
    let runs = join_all((0..count).map(|_| one(setup, node, &|| ())));
    block_on(node.timer.passing(runs))
}

fn reasons(finished: &[Finished]) -> Vec<Option<&'static str>> {
    finished.iter().map(|finished| finished.cache.reason()).collect()
}

fn down() -> NodeError {
    NodeError::Upstream { message: "down".to_owned(), status: Some(500) }
}

#[test]
fn one_executes_and_the_others_have_its_output() {
    let setup = Setup::new();
    let timer = setup.timer();
    let node = slow(&timer, 0, down());
    let finished = many(&setup, &node, 50);
    assert_eq!(node.executed.get(), 1);
    assert!(finished.iter().all(|finished| finished.result.as_deref() == Ok("{\"n\": 1}")));
    let collapsed = finished.iter().filter(|finished| finished.cache.reason() == Some("collapsed"));
    assert_eq!(collapsed.count(), 49);
    let keys = FlightKeys::of(finished[0].cache.key().unwrap(), Scheme::Dynamiq);
    let left = block_on(setup.cache.look(&keys, None, || 0)).unwrap();
    assert!(matches!(left, Seen::Output(_)));
    // The lease is gone with it: what is there is a hit.
    assert!(matches!(many(&setup, &node, 1)[0].cache, CacheReport::Hit { .. }));
}

#[test]
fn a_store_that_wakes_those_who_wait_is_asked_once() {
    let setup = Setup::new();
    setup.cache.redis().wakes.set(true);
    let timer = setup.timer();
    let node = slow(&timer, 0, down());
    let finished = many(&setup, &node, 10);
    assert_eq!(node.executed.get(), 1);
    assert!(finished.iter().all(|finished| finished.result.as_deref() == Ok("{\"n\": 1}")));
    let journal = setup.memory().take_journal();
    assert_eq!(journal.iter().filter(|name| *name == "EDGEMEMO.AWAIT").count(), 9);
    // The looks are those that come with asking for the lease.
    assert_eq!(journal.iter().filter(|name| *name == "MGET").count(), 10);
}

#[test]
fn who_executes_for_others_is_told_and_nobody_else() {
    let setup = Setup::new();
    let timer = setup.timer();
    let node = slow(&timer, 0, down());
    let told = Cell::new(0);
    let lead = || told.set(told.get() + 1);
    block_on(timer.passing(join(one(&setup, &node, &lead), one(&setup, &node, &lead))));
    assert_eq!(told.get(), 1);
}

#[test]
fn a_lease_is_kept_alive_while_the_execution_goes_on() {
    let setup = Setup::new();
    let timer = setup.timer();
    let node = slow(&timer, 0, down());
    let node = Slow { takes: LEASE * 2, ..node };
    let finished = block_on(timer.passing(one(&setup, &node, &|| ())));
    assert!(finished.result.is_ok());
    // Renewals every three seconds, and the release.
    let journal = setup.memory().take_journal();
    assert_eq!(journal.iter().filter(|name| *name == "EVAL").count(), 6 + 1);
    let claimed = block_on(timer.passing(async {
        let keys = FlightKeys::of("other", Scheme::Dynamiq);
        let Claim::Taken(lease, _) = setup.cache.claim(&keys, "mine".to_owned(), 0).await else {
            panic!("not taken")
        };
        let slots = Slots::default();
        let callbacks = &crate::node::NoCallbacks as &dyn Callbacks;
        let context =
            Context { cache: &setup.cache, callbacks, timer: &timer, slots: &slots, lead: None };
        let alive = Box::pin(keep_alive(&lease, context));
        select(alive, Box::pin(timer.sleep(LEASE * 3))).await;
        let held = setup.cache.look(&keys, None, || 0).await;
        timer.sleep(LEASE).await;
        (held, setup.cache.look(&keys, None, || 0).await)
    }));
    assert_eq!(claimed, (Ok(Seen::Held), Ok(Seen::Nothing)));
}

#[test]
fn an_error_of_the_request_is_that_of_all_and_others_are_tried_three_times() {
    for (error, executions) in [
        (NodeError::Refused("no".to_owned()), 1),
        (NodeError::Validation("no".to_owned()), 1),
        (down(), 3),
        (NodeError::Timeout("late".to_owned()), 3),
        (NodeError::Busy { message: "busy".to_owned(), retry_after: None, status: 429 }, 3),
    ] {
        let setup = Setup::new();
        let timer = setup.timer();
        let node = slow(&timer, u32::MAX, error.clone());
        let finished = many(&setup, &node, 20);
        assert_eq!(node.executed.get(), executions, "{error:?}");
        assert!(finished.iter().all(|finished| finished.result == Err(error.clone())), "{error:?}");
        assert!(finished.iter().all(|finished| finished.write.is_none()));
    }
}

#[test]
fn who_takes_over_stores_for_all_who_still_wait() {
    let setup = Setup::new();
    let timer = setup.timer();
    let node = slow(&timer, 2, down());
    let finished = many(&setup, &node, 20);
    assert_eq!(node.executed.get(), 3);
    assert_eq!(finished.iter().filter(|finished| finished.result.is_err()).count(), 2);
    assert_eq!(finished.iter().filter(|f| f.result.as_deref() == Ok("{\"n\": 3}")).count(), 18);
}

#[test]
fn who_waits_does_not_wait_for_what_takes_over_elsewhere() {
    let setup = Setup::new();
    let timer = setup.timer();
    let first = Slow { fallback: Some(LEASE * 2), ..slow(&timer, 1, down()) };
    let second = slow(&timer, 0, down());
    let over = Cell::new(Duration::ZERO);
    let waiting = async {
        timer.sleep(STEP).await;
        let finished = one(&setup, &second, &|| ()).await;
        over.set(timer.now.get());
        finished
    };
    let (fallen, waited) = block_on(timer.passing(join(one(&setup, &first, &|| ()), waiting)));
    assert!(fallen.result.is_ok() && fallen.cache.reason() == Some("fallback"));
    assert!(waited.result.is_ok());
    assert!(over.get() < EXECUTION * 2 + LONGEST_PAUSE * 2, "{:?}", over.get());
}

#[test]
fn what_others_wait_for_is_told_whatever_the_breaker_does() {
    use crate::cache::State;
    use crate::redis::memory::Fault;

    for (failures, expected) in [(0, true), (1, false)] {
        let setup = Setup::new();
        let timer = setup.timer();
        let node = slow(&timer, failures, NodeError::Refused("no".to_owned()));
        let open = async {
            timer.sleep(EXECUTION / 2).await;
            setup.memory().set_fault(Some(Fault::Fails(RedisError::Unreachable)));
            for _ in 0..5 {
                setup.cache.lookup("k", Scheme::Dynamiq).await;
            }
            setup.memory().set_fault(None);
        };
        let (finished, ()) = block_on(timer.passing(join(one(&setup, &node, &|| ()), open)));
        assert_eq!(setup.cache.breaker(), State::Open);
        let keys = FlightKeys::of(finished.cache.key().unwrap(), Scheme::Dynamiq);
        let seen = block_on(setup.cache.look(&keys, None, || 0)).unwrap();
        assert_eq!(matches!(seen, Seen::Output(_)), expected, "{seen:?}");
        assert_eq!(matches!(seen, Seen::Failure(_)), !expected, "{seen:?}");
    }
}

#[test]
fn a_failure_of_before_is_nothing_to_a_later_run() {
    let setup = Setup::new();
    let timer = setup.timer();
    let node = slow(&timer, 3, NodeError::Refused("no".to_owned()));
    for executed in 1..=3 {
        assert!(many(&setup, &node, 1)[0].result.is_err());
        assert_eq!(node.executed.get(), executed);
        // The clock of runs has milliseconds.
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(many(&setup, &node, 1)[0].result.is_ok());
}

#[test]
fn who_waits_for_a_holder_that_is_dead_goes_on_when_its_lease_is_over() {
    let setup = Setup::new();
    let timer = setup.timer();
    let node = slow(&timer, 0, down());
    let key = many(&setup, &node, 1)[0].cache.key().unwrap().to_owned();
    let keys = FlightKeys::of(&key, Scheme::Dynamiq);
    block_on(setup.cache.redis().execute(&[Command::Del(vec![key.into()])], Duration::MAX))
        .unwrap();
    let dead = block_on(setup.cache.claim(&keys, "dead".to_owned(), 0));
    assert!(matches!(dead, Claim::Taken(..)));
    let begun = timer.now.get();
    let finished = many(&setup, &node, 5);
    assert_eq!(node.executed.get(), 2);
    assert!(finished.iter().all(|finished| finished.result.is_ok()));
    let took = timer.now.get() - begun;
    assert!(took >= LEASE && took < LEASE + LONGEST_PAUSE * 2 + EXECUTION, "{took:?}");
}

#[test]
fn who_waits_sends_21_commands_at_most_and_then_executes() {
    let setup = Setup::new();
    let timer = setup.timer();
    let node = slow(&timer, 0, down());
    let key = many(&setup, &node, 1)[0].cache.key().unwrap().to_owned();
    let for_ever = Command::Set {
        key: format!("{}:lease", keys_prefix(&key)).into(),
        value: "foreign".into(),
        expiry: Some(Expiry::Seconds(3600)),
        if_absent: false,
    };
    let commands = [Command::Del(vec![(&*key).into()]), for_ever];
    block_on(setup.cache.redis().execute(&commands, Duration::MAX)).unwrap();
    setup.memory().take_journal();
    timer.slept.take();
    let waiting = async {
        let asked = Asked {
            key: &key,
            scheme: Scheme::Dynamiq,
            since: clock::now_ms(),
            patience: Duration::from_secs(3600),
        };
        let slots = Slots::default();
        let callbacks = &crate::node::NoCallbacks as &dyn Callbacks;
        let context =
            Context { cache: &setup.cache, callbacks, timer: &timer, slots: &slots, lead: None };
        take_turn(asked, context).await
    };
    let turn = block_on(timer.passing(waiting));
    let reason = Some(MissReason::WaitTimeout);
    assert!(matches!(turn, Turn::Execute { lease: None, waited: true, reason: r } if r == reason));
    // The lookup came before.
    assert_eq!(setup.memory().take_journal().len(), MAX_COMMANDS as usize - 1);
    let pauses = timer.slept.take();
    assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE && *pause >= FIRST_PAUSE * 3 / 4));
    assert!(pauses.windows(2).all(|two| two[1] > two[0] * 3 / 4), "{pauses:?}");
}

#[test]
fn nodes_that_wait_to_be_woken_leave_connections_to_the_others() {
    let setup = Setup::new();
    setup.cache.redis().wakes.set(true);
    let timer = setup.timer();
    let slots = Slots::for_nodes(7, crate::node::SUBREQUESTS);
    let callbacks = &crate::node::NoCallbacks as &dyn Callbacks;
    let context =
        Context { cache: &setup.cache, callbacks, timer: &timer, slots: &slots, lead: None };
    let keys: Vec<_> = (0..6).map(|number| format!("k{number}")).collect();
    for key in &keys {
        let keys = FlightKeys::of(key, Scheme::Dynamiq);
        block_on(setup.cache.claim(&keys, "another".to_owned(), 0));
    }
    let waiting = keys.iter().map(|key| {
        let (since, patience) = (clock::now_ms(), Duration::from_secs(3600));
        take_turn(Asked { key, scheme: Scheme::Dynamiq, since, patience }, context)
    });
    let other = async {
        timer.sleep(STEP * 4).await;
        let (second, take) = (Duration::from_secs(1), |purpose| slots.take(purpose));
        let lookup = timer.timeout(second, take(Purpose::Lookup)).await;
        drop(lookup.expect("no connection for a lookup"));
        let executions = join_all((0..4).map(|_| take(Purpose::Execution)));
        assert!(timer.timeout(second, executions).await.is_some());
    };
    block_on(timer.passing(select(Box::pin(join_all(waiting)), Box::pin(other))));
}

#[test]
fn nobody_asks_for_a_lease_who_could_not_give_it_back() {
    let setup = Setup::new();
    let timer = setup.timer();
    let (slots, patience) = (Slots::default(), Duration::from_secs(3600));
    let callbacks = &crate::node::NoCallbacks as &dyn Callbacks;
    let context =
        Context { cache: &setup.cache, callbacks, timer: &timer, slots: &slots, lead: None };
    for (commands, is_affordable) in [(18, true), (19, false)] {
        let since = clock::now_ms();
        let mut waiting = Waiting {
            asked: Asked { key: "k", scheme: Scheme::Dynamiq, since, patience },
            context,
            keys: FlightKeys::of("k", Scheme::Dynamiq),
            until: u64::MAX,
            commands,
            pause: FIRST_PAUSE,
            has_waited: true,
        };
        assert_eq!(block_on(waiting.wait(Seen::Nothing)).is_ok(), is_affordable, "{commands}");
    }
}

#[test]
fn a_lease_that_cannot_be_given_back_delays_a_run_by_a_lookup_at_most() {
    let setup = Setup::new();
    let keys = FlightKeys::of("k", Scheme::Dynamiq);
    let Claim::Taken(lease, _) = block_on(setup.cache.claim(&keys, "mine".to_owned(), 0)) else {
        panic!("not taken")
    };
    setup.memory().set_fault(Some(crate::redis::memory::Fault::Hangs));
    block_on(setup.cache.release(&lease));
    setup.memory().set_fault(None);
    let key = format!("{}:lease", keys_prefix("k"));
    let left = block_on(setup.cache.redis().execute(&[Command::PTtl(key.into())], LEASE)).unwrap();
    assert_eq!(left, [Reply::Integer(9500)]);
}

/// Where the keys beside an entry begin.
fn keys_prefix(key: &str) -> String {
    let text = format!("{:?}", FlightKeys::of(key, Scheme::Dynamiq));
    let begin = text.find("edgememo:").unwrap();
    text.chars().skip(begin).take("edgememo:".len() + 64).collect()
}

#[test]
fn without_leases_everybody_executes_and_nobody_waits() {
    for refused in ["SET", "MGET"] {
        let setup = Setup::new();
        setup.cache.redis().refused.set(Some(refused));
        let timer = setup.timer();
        let node = slow(&timer, 0, down());
        let finished = many(&setup, &node, 5);
        let expected = if refused == "SET" { 5 } else { 4 };
        assert!(node.executed.get() >= expected, "{refused}: {}", node.executed.get());
        assert!(finished.iter().all(|finished| finished.result.is_ok()));
        assert!(reasons(&finished).iter().all(Option::is_none), "{refused}");
    }
}

#[test]
fn an_output_that_cannot_be_stored_is_not_waited_for() {
    let setup = Setup::new();
    setup.cache.redis().refused.set(Some("SETEX"));
    let timer = setup.timer();
    let node = slow(&timer, 0, down());
    let finished = many(&setup, &node, 5);
    assert_eq!(node.executed.get(), 5);
    let mut reasons = reasons(&finished);
    reasons.sort_unstable();
    let not_shared = Some("single-flight-not-shared");
    assert_eq!(reasons, [None, not_shared, not_shared, not_shared, not_shared]);
    // All at once: the first one's time, and one more.
    assert!(timer.now.get() < EXECUTION * 2 + LONGEST_PAUSE * 2, "{:?}", timer.now.get());
}

#[test]
fn a_lease_that_may_have_been_taken_is_given_back() {
    let setup = Setup::new();
    let keys = FlightKeys::of("k", Scheme::Dynamiq);
    let lost = crate::redis::memory::Fault::FailsButDone(RedisError::Timeout(Duration::ZERO));
    setup.memory().set_fault(Some(lost));
    let claim = block_on(setup.cache.claim(&keys, "mine".to_owned(), 0));
    setup.memory().set_fault(None);
    let Claim::Unknown(Some(lease), Some(MissReason::Timeout)) = claim else { panic!("{claim:?}") };
    assert_eq!(block_on(setup.cache.look(&keys, None, || 0)), Ok(Seen::Held));
    // It says nothing to those who wait for who has it, if that is somebody else.
    block_on(setup.cache.fail(&lease, Some("{}"), true, 0));
    assert_eq!(block_on(setup.cache.look(&keys, None, || 0)), Ok(Seen::Nothing));
}
