//! Questions about everybody go to all shards at once; a shard that does not answer in time does
//! not take the others' answers with it.

use std::future::Future;

use contract::{Ctx, Fault};
use db::{Db, Shard};
use futures::future::join_all;
use tracing::warn;

pub(crate) struct Gathered<T> {
    pub(crate) answers: Vec<T>,
    /// True when a shard's answer is missing.
    pub(crate) partial: bool,
}

/// Fails only if no shard answers.
pub(crate) async fn ask_all<T, F>(
    db: &Db,
    ctx: &Ctx,
    ask: impl Fn(Ctx, Shard) -> F,
) -> Result<Gathered<T>, Fault>
where
    F: Future<Output = db::Result<T>>,
{
    // The last fifth of the request's time is for merging and answering.
    let patience = ctx.remaining()?.mul_f32(0.8);
    let asked = db.shards().iter().map(|shard| {
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
