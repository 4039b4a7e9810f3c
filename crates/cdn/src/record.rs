//! A stored answer as a file: checksums of what follows, a line of JSON, the body.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::config::CacheConfig;
use crate::freshness::Birth;
use crate::head::{Head, Stored};
use crate::key::Key;
use crate::vary::Vary;

/// Written as JSON no head is longer: answers' heads are up to 128 KiB.
const MOST_HEAD_BYTES: u64 = 1 << 20;

/// Two checksums in hexadecimal, of the line of JSON and of the body.
const SUMS_BYTES: usize = 18;

/// While it is written.
pub(crate) const PARTIAL: &str = "partial";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) key: Key,
    status: u16,
    /// Values in Latin-1, as any byte may be in them.
    headers: Vec<(String, String)>,
    vary: Vary,
    pub(crate) birth: Birth,
    length: u64,
}

impl Record {
    fn of(key: &Key, stored: &Stored) -> Record {
        let latin = |value: &HeaderValue| value.as_bytes().iter().map(|b| char::from(*b)).collect();
        let headers = stored.head.headers.iter();
        Record {
            key: key.clone(),
            status: stored.head.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.as_str().to_owned(), latin(value)))
                .collect(),
            vary: stored.head.vary.clone(),
            birth: stored.head.birth,
            length: stored.body.len() as u64,
        }
    }

    /// What it is good for is worked out anew, as the rules may have changed.
    pub(crate) fn head(&self, config: &CacheConfig) -> Option<Head> {
        let sets_cookie = self.headers.iter().any(|(name, _)| name == "set-cookie");
        if sets_cookie && !config.store_set_cookie {
            return None;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let bytes: Option<Vec<u8>> = value
                .chars()
                .map(|c| u8::try_from(u32::from(c)).ok())
                .collect();
            headers.append(
                name.parse::<HeaderName>().ok()?,
                HeaderValue::from_bytes(&bytes?).ok()?,
            );
        }
        let status = StatusCode::from_u16(self.status).ok()?;
        Some(Head::restored(
            &self.key,
            status,
            headers,
            self.vary.clone(),
            self.birth,
            config,
        ))
    }
}

/// Writes a file, which is not there before it is published.
pub(crate) fn write(path: &Path, key: &Key, stored: &Stored) -> io::Result<u64> {
    let mut json = serde_json::to_vec(&Record::of(key, stored))?;
    json.push(b'\n');
    let sums = [crc32fast::hash(&json), crc32fast::hash(&stored.body)];
    let mut file = std::fs::File::create(path.with_extension(PARTIAL))?;
    writeln!(file, "{:08x} {:08x}", sums[0], sums[1])?;
    file.write_all(&json)?;
    file.write_all(&stored.body)?;
    Ok((SUMS_BYTES + json.len() + stored.body.len()) as u64)
}

/// From now on it is there as a whole.
pub(crate) fn publish(path: &Path) -> io::Result<()> {
    std::fs::rename(path.with_extension(PARTIAL), path)
}

pub(crate) fn discard(path: &Path) {
    // What stays goes at the next start.
    let _ = std::fs::remove_file(path.with_extension(PARTIAL));
}

/// What a file says of itself, and how many bytes it has.
pub(crate) fn read_head(path: &Path) -> io::Result<(Record, u64)> {
    let file = std::fs::File::open(path)?;
    let bytes = file.metadata()?.len();
    let (record, _) = head_of(&mut BufReader::new(file), bytes)?;
    Ok((record, bytes))
}

/// All of it, if it is what was written.
pub(crate) fn read(path: &Path, head: Arc<Head>) -> io::Result<Stored> {
    let file = std::fs::File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let (record, sum) = head_of(&mut reader, bytes)?;
    let mut body = Vec::with_capacity(usize::try_from(record.length).unwrap_or(0));
    reader.read_to_end(&mut body)?;
    if crc32fast::hash(&body) != sum {
        return Err(not_what_was_written());
    }
    let body = Bytes::from(body);
    Ok(Stored { head, body })
}

/// And the checksum that its body has to have.
fn head_of(reader: &mut impl BufRead, bytes: u64) -> io::Result<(Record, u32)> {
    let mut sums = [0; SUMS_BYTES];
    reader.read_exact(&mut sums)?;
    let sums = std::str::from_utf8(&sums)
        .ok()
        .and_then(|line| line.trim_end().split_once(' '));
    let parse = |sum: &str| u32::from_str_radix(sum, 16).ok();
    let sums = sums.and_then(|(json, body)| Some((parse(json)?, parse(body)?)));
    let (of_json, of_body) = sums.ok_or_else(not_what_was_written)?;
    let mut line = Vec::new();
    reader.take(MOST_HEAD_BYTES).read_until(b'\n', &mut line)?;
    if crc32fast::hash(&line) != of_json {
        return Err(not_what_was_written());
    }
    let record: Record = serde_json::from_slice(&line)?;
    let whole = record.length.checked_add((SUMS_BYTES + line.len()) as u64);
    match whole == Some(bytes) {
        true => Ok((record, of_body)),
        false => Err(not_what_was_written()),
    }
}

fn not_what_was_written() -> io::Error {
    io::Error::other("not what was written")
}
