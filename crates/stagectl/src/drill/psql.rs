//! A hand with psql: changes the stock behind the shop's back, and tells no cache of it.

use std::process::Stdio;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::field::Field;

/// One session in the box `db`, ended when dropped.
pub(super) struct Psql {
    _child: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Psql {
    pub(super) async fn open(field: &Field<'_>) -> anyhow::Result<Psql> {
        let container = field.compose.container("db").await?;
        let psql = [
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--dbname=shop",
        ];
        let mut child = Command::new("docker")
            .args(["exec", "--interactive", &container.id])
            .args(psql)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("docker exec psql")?;
        let stdin = child.stdin.take().context("no stdin")?;
        let stdout = child.stdout.take().context("no stdout")?;
        Ok(Psql {
            _child: child,
            stdin,
            answers: BufReader::new(stdout).lines(),
        })
    }

    /// One more of a product, with a line in the books; its new level.
    pub(super) async fn add_one(&mut self, sku: &str) -> anyhow::Result<i64> {
        let sql = format!(
            "with booked as (
                 insert into inventory.restocks (id, sku, delta) values (gen_random_uuid(), '{sku}', 1)
             )
             update inventory.stock set available = available + 1 where sku = '{sku}' returning available;\n"
        );
        self.stdin.write_all(sql.as_bytes()).await?;
        let answer = self.answers.next_line().await?.context("psql has ended")?;
        answer.trim().parse().with_context(|| answer.clone())
    }
}
