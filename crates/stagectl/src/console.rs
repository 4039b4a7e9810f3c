//! Words for people: progress and failures on stderr, never on stdout.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

pub(crate) fn step(text: &str) {
    eprintln!("==> {text}");
}

pub(crate) fn fail(text: &str) {
    eprintln!("stage: {text}");
}

/// A line that lives while something long goes on; plain lines where nobody watches a terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    last: String,
}

impl Progress {
    pub(crate) fn start(text: &str) -> Progress {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        let mut progress = Progress {
            bar,
            last: String::new(),
        };
        progress.tell(text);
        progress
    }

    pub(crate) fn tell(&mut self, text: &str) {
        if self.last == text {
            return;
        }
        text.clone_into(&mut self.last);
        if self.bar.is_hidden() {
            say(text);
        } else {
            self.bar.set_message(text.to_owned());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_progress_is_told_once() {
        let mut progress = Progress::start("building");
        progress.tell("building");
        assert_eq!(progress.last, "building");
    }
}
