//! Header hygiene: what must not go on does not, and what the next one may believe is ours.

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use contract::remote::{
    DEADLINE_HEADER, REQUEST_ID_HEADER, SERVER_TIMING_HEADER, TRACEPARENT_HEADER,
};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use runtime::HttpConfig;
use runtime::layers::{client_behind, holds, is_plausible_id};
use runtime::trace::TraceContext;
use uuid::Uuid;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);
const TRACEPARENT: HeaderName = HeaderName::from_static(TRACEPARENT_HEADER);
const DEADLINE: HeaderName = HeaderName::from_static(DEADLINE_HEADER);
const SERVER_TIMING: HeaderName = HeaderName::from_static(SERVER_TIMING_HEADER);

/// The one at the other end of a client's connection.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) peer: IpAddr,
    /// The same, as a header's value, made once a connection.
    forwarded_for: HeaderValue,
    scheme: HeaderValue,
    /// How many milliseconds we wait, for those who may not ask for less.
    patience: HeaderValue,
    /// What it says of a request's past is believed.
    pub(crate) is_trusted: bool,
}

impl Client {
    pub(crate) fn new(peer: IpAddr, is_tls: bool, config: &HttpConfig) -> Client {
        let peer = peer.to_canonical();
        Client {
            peer,
            forwarded_for: HeaderValue::try_from(peer.to_string())
                .unwrap_or(HeaderValue::from_static("unknown")),
            scheme: HeaderValue::from_static(if is_tls { "https" } else { "http" }),
            patience: HeaderValue::from(config.request_timeout.as_millis() as u64),
            is_trusted: holds(&config.trusted_proxies, peer),
        }
    }

    /// Of the address that was asked for: a trusted proxy in front may have taken the TLS off.
    pub fn scheme(&self, headers: &HeaderMap) -> &'static str {
        let told = headers.get(&FORWARDED_PROTO).filter(|_| self.is_trusted);
        match told.unwrap_or(&self.scheme).as_bytes() {
            b"https" => "https",
            _ => "http",
        }
    }

    /// Who it sends this for, as far as proxies are trusted.
    pub(crate) fn behind(&self, headers: &HeaderMap, config: &HttpConfig) -> IpAddr {
        client_behind(self.peer, headers, &config.trusted_proxies).to_canonical()
    }
}

/// Cleans a request's headers for the next hop, and says where it comes from. Returns its id.
pub(crate) fn clean_request(headers: &mut HeaderMap, client: &Client) -> HeaderValue {
    remove(headers, |name| {
        // Whoever expects a 100 has it from us by the time that an upstream is asked. And of the two
        // ways to say where a request comes from, the one that we do not carry on would say less.
        is_hop_by_hop(name)
            || matches!(name, "expect" | "forwarded")
            || (!client.is_trusted && is_claim(name))
    });
    // Growing once is enough.
    headers.reserve(6);
    let said = match client.is_trusted {
        true => Said::carried_on(headers, client),
        false => Said::begun(headers, client),
    };
    if let Some(host) = said.forwarded_host {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(FORWARDED_FOR, said.forwarded_for);
    headers.insert(FORWARDED_PROTO, said.forwarded_proto);
    headers.insert(REQUEST_ID, said.id.clone());
    headers.insert(TRACEPARENT, said.traceparent);
    headers.insert(DEADLINE, said.deadline);
    said.id
}

/// What we say of a request.
struct Said {
    id: HeaderValue,
    traceparent: HeaderValue,
    forwarded_for: HeaderValue,
    forwarded_proto: HeaderValue,
    forwarded_host: Option<HeaderValue>,
    deadline: HeaderValue,
}

impl Said {
    /// Of one that begins here.
    fn begun(headers: &HeaderMap, client: &Client) -> Said {
        let (id, traceparent) = begun(fresh_id());
        Said {
            id,
            traceparent,
            forwarded_for: client.forwarded_for.clone(),
            forwarded_proto: client.scheme.clone(),
            forwarded_host: headers.get(HOST).cloned(),
            deadline: client.patience.clone(),
        }
    }

    /// Of one that a proxy in front of us has sent, which is believed.
    fn carried_on(headers: &HeaderMap, client: &Client) -> Said {
        let own = Said::begun(headers, client);
        let parent = headers
            .get(&TRACEPARENT)
            .and_then(|value| value.to_str().ok());
        let parent = parent.and_then(|p| TraceContext::carry_on(p, fresh_id()));
        Said {
            id: given_id(headers, client).unwrap_or(own.id),
            traceparent: parent.map_or(own.traceparent, |place| value(place.to_string().into())),
            forwarded_for: chain(headers, client),
            forwarded_proto: headers
                .get(&FORWARDED_PROTO)
                .cloned()
                .unwrap_or(own.forwarded_proto),
            forwarded_host: headers.get(&FORWARDED_HOST).cloned().or(own.forwarded_host),
            deadline: headers
                .get(&DEADLINE)
                .map_or(own.deadline, |asked| earlier(asked, &client.patience)),
        }
    }
}

/// The id that a trusted client has given its request.
pub(crate) fn given_id(headers: &HeaderMap, client: &Client) -> Option<HeaderValue> {
    let given = headers.get(&REQUEST_ID).filter(|_| client.is_trusted)?;
    given
        .to_str()
        .is_ok_and(is_plausible_id)
        .then(|| given.clone())
}

/// The id of a request that goes no further.
pub(crate) fn fresh_id_value() -> HeaderValue {
    let mut buffer = [0; 36];
    let text = fresh_id().hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
}

/// The one of two numbers of milliseconds that is over sooner.
fn earlier(asked: &HeaderValue, patience: &HeaderValue) -> HeaderValue {
    let ms = |value: &HeaderValue| value.to_str().ok().and_then(|ms| ms.parse::<u64>().ok());
    match ms(asked) < ms(patience) && ms(asked).is_some() {
        true => asked.clone(),
        false => patience.clone(),
    }
}

/// The addresses that a trusted client named, and its own.
fn chain(headers: &HeaderMap, client: &Client) -> HeaderValue {
    let mut chain = Vec::new();
    for hop in headers.get_all(&FORWARDED_FOR) {
        chain.extend_from_slice(hop.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(client.forwarded_for.as_bytes());
    HeaderValue::try_from(chain).unwrap_or_else(|_| client.forwarded_for.clone())
}

/// Time-ordered, as all ids of ours; no secret, so ordinary chance will do.
fn fresh_id() -> Uuid {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis() as u64;
    let chance = fastrand::u128(..).to_be_bytes();
    let mut random = [0; 10];
    random.copy_from_slice(&chance[..10]);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// A request that begins here: its trace is its id in hexadecimal, and nobody records it yet. Both
/// values share one piece of memory.
fn begun(fresh: Uuid) -> (HeaderValue, HeaderValue) {
    const ID: usize = 36;
    let mut text = BytesMut::with_capacity(ID + 55);
    let mut buffer = [0; ID];
    text.put_slice(fresh.hyphenated().encode_lower(&mut buffer).as_bytes());
    text.put_slice(b"00-");
    let simple = fresh.simple().encode_lower(&mut buffer).as_bytes();
    text.put_slice(simple);
    text.put_u8(b'-');
    // The half that is random, as the span's id.
    text.put_slice(&simple[16..32]);
    text.put_slice(b"-00");
    let mut id = text.freeze();
    let traceparent = id.split_off(ID);
    (value(id), value(traceparent))
}

fn value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static("-"))
}

/// Cleans the headers of an upstream's answer for the client.
pub(crate) fn clean_answer(headers: &mut HeaderMap) {
    // Two readers could read differently how long it is; whoever sends both is not to be believed.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    remove(headers, is_hop_by_hop);
}

/// Puts our entry before those of the hops behind us. `entry` is ours up to its duration, in
/// milliseconds.
pub(crate) fn add_timing(headers: &mut HeaderMap, entry: &str, took: std::time::Duration) {
    let behind = headers
        .get(&SERVER_TIMING)
        .map_or(&[][..], HeaderValue::as_bytes);
    let mut text = BytesMut::with_capacity(entry.len() + 12 + behind.len());
    text.put_slice(entry.as_bytes());
    let hundredths = took.as_micros() as u64 / 10;
    let mut buffer = itoa::Buffer::new();
    text.put_slice(buffer.format(hundredths / 100).as_bytes());
    text.put_u8(b'.');
    text.put_u8(b'0' + (hundredths / 10 % 10) as u8);
    text.put_u8(b'0' + (hundredths % 10) as u8);
    if !behind.is_empty() {
        text.put_slice(b", ");
        text.put_slice(behind);
    }
    headers.insert(SERVER_TIMING, value(text.freeze()));
}

/// Removes what `Connection` names, before anybody reads it: it is not for those behind us, and so not
/// for a decision that is theirs (RFC 9110, 7.6.1).
pub(crate) fn strike_named(headers: &mut HeaderMap) {
    let Some(connection) = headers.get(CONNECTION) else {
        return;
    };
    if connection == "keep-alive" || connection == "close" {
        return;
    }
    remove(headers, |name| name == "connection");
}

/// Removes these, and those that `Connection` names (RFC 9110, 7.6.1).
fn remove(headers: &mut HeaderMap, is_doomed: impl Fn(&str) -> bool) {
    let mut doomed: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        if is_doomed(name.as_str()) {
            doomed.push(name.clone());
        }
    }
    // `Connection` is doomed itself.
    if doomed.is_empty() {
        return;
    }
    for value in headers.get_all(CONNECTION) {
        // What most say, and names nothing that is not doomed anyway.
        if value == "keep-alive" || value == "close" {
            continue;
        }
        let names = value.to_str().unwrap_or_default().split(',');
        // What frames or routes the message is not for the client to strike out.
        let names = names.filter_map(|name| name.trim().parse::<HeaderName>().ok());
        doomed.extend(names.filter(|name| name != HOST && name != CONTENT_LENGTH));
    }
    for name in doomed {
        while headers.remove(&name).is_some() {}
    }
}

/// What concerns one connection alone. `Trailer` may pass, though trailers themselves do not.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// What says something of the request's past or its sender, which is for us to say.
fn is_claim(name: &str) -> bool {
    match name.as_bytes() {
        [b'x', b'-', rest @ ..] => {
            rest.starts_with(b"forwarded-")
                || rest.starts_with(b"user-")
                || matches!(
                    rest,
                    b"real-ip" | b"request-id" | b"deadline-ms" | b"client-ip"
                )
        }
        b"traceparent" | b"tracestate" | b"baggage" | b"true-client-ip" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
