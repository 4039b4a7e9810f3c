//! What people call this box: `db`, or `web-2` for the second replica of `web`.
//!
//! A container is not told: its host name is its id, and Compose gives all replicas of a service the
//! same environment. Docker's own DNS knows, though: asked backwards, for the name of an address,
//! it answers `stagecraft-web-2.stagecraft_front`, container and network.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs, UdpSocket};
use std::sync::OnceLock;
use std::time::Duration;

/// The DNS server inside every container that is on a network of its own.
const DOCKER_DNS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// It answers from memory, but the box may be throttled right now.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 2;

/// The service's name, from the second replica on with its number; without Docker's DNS the host's
/// name. The first call asks, which may take a second; later ones do not.
pub fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        ask_docker(host).unwrap_or_else(|| host.to_owned())
    })
}

/// What another box on this network is called; `None` where nobody knows. May take a second.
pub fn name_of(address: Ipv4Addr) -> Option<String> {
    let resolver = fs::read_to_string("/etc/resolv.conf").ok()?;
    if !resolver.contains(&format!("nameserver {DOCKER_DNS}")) {
        return None;
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.connect((DOCKER_DNS, 53)).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut answer = [0; 512];
    (0..ATTEMPTS).find_map(|_| {
        socket.send(&question(address)).ok()?;
        let length = socket.recv(&mut answer).ok()?;
        let (container, network) = pointed_at(&answer[..length])?;
        Some(box_name(&container, &network))
    })
}

fn ask_docker(host: &str) -> Option<String> {
    // Docker writes a container's own addresses to its /etc/hosts.
    let own = (host, 0).to_socket_addrs().ok()?;
    let own = own.into_iter().find_map(|address| match address.ip() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    })?;
    name_of(own)
}

/// A DNS message (RFC 1035, section 4) that asks which name this address has.
fn question(address: Ipv4Addr) -> Vec<u8> {
    // An id, "recursion desired", one question.
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let [a, b, c, d] = address.octets();
    for label in format!("{d}.{c}.{b}.{a}.in-addr.arpa").split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    // The end of the name, type PTR, class IN.
    message.extend([0, 0, 12, 0, 1]);
    message
}

/// The first two labels of the name that an answer to [`question`] holds.
fn pointed_at(answer: &[u8]) -> Option<(String, String)> {
    let answers = u16::from_be_bytes([*answer.get(6)?, *answer.get(7)?]);
    if answers == 0 {
        return None;
    }
    let question = skip_name(answer.get(12..)?)?;
    let record = skip_name(question.get(4..)?)?;
    // Type, class, time to live, length.
    let (container, rest) = label(record.get(10..)?)?;
    let (network, _) = label(rest)?;
    Some((container, network))
}

fn skip_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        match *bytes.first()? {
            0 => return bytes.get(1..),
            // A pointer to a name that came before.
            0xc0.. => return bytes.get(2..),
            length => bytes = bytes.get(1 + usize::from(length)..)?,
        }
    }
}

fn label(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, bytes) = bytes.split_first()?;
    let (label, rest) = bytes.split_at_checked(usize::from(*length))?;
    let label = String::from_utf8(label.to_vec()).ok()?;
    Some((label, rest))
}

/// Compose names a container `PROJECT-SERVICE-NUMBER` and a network `PROJECT_NETWORK`. Whoever
/// names containers himself has chosen well already.
fn box_name(container: &str, network: &str) -> String {
    let differing = container
        .bytes()
        .zip(network.bytes())
        .position(|(a, b)| a != b);
    let service = differing.and_then(|at| match network.as_bytes()[at] {
        b'_' => container.get(at..)?.strip_prefix('-'),
        _ => None,
    });
    let name = service.unwrap_or(container);
    name.strip_suffix("-1").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_named_for_their_service_and_replica() {
        assert_eq!(box_name("stagecraft-box-1", "stagecraft_front"), "box");
        assert_eq!(box_name("stagecraft-web-3", "stagecraft_front"), "web-3");
        assert_eq!(
            box_name("stagecraft-db-replica-1-1", "stagecraft_data"),
            "db-replica-1"
        );
        assert_eq!(box_name("a-b_c-users-1-a-1", "a-b_c_data"), "users-1-a");
        assert_eq!(box_name("my-box", "bridge"), "my-box");
    }

    #[test]
    fn understands_dockers_answer() {
        let mut answer = question(Ipv4Addr::new(172, 25, 0, 2));
        assert_eq!(pointed_at(&answer), None);
        answer[7] = 1;
        answer.extend(*b"\xc0\x0c\x00\x0c\x00\x01\x00\x00\x02X\x00\x21");
        answer.extend(*b"\x10stagecraft-web-2\x10stagecraft_front\x00");
        let expected = ("stagecraft-web-2".to_owned(), "stagecraft_front".to_owned());
        assert_eq!(pointed_at(&answer), Some(expected));
        for length in 0..answer.len() - 18 {
            assert_eq!(pointed_at(&answer[..length]), None);
        }
    }
}
