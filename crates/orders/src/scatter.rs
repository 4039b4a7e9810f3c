//! Questions about everybody go to all shards at once; a shard that does not answer in time does
//! not take the others' answers with it.

use std::future::Future;

use contract::{Ctx, Fault};
use db::Shard;
use futures::future::join_all;
use tracing::warn;

use crate::Service;

/// Such questions at a time, in this process; one more is told at once to come back. They are heavy
/// and share the pool with checkouts, which must find most of its connections free.
pub(crate) const AT_ONCE: usize = 2;

pub(crate) struct Gathered<T> {
    pub(crate) answers: Vec<T>,
    /// True when a shard's answer is missing.
    pub(crate) partial: bool,
}

/// Fails only if no shard answers, or when [`AT_ONCE`] questions are being answered already.
pub(crate) async fn ask_all<T, F>(
    service: &Service,
    ctx: &Ctx,
    ask: impl Fn(Ctx, Shard) -> F,
) -> Result<Gathered<T>, Fault>
where
    F: Future<Output = db::Result<T>>,
{
    let busy = |_| Fault::Unavailable("too many questions about everybody".to_owned());
    let _place = service.asking.try_acquire().map_err(busy)?;
    // The last fifth of the request's time is for merging and answering.
    let patience = ctx.remaining()?.mul_f32(0.8);
    let asked = service.db.shards().iter().map(|shard| {
        let answer = tokio::time::timeout(patience, ask(ctx.clone(), shard.clone()));
        async move {
            let answer = answer.await.unwrap_or(Err(db::Error::DeadlineExceeded));
            answer.inspect_err(|error| warn!(shard = shard.name(), %error, "shard did not answer"))
        }
    });
    let asked = join_all(asked).await;
    let shards = asked.len();
    let (answers, mut errors) = asked.into_iter().fold(
        (Vec::with_capacity(shards), Vec::new()),
        |(mut answers, mut errors), answer| {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => errors.push(error),
            }
            (answers, errors)
        },
    );
    match errors.pop() {
        Some(error) if answers.is_empty() => Err(error.into()),
        error => Ok(Gathered {
            answers,
            partial: error.is_some(),
        }),
    }
}
