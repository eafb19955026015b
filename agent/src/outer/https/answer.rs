//! What a web server says (RFC 9112), as far as it has come.

/// Largest status line with headers.
const HEAD_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 100;
/// Answers before the answer, which servers may send and hardly any does.
const HINTS_MAX: usize = 8;

/// A whole answer. Its body counts where the status is 200, and is left out otherwise.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is no HTTP.
    Form,
    /// It is more than was asked for.
    Length,
}

/// How the end of a body is found (RFC 9112, 6.3).
enum End {
    Length(usize),
    Chunks,
    Connection,
}

/// The answer in `bytes`; none: more has to come. `is_end`: nothing more will. A body may have
/// `limit` bytes.
pub(super) fn parse(bytes: &[u8], is_end: bool, limit: usize) -> Result<Option<Answer>, Wrong> {
    let mut bytes = bytes;
    for _ in 0..HINTS_MAX {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() > HEAD_MAX => return Err(Wrong::Length),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Wrong::Form),
        };
        let (_, rest) = bytes.split_at(length);
        let status = response.code.unwrap_or_default();
        if (100..=199).contains(&status) {
            bytes = rest;
            continue;
        }
        let value = |name: &str| {
            let mut headers = response.headers.iter();
            let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok().map(str::trim)
        };
        if status != 200 {
            return Ok(Some(Answer {
                status,
                location: value("Location").map(str::to_owned),
                body: Vec::new(),
            }));
        }
        let end = match (value("Transfer-Encoding"), value("Content-Length")) {
            (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => End::Chunks,
            (Some(_), _) => return Err(Wrong::Form),
            (None, Some(length)) => End::Length(length.parse().map_err(|_| Wrong::Form)?),
            (None, None) => End::Connection,
        };
        let body = body(rest, &end, is_end, limit)?;
        return Ok(body.map(|body| Answer {
            status,
            location: None,
            body,
        }));
    }
    Err(Wrong::Form)
}

fn body(rest: &[u8], end: &End, is_end: bool, limit: usize) -> Result<Option<Vec<u8>>, Wrong> {
    match end {
        End::Length(length) if *length > limit => Err(Wrong::Length),
        End::Length(length) => Ok(rest.get(..*length).map(<[u8]>::to_vec)),
        End::Chunks => chunks(rest, limit),
        End::Connection if rest.len() > limit => Err(Wrong::Length),
        End::Connection => Ok(is_end.then(|| rest.to_vec())),
    }
}

/// Puts chunks together (RFC 9112, 7.1); what follows the last one is left alone.
fn chunks(mut rest: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Wrong> {
    /// Most bytes of what is told with a chunk.
    const LINE_MAX: usize = 256;
    let mut body = Vec::new();
    loop {
        let (line, length) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete((line, length))) => (line, length),
            Ok(httparse::Status::Partial) if rest.len() > LINE_MAX => return Err(Wrong::Form),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Wrong::Form),
        };
        if length == 0 {
            return Ok(Some(body));
        }
        let length = usize::try_from(length).map_err(|_| Wrong::Length)?;
        if length > limit - body.len() {
            return Err(Wrong::Length);
        }
        let (Some(chunk), Some(behind)) = (
            rest.get(line..line + length),
            rest.get(line + length..line + length + 2),
        ) else {
            return Ok(None);
        };
        if behind != b"\r\n" {
            return Err(Wrong::Form);
        }
        body.extend_from_slice(chunk);
        rest = &rest[line + length + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 10;

    fn body(text: &str) -> Result<Option<String>, Wrong> {
        let answer = parse(text.as_bytes(), true, LIMIT)?;
        Ok(answer.map(|answer| String::from_utf8(answer.body).expect("UTF-8")))
    }

    #[test]
    fn a_body_ends_by_length_by_chunks_or_with_the_connection() {
        let length = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
                      3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        let bare = "HTTP/1.0 200 OK\r\n\r\nhello";
        let hinted = format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{length}");
        for text in [length, chunks, bare, &hinted] {
            assert_eq!(body(text), Ok(Some("hello".into())), "{text}");
        }
        for text in [length, chunks, &hinted] {
            for cut in 0..text.len() {
                let all_of_body = text == chunks && cut >= text.len() - 2;
                let parsed = parse(&text.as_bytes()[..cut], true, LIMIT);
                assert_eq!(
                    parsed.expect("is good so far").is_some(),
                    all_of_body,
                    "{cut}"
                );
            }
        }
        assert_eq!(parse(bare.as_bytes(), false, LIMIT), Ok(None));
    }

    #[test]
    fn a_body_has_its_limit_and_not_one_byte_more() {
        for length in [LIMIT, LIMIT + 1] {
            let text = "x".repeat(length);
            let expected = if length == LIMIT {
                Ok(Some(text.clone()))
            } else {
                Err(Wrong::Length)
            };
            for answer in [
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}"),
                format!("HTTP/1.1 200 OK\r\n\r\n{text}"),
                format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                     1\r\nx\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                    length - 1,
                    "x".repeat(length - 1)
                ),
            ] {
                assert_eq!(body(&answer), expected, "{answer}");
            }
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_MAX));
        assert_eq!(body(&endless), Err(Wrong::Length));
    }

    #[test]
    fn what_is_no_answer_is_named_and_other_answers_say_where_to_go() {
        for wrong in [
            "SSH-2.0-OpenSSH",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n",
            &"HTTP/1.1 100 Continue\r\n\r\n".repeat(HINTS_MAX),
        ] {
            assert_eq!(body(wrong), Err(Wrong::Form), "{wrong}");
        }
        let moved = "HTTP/1.1 302 Found\r\nLocation: https://b.example/ \r\n\r\n";
        let answer = parse(moved.as_bytes(), false, LIMIT).expect("is good");
        let answer = answer.expect("is whole");
        assert_eq!(
            (answer.status, answer.location.as_deref()),
            (302, Some("https://b.example/"))
        );
    }
}
