//! Passwords at rest: argon2id, slow on purpose, and therefore rationed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use contract::text::Password;
use contract::{Ctx, Fault};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::HashingConfig;

/// The cost: 19 MiB, two passes, one lane (OWASP's password storage cheat sheet).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes a few passwords at a time. Too many at once are refused early, not late.
#[derive(Debug)]
pub(crate) struct Hasher {
    queue: Semaphore,
    /// The places in the queue that registrations may have.
    registering: Semaphore,
    permits: Arc<Semaphore>,
    wait: Duration,
    /// Nobody's: what the password of an unknown account is compared with.
    decoy: Arc<str>,
}

impl Hasher {
    pub(crate) fn new(config: &HashingConfig) -> Hasher {
        Hasher {
            queue: Semaphore::new(config.queue.get()),
            registering: Semaphore::new(config.queue.get().div_ceil(2)),
            permits: Arc::new(Semaphore::new(config.permits.get())),
            wait: config.wait,
            decoy: hash(b"nobody").into(),
        }
    }

    /// The password in PHC form, salted anew: for a registration.
    pub(crate) async fn hash(&self, ctx: &Ctx, password: Password) -> Result<String, Fault> {
        let _place = self.registering.try_acquire().map_err(|_| busy())?;
        self.run(ctx, move || hash(password.expose().as_bytes()))
            .await
    }

    /// Whether this is the account's password. No account costs as much as a wrong password.
    pub(crate) async fn verify(
        &self,
        ctx: &Ctx,
        password: Password,
        account_hash: Option<String>,
    ) -> Result<bool, Fault> {
        let decoy = self.decoy.clone();
        self.run(ctx, move || {
            let hash = account_hash.as_deref().unwrap_or(&decoy);
            let same = verify(password.expose().as_bytes(), hash);
            same && account_hash.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        ctx: &Ctx,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let started = Instant::now();
        let _place = self.queue.try_acquire().map_err(|_| busy())?;
        let wait = ctx.remaining()?.min(self.wait);
        let permit = timeout(wait, self.permits.clone().acquire_owned())
            .await
            .map_err(|_| busy())?
            .map_err(Fault::internal)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Not before: a client that hangs up does not stop the work.
            drop(permit);
            done
        });
        let done = done.await.map_err(Fault::internal)?;
        ctx.record("users", "hash password", started.elapsed());
        Ok(done)
    }
}

fn busy() -> Fault {
    Fault::Unavailable("too many passwords to hash".to_owned())
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// # Panics
/// If the system has no random numbers to give.
pub(crate) fn hash(password: &[u8]) -> String {
    let hash = argon2().hash_password(password);
    hash.expect("random numbers for a salt").to_string()
}

/// A hash that does not parse is nobody's password.
fn verify(password: &[u8], hash: &str) -> bool {
    argon2().verify_password(password, hash).is_ok()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::mpsc;

    use super::*;

    fn ctx() -> Ctx {
        Ctx::background("test", Duration::from_secs(30))
    }

    #[test]
    fn costs_what_we_say() {
        let hash = hash(b"correct horse");
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(verify(b"correct horse", &hash));
        assert!(!verify(b"correct house", &hash));
        assert!(!verify(b"correct horse", "not a hash"));
    }

    #[tokio::test]
    async fn nobody_has_the_decoy_password() {
        let hasher = Hasher::new(&HashingConfig::default());
        let decoy = Password::try_from("nobody".to_owned()).unwrap();
        assert!(!hasher.verify(&ctx(), decoy, None).await.unwrap());
    }

    #[tokio::test]
    async fn refuses_at_once_when_the_queue_is_full() {
        let hasher = Arc::new(Hasher::new(&HashingConfig {
            queue: NonZeroUsize::MIN,
            ..HashingConfig::default()
        }));
        let (finish, finished) = mpsc::channel::<()>();
        let (start, started) = tokio::sync::oneshot::channel();
        let slow = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                let work = move || {
                    let _ = start.send(());
                    let _ = finished.recv();
                };
                hasher.run(&ctx(), work).await
            }
        });
        started.await.unwrap();

        let refused = hasher.run(&ctx(), || ()).await;
        assert!(matches!(refused, Err(Fault::Unavailable(_))), "{refused:?}");

        drop(finish);
        slow.await.unwrap().unwrap();
        hasher.run(&ctx(), || ()).await.unwrap();
    }

    #[tokio::test]
    async fn registrations_leave_places_for_log_ins() {
        let hasher = Hasher::new(&HashingConfig {
            queue: NonZeroUsize::new(4).unwrap(),
            wait: Duration::from_secs(30),
            ..HashingConfig::default()
        });
        let ctx = ctx();
        let password = || Password::try_from("correct horse".to_owned()).unwrap();
        let permit = hasher.permits.acquire().await.unwrap();
        let mut waiting: Vec<_> = (0..2)
            .map(|_| Box::pin(hasher.hash(&ctx, password())))
            .collect();
        for registration in &mut waiting {
            assert!(futures::poll!(registration.as_mut()).is_pending());
        }
        let refused = hasher.hash(&ctx, password()).await;
        assert!(matches!(refused, Err(Fault::Unavailable(_))), "{refused:?}");

        let mut log_in = Box::pin(hasher.verify(&ctx, password(), None));
        assert!(futures::poll!(log_in.as_mut()).is_pending());
        drop(permit);
        let (registered, known) = tokio::join!(futures::future::join_all(waiting), log_in);
        assert!(registered.into_iter().all(|hash| hash.is_ok()));
        assert!(!known.unwrap());
    }

    #[tokio::test]
    async fn refuses_who_would_wait_too_long() {
        let hasher = Hasher::new(&HashingConfig {
            wait: Duration::from_millis(1),
            ..HashingConfig::default()
        });
        let _all = hasher.permits.acquire().await.unwrap();
        let refused = hasher.run(&ctx(), || ()).await;
        assert!(matches!(refused, Err(Fault::Unavailable(_))), "{refused:?}");
    }
}
