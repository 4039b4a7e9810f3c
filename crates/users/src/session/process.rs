//! Sessions in the memory of one process: for a lab that shows what that costs, not for a shop.
//!
//! Whoever logged in here is known here alone. A balancer must send him back to this box each time
//! (sticky sessions), and when the box goes, by a crash or by a deploy, all its users are logged out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use contract::{Ctx, Fault, UserId};

use super::{Found, Session, SessionKey, Sessions, count_lookup};

/// 10 MB of a box's 512, and twice as many as there are seeded users.
const MOST_SESSIONS: usize = 100_000;

#[derive(Debug)]
pub(super) struct ProcessSessions {
    by_token_hash: Mutex<HashMap<[u8; 32], Session>>,
    most: usize,
}

impl Default for ProcessSessions {
    fn default() -> ProcessSessions {
        ProcessSessions::with_room_for(MOST_SESSIONS)
    }
}

impl ProcessSessions {
    fn with_room_for(most: usize) -> ProcessSessions {
        ProcessSessions {
            by_token_hash: Mutex::default(),
            most,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.by_token_hash
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Sessions for ProcessSessions {
    /// Where there is no room, the session that was not used for longest ends for it.
    async fn start(&self, _: &Ctx, key: &SessionKey, session: &Session) -> Result<(), Fault> {
        let mut sessions = self.lock();
        if sessions.len() >= self.most {
            sessions.retain(|_, other| other.expires_at > session.created_at);
        }
        if sessions.len() >= self.most {
            // Looking at all of them takes a millisecond or two, hashing the password took forty.
            let longest_unused = sessions.iter().min_by_key(|(_, s)| s.last_seen_at);
            if let Some(token_hash) = longest_unused.map(|(token_hash, _)| *token_hash) {
                sessions.remove(&token_hash);
            }
        }
        sessions.insert(key.token_hash, session.clone());
        Ok(())
    }

    async fn find(&self, _: &Ctx, key: &SessionKey) -> Result<Option<Found>, Fault> {
        let found = Ok(self.lock().get(&key.token_hash).map(|session| Found {
            session: session.clone(),
            holder: None,
        }));
        count_lookup("process", &found);
        found
    }

    async fn touch(
        &self,
        _: &Ctx,
        key: &SessionKey,
        _: &Session,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        if let Some(session) = self.lock().get_mut(&key.token_hash) {
            session.last_seen_at = session.last_seen_at.max(now);
        }
        Ok(())
    }

    async fn end(&self, _: &Ctx, key: &SessionKey) -> Result<(), Fault> {
        self.lock().remove(&key.token_hash);
        Ok(())
    }

    /// Those of this box: the others do not know of them.
    async fn end_all(&self, _: &Ctx, user: UserId) -> Result<(), Fault> {
        self.lock().retain(|_, session| session.user != user);
        Ok(())
    }

    async fn expire(&self, _: &Ctx, now: DateTime<Utc>, limit: u32) -> Result<u64, Fault> {
        let mut sessions = self.lock();
        let expired = sessions.extract_if(|_, session| session.expires_at <= now);
        Ok(expired.take(limit as usize).count() as u64)
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

    fn ctx() -> Ctx {
        Ctx::background("test", Duration::from_secs(60))
    }

    fn session(second: u64, expires_at: DateTime<Utc>) -> Session {
        Session {
            user: UserId::new(),
            created_at: at(second),
            last_seen_at: at(second),
            expires_at,
        }
    }

    async fn start(
        sessions: &ProcessSessions,
        second: u64,
        expires_at: DateTime<Utc>,
    ) -> SessionKey {
        let (_, key) = new_token(Bucket(0)).unwrap();
        let session = session(second, expires_at);
        sessions.start(&ctx(), &key, &session).await.unwrap();
        key
    }

    async fn lives(sessions: &ProcessSessions, key: &SessionKey) -> bool {
        sessions.find(&ctx(), key).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn without_room_the_longest_unused_session_ends() {
        let sessions = ProcessSessions::with_room_for(2);
        let first = start(&sessions, 1, FOR_EVER).await;
        let second = start(&sessions, 2, FOR_EVER).await;
        let used = session(1, FOR_EVER);
        sessions.touch(&ctx(), &first, &used, at(3)).await.unwrap();
        let third = start(&sessions, 4, FOR_EVER).await;
        assert!(lives(&sessions, &first).await);
        assert!(!lives(&sessions, &second).await);
        assert!(lives(&sessions, &third).await);
        assert_eq!(sessions.lock().len(), 2);
    }

    #[tokio::test]
    async fn what_is_over_makes_room_first() {
        let sessions = ProcessSessions::with_room_for(2);
        let lasting = start(&sessions, 1, FOR_EVER).await;
        start(&sessions, 2, at(3)).await;
        let new = start(&sessions, 4, FOR_EVER).await;
        assert!(lives(&sessions, &lasting).await && lives(&sessions, &new).await);
        assert_eq!(sessions.lock().len(), 2);
    }
}
