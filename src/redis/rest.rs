//! Redis over HTTP: a client for Upstash's REST dialect.

use std::cell::Cell;
use std::time::Duration;

use super::dialect::{
    ENCODING_HEADER, Encoding, read_replies, read_single, write_get, write_request,
};
use super::{Command, MAX_REPLY_BYTES, Redis, RedisError, Reply};
use crate::http::{Headers, HttpClient, HttpError, Request, Response, Secret};

/// A Redis behind Upstash's REST dialect.
#[derive(Debug)]
pub struct Rest<H> {
    http: H,
    command_url: String,
    pipeline_url: String,
    /// Those of a request that asks for that encoding.
    headers: Headers,
    encoding: Encoding,
    /// Those of a request that asks for none.
    plain_headers: Headers,
    /// How values are asked for that are ASCII or of no use.
    ascii_encoding: Cell<Encoding>,
}

impl<H: HttpClient> Rest<H> {
    /// A client for the Redis at `url`, which is asked for Base64: what is not UTF-8 in a value is then
    /// neither replaced nor an error of the server. What is ASCII needs no such thing, and is read faster
    /// without.
    pub fn new(http: H, url: &str, token: &Secret) -> Self {
        let headers = Headers::json().with_bearer(token);
        Self::with(http, url, headers, Encoding::Base64)
    }

    /// A client for a store that asks for no token and holds nothing but UTF-8: the embedded one.
    pub fn embedded(http: H, url: &str) -> Self {
        Self::with(http, url, Headers::json(), Encoding::Plain)
    }

    fn with(http: H, url: &str, plain_headers: Headers, encoding: Encoding) -> Self {
        let base = url.trim_end_matches('/');
        let headers = match encoding.to_header() {
            Some(value) => plain_headers.clone().with(ENCODING_HEADER, value),
            None => plain_headers.clone(),
        };
        Self {
            http,
            command_url: format!("{base}/"),
            pipeline_url: format!("{base}/pipeline"),
            headers,
            encoding,
            plain_headers,
            ascii_encoding: Cell::new(Encoding::Plain),
        }
    }

    async fn send(
        &self,
        url: &str,
        headers: &Headers,
        body: &str,
        deadline: Duration,
    ) -> Result<Response, RedisError> {
        let request = Request {
            method: "POST",
            url,
            headers,
            body: Some(body),
            deadline: Some(deadline),
            max_response_bytes: MAX_REPLY_BYTES,
            wanted: &[],
            // The server does the same to what it does not encode.
            is_lossy: true,
        };
        Ok(self.http.send(request).await?)
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
        let url = if commands.len() == 1 { &self.command_url } else { &self.pipeline_url };
        let response = self.send(url, &self.headers, &write_request(commands), deadline).await?;
        let body = body_of(&response)?;
        read_replies(body, commands.len(), self.encoding).ok_or(RedisError::BadReply)
    }

    async fn get_ascii(&self, key: &str, deadline: Duration) -> Result<Reply, RedisError> {
        let encoding = self.ascii_encoding.get();
        let headers = match encoding {
            Encoding::Plain => &self.plain_headers,
            Encoding::Base64 => &self.headers,
        };
        let response = self.send(&self.command_url, headers, &write_get(key), deadline).await?;
        if response.status == 500 {
            // serverless-redis-http fails so on what is not UTF-8. Of the next it shall say what it is.
            self.ascii_encoding.set(self.encoding);
        }
        let reply = read_single(body_of(&response)?, encoding).ok_or(RedisError::BadReply)?;
        Ok(match reply {
            // Upstash has replaced what is not UTF-8.
            Reply::Text(text) if !text.is_ascii() && text.contains('\u{fffd}') => {
                Reply::Bytes(text.into_bytes())
            }
            reply => reply,
        })
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

    /// Answers in turn, and notes whether it was asked for Base64.
    struct Scripted {
        answers: RefCell<Vec<(u16, &'static str)>>,
        encoded: RefCell<Vec<bool>>,
    }

    impl HttpClient for Scripted {
        async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
            self.encoded.borrow_mut().push(request.headers.as_lines().contains(ENCODING_HEADER));
            let (status, body) = self.answers.borrow_mut().remove(0);
            Ok(Response { status, body: body.into(), headers: Vec::new() })
        }
    }

    #[test]
    fn ascii_is_asked_for_in_plain_until_the_server_fails() {
        let text = |text: &str| Ok(Reply::Text(text.to_owned()));
        let script = [
            (200, r#"{"result":"djE="}"#, false, text("djE=")),
            (200, r#"{"result":"\u00fc"}"#, false, text("ü")),
            (200, r#"{"result":"a\ufffd"}"#, false, Ok(Reply::Bytes("a\u{fffd}".into()))),
            (503, "", false, Err(RedisError::Status(503))),
            (500, "", false, Err(RedisError::Status(500))),
            (200, r#"{"result":"/w=="}"#, true, Ok(Reply::Bytes(vec![255]))),
            (200, r#"{"result":"djE="}"#, true, text("v1")),
        ];
        let answers = script.iter().map(|(status, body, ..)| (*status, *body)).collect();
        let http = Scripted { answers: RefCell::new(answers), encoded: RefCell::default() };
        let rest = Rest::new(&http, "https://redis.example", &Secret::new("token"));
        for (_, body, is_encoded, expected) in script {
            let reply = block_on(rest.get_ascii("k", Duration::from_millis(5)));
            assert_eq!(reply, expected, "{body}");
            assert_eq!(http.encoded.borrow().last(), Some(&is_encoded), "{body}");
        }
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
