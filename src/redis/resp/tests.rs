use std::cell::RefCell;
use std::collections::VecDeque;

use futures_executor::block_on;
use proptest::prelude::*;

use super::*;

/// Gives each connection the same pieces, and keeps what was sent.
struct Canned {
    pieces: Vec<Result<Vec<u8>, RedisError>>,
    sent: RefCell<Vec<String>>,
}

struct CannedStream(VecDeque<Result<Vec<u8>, RedisError>>);

impl ByteStream for CannedStream {
    async fn read(&mut self) -> Result<Vec<u8>, RedisError> {
        self.0.pop_front().unwrap_or_else(|| Ok(Vec::new()))
    }
}

impl Dial for &Canned {
    type Stream = CannedStream;

    fn dial(&self, _: &RedisConnection, bytes: &[u8], _: Duration) -> CannedStream {
        self.sent.borrow_mut().push(String::from_utf8(bytes.to_vec()).unwrap());
        CannedStream(self.pieces.clone().into())
    }
}

fn canned(pieces: Vec<Result<Vec<u8>, RedisError>>) -> Canned {
    Canned { pieces, sent: RefCell::default() }
}

fn ask(
    url: &str,
    commands: &[Command<'_>],
    pieces: Vec<Result<Vec<u8>, RedisError>>,
) -> Result<Vec<Reply>, RedisError> {
    let canned = canned(pieces);
    let resp = Resp::new(&canned, RedisConnection::from_url(url).unwrap());
    block_on(resp.execute(commands, Duration::from_millis(5)))
}

fn get(url: &str, answer: &str) -> Result<Vec<Reply>, RedisError> {
    ask(url, &[Command::get("k")], vec![Ok(answer.into())])
}

fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

const PLAIN: &str = "redis://h";
const FULL: &str = "redis://me:secret@h/3";

#[test]
fn credentials_database_and_commands_leave_in_one_write() {
    for (url, opening) in [
        (PLAIN, ""),
        ("redis://:é@h", "*2\r\n$4\r\nAUTH\r\n$2\r\né\r\n"),
        ("redis://h/3", "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"),
        (FULL, "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"),
    ] {
        let canned = canned(vec![Ok(b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n".to_vec())]);
        let resp = Resp::new(&canned, RedisConnection::from_url(url).unwrap());
        let commands = [Command::store("k", "a\r\nb", Some(9)), Command::get("é")];
        block_on(resp.execute(&commands, Duration::from_millis(5))).unwrap();
        let commands = "*4\r\n$5\r\nSETEX\r\n$1\r\nk\r\n$1\r\n9\r\n$4\r\na\r\nb\r\n\
                        *2\r\n$3\r\nGET\r\n$2\r\né\r\n";
        assert_eq!(*canned.sent.borrow(), [format!("{opening}{commands}")], "{url}");
    }
}

#[test]
fn replies_are_those_of_the_commands() {
    let commands = [Command::get("a"), Command::PTtl("a".into()), Command::get("b")];
    let answer = "+OK\r\n+OK\r\n$5\r\nv\r\nal\r\n:-1\r\n$-1\r\n";
    assert_eq!(
        ask(FULL, &commands, vec![Ok(answer.into())]),
        Ok(vec![text("v\r\nal"), Reply::Integer(-1), Reply::Nil])
    );
    let page = "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n*-1\r\n";
    let keys = Reply::Array(vec![text("a"), Reply::Nil]);
    assert_eq!(get(PLAIN, page), Ok(vec![Reply::Array(vec![text("0"), keys])]));
    let not_utf8 = vec![Ok(b"$2\r\n\xff\xfe\r\n".to_vec())];
    assert_eq!(ask(PLAIN, &[Command::get("k")], not_utf8), Ok(vec![Reply::Bytes(vec![255, 254])]));
}

#[test]
fn refusals_are_told_apart() {
    use RedisError::{Database, Refused, Unauthorized};
    for (answer, error) in [
        ("-WRONGPASS invalid username-password pair or user is disabled.", Unauthorized),
        ("-ERR AUTH <password> called without any password configured", Unauthorized),
        ("-ERR invalid password", Unauthorized),
        ("-ERR Client sent AUTH, but no password is set", Unauthorized),
        ("-ERR wrong number of arguments for 'auth' command", Unauthorized),
        ("-ERR max number of clients reached", Refused),
        ("+OK\r\n-ERR DB index is out of range", Database),
        ("+OK\r\n-ERR invalid DB index", Database),
        ("+OK\r\n-ERR SELECT is not allowed in cluster mode", Database),
        ("+OK\r\n-NOPERM this user has no permissions to run the 'select' command", Database),
        ("+OK\r\n-NOAUTH Authentication required.", Unauthorized),
        ("+OK\r\n-LOADING Redis is loading the dataset in memory", Refused),
    ] {
        // Whatever Redis says to the commands that follow, they ran as somebody else or elsewhere.
        let answer = format!("{answer}\r\n$1\r\nv\r\n");
        assert_eq!(get(FULL, &answer), Err(error), "{answer}");
    }
    assert_eq!(get(PLAIN, "-NOAUTH Authentication required.\r\n"), Err(Unauthorized));
    for error in [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "NOPERM this user has no permissions to access one of the keys used as arguments",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR max number of clients reached",
    ] {
        let reply = Reply::Error(error.to_owned());
        assert_eq!(get(PLAIN, &format!("-{error}\r\n")), Ok(vec![reply]));
    }
}

#[test]
fn what_is_no_reply_is_an_error_and_never_a_panic() {
    let nested = |depth| "*1\r\n".repeat(depth) + ":1\r\n";
    assert!(get(PLAIN, &nested(100)).is_ok());
    for garbage in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "<html>",
        "\r\n",
        ":12a\r\n",
        "$x\r\n",
        "$-2\r\n",
        "$3\r\nabcde\r\n",
        "$99999999999999999999\r\n",
        "*99999999999\r\n",
        &nested(100_000),
    ] {
        assert_eq!(get(PLAIN, garbage), Err(RedisError::BadReply), "{garbage:.20}");
    }
    for cut in ["", "$", "$3\r\nab", "*9999999\r\n", "*2\r\n:1\r\n", "+OK"] {
        assert_eq!(get(PLAIN, cut), Err(RedisError::Unreachable), "{cut}");
    }
    let timeout = RedisError::Timeout(Duration::from_millis(5));
    let late = vec![Ok(b"$3\r\n".to_vec()), Err(timeout.clone())];
    assert_eq!(ask(PLAIN, &[Command::get("k")], late), Err(timeout));
}

#[test]
fn a_reply_over_the_limit_is_not_held() {
    let piece = vec![b'v'; MAX_REPLY_BYTES / 2];
    let header = format!("${}\r\n", MAX_REPLY_BYTES).into_bytes();
    let pieces = vec![Ok(header), Ok(piece.clone()), Ok(piece), Ok(b"\r\n".to_vec())];
    assert_eq!(
        ask(PLAIN, &[Command::get("k")], pieces),
        Err(RedisError::ReplyTooLarge(MAX_REPLY_BYTES))
    );
}

const ANSWER: &str =
    "+OK\r\n+OK\r\n$12\r\nv\r\n$1\r\né\r\nx\r\n*2\r\n:-7\r\n*1\r\n$0\r\n\r\n-ERR no\r\n";

fn expected() -> Vec<Reply> {
    let array = Reply::Array(vec![Reply::Integer(-7), Reply::Array(vec![text("")])]);
    vec![text("v\r\n$1\r\né\r\nx"), array, Reply::Error("ERR no".to_owned())]
}

fn split_at(places: &[usize]) -> Result<Vec<Reply>, RedisError> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for &to in places.iter().chain([&ANSWER.len()]) {
        pieces.push(Ok(ANSWER.as_bytes()[from..to].to_vec()));
        from = to;
    }
    // No bytes would be the end of the stream.
    pieces.retain(|piece| piece.as_ref().is_ok_and(|piece| !piece.is_empty()));
    ask(FULL, &[Command::get("a"), Command::get("b"), Command::get("c")], pieces)
}

#[test]
fn replies_may_be_split_at_every_byte() {
    for place in 0..=ANSWER.len() {
        assert_eq!(split_at(&[place]), Ok(expected()), "split at {place}");
    }
    let everywhere: Vec<_> = (0..ANSWER.len()).collect();
    assert_eq!(split_at(&everywhere), Ok(expected()));
}

#[test]
fn replies_that_are_cut_at_any_byte_are_no_replies() {
    let commands = [Command::get("a"), Command::get("b"), Command::get("c")];
    for place in 0..ANSWER.len() {
        let cut = ANSWER.as_bytes()[..place].to_vec();
        let pieces = if cut.is_empty() { Vec::new() } else { vec![Ok(cut)] };
        assert_eq!(ask(FULL, &commands, pieces), Err(RedisError::Unreachable), "cut at {place}");
    }
}

proptest! {
    #[test]
    fn replies_may_be_split_in_any_way(
        mut places in proptest::collection::vec(0..=ANSWER.len(), 0..20)
    ) {
        places.sort_unstable();
        prop_assert_eq!(split_at(&places), Ok(expected()));
    }

    #[test]
    fn no_bytes_make_it_panic(pieces in proptest::collection::vec(
        proptest::collection::vec(prop_oneof![
            any::<u8>(), Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), b'0'..=b'9'
        ], 1..30), 0..6,
    )) {
        let pieces = pieces.into_iter().map(Ok).collect();
        let _ = ask(FULL, &[Command::get("k")], pieces);
    }
}
