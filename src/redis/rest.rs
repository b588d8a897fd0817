//! Redis over HTTP: a client for Upstash's REST dialect.

use std::time::Duration;

use super::dialect::{ENCODING_HEADER, Encoding, read_replies, write_request};
use super::{Command, MAX_REPLY_BYTES, Redis, RedisError, Reply};
use crate::http::{Headers, HttpClient, HttpError, Request, Secret};

/// A Redis behind Upstash's REST dialect.
#[derive(Debug)]
pub struct Rest<H> {
    http: H,
    command_url: String,
    pipeline_url: String,
    headers: Headers,
    encoding: Encoding,
}

impl<H: HttpClient> Rest<H> {
    /// A client for the Redis at `url`, which is asked for Base64: what is not UTF-8 in a value is then
    /// neither replaced nor an error of the server.
    pub fn new(http: H, url: &str, token: &Secret) -> Self {
        let headers = Headers::json().with_bearer(token);
        Self::with(http, url, headers, Encoding::Base64)
    }

    /// A client for a store that asks for no token and holds nothing but UTF-8: the embedded one.
    pub fn embedded(http: H, url: &str) -> Self {
        Self::with(http, url, Headers::json(), Encoding::Plain)
    }

    fn with(http: H, url: &str, headers: Headers, encoding: Encoding) -> Self {
        let base = url.trim_end_matches('/');
        let headers = match encoding.to_header() {
            Some(value) => headers.with(ENCODING_HEADER, value),
            None => headers,
        };
        Self {
            http,
            command_url: format!("{base}/"),
            pipeline_url: format!("{base}/pipeline"),
            headers,
            encoding,
        }
    }
}

impl<H: HttpClient> Redis for Rest<H> {
    async fn execute(
        &self,
        commands: &[Command<'_>],
        deadline: Duration,
    ) -> Result<Vec<Reply>, RedisError> {
        let single = commands.len() == 1;
        let request = Request {
            method: "POST",
            url: if single { &self.command_url } else { &self.pipeline_url },
            headers: &self.headers,
            body: Some(&write_request(commands)),
            deadline: Some(deadline),
            max_response_bytes: MAX_REPLY_BYTES,
            wanted: &[],
            // The server does the same to what it does not encode.
            is_lossy: true,
        };
        let response = self.http.send(request).await?;
        match response.status {
            401 | 403 => return Err(RedisError::Unauthorized),
            // A single command that Redis refuses is a 400 with its error.
            200 | 400 => {}
            status => return Err(RedisError::Status(status)),
        }
        let body = std::str::from_utf8(&response.body).map_err(|_| RedisError::BadReply)?;
        read_replies(body, commands.len(), self.encoding).ok_or(RedisError::BadReply)
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
