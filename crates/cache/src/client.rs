//! One Redis server: asked with a deadline, and not at all while it does not answer.

use std::fmt::Display;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use contract::Fault;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{
    Cmd, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, RedisResult, ScriptInvocation, ServerErrorKind,
};

use crate::breaker::{Breaker, Opened};

/// Longest wait for a connection; also for the answer to what is sent first on it.
const CONNECTING: Duration = Duration::from_millis(500);
/// Between two tries to connect.
const RECONNECTING: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// What a peer does not acknowledge for so long is lost, and the connection with it: a network that
/// was cut says nothing.
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);
/// To read what is there already. Redis is given no longer.
const GRACE: Duration = Duration::from_millis(10);
/// Tries to connect before a box opens without.
const TRIES: u32 = 4;
/// Requests on their way at once. They share one connection, so they queue nowhere else.
const IN_FLIGHT: usize = 1_024;

/// A server and our connection to it. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    /// As in metrics: `sessions`, `cache`.
    name: &'static str,
    /// Made anew by itself when it breaks, the host's name being looked up again.
    connection: ConnectionManager,
    breaker: Breaker,
    patience: Duration,
    /// Of all keys. Empty but in tests, which share a server.
    prefix: String,
}

impl Inner {
    /// A connection may have to be made first.
    async fn answers_a_ping(&self) -> bool {
        let (ping, mut connection) = (redis::cmd("PING"), self.connection.clone());
        let pong = ping.query_async::<()>(&mut connection);
        matches!(tokio::time::timeout(CONNECTING, pong).await, Ok(Ok(())))
    }
}

enum Question<'a> {
    Command(&'a Cmd),
    Pipeline(&'a Pipeline),
    Script(&'a ScriptInvocation<'a>),
}

impl Question<'_> {
    async fn ask<T: FromRedisValue>(&self, connection: &ConnectionManager) -> RedisResult<T> {
        let mut connection = connection.clone();
        match self {
            Question::Command(command) => command.query_async(&mut connection).await,
            Question::Pipeline(commands) => commands.query_async(&mut connection).await,
            Question::Script(script) => script.invoke_async(&mut connection).await,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has not answered lately: it was not asked.
    #[error("redis {0} is away")]
    Away(&'static str),
    #[error("redis {name} did not answer within {} ms", .patience.as_millis())]
    TimedOut {
        name: &'static str,
        patience: Duration,
    },
    #[error("redis {name}: {error}")]
    Broken {
        name: &'static str,
        error: RedisError,
    },
}

pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error {
            Error::Broken { ref error, .. } if !is_away(error) && !is_full(error) => {
                Fault::Internal(error.to_string())
            }
            error => Fault::Unavailable(error.to_string()),
        }
    }
}

impl Redis {
    /// Connects when it is first asked.
    pub(crate) fn open(
        name: &'static str,
        (host, port): (String, u16),
        info: RedisConnectionInfo,
        patience: Duration,
        prefix: String,
    ) -> Redis {
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_user_timeout(UNACKNOWLEDGED);
        let info = ConnectionAddr::Tcp(host, port)
            .into_connection_info()
            .expect("a host and a port are an address")
            .set_redis_settings(info)
            .set_tcp_settings(tcp);
        let (least, most) = RECONNECTING;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            // Ours to keep, see `call`: a late answer is no reason for a new connection.
            .set_response_timeout(None)
            .set_min_delay(least)
            .set_max_delay(most)
            .set_number_of_retries(1)
            .set_concurrency_limit(IN_FLIGHT);
        let client = redis::Client::open(info).expect("an address without TLS opens");
        let connection = ConnectionManager::new_lazy_with_config(client, config)
            .expect("a connection without push opens");
        Redis {
            inner: Arc::new(Inner {
                name,
                connection,
                breaker: Breaker::new(format!("redis-{name}")),
                patience,
                prefix,
            }),
        }
    }

    /// The name of a key, as it is on the server. Scripts that make keys get the prefix from here, too.
    pub fn key(&self, name: impl Display) -> String {
        format!("{}{name}", self.inner.prefix)
    }

    /// Whether it answered lately, as far as is known.
    pub fn answers(&self) -> bool {
        self.inner.breaker.is_closed()
    }

    /// Makes the connection, which takes longer than an answer may. Says whether it is there.
    pub async fn connect(&self) -> bool {
        for _ in 0..TRIES {
            if self.inner.answers_a_ping().await {
                return true;
            }
        }
        false
    }

    pub async fn ask<T: FromRedisValue>(&self, name: &'static str, cmd: &Cmd) -> Result<T> {
        self.call(name, Question::Command(cmd)).await
    }

    pub async fn ask_all<T: FromRedisValue>(
        &self,
        name: &'static str,
        commands: &Pipeline,
    ) -> Result<T> {
        self.call(name, Question::Pipeline(commands)).await
    }

    pub async fn run<T: FromRedisValue>(
        &self,
        name: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T> {
        self.call(name, Question::Script(script)).await
    }

    async fn call<T: FromRedisValue>(
        &self,
        command: &'static str,
        question: Question<'_>,
    ) -> Result<T> {
        let Inner {
            name,
            connection,
            breaker,
            patience,
            ..
        } = &*self.inner;
        if !breaker.is_closed() {
            return Err(Error::Away(name));
        }
        let started = Instant::now();
        let asked = async {
            match question.ask(connection).await {
                // That Redis went away is often noticed only by who asks next: he asks again, on a new
                // connection. All that we ask may be asked twice; an attempt to log in then counts twice.
                Err(error) if error.is_connection_dropped() => question.ask(connection).await,
                answered => answered,
            }
        };
        let mut asked = pin!(asked);
        let answered = match tokio::time::timeout(*patience, &mut asked).await {
            // A box whose quota of CPU was used up finds the time gone and the answer there: that is read
            // by another task than this one.
            Err(_) => tokio::time::timeout(GRACE, asked).await,
            answered => answered,
        };
        metrics::histogram!("redis_request_duration_seconds", "store" => *name, "command" => command)
            .record(started.elapsed().as_secs_f64());
        let answered = match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Error::Broken { name, error }),
            Err(_) => Err(Error::TimedOut {
                name,
                patience: *patience,
            }),
        };
        match &answered {
            Err(Error::Broken { error, .. }) if !is_away(error) => breaker.succeeded(),
            Ok(_) => breaker.succeeded(),
            Err(error) => {
                if let Some(opened) = breaker.failed(error) {
                    tokio::spawn(probe(opened, Arc::downgrade(&self.inner)));
                }
            }
        }
        answered
    }
}

/// Until it answers, or nobody wants it any more.
async fn probe(mut opened: Opened, inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(opened.next_wait()).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.breaker.half_open();
        let answers = inner.answers_a_ping().await;
        inner.breaker.probed(answers);
        if answers {
            return;
        }
    }
}

/// No answer at all, or one that says that there will be none for a while.
fn is_away(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || error.is_timeout()
        || matches!(
            error.kind(),
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::TryAgain
            )
        )
        // Of a new connection: by a Redis that does not know our password, or has enough of them.
        || error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "BUSY"))
        || error.detail().is_some_and(|detail| detail.contains("max number of clients"))
}

/// It answers, and takes nothing more: `maxmemory` is reached and nothing may be evicted, or its disk is
/// full.
fn is_full(error: &RedisError) -> bool {
    matches!(error.code(), Some("OOM" | "MISCONF"))
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redis({})", self.inner.name)
    }
}
