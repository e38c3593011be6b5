//! How often a program looks again, and how much of a processor it takes for that.

use std::time::{Duration, Instant};

use ctnetlink::DutyCycle;
use rustix::time::{ClockId, clock_gettime};

/// A round of a program that looks again and again: the look, and all it takes to show it.
pub struct Pace {
    duty: Option<DutyCycle>,
    /// When the round began, and what the program had worked by then.
    began: (Instant, Duration),
    /// What the look of this round took.
    look: Duration,
    /// What the last round took beside its look.
    beside: Duration,
}

impl Pace {
    /// The first round begins.
    pub fn new(duty: Option<DutyCycle>) -> Self {
        Self { duty, began: (Instant::now(), work()), look: Duration::ZERO, beside: Duration::ZERO }
    }

    /// How long a look may take, for one every `interval`; `None` if that is not bounded.
    pub fn time(&self, interval: Duration) -> Option<Duration> {
        self.duty.map(|duty| duty.work_in(interval).saturating_sub(self.beside))
    }

    /// Does the look of a round.
    pub fn look<T>(&mut self, look: impl FnOnce() -> T) -> T {
        let before = work();
        let seen = look();
        self.look = work().saturating_sub(before);
        seen
    }

    /// Ends a round by a pause of this long, or longer if its work takes that, and begins the next.
    pub fn wait(&mut self, pause: Duration) {
        let (began, before) = self.began;
        let work = self::work().saturating_sub(before);
        self.beside = work.saturating_sub(self.look);
        let least = self.duty.map_or(Duration::ZERO, |duty| {
            work.saturating_add(duty.pause_after(work)).saturating_sub(began.elapsed())
        });
        std::thread::sleep(pause.max(least));
        self.began = (Instant::now(), self::work());
    }
}

/// The processor time this program has taken so far: the kernel's work for it is in it.
fn work() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
