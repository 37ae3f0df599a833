//! The vendor's rate limit: a bucket of tokens.

use std::time::{Duration, Instant};

pub(super) struct TokenBucket {
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    pub(super) fn new(burst: u32) -> TokenBucket {
        TokenBucket { tokens: f64::from(burst), filled: Instant::now() }
    }

    /// Takes one token, or says after how many seconds there will be one. A refused request costs nothing.
    pub(super) fn take(&mut self, rate: f64, burst: u32) -> Result<(), f64> {
        let now = Instant::now();
        let gained = now.duration_since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + gained).min(f64::from(burst.max(1)));
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - self.tokens) / rate;
        Err(wait.min(Duration::from_secs(86_400).as_secs_f64()))
    }
}
