//! Prometheus' HTTP API, as much of it as is needed here.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::PrometheusUrl;
use crate::promql::{self, Query};

/// Shorter than the two seconds between polls.
const DEADLINE: Duration = Duration::from_millis(1500);

/// For 15 minutes at once. Somebody waits for a plot, nobody for a poll.
const RANGE_DEADLINE: Duration = Duration::from_secs(5);

/// Thirty boxes over 15 minutes are about 200 KB.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Cheap to clone: one pool of connections.
#[derive(Debug, Clone)]
pub struct Prometheus {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

/// Why there is no answer, in words that the page shows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Unreachable(String),
    #[error("no answer within {0:?}")]
    TooLate(Duration),
    /// Such as 503 while it starts.
    #[error("it says {status}: {message}")]
    Refused { status: StatusCode, message: String },
    #[error("its answer makes no sense: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// The figures of one moment.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Sample>);

#[derive(Debug, Deserialize)]
pub(crate) struct Sample {
    #[serde(rename = "metric")]
    labels: HashMap<String, String>,
    value: Point,
}

/// A figure over time.
#[derive(Debug, Deserialize)]
pub(crate) struct Series {
    #[serde(rename = "metric")]
    labels: HashMap<String, String>,
    values: Vec<Point>,
}

/// Seconds since 1970, and a number as text: JSON knows no NaN.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Point(f64, String);

/// An alert rule.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// `ok`, `err`, or `unknown` before its first evaluation.
    pub(crate) health: String,
    #[serde(default)]
    pub(crate) alerts: Vec<Alert>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Alert {
    /// `firing`, or `pending`: true, but not yet for long enough.
    pub(crate) state: String,
    /// With their templates filled in.
    pub(crate) annotations: HashMap<String, String>,
}

impl Prometheus {
    pub fn new(url: &PrometheusUrl) -> Prometheus {
        Prometheus {
            client: runtime::client(),
            url: String::from(url.clone()),
        }
    }

    pub(crate) async fn now(&self, queries: &[Query]) -> Result<Figures, Error> {
        let query = promql::together(queries);
        let form = Serializer::new(String::new())
            .append_pair("query", &query)
            .append_pair("timeout", "1s")
            .finish();
        let data: Data<Sample> = self.ask("query", form, DEADLINE).await?;
        Ok(Figures(data.result))
    }

    /// The figures of each `step` from `start` to `end`, all in seconds (since 1970).
    pub(crate) async fn range(
        &self,
        queries: &[Query],
        start: u64,
        end: u64,
        step: u64,
    ) -> Result<Vec<Series>, Error> {
        let query = promql::together(queries);
        let form = Serializer::new(String::new())
            .append_pair("query", &query)
            .append_pair("start", &start.to_string())
            .append_pair("end", &end.to_string())
            .append_pair("step", &step.to_string())
            .finish();
        let data: Data<Series> = self.ask("query_range", form, RANGE_DEADLINE).await?;
        Ok(data.result)
    }

    /// All alert rules, whether they fire or not.
    pub(crate) async fn rules(&self) -> Result<Vec<Rule>, Error> {
        #[derive(Deserialize)]
        struct Groups {
            groups: Vec<Group>,
        }
        #[derive(Deserialize)]
        struct Group {
            rules: Vec<Rule>,
        }
        let groups: Groups = self
            .ask("rules?type=alert", String::new(), DEADLINE)
            .await?;
        Ok(groups.groups.into_iter().flat_map(|g| g.rules).collect())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        call: &str,
        form: String,
        deadline: Duration,
    ) -> Result<T, Error> {
        let url = format!("{}/api/v1/{call}", self.url);
        let request = match form.is_empty() {
            true => Request::get(url).body(Full::default()),
            false => Request::post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Full::from(form)),
        };
        let request = request.expect("a URL that was checked, and a plain header");
        let answer = async {
            let response = self.client.request(request).await;
            let (head, body) = response.map_err(unreachable)?.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| Error::Unreachable(error.to_string()))?;
            Ok::<_, Error>((head.status, body.to_bytes()))
        };
        let answer = tokio::time::timeout(deadline, answer).await;
        let (status, body) = answer.map_err(|_| Error::TooLate(deadline))??;
        if !status.is_success() {
            return Err(Error::Refused {
                status,
                message: String::from_utf8_lossy(&body).chars().take(200).collect(),
            });
        }
        let Envelope { data } = serde_json::from_slice(&body)?;
        Ok(data)
    }
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Data<T> {
    result: Vec<T>,
}

/// The first cause says most: "Connection refused" rather than "client error (Connect)".
fn unreachable(error: hyper_util::client::legacy::Error) -> Error {
    let error: &dyn std::error::Error = &error;
    let causes = std::iter::successors(Some(error), |error| error.source());
    Error::Unreachable(causes.last().unwrap_or(error).to_string())
}

impl Figures {
    /// The answers to one question.
    pub(crate) fn of(&self, query: Query) -> impl Iterator<Item = &Sample> {
        let is_it = move |sample: &&Sample| sample.label("figure") == query.name;
        self.0.iter().filter(is_it)
    }

    /// The answer to a question that has one at most.
    pub(crate) fn one(&self, query: Query) -> Option<f64> {
        self.of(query).find_map(Sample::value)
    }
}

impl Sample {
    /// Empty if it has none, as in Prometheus.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// None for what is no number: a quantile of nothing.
    pub(crate) fn value(&self) -> Option<f64> {
        self.value.number()
    }

    /// The host it was scraped at.
    pub(crate) fn host(&self) -> &str {
        host(self.label("instance"))
    }
}

impl Series {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = (u64, f64)> {
        let number = |point: &Point| Some((point.0 as u64, point.number()?));
        self.values.iter().filter_map(number)
    }
}

impl Point {
    fn number(&self) -> Option<f64> {
        self.1
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    }
}

/// `10.0.0.2` of `10.0.0.2:9100`: the processes of a box share an address, not a port.
pub(crate) fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

#[cfg(test)]
impl Figures {
    pub(crate) fn sample(mut self, query: Query, labels: &[(&str, &str)], value: f64) -> Figures {
        let named = [("figure", query.name)];
        let labels = labels.iter().chain(&named);
        self.0.push(Sample {
            labels: labels.map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            value: Point(0.0, value.to_string()),
        });
        self
    }
}
