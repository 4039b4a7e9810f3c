//! Where requests begin and end in a stream of bytes, read strictly.
//!
//! hyper is lenient where RFC 9112 allows it: it takes a bare LF for a line's end, and drops
//! `Content-Length` when there is `Transfer-Encoding`. Another reader of the same bytes may see other
//! requests in them, which is how requests are smuggled. So everything that is not plainly framed is
//! refused before hyper sees it. What a request means is left to hyper.

use memchr::memchr;

/// Follows an HTTP/1 stream from line to line and body to body, an HTTP/2 stream from frame to frame.
/// HTTP/2 frames are never ambiguous; but a head that is dripped is one there, too.
#[derive(Debug, Default)]
pub(super) struct Framing {
    state: State,
    /// The beginning of a line, or of a frame's header, whose end has not come yet.
    line: Vec<u8>,
    head: Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Before a request's first byte.
    #[default]
    Between,
    RequestLine,
    Headers,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// HTTP/2, before a frame; `in_head` where those before it began a head that goes on.
    Frame {
        in_head: bool,
    },
    Payload {
        left: u64,
        in_head: bool,
        then_in_head: bool,
    },
}

/// What the head said so far about the body.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    content_length: Option<u64>,
    chunked: bool,
}

/// hyper allows as much for a whole head; a trailer or chunk size of that length is nonsense.
const MAX_LINE_BYTES: usize = super::MAX_HEAD_BYTES;

// Types of frames and a flag of theirs (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Not plainly framed; everything from this offset on must not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous(pub(super) usize);

impl Framing {
    /// Whether a head has begun that has not ended.
    pub(super) fn in_head(&self) -> bool {
        match self.state {
            State::RequestLine | State::Headers => true,
            State::Frame { in_head } => in_head || !self.line.is_empty(),
            State::Payload { in_head, .. } => in_head,
            _ => false,
        }
    }

    /// Reads what came next.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Ambiguous> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.state {
                State::Body(left) | State::Chunk(left) | State::Payload { left, .. } => {
                    let taken = left.min(rest.len() as u64);
                    self.skip(taken);
                    at += taken as usize;
                }
                State::Frame { in_head } => at += self.read_frame_header(rest, in_head),
                _ => match self.read_line(rest) {
                    Ok(taken) => at += taken,
                    Err(Ambiguous(k)) => return Err(Ambiguous(at + k)),
                },
            }
        }
        Ok(())
    }

    fn skip(&mut self, n: u64) {
        self.state = match self.state {
            State::Body(left) if left > n => State::Body(left - n),
            State::Chunk(left) if left > n => State::Chunk(left - n),
            State::Chunk(_) => State::ChunkEnd,
            State::Payload {
                left,
                in_head,
                then_in_head,
            } if left > n => State::Payload {
                left: left - n,
                in_head,
                then_in_head,
            },
            State::Payload { then_in_head, .. } => State::Frame {
                in_head: then_in_head,
            },
            _ => State::Between,
        };
    }

    /// Reads to the end of a line, or all if it does not end here; returns how many bytes.
    fn read_line(&mut self, bytes: &[u8]) -> Result<usize, Ambiguous> {
        if self.state == State::Between {
            self.state = State::RequestLine;
        }
        let Some(end) = memchr(b'\n', bytes) else {
            self.line.extend_from_slice(bytes);
            return match self.line.len() {
                0..MAX_LINE_BYTES => Ok(bytes.len()),
                _ if self.in_head() => Ok(bytes.len()), // hyper answers 431
                _ => Err(Ambiguous(0)),
            };
        };
        // Most lines come whole and are not copied.
        let earlier = std::mem::take(&mut self.line);
        let joined;
        let line = if earlier.is_empty() {
            &bytes[..end]
        } else {
            joined = [&earlier, &bytes[..end]].concat();
            &joined[..]
        };
        let line = line.strip_suffix(b"\r").ok_or(Ambiguous(end))?;
        self.state = self.after_line(line).ok_or(Ambiguous(end))?;
        Ok(end + 1)
    }

    /// Reads nine bytes (RFC 9113, 4.1), or what there is of them; returns how many.
    fn read_frame_header(&mut self, bytes: &[u8], in_head: bool) -> usize {
        let taken = bytes.len().min(9 - self.line.len());
        self.line.extend_from_slice(&bytes[..taken]);
        if let [a, b, c, kind, flags, _, _, _, _] = self.line[..] {
            self.line.clear();
            self.state = State::Payload {
                left: u32::from_be_bytes([0, a, b, c]).into(),
                in_head: kind != DATA,
                then_in_head: match kind {
                    HEADERS | CONTINUATION => flags & END_HEADERS == 0,
                    _ => in_head,
                },
            };
            // An empty payload ends at once.
            self.skip(0);
        }
        taken
    }

    /// The state after this line, or nothing if it is not plain.
    fn after_line(&mut self, line: &[u8]) -> Option<State> {
        if memchr(b'\r', line).is_some() {
            return None;
        }
        match self.state {
            // Some clients send an empty line after a body; RFC 9112, 2.2 lets it pass.
            State::RequestLine if line.is_empty() => Some(State::RequestLine),
            // What is left of the preface counts as a first frame's payload.
            State::RequestLine if line == b"PRI * HTTP/2.0" => Some(State::Payload {
                left: b"\r\nSM\r\n\r\n".len() as u64,
                in_head: true,
                then_in_head: false,
            }),
            State::RequestLine => {
                self.head = Head::default();
                Some(State::Headers)
            }
            State::Headers if line.is_empty() => Some(match self.head {
                Head { chunked: true, .. } => State::ChunkSize,
                Head {
                    content_length: Some(n @ 1..),
                    ..
                } => State::Body(n),
                _ => State::Between,
            }),
            State::Headers => {
                self.read_header(line)?;
                Some(State::Headers)
            }
            State::ChunkSize => match chunk_size(line)? {
                0 => Some(State::Trailers),
                n => Some(State::Chunk(n)),
            },
            State::ChunkEnd => line.is_empty().then_some(State::ChunkSize),
            State::Trailers if line.is_empty() => Some(State::Between),
            State::Trailers => Some(State::Trailers),
            State::Between
            | State::Body(_)
            | State::Chunk(_)
            | State::Frame { .. }
            | State::Payload { .. } => None,
        }
    }

    fn read_header(&mut self, line: &[u8]) -> Option<()> {
        let colon = memchr(b':', line)?;
        // Nearly all headers say nothing about the body, and are told by their first letter.
        if !matches!(line[0], b'C' | b'c' | b'T' | b't') {
            return Some(());
        }
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let is_first = self.head.content_length.is_none() && !self.head.chunked;
            self.head.content_length = Some(decimal(value).filter(|_| is_first)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_first = self.head.content_length.is_none() && !self.head.chunked;
            self.head.chunked = is_first && value.eq_ignore_ascii_case(b"chunked");
            return self.head.chunked.then_some(());
        }
        Some(())
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    // `parse` would take a sign.
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()?
        .parse()
        .ok()
        .filter(|_| digits)
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|b| matches!(b, b';' | b' ' | b'\t'));
    let digits = &line[..end.unwrap_or(line.len())];
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a stream in pieces of this size; how many bytes were plain, if not all.
    fn read(stream: &[u8], piece: usize) -> Result<Framing, usize> {
        let mut framing = Framing::default();
        let mut before = 0;
        for piece in stream.chunks(piece) {
            let read = framing.read(piece);
            read.map_err(|Ambiguous(at)| before + at)?;
            before += piece.len();
        }
        Ok(framing)
    }

    const PLAIN: &[u8] = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na\nb\
        \r\nPOST /b HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n3;x=y\r\na\nb\r\n0\r\nT: u\r\n\r\n\
        GET /c HTTP/1.1\r\nHost: x\r\n\r\n";

    #[test]
    fn plain_requests_pass_however_they_are_cut() {
        for piece in 1..PLAIN.len() {
            assert!(
                read(PLAIN, piece).unwrap().state == State::Between,
                "{piece}"
            );
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let head = "POST / HTTP/1.1\r\nHost: x\r\n";
        for rest in [
            "A: b\n\r\n",
            "A: b\rC: d\r\n\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            "Transfer-Encoding: gzip, chunked\r\n\r\n",
            "Transfer-Encoding: identity\r\n\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "Content-Length: +1\r\n\r\n",
            "Content-Length: 1, 1\r\n\r\n",
            "Content-Length: \r\n\r\n",
            "no colon\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\nx\r\n",
            "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
            "Transfer-Encoding: chunked\r\n\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n1\n",
            "Transfer-Encoding: chunked\r\n\r\n1\r\naa\r\n",
            "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        ] {
            let stream = format!("{head}{rest}");
            let refused = read(stream.as_bytes(), stream.len()).unwrap_err();
            assert!(refused >= head.len(), "{rest:?} at {refused}");
            assert_eq!(read(stream.as_bytes(), 1).unwrap_err(), refused, "{rest:?}");
        }
    }

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let header = [0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1];
        [&header, payload].concat()
    }

    #[test]
    fn a_head_in_http_2_lasts_from_its_first_byte_to_its_last_frame() {
        let settings = frame(4, 0, b"");
        let whole = frame(HEADERS, END_HEADERS, b"\n\nx");
        let begun = frame(HEADERS, 0, b"\n");
        let ended = frame(CONTINUATION, END_HEADERS, b"x");
        let data = frame(DATA, 0, b"abc");
        for (frames, in_head) in [
            (vec![], false),
            (vec![&settings[..]], false),
            (vec![&settings, &whole], false),
            (vec![&settings, &whole[..5]], true),
            (vec![&whole[..10]], true),
            (vec![&whole, &data[..10]], false),
            (vec![&begun], true),
            (vec![&begun, &ended], false),
        ] {
            let stream = [&[PREFACE][..], &frames].concat().concat();
            for piece in 1..=stream.len() {
                let framing = read(&stream, piece).unwrap();
                assert_eq!(framing.in_head(), in_head, "{frames:?} by {piece}");
            }
        }
        assert!(read(&PREFACE[..20], 20).unwrap().in_head());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_the_same_in_one_piece_or_many(
            mut tail: Vec<u8>, cut in 0..PLAIN.len(), http_2: bool, piece in 1_usize..64,
        ) {
            let mut stream = if http_2 { PREFACE.to_vec() } else { PLAIN[..cut].to_vec() };
            stream.append(&mut tail);
            let (whole, pieces) = (read(&stream, stream.len().max(1)), read(&stream, piece));
            prop_assert_eq!(whole.map(|f| f.state), pieces.map(|f| f.state));
        }
    }
}
