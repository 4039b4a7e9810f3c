//! An answer on its way from the origin, for all who wait for it: each reads at his own pace what has
//! come so far, and nobody keeps the others waiting.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::head::Head;

/// What all fillings of a cache hold at once, as a share of its memory: one in four.
#[derive(Debug)]
pub(crate) struct Room {
    taken: AtomicUsize,
    most: usize,
}

impl Room {
    pub(crate) fn new(most: usize) -> Arc<Room> {
        let taken = AtomicUsize::new(0);
        Arc::new(Room { taken, most })
    }

    fn take(&self, bytes: usize) -> bool {
        if self.taken.fetch_add(bytes, Relaxed) + bytes <= self.most {
            return true;
        }
        self.give_back(bytes);
        false
    }

    fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Relaxed);
    }

    /// Room for an answer of this length, or of one that is not known.
    pub(crate) fn reserve(self: &Arc<Room>, length: Option<u64>) -> Option<Reserved> {
        let bytes = usize::try_from(length.unwrap_or(0)).ok()?;
        self.take(bytes).then(|| Reserved {
            room: self.clone(),
            bytes,
        })
    }
}

/// What one answer has of it.
#[derive(Debug)]
pub(crate) struct Reserved {
    room: Arc<Room>,
    bytes: usize,
}

impl Reserved {
    /// Whether there is room for so many in all.
    fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let has_room = more == 0 || self.room.take(more);
        if has_room {
            self.bytes += more;
        }
        has_room
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

/// Why an answer ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the origin broke off")]
    Off,
    #[error("it is longer than what is stored")]
    TooLong,
}

pub(crate) struct Filling {
    pub(crate) head: Arc<Head>,
    /// As the origin announced it.
    pub(crate) length: Option<u64>,
    /// What the origin says to the one who asked it, and to nobody else.
    pub(crate) of_one: HeaderMap,
    so_far: Mutex<SoFar>,
}

struct SoFar {
    chunks: Vec<Bytes>,
    bytes: usize,
    room: Reserved,
    end: Option<Result<(), Broken>>,
    /// Readers who have all there is, by their numbers.
    waiting: HashMap<u64, Waker>,
}

impl fmt::Debug for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filling")
            .field("length", &self.length)
            .finish()
    }
}

impl Filling {
    pub(crate) fn new(
        head: Arc<Head>,
        length: Option<u64>,
        of_one: HeaderMap,
        room: Reserved,
    ) -> Filling {
        Filling {
            head,
            length,
            of_one,
            so_far: Mutex::new(SoFar {
                chunks: Vec::new(),
                bytes: 0,
                room,
                end: None,
                waiting: HashMap::new(),
            }),
        }
    }

    /// Adds what has come.
    pub(crate) fn push(&self, chunk: Bytes, most: usize) -> Result<(), Broken> {
        let mut so_far = self.lock();
        let bytes = so_far.bytes + chunk.len();
        if bytes > most || !so_far.room.grow_to(bytes) {
            return Err(Broken::TooLong);
        }
        so_far.bytes = bytes;
        so_far.chunks.push(chunk);
        so_far.wake();
        Ok(())
    }

    pub(crate) fn end(&self, end: Result<(), Broken>) {
        let mut so_far = self.lock();
        so_far.end = Some(end);
        so_far.wake();
    }

    /// Whether this is the last of what was announced.
    pub(crate) fn is_completed_by(&self, chunk: &Bytes) -> bool {
        let so_far = self.lock();
        self.length == Some((so_far.bytes + chunk.len()) as u64)
    }

    /// All that has come and this, in one piece of its own: a part of a buffer would keep all of it.
    pub(crate) fn whole(&self, last: &Bytes) -> Bytes {
        let so_far = self.lock();
        let mut whole = BytesMut::with_capacity(so_far.bytes + last.len());
        for chunk in so_far.chunks.iter().chain([last]) {
            whole.extend_from_slice(chunk);
        }
        whole.freeze()
    }

    fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SoFar {
    fn wake(&mut self) {
        for (_, waker) in self.waiting.drain() {
            waker.wake();
        }
    }
}

/// A body that is being filled, or a part of it.
#[derive(Debug)]
pub(crate) struct Following {
    /// No other reader has it.
    number: u64,
    filling: Arc<Filling>,
    chunk: usize,
    /// Bytes still to be passed over, and to be given.
    skip: u64,
    left: Option<u64>,
}

impl Following {
    pub(crate) fn new(filling: Arc<Filling>, skip: u64, left: Option<u64>) -> Following {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Following {
            number: NEXT.fetch_add(1, Relaxed),
            filling,
            chunk: 0,
            skip,
            left,
        }
    }
}

impl Body for Following {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        let filling = this.filling.clone();
        let mut so_far = filling.lock();
        while this.left != Some(0) {
            let Some(chunk) = so_far.chunks.get(this.chunk) else {
                return match so_far.end {
                    Some(Ok(())) => Poll::Ready(None),
                    Some(Err(broken)) => Poll::Ready(Some(Err(broken))),
                    None => {
                        so_far.waiting.insert(this.number, cx.waker().clone());
                        Poll::Pending
                    }
                };
            };
            this.chunk += 1;
            let mut chunk = chunk.clone();
            let skipped = this.skip.min(chunk.len() as u64);
            this.skip -= skipped;
            chunk.advance(skipped as usize);
            if let Some(left) = &mut this.left {
                chunk.truncate((*left).min(chunk.len() as u64) as usize);
                *left -= chunk.len() as u64;
            }
            if !chunk.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use http_body_util::BodyExt;

    use super::*;
    use crate::config::CacheConfig;
    use crate::head::Asked;
    use crate::key::Key;

    const MOST: usize = 100;

    fn filling(room: &Arc<Room>) -> Arc<Filling> {
        let answer = Response::builder().header("cache-control", "max-age=60");
        let answer = answer.body(()).unwrap();
        let key = Key::parse("http://shop/a").unwrap();
        let times = Asked::now(0);
        let config = CacheConfig::default();
        let head = Head::of(&key, &HeaderMap::new(), &answer, times, &config).unwrap();
        let reserved = room.reserve(None).unwrap();
        Arc::new(Filling::new(
            Arc::new(head),
            None,
            HeaderMap::new(),
            reserved,
        ))
    }

    #[tokio::test]
    async fn all_readers_get_all_of_it_whenever_they_come() {
        let filling = filling(&Room::new(MOST));
        let read = |skip, left| {
            let body = Following::new(filling.clone(), skip, left);
            tokio::spawn(async move { body.collect().await.map(|all| all.to_bytes()) })
        };
        let early = read(0, None);
        let part = read(3, Some(5));
        tokio::task::yield_now().await;
        for chunk in ["abcd", "efgh", "ij"] {
            filling.push(chunk.into(), MOST).unwrap();
            tokio::task::yield_now().await;
        }
        let late = read(8, None);
        filling.end(Ok(()));
        assert_eq!(early.await.unwrap().unwrap(), "abcdefghij");
        assert_eq!(part.await.unwrap().unwrap(), "defgh");
        assert_eq!(late.await.unwrap().unwrap(), "ij");
        assert_eq!(filling.whole(&"kl".into()), "abcdefghijkl");
    }

    #[tokio::test]
    async fn nobody_takes_half_an_answer_for_a_whole_one() {
        let filling = filling(&Room::new(MOST));
        filling.push("abc".into(), MOST).unwrap();
        filling.end(Err(Broken::Off));
        let body = Following::new(filling, 0, None);
        assert_eq!(body.collect().await.map(|_| ()), Err(Broken::Off));
    }

    #[test]
    fn room_is_bounded_for_one_and_for_all_and_given_back() {
        let room = Room::new(MOST);
        let (first, second) = (filling(&room), filling(&room));
        let chunk = || Bytes::from(vec![0; 60]);
        assert_eq!(first.push(chunk(), 59), Err(Broken::TooLong));
        assert_eq!(first.push(chunk(), MOST), Ok(()));
        assert_eq!(second.push(chunk(), MOST), Err(Broken::TooLong));
        drop(first);
        assert_eq!(second.push(chunk(), MOST), Ok(()));
        drop(second);
        let all = room.reserve(Some(MOST as u64)).unwrap();
        assert!(room.reserve(Some(1)).is_none());
        drop(all);
        assert!(room.reserve(Some(1)).is_some());
    }
}
