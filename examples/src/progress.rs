//! A progress bar on a terminal, and silence elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress on stderr. Where stderr is no terminal nothing is drawn.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of input, of which there are so many; none when nobody knows.
    Bytes(Option<u64>),
    /// Events, of which there are so many.
    Events(u64),
    /// Events, nobody knows how many.
    Open,
}

impl Progress {
    /// A bar named `title`.
    #[must_use]
    pub fn new(title: &'static str, unit: Unit) -> Self {
        let (length, template) = match unit {
            Unit::Bytes(Some(length)) => (Some(length), BYTES),
            Unit::Bytes(None) => (None, BYTES_UNKNOWN),
            Unit::Events(length) => (Some(length), EVENTS),
            Unit::Open => (None, EVENTS_UNKNOWN),
        };
        // Asked here, not left to the library: it would also draw on a terminal that only stdin is.
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND),
            false => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template(template)
            .expect("invariant: the templates below are valid")
            .progress_chars("━╸ ");
        let bar = ProgressBar::with_draw_target(length, target)
            .with_style(style)
            .with_prefix(title);
        // A tick is a thread that wakes up, also where nothing is drawn.
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar }
    }

    /// Whether anybody sees it.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// So far.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// A word behind the bar.
    pub fn note(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Runs `print` with the bar out of the way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for Progress {
    /// Leaves a clean terminal, whatever way the run ended.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

const REDRAWS_PER_SECOND: u8 = 10;
const BYTES: &str = "{prefix:>10} {bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg}";
const BYTES_UNKNOWN: &str = "{prefix:>10} {spinner} {bytes} {binary_bytes_per_sec} {msg}";
const EVENTS_UNKNOWN: &str = "{prefix:>10} {spinner} {human_pos} {per_sec} {msg}";
const EVENTS: &str = "{prefix:>10} {bar:40} {human_pos}/{human_len} {msg}";
