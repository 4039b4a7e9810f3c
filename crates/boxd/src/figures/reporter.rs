//! A program that reports the figures of a process: asked by a line, it answers with lines.
//!
//! It is started when it is first asked and stays, as starting a client and logging in cost far
//! more than a question. One that ended is started anew when it is asked next. One that does not
//! answer in time is not asked again before it has answered, so that it cannot be overrun.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::config::ReporterConfig;
use crate::log::log;

/// Half of what Prometheus gives a scrape: the other figures are to arrive in any case.
const PATIENCE: Duration = Duration::from_secs(1);
/// The last line of an answer; as in `OpenMetrics`.
const END: &str = "# EOF";

pub(super) struct Reporter {
    process: String,
    config: ReporterConfig,
    conversation: Option<Conversation>,
}

/// With a running reporter, which ends when this is dropped: its input is over then.
struct Conversation {
    questions: ChildStdin,
    answers: Receiver<String>,
    owes_answer: bool,
}

impl Reporter {
    pub(super) fn new(process: String, config: ReporterConfig) -> Self {
        Self {
            process,
            config,
            conversation: None,
        }
    }

    /// None when there is no answer in time.
    pub(super) fn ask(&mut self) -> Option<String> {
        let mut conversation = match self.conversation.take() {
            Some(conversation) => conversation,
            None => match self.start() {
                Ok(conversation) => conversation,
                Err(error) => {
                    log(format_args!("{}: figures: {error}", self.process));
                    return None;
                }
            },
        };
        match conversation.ask(&self.config.ask) {
            Ok(answer) => {
                self.conversation = Some(conversation);
                answer
            }
            // It has said why on standard error.
            Err(Ended) => None,
        }
    }

    fn start(&self) -> io::Result<Conversation> {
        let mut child = Command::new(&self.config.command.program)
            .args(&self.config.command.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        // The supervisor reaps it, as it does every child.
        let (Some(questions), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are piped");
        };
        let (sender, answers) = channel();
        thread::Builder::new().spawn(move || pass_on(output, &sender))?;
        Ok(Conversation {
            questions,
            answers,
            owes_answer: false,
        })
    }
}

struct Ended;

impl Conversation {
    fn ask(&mut self, question: &str) -> Result<Option<String>, Ended> {
        if !self.owes_answer {
            // Never blocks: a pipe holds 64 KiB, and there is at most this one question in it.
            writeln!(self.questions, "{question}").map_err(|_| Ended)?;
        }
        // A late answer is as good as a new one: counters only grew.
        match self.answers.recv_timeout(PATIENCE) {
            Ok(answer) => {
                self.owes_answer = false;
                Ok(Some(answer))
            }
            Err(RecvTimeoutError::Timeout) => {
                self.owes_answer = true;
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => Err(Ended),
        }
    }
}

/// Until its output ends, or nobody listens any more.
fn pass_on(output: ChildStdout, answers: &Sender<String>) {
    let mut answer = String::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if line != END {
            answer.push_str(&line);
            answer.push('\n');
        } else if answers.send(std::mem::take(&mut answer)).is_err() {
            break;
        }
    }
}
