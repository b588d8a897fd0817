//! Redis over HTTP: a client for Upstash's REST dialect.

use std::cell::Cell;
use std::time::Duration;

use futures_util::FutureExt;

use super::dialect::{
    BASE64, ENCODING_HEADER, Encoding, read_replies, read_single, url_of_get, write_request,
};
use super::{Command, MAX_REPLY_BYTES, Redis, RedisError, Reply};
use crate::http::{Headers, HttpClient, HttpError, Request, Response, Secret};

/// A Redis behind Upstash's REST dialect.
#[derive(Debug)]
pub struct Rest<H> {
    http: H,
    /// Without a slash at its end.
    server: String,
    /// Those of a request with a body.
    headers: Headers,
    encoding: Encoding,
    /// Those of a request that is all in its URL. It asks for no encoding.
    url_headers: Headers,
    /// Whether the server may know commands in URLs.
    takes_urls: Cell<bool>,
}

impl<H: HttpClient> Rest<H> {
    /// A client for the Redis at `url`, which is asked for Base64: what is not UTF-8 in a value is then
    /// neither replaced nor an error of the server. What is ASCII needs no such thing, and is asked for in
    /// a URL, which costs less.
    pub fn new(http: H, url: &str, token: &Secret) -> Self {
        Self {
            http,
            server: url.trim_end_matches('/').to_owned(),
            headers: Headers::json().with_bearer(token).with(ENCODING_HEADER, BASE64),
            encoding: Encoding::Base64,
            url_headers: Headers::default().with_bearer(token),
            takes_urls: Cell::new(true),
        }
    }

    /// A client for a store that asks for no token, holds nothing but UTF-8 and takes commands in bodies
    /// only: the embedded one.
    pub fn embedded(http: H, url: &str) -> Self {
        Self {
            http,
            server: url.trim_end_matches('/').to_owned(),
            headers: Headers::json(),
            encoding: Encoding::Plain,
            url_headers: Headers::default(),
            takes_urls: Cell::new(false),
        }
    }

    /// Sends a request, with what it has to say in its body or in its URL.
    async fn send(
        &self,
        url: &str,
        body: Option<&str>,
        deadline: Duration,
    ) -> Result<Response, RedisError> {
        let (method, headers) = match body {
            Some(_) => ("POST", &self.headers),
            None => ("GET", &self.url_headers),
        };
        let request = Request {
            method,
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

    /// The reply to a `GET` in a URL. None when the key cannot stand there, or the server does not know of
    /// such requests.
    async fn get_by_url(&self, key: &str, deadline: Duration) -> Result<Option<Reply>, RedisError> {
        if !self.takes_urls.get() {
            return Ok(None);
        }
        let Some(url) = url_of_get(&self.server, key) else { return Ok(None) };
        let response = self.send(&url, None, deadline).await?;
        if matches!(response.status, 404 | 405) {
            self.takes_urls.set(false);
            return Ok(None);
        }
        let reply = read_single(body_of(&response)?, Encoding::Plain);
        Ok(Some(match reply.ok_or(RedisError::BadReply)? {
            // Upstash has replaced what is not UTF-8.
            Reply::Text(text) if !text.is_ascii() && text.contains('\u{fffd}') => {
                Reply::Bytes(text.into_bytes())
            }
            reply => reply,
        }))
    }

    /// The reply to a `GET` in a body.
    async fn get_by_body(&self, key: &str, deadline: Duration) -> Result<Reply, RedisError> {
        let replies = self.execute(&[Command::get(key)], deadline).await?;
        replies.into_iter().next().ok_or(RedisError::BadReply)
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
        let path = if commands.len() == 1 { "/" } else { "/pipeline" };
        let url = [&*self.server, path].concat();
        let response = self.send(&url, Some(&write_request(commands)), deadline).await?;
        let body = body_of(&response)?;
        read_replies(body, commands.len(), self.encoding).ok_or(RedisError::BadReply)
    }

    async fn get_ascii(&self, key: &str, deadline: Duration) -> Result<Reply, RedisError> {
        match self.get_by_url(key, deadline).await? {
            Some(reply) => Ok(reply),
            // In a box, so that what most lookups wait for is not as large.
            None => self.get_by_body(key, deadline).boxed_local().await,
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

    use futures_executor::block_on;

    use super::*;
    use crate::http::Response;

    /// Answers every request with the same, and keeps what was asked.
    struct Canned {
        answer: Result<Response, HttpError>,
        asked: RefCell<Vec<(String, String)>>,
    }

    impl HttpClient for Canned {
        async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
            self.asked
                .borrow_mut()
                .push((request.url.to_owned(), request.body.unwrap_or_default().to_owned()));
            self.answer.clone()
        }
    }

    fn get(answer: Result<(u16, &str), HttpError>) -> Result<Vec<Reply>, RedisError> {
        let answer = answer.map(|(status, body)| Response {
            status,
            body: body.into(),
            headers: Vec::new(),
        });
        let canned = Canned { answer, asked: RefCell::default() };
        let rest = Rest::new(&canned, "https://redis.example/base/", &Secret::new("token"));
        let replies = block_on(rest.execute(&[Command::get("k")], Duration::from_millis(5)));
        let asked = canned.asked.borrow();
        let expected = ("https://redis.example/base/".to_owned(), r#"["GET","k"]"#.to_owned());
        assert_eq!(*asked, [expected], "one round trip");
        replies
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(get(Ok((200, r#"{"result":"dg=="}"#))), Ok(vec![Reply::Text("v".to_owned())]));
        assert_eq!(get(Ok((200, r#"{"result":"/w=="}"#))), Ok(vec![Reply::Bytes(vec![255])]));
        assert_eq!(get(Ok((200, r#"{"result":"v"}"#))), Err(RedisError::BadReply));
        assert_eq!(get(Ok((200, r#"{"result":null}"#))), Ok(vec![Reply::Nil]));
        let wrong_type = "WRONGTYPE Operation against a key";
        assert_eq!(
            get(Ok((400, &format!(r#"{{"error":"{wrong_type}"}}"#)))),
            Ok(vec![Reply::Error(wrong_type.to_owned())])
        );
        assert_eq!(get(Ok((401, r#"{"error":"WRONGPASS"}"#))), Err(RedisError::Unauthorized));
        assert_eq!(get(Ok((500, "<html>"))), Err(RedisError::Status(500)));
        assert_eq!(get(Ok((302, ""))), Err(RedisError::Status(302)));
        assert_eq!(get(Ok((200, "<html>"))), Err(RedisError::BadReply));
        assert_eq!(get(Ok((400, "<html>"))), Err(RedisError::BadReply));
        assert_eq!(get(Ok((200, r#"{"result":"v"#))), Err(RedisError::BadReply));
        assert_eq!(get(Err(HttpError::Unreachable)), Err(RedisError::Unreachable));
    }

    /// Answers in turn, and notes what it was asked: the method, the URL, whether for Base64.
    struct Scripted {
        answers: RefCell<Vec<(u16, &'static str)>>,
        asked: RefCell<Vec<(String, bool)>>,
    }

    impl Scripted {
        fn new(answers: &[(u16, &'static str)]) -> Self {
            Self { answers: RefCell::new(answers.to_vec()), asked: RefCell::default() }
        }
    }

    impl HttpClient for Scripted {
        async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
            let Request { method, url, headers, body, .. } = request;
            assert_eq!(body.is_some(), method == "POST");
            let encoded = headers.as_lines().contains(ENCODING_HEADER);
            self.asked.borrow_mut().push((format!("{method} {url}"), encoded));
            let (status, body) = self.answers.borrow_mut().remove(0);
            Ok(Response { status, body: body.into(), headers: Vec::new() })
        }
    }

    /// What a client answers of keys, one after the other, and how it asked.
    fn get_ascii(
        client: fn(&Scripted) -> Rest<&Scripted>,
        answers: &[(u16, &'static str)],
        keys: &[&str],
    ) -> (Vec<Result<Reply, RedisError>>, Vec<(String, bool)>) {
        let http = Scripted::new(answers);
        let rest = client(&http);
        let get = |key: &&str| block_on(rest.get_ascii(key, Duration::from_millis(5)));
        let replies = keys.iter().map(get).collect();
        assert!(http.answers.borrow().is_empty(), "{keys:?}");
        (replies, http.asked.take())
    }

    fn upstash(http: &Scripted) -> Rest<&Scripted> {
        Rest::new(http, "https://redis.example/", &Secret::new("token"))
    }

    fn embedded(http: &Scripted) -> Rest<&Scripted> {
        Rest::embedded(http, "https://redis.example")
    }

    fn asked(requests: &[(&str, bool)]) -> Vec<(String, bool)> {
        requests.iter().map(|(request, encoded)| ((*request).to_owned(), *encoded)).collect()
    }

    const BY_URL: (&str, bool) = ("GET https://redis.example/get/n%3Ak", false);
    const BY_BODY: (&str, bool) = ("POST https://redis.example/", true);

    fn text(text: &str) -> Result<Reply, RedisError> {
        Ok(Reply::Text(text.to_owned()))
    }

    #[test]
    fn ascii_is_asked_for_in_a_url_and_in_plain() {
        for (status, body, expected) in [
            (200, r#"{"result":"djE="}"#, text("djE=")),
            (200, r#"{"result":null}"#, Ok(Reply::Nil)),
            (200, r#"{"result":"\u00fc"}"#, text("ü")),
            (200, r#"{"result":"a\ufffd"}"#, Ok(Reply::Bytes("a\u{fffd}".into()))),
            (400, r#"{"error":"WRONGTYPE x"}"#, Ok(Reply::Error("WRONGTYPE x".to_owned()))),
            (401, "", Err(RedisError::Unauthorized)),
            (429, "", Err(RedisError::Status(429))),
            (500, "", Err(RedisError::Status(500))),
            (200, "<html>", Err(RedisError::BadReply)),
        ] {
            let answers = [(status, body), (200, r#"{"result":null}"#)];
            let (replies, requests) = get_ascii(upstash, &answers, &["n:k", "n:k"]);
            assert_eq!(replies, [expected, Ok(Reply::Nil)], "{body}");
            assert_eq!(requests, asked(&[BY_URL, BY_URL]), "{body}");
        }
    }

    #[test]
    fn a_server_that_takes_no_commands_in_urls_is_asked_in_bodies_from_then_on() {
        let (found, none) = ((200, r#"{"result":"djE="}"#), (200, r#"{"result":null}"#));
        for status in [404, 405] {
            let answers = [(status, "{}"), found, none];
            let (replies, requests) = get_ascii(upstash, &answers, &["n:k", "n:k"]);
            assert_eq!(replies, [text("v1"), Ok(Reply::Nil)]);
            assert_eq!(requests, asked(&[BY_URL, BY_BODY, BY_BODY]));
        }
        let (replies, _) = get_ascii(upstash, &[(404, "{}"), (404, "{}")], &["n:k"]);
        assert_eq!(replies, [Err(RedisError::Status(404))]);
    }

    #[test]
    fn what_does_not_fit_a_url_goes_in_a_body() {
        let answers = [(200, r#"{"result":"djE="}"#), (200, r#"{"result":"v1"}"#)];
        let (replies, requests) = get_ascii(upstash, &answers, &["n/k", "n:k"]);
        assert_eq!(replies, [text("v1"), text("v1")]);
        assert_eq!(requests, asked(&[BY_BODY, BY_URL]));

        let (replies, requests) = get_ascii(embedded, &[(200, r#"{"result":"v1"}"#)], &["n:k"]);
        assert_eq!(replies, [text("v1")]);
        assert_eq!(requests, asked(&[(BY_BODY.0, false)]));
    }

    #[test]
    fn several_commands_are_one_pipeline() {
        let body = br#"[{"result":"OK"},{"error":"ERR x"}]"#.to_vec();
        let canned = Canned {
            answer: Ok(Response { status: 200, body, headers: Vec::new() }),
            asked: RefCell::default(),
        };
        let rest = Rest::embedded(&canned, "https://redis.example");
        let commands = [Command::store("k", "v", None), Command::get("k")];
        let replies = block_on(rest.execute(&commands, Duration::from_millis(5)));
        assert_eq!(replies, Ok(vec![Reply::ok(), Reply::Error("ERR x".to_owned())]));
        assert_eq!(canned.asked.borrow().first().unwrap().0, "https://redis.example/pipeline");
    }
}
