//! Redis over HTTP: a client for Upstash's REST dialect.

use std::cell::Cell;
use std::time::Duration;

use futures_util::FutureExt;

use super::dialect::{
    BASE64, ENCODING_HEADER, Encoding, read_replies, read_single, url_of_get, write_request,
};
use super::{Command, MAX_REPLY_BYTES, Redis, RedisError, Reply};
use crate::clock;
use crate::http::{Headers, HttpClient, HttpError, Request, Response, Secret};

/// A Redis behind Upstash's REST dialect.
///
/// A single `GET` goes in a URL, which costs less than a body does. All else goes in a body, and a `GET` too
/// once the server turns out to know of no commands in URLs.
#[derive(Debug)]
pub struct Rest<H> {
    http: H,
    /// Without a slash at its end.
    server: String,
    /// How replies are asked for, but in a URL where the value is ASCII.
    encoding: Encoding,
    /// Those of a request with a body, which asks for that encoding.
    body_headers: Headers,
    /// Those of a request that is all in its URL, and asks for that encoding.
    url_headers: Headers,
    /// Those of such a request that asks for none.
    plain_url_headers: Headers,
    urls: Cell<Urls>,
}

/// What is known of a server and commands in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urls {
    Untried,
    Taken,
    NotTaken,
}

/// What came of a `GET` in a URL.
enum ByUrl {
    Replied(Reply),
    /// It goes in a body, for which so much time is left.
    NotTaken(Duration),
}

impl<H: HttpClient> Rest<H> {
    /// A client for the Redis at `url`, which is asked for Base64: what is not UTF-8 in a value is then
    /// neither replaced nor an error of the server. What is ASCII needs no such thing.
    pub fn new(http: H, url: &str, token: &Secret) -> Self {
        let encoded = |headers: Headers| headers.with(ENCODING_HEADER, BASE64);
        let plain_url_headers = Headers::default().with_bearer(token);
        Self {
            http,
            server: url.trim_end_matches('/').to_owned(),
            encoding: Encoding::Base64,
            body_headers: encoded(Headers::json().with_bearer(token)),
            url_headers: encoded(plain_url_headers.clone()),
            plain_url_headers,
            urls: Cell::new(Urls::Untried),
        }
    }

    /// A client for a store that asks for no token, holds nothing but UTF-8 and takes commands in bodies
    /// only: the embedded one.
    pub fn embedded(http: H, url: &str) -> Self {
        Self {
            http,
            server: url.trim_end_matches('/').to_owned(),
            encoding: Encoding::Plain,
            body_headers: Headers::json(),
            url_headers: Headers::default(),
            plain_url_headers: Headers::default(),
            urls: Cell::new(Urls::NotTaken),
        }
    }

    /// Sends a request: a `POST` when there is a body, a `GET` when all is in the URL.
    async fn send(
        &self,
        url: &str,
        headers: &Headers,
        body: Option<&str>,
        deadline: Duration,
    ) -> Result<Response, RedisError> {
        let request = Request {
            method: if body.is_some() { "POST" } else { "GET" },
            url,
            headers,
            body,
            deadline: Some(deadline),
            max_response_bytes: MAX_REPLY_BYTES,
            wanted: &[],
            // The server does the same to what it does not encode.
            is_lossy: true,
        };
        Ok(self.http.send(request).await?)
    }

    /// Asks for a key in a URL, where it fits one and the server may know of such requests.
    async fn get_by_url(
        &self,
        key: &str,
        encoding: Encoding,
        deadline: Duration,
    ) -> Result<ByUrl, RedisError> {
        let urls = self.urls.get();
        let url = (urls != Urls::NotTaken).then(|| url_of_get(&self.server, key)).flatten();
        let Some(url) = url else { return Ok(ByUrl::NotTaken(deadline)) };
        let headers = match encoding {
            Encoding::Base64 => &self.url_headers,
            Encoding::Plain => &self.plain_url_headers,
        };
        // Of a server that takes them nobody has to know how long it took.
        let started = if urls == Urls::Untried { clock::now_ms() } else { 0 };
        let response = self.send(&url, headers, None, deadline).await?;
        if urls == Urls::Untried && matches!(response.status, 403 | 404 | 405 | 414 | 501) {
            self.urls.set(Urls::NotTaken);
            let taken = Duration::from_millis(clock::now_ms().saturating_sub(started));
            return Ok(ByUrl::NotTaken(deadline.saturating_sub(taken)));
        }
        let reply = read_single(body_of(&response)?, encoding).ok_or(RedisError::BadReply)?;
        if response.status == 200 {
            self.urls.set(Urls::Taken);
        }
        Ok(ByUrl::Replied(reply))
    }

    /// The replies to commands in a body.
    async fn post(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        let path = if commands.len() == 1 { "/" } else { "/pipeline" };
        let url = [&*self.server, path].concat();
        let body = write_request(commands);
        let response = self.send(&url, &self.body_headers, Some(&body), deadline).await?;
        let body = body_of(&response)?;
        read_replies(body, commands.len(), self.encoding).ok_or(RedisError::BadReply)
    }
}

/// The body of an answer that holds replies.
fn body_of(response: &Response) -> Result<&str, RedisError> {
    match response.status {
        401 | 403 => return Err(RedisError::Unauthorized),
        // A single command that Redis refuses is a 400 with its error.
        200 | 400 => {}
        status => return Err(RedisError::Status(status)),
    }
    std::str::from_utf8(&response.body).map_err(|_| RedisError::BadReply)
}

impl<H: HttpClient> Redis for Rest<H> {
    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        let mut deadline = deadline;
        if let [Command::Get(key)] = commands {
            match self.get_by_url(key, self.encoding, deadline).await? {
                ByUrl::Replied(reply) => return Ok(vec![reply]),
                ByUrl::NotTaken(left) => deadline = left,
            }
        }
        self.post(commands, deadline).await
    }

    async fn get_ascii(&self, key: &str, deadline: Duration) -> Result<Reply, RedisError> {
        match self.get_by_url(key, Encoding::Plain, deadline).await? {
            // Upstash has replaced what is not UTF-8.
            ByUrl::Replied(Reply::Text(text)) if !text.is_ascii() && text.contains('\u{fffd}') => {
                Ok(Reply::Bytes(text.into_bytes()))
            }
            ByUrl::Replied(reply) => Ok(reply),
            // In a box, so that what most lookups wait for is not as large.
            ByUrl::NotTaken(left) => {
                let replies = self.post(&[Command::get(key)], left).boxed_local().await?;
                replies.into_iter().next().ok_or(RedisError::BadReply)
            }
        }
    }
}

impl From<HttpError> for RedisError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable => Self::Unreachable,
            HttpError::Timeout(deadline) => Self::Timeout(deadline),
            HttpError::TooLarge(limit) => Self::ReplyTooLarge(limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::future::poll_fn;
    use std::slice;
    use std::task::Poll;

    use futures_executor::block_on;
    use futures_util::future::join;

    use super::*;

    type Answer = Result<(u16, &'static str), HttpError>;
    type Replied = Result<Reply, RedisError>;

    /// Answers in turn, and notes what was asked: method, URL, `base64` if for that, and the body.
    struct Scripted {
        answers: RefCell<VecDeque<Answer>>,
        asked: RefCell<Vec<String>>,
    }

    impl HttpClient for Scripted {
        async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
            let Request { method, url, headers, body, .. } = request;
            let headers = headers.as_lines();
            assert!(url.starts_with("https://embedded") || headers.contains("Bearer token"));
            let encoding =
                if headers.contains("upstash-encoding\nbase64\n") { " base64" } else { "" };
            let body = body.map(|body| format!(" {body}")).unwrap_or_default();
            self.asked.borrow_mut().push(format!("{method} {url}{encoding}{body}"));
            let (status, body) = self.answers.borrow_mut().pop_front().unwrap()?;
            Ok(Response { status, body: body.into(), headers: Vec::new() })
        }
    }

    /// What a client replies of keys, one after the other, and what it asked for that.
    fn ask(
        client: fn(&Scripted) -> Rest<&Scripted>,
        get: fn(&Rest<&Scripted>, &str) -> Replied,
        answers: &[Answer],
        keys: &[&str],
    ) -> (Vec<Replied>, Vec<String>) {
        let answers = RefCell::new(answers.iter().cloned().collect());
        let http = Scripted { answers, asked: RefCell::default() };
        let rest = client(&http);
        let replies = keys.iter().map(|key| get(&rest, key)).collect();
        assert!(http.answers.borrow().is_empty(), "{keys:?}");
        (replies, http.asked.take())
    }

    fn upstash(http: &Scripted) -> Rest<&Scripted> {
        Rest::new(http, "https://redis.example/base/", &Secret::new("token"))
    }

    fn embedded(http: &Scripted) -> Rest<&Scripted> {
        Rest::embedded(http, "https://embedded")
    }

    const PATIENCE: Duration = Duration::from_millis(5);

    fn get(rest: &Rest<&Scripted>, key: &str) -> Replied {
        block_on(rest.execute(&[Command::get(key)], PATIENCE))
            .map(|replies| <[Reply; 1]>::try_from(replies).unwrap().into_iter().next().unwrap())
    }

    fn get_ascii(rest: &Rest<&Scripted>, key: &str) -> Replied {
        block_on(rest.get_ascii(key, PATIENCE))
    }

    const BY_URL: &str = "GET https://redis.example/base/get/n:k base64";
    const ASCII_BY_URL: &str = "GET https://redis.example/base/get/n:k";
    const BY_BODY: &str = r#"POST https://redis.example/base/ base64 ["GET","n:k"]"#;

    const SLASH_BY_BODY: &str = r#"POST https://redis.example/base/ base64 ["GET","n/k"]"#;

    fn text(text: &str) -> Replied {
        Ok(Reply::Text(text.to_owned()))
    }

    #[test]
    fn answers_are_told_apart() {
        let in_all: [(Answer, Replied); 11] = [
            (Ok((200, r#"{"result":null}"#)), Ok(Reply::Nil)),
            (Ok((400, r#"{"error":"WRONGTYPE x"}"#)), Ok(Reply::Error("WRONGTYPE x".to_owned()))),
            (Ok((401, r#"{"error":"WRONGPASS"}"#)), Err(RedisError::Unauthorized)),
            (Ok((413, "")), Err(RedisError::Status(413))),
            (Ok((429, "")), Err(RedisError::Status(429))),
            (Ok((500, "<html>")), Err(RedisError::Status(500))),
            (Ok((302, "")), Err(RedisError::Status(302))),
            (Ok((200, "<html>")), Err(RedisError::BadReply)),
            (Ok((400, "<html>")), Err(RedisError::BadReply)),
            (Ok((200, r#"{"result":"v"#)), Err(RedisError::BadReply)),
            (Err(HttpError::Unreachable), Err(RedisError::Unreachable)),
        ];
        let in_base64 = [
            (Ok((200, r#"{"result":"dg=="}"#)), text("v")),
            (Ok((200, r#"{"result":"/w=="}"#)), Ok(Reply::Bytes(vec![255]))),
            (Ok((200, r#"{"result":"v"}"#)), Err(RedisError::BadReply)),
        ];
        for (answer, expected) in in_all.iter().chain(&in_base64) {
            for (key, request) in [("n:k", BY_URL), ("n/k", SLASH_BY_BODY)] {
                let (replies, asked) = ask(upstash, get, slice::from_ref(answer), &[key]);
                assert_eq!((replies, asked), (vec![expected.clone()], vec![request.into()]));
            }
        }
        let in_plain = [
            (Ok((200, r#"{"result":"dg=="}"#)), text("dg==")),
            (Ok((200, r#"{"result":"\u00fc"}"#)), text("ü")),
            (Ok((200, r#"{"result":"a\ufffd"}"#)), Ok(Reply::Bytes("a\u{fffd}".into()))),
        ];
        for (answer, expected) in in_all.iter().chain(&in_plain) {
            let (replies, asked) = ask(upstash, get_ascii, slice::from_ref(answer), &["n:k"]);
            assert_eq!((replies, asked), (vec![expected.clone()], vec![ASCII_BY_URL.into()]));
        }
    }

    #[test]
    fn a_server_that_knows_no_commands_in_urls_is_asked_in_bodies_from_then_on() {
        let (found, none) = (Ok((200, r#"{"result":"djE="}"#)), Ok((200, r#"{"result":null}"#)));
        let gets: [fn(&Rest<&Scripted>, &str) -> Replied; 2] = [get, get_ascii];
        for (get, by_url) in gets.into_iter().zip([BY_URL, ASCII_BY_URL]) {
            for status in [403, 404, 405, 414, 501] {
                let answers = [Ok((status, "{}")), found.clone(), none.clone()];
                let (replies, asked) = ask(upstash, get, &answers, &["n:k", "n:k"]);
                assert_eq!(replies, [text("v1"), Ok(Reply::Nil)]);
                assert_eq!(asked, [by_url, BY_BODY, BY_BODY]);
            }
            let answers = [Ok((404, "{}")), Ok((404, "{}"))];
            let (replies, _) = ask(upstash, get, &answers, &["n:k"]);
            assert_eq!(replies, [Err(RedisError::Status(404))]);
        }
    }

    #[test]
    fn a_server_that_has_taken_a_url_is_asked_in_no_other_way() {
        let (none, found) = (Ok((200, r#"{"result":null}"#)), Ok((200, r#"{"result":"djE="}"#)));
        let answers = [none, Ok((404, "{}")), found];
        let (replies, asked) = ask(upstash, get, &answers, &["n:k", "n:k", "n:k"]);
        assert_eq!(replies, [Ok(Reply::Nil), Err(RedisError::Status(404)), text("v1")]);
        assert_eq!(asked, [BY_URL, BY_URL, BY_URL]);
    }

    #[test]
    fn what_is_asked_again_in_a_body_has_what_is_left_of_the_deadline() {
        struct Slow(Cell<Option<Duration>>);
        impl HttpClient for Slow {
            async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
                if request.method == "POST" {
                    self.0.set(request.deadline);
                    return Err(HttpError::Unreachable);
                }
                std::thread::sleep(Duration::from_millis(50));
                Ok(Response { status: 404, ..Response::default() })
            }
        }
        let slow = Slow(Cell::default());
        for deadline in [2_000, 1] {
            let rest = Rest::new(&slow, "https://redis.example", &Secret::new("token"));
            let replied = block_on(rest.get_ascii("k", Duration::from_millis(deadline)));
            assert_eq!(replied, Err(RedisError::Unreachable));
            let left = slow.0.take().unwrap();
            assert!(left <= Duration::from_millis(deadline.saturating_sub(40)), "{left:?}");
        }
    }

    #[test]
    fn of_lookups_at_once_each_is_asked_again_and_the_next_is_not() {
        /// Lets others run before it answers.
        struct Yielding(RefCell<Vec<String>>);
        impl HttpClient for Yielding {
            async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
                self.0.borrow_mut().push(request.method.to_owned());
                let mut has_run = false;
                let others = poll_fn(|context| {
                    if std::mem::replace(&mut has_run, true) {
                        return Poll::Ready(());
                    }
                    context.waker().wake_by_ref();
                    Poll::Pending
                });
                others.await;
                let status = if request.method == "GET" { 404 } else { 200 };
                let body = r#"{"result":null}"#.into();
                Ok(Response { status, body, ..Response::default() })
            }
        }
        let http = Yielding(RefCell::default());
        let rest = Rest::new(&http, "https://redis.example", &Secret::new("token"));
        let both = join(rest.get_ascii("a", PATIENCE), rest.get_ascii("b", PATIENCE));
        assert_eq!(block_on(both), (Ok(Reply::Nil), Ok(Reply::Nil)));
        assert_eq!(block_on(rest.get_ascii("a", PATIENCE)), Ok(Reply::Nil));
        assert_eq!(http.0.take(), ["GET", "GET", "POST", "POST", "POST"]);
    }

    #[test]
    fn what_does_not_fit_a_url_goes_in_a_body() {
        let found = Ok((200, r#"{"result":"djE="}"#));
        let answers = [found.clone(), found];
        let (replies, asked) = ask(upstash, get, &answers, &["n/k", "n:k"]);
        assert_eq!(replies, [text("v1"), text("v1")]);
        assert_eq!(asked, [SLASH_BY_BODY, BY_URL]);
    }

    #[test]
    fn the_embedded_store_is_asked_in_bodies_and_in_plain() {
        for get in [get, get_ascii] {
            let answers = [Ok((200, r#"{"result":"v1"}"#))];
            let (replies, asked) = ask(embedded, get, &answers, &["n:k"]);
            assert_eq!(replies, [text("v1")]);
            assert_eq!(asked, [r#"POST https://embedded/ ["GET","n:k"]"#]);
        }
    }

    #[test]
    fn several_commands_are_one_pipeline() {
        let both = |rest: &Rest<&Scripted>, key: &str| {
            let commands = [Command::store(key, "v", None), Command::get(key)];
            let replies = block_on(rest.execute(&commands, PATIENCE));
            replies.map(Reply::Array)
        };
        let answers = [Ok((200, r#"[{"result":"OK"},{"error":"ERR x"}]"#))];
        let (replies, asked) = ask(upstash, both, &answers, &["k"]);
        let expected = vec![Reply::ok(), Reply::Error("ERR x".to_owned())];
        assert_eq!(replies, [Ok(Reply::Array(expected))]);
        assert_eq!(
            asked,
            [r#"POST https://redis.example/base/pipeline base64 [["SET","k","v"],["GET","k"]]"#]
        );
    }
}
