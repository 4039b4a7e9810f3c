//! A stored answer as a file: a line of JSON, and the body.

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

/// No head is longer: proxies take 16 KiB.
const MOST_HEAD_BYTES: u64 = 256 << 10;

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
    crc: u32,
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
            crc: crc32fast::hash(&stored.body),
        }
    }

    /// How long it is good for is worked out anew, as the rules may have changed.
    pub(crate) fn head(&self, config: &CacheConfig) -> Option<Head> {
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

/// Writes a file that is there as a whole or not at all.
pub(crate) fn write(path: &Path, key: &Key, stored: &Stored) -> io::Result<u64> {
    let mut bytes = serde_json::to_vec(&Record::of(key, stored))?;
    bytes.push(b'\n');
    let partial = path.with_extension(PARTIAL);
    let mut file = std::fs::File::create(&partial)?;
    file.write_all(&bytes)?;
    file.write_all(&stored.body)?;
    drop(file);
    std::fs::rename(&partial, path)?;
    Ok(bytes.len() as u64 + stored.body.len() as u64)
}

/// What a file says of itself, and how many bytes it has.
pub(crate) fn read_head(path: &Path) -> io::Result<(Record, u64)> {
    let file = std::fs::File::open(path)?;
    let bytes = file.metadata()?.len();
    let record = head_of(&mut BufReader::new(file), bytes)?;
    Ok((record, bytes))
}

/// All of it, if it is what was written.
pub(crate) fn read(path: &Path, head: Arc<Head>) -> io::Result<Stored> {
    let file = std::fs::File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let record = head_of(&mut reader, bytes)?;
    let mut body = Vec::with_capacity(record.length as usize);
    reader.read_to_end(&mut body)?;
    if crc32fast::hash(&body) != record.crc {
        return Err(io::Error::other("not what was written"));
    }
    let body = Bytes::from(body);
    Ok(Stored { head, body })
}

fn head_of(reader: &mut impl BufRead, bytes: u64) -> io::Result<Record> {
    let mut line = Vec::new();
    reader.take(MOST_HEAD_BYTES).read_until(b'\n', &mut line)?;
    let record: Record = serde_json::from_slice(&line)?;
    if line.len() as u64 + record.length != bytes {
        return Err(io::Error::other("not as long as it was written"));
    }
    Ok(record)
}
