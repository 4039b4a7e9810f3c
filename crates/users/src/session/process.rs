//! Sessions in the memory of one process: for a lab that shows what that costs, not for a shop.
//!
//! Whoever logged in here is known here alone. A balancer must send him back to this box each time
//! (sticky sessions), and when the box goes, by a crash or by a deploy, all its users are logged out.
//! Users are read from the database as ever, so a look-up is hardly cheaper than one in Postgres.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use contract::UserId;

use super::SessionKey;

/// 10 MB of a box's 512, and twice as many as there are seeded users.
const MOST_SESSIONS: usize = 100_000;

/// Cheap to clone; clones are the same sessions.
#[derive(Debug, Clone)]
pub(crate) struct ProcessSessions {
    by_token_hash: Arc<Mutex<HashMap<[u8; 32], Session>>>,
    most: usize,
}

#[derive(Debug)]
struct Session {
    user: UserId,
    last_seen_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Default for ProcessSessions {
    fn default() -> ProcessSessions {
        ProcessSessions::with_room_for(MOST_SESSIONS)
    }
}

impl ProcessSessions {
    fn with_room_for(most: usize) -> ProcessSessions {
        ProcessSessions {
            by_token_hash: Arc::default(),
            most,
        }
    }

    /// Where there is no room, the session that was not used for longest ends for it.
    pub(super) fn start(
        &self,
        key: &SessionKey,
        user: UserId,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) {
        let mut sessions = self.lock();
        if sessions.len() >= self.most {
            sessions.retain(|_, session| session.expires_at > now);
        }
        if sessions.len() >= self.most {
            // Looking at all of them takes a millisecond or two, hashing the password took forty.
            let longest_unused = sessions.iter().min_by_key(|(_, s)| s.last_seen_at);
            if let Some(token_hash) = longest_unused.map(|(token_hash, _)| *token_hash) {
                sessions.remove(&token_hash);
            }
        }
        let session = Session {
            user,
            last_seen_at: now,
            expires_at,
        };
        sessions.insert(key.token_hash, session);
    }

    pub(super) fn holder(
        &self,
        key: &SessionKey,
        now: DateTime<Utc>,
        used_after: DateTime<Utc>,
    ) -> Option<(UserId, DateTime<Utc>)> {
        let sessions = self.lock();
        let session = sessions.get(&key.token_hash)?;
        let lives = session.expires_at > now && session.last_seen_at > used_after;
        lives.then_some((session.user, session.last_seen_at))
    }

    pub(super) fn touch(&self, key: &SessionKey, now: DateTime<Utc>) {
        if let Some(session) = self.lock().get_mut(&key.token_hash) {
            session.last_seen_at = session.last_seen_at.max(now);
        }
    }

    pub(super) fn end(&self, key: &SessionKey) {
        self.lock().remove(&key.token_hash);
    }

    pub(super) fn expire(&self, now: DateTime<Utc>, limit: u32) -> u64 {
        let mut sessions = self.lock();
        let expired = sessions.extract_if(|_, session| session.expires_at <= now);
        expired.take(limit as usize).count() as u64
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.by_token_hash
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contract::Bucket;

    use super::*;
    use crate::session::new_token;

    const FOR_EVER: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

    fn at(second: u64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn start(sessions: &ProcessSessions, second: u64, expires_at: DateTime<Utc>) -> SessionKey {
        let (_, key) = new_token(Bucket(0)).unwrap();
        sessions.start(&key, UserId::new(), at(second), expires_at);
        key
    }

    fn lives(sessions: &ProcessSessions, key: &SessionKey, second: u64) -> bool {
        let used_after = DateTime::<Utc>::MIN_UTC;
        sessions.holder(key, at(second), used_after).is_some()
    }

    #[test]
    fn without_room_the_longest_unused_session_ends() {
        let sessions = ProcessSessions::with_room_for(2);
        let first = start(&sessions, 1, FOR_EVER);
        let second = start(&sessions, 2, FOR_EVER);
        sessions.touch(&first, at(3));
        let third = start(&sessions, 4, FOR_EVER);
        let alive = [&first, &second, &third].map(|key| lives(&sessions, key, 5));
        assert_eq!(alive, [true, false, true]);
        assert_eq!(sessions.lock().len(), 2);
    }

    #[test]
    fn what_is_over_makes_room_first() {
        let sessions = ProcessSessions::with_room_for(2);
        let lasting = start(&sessions, 1, FOR_EVER);
        start(&sessions, 2, at(3));
        let new = start(&sessions, 4, FOR_EVER);
        assert!(lives(&sessions, &lasting, 5) && lives(&sessions, &new, 5));
        assert_eq!(sessions.lock().len(), 2);
    }
}
