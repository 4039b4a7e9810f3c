//! A CDN and the origin behind it.

use testkit::Process;
pub(crate) use testkit::raw::*;

const BINARY: &str = env!("CARGO_BIN_EXE_cdn");

/// A CDN before this origin, ready. `cache` is its `[cache]`.
pub(crate) fn cdn(origin: &Backend, cache: &str) -> Process {
    started(Process::start(BINARY, &configuration(origin, cache)))
}

pub(crate) fn configuration(origin: &Backend, cache: &str) -> String {
    format!(
        "upstreams.address = [\"{}\"]\nupstreams.slow_start = \"0s\"\n[cache]\n{cache}\n",
        origin.address
    )
}

/// Runs it with a configuration that it must refuse; what it says.
pub(crate) fn refused(config: &str) -> (Option<i32>, String) {
    let output = Process::refused(BINARY, config);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

/// An answer with these fields and this body.
pub(crate) fn answer(fields: &str, body: &str) -> Act {
    Act::Send(said(200, fields, body))
}

pub(crate) fn said(status: u16, fields: &str, body: &str) -> Vec<u8> {
    let length = match status {
        304 => String::new(),
        _ => format!("content-length: {}\r\n", body.len()),
    };
    let fields: String = fields
        .split('\n')
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .map(|field| format!("{field}\r\n"))
        .collect();
    format!("HTTP/1.1 {status} said\r\n{length}{fields}\r\n{body}").into_bytes()
}

/// An origin that gives each request a number, as the answer's body, with these fields.
pub(crate) fn numbering(fields: &'static str) -> Backend {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Backend::start(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        answer(fields, &number.to_string())
    })
}

/// Asks with these fields, and more than one line of them if need be.
pub(crate) fn ask(cdn: &Process, method: &str, path: &str, fields: &str) -> Answer {
    let fields: String = fields
        .split('\n')
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .map(|field| format!("{field}\r\n"))
        .collect();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{fields}\r\n");
    Answer::of(&exchange(cdn, request))
}

pub(crate) fn fetch(cdn: &Process, path: &str) -> Answer {
    ask(cdn, "GET", path, "")
}

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn of(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let fields = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        Answer {
            status: status(text),
            fields: fields
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// What the cache says of it.
    pub(crate) fn cache(&self) -> &str {
        self.field("cache-status").unwrap_or("nothing")
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.cache().contains("; hit")
    }
}

pub(crate) fn purge(cdn: &Process, what: &str) -> Answer {
    let request = format!(
        "POST /purge HTTP/1.1\r\nhost: cdn\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{what}",
        what.len()
    );
    let mut stream = connect_to(cdn.admin());
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("it reads");
    Answer::of(&read_to_end(&mut stream))
}
