//! The times of a log's lines, in all the forms that logs use.

use std::time::UNIX_EPOCH;

const DAY: f64 = 86_400.0;

/// Times that go back by more than this are of the next day, or year. If they go back by less, the lines are not quite
/// in order, or clocks were set back by an hour.
const NEXT_DAY: f64 = 2.0 * 3600.0;
const NEXT_YEAR: f64 = 200.0 * DAY;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days of a leap year before each month.
const DAYS_BEFORE: [u16; 12] = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335];

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Reads the times of a log's lines, one after another. A date or year that a line leaves out is that of the lines
/// before it.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Option<f64>,
    /// Days that have ended since the first line, for times without a date; years, for dates without a year.
    ended: f64,
}

impl Clock {
    /// The time of a line, in seconds since a moment that is the same for all lines of a log:
    ///
    /// * `[12.5]` and `[  +0.5]` of `dmesg`, of the journal's `short-monotonic` and `short-delta`;
    /// * `6,813,12500000,-;` of `/dev/kmsg`;
    /// * `[Sat Nov 21 03:52:42 2026]` of `dmesg -T`, `[Nov21 03:52]` of `dmesg -H`;
    /// * `Nov 21 03:52:42` of a syslog and of the journal, `short-precise` too;
    /// * `2026-11-21T03:52:42,5+01:00` and other forms of ISO 8601 and RFC 3339, `Sat 2026-11-21 03:52:42 UTC` of
    ///   `short-full`;
    /// * `1795233162.5` of `short-unix`;
    /// * `03:52:42`, a time alone.
    ///
    /// A date without a year is one of a leap year. Names of time zones are ignored: all lines have the same one.
    pub(super) fn read(&mut self, line: &str) -> Option<f64> {
        let at = self.moment(line.trim_start())?;
        self.last = Some(at);
        Some(at)
    }

    fn moment(&mut self, line: &str) -> Option<f64> {
        let line = without_priority(line);
        if let Some(rest) = line.strip_prefix('[') {
            let inside = rest.split(']').next()?.trim();
            if let Some(delta) = inside.strip_prefix('+') {
                return Some(self.last.unwrap_or_default() + number(delta)?);
            }
            let first = inside.split_whitespace().next()?;
            return number(first).or_else(|| self.calendar(inside, true));
        }
        let head = line.split_once(';').map(|(head, _)| head);
        if let Some(microseconds) = head.and_then(|head| number(head.split(',').nth(2)?)) {
            return Some(microseconds / 1e6);
        }
        self.calendar(line, false)
    }

    /// A date and a time, or a time.
    fn calendar(&mut self, text: &str, with_year: bool) -> Option<f64> {
        let mut words = text.split_whitespace();
        let mut first = words.next()?;
        if first.get(..3).is_some_and(|name| WEEKDAYS.contains(&name)) && first.len() <= 4 {
            first = words.next()?;
        }
        if let Some(month) = MONTHS.iter().position(|name| first.starts_with(name)) {
            let day = first.get(3..).filter(|day| !day.is_empty());
            let day = number(day.or_else(|| words.next())?)?;
            let (time, _) = time_of_day(words.next()?)?;
            let year = words.next().filter(|_| with_year).and_then(|year| year.parse::<i64>().ok());
            return Some(match year {
                Some(year) => date(year, month, day)? + time,
                None => {
                    let days = f64::from(*DAYS_BEFORE.get(month)?) + day - 1.0;
                    self.later(days * DAY + time, 366.0 * DAY, NEXT_YEAR)
                }
            });
        }
        // 2026-11-21T03:52:42, or the time is the next word.
        if let Some((day, rest)) = first.split_at_checked(10).filter(|(day, _)| is_date(day)) {
            let time =
                rest.strip_prefix('T').or_else(|| words.next().filter(|_| rest.is_empty()))?;
            let (time, zone) = time_of_day(time)?;
            return Some(midnight(day)? + time - zone);
        }
        if let Some((time, _)) = time_of_day(first).filter(|_| first.matches(':').count() == 2) {
            return Some(self.later(time, DAY, NEXT_DAY));
        }
        // Seconds since 1970 have had nine digits since 1973, and here a fraction, unlike other numbers.
        let (whole, _) = first.split_once('.')?;
        number(first).filter(|_| whole.len() >= 9)
    }

    /// A time within a day, or a year: that of the last line, or the one after it.
    fn later(&mut self, within: f64, period: f64, back: f64) -> f64 {
        if self.last.is_some_and(|last| within + self.ended * period + back < last) {
            self.ended += 1.0;
        }
        within + self.ended * period
    }
}

/// A line without the priority that may precede its time: `<6>`, `<34>1 `, `kern  :warn  : `.
fn without_priority(line: &str) -> &str {
    if let Some(bracket) = line.strip_prefix("kern ").and_then(|_| line.find(": [")) {
        return line.get(bracket + 2..).unwrap_or_default();
    }
    let rest = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    let rest = rest.filter(|(priority, _)| priority.bytes().all(|byte| byte.is_ascii_digit()));
    rest.map_or(line, |(_, rest)| rest.strip_prefix("1 ").unwrap_or(rest))
}

/// Digits with at most one dot: no sign, no infinity.
fn number(text: &str) -> Option<f64> {
    const LONGEST: usize = 24;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain && text.len() <= LONGEST { text.parse().ok() } else { None }
}

/// Seconds since midnight, and by how many the zone is ahead of UTC: `03:52:42.5+01:00`.
fn time_of_day(text: &str) -> Option<(f64, f64)> {
    let text = text.trim_end_matches(':');
    let end = text.find(|c: char| !c.is_ascii_digit() && !":.,".contains(c)).unwrap_or(text.len());
    let (time, zone) = text.split_at_checked(end)?;
    let time = time.replace(',', ".");
    let mut parts = time.split(':');
    let (hours, minutes) = (number(parts.next()?)?, number(parts.next()?)?);
    let seconds = parts.next().map_or(Some(0.0), number)?;
    if hours >= 24.0 || minutes >= 60.0 || seconds >= 61.0 || parts.next().is_some() {
        return None;
    }
    Some((hours * 3600.0 + minutes * 60.0 + seconds, ahead(zone)?))
}

/// Seconds that a zone is ahead of UTC: `Z`, `+01:00`, `-0530`; 0 if there is none.
fn ahead(zone: &str) -> Option<f64> {
    if zone.is_empty() || zone == "Z" {
        return Some(0.0);
    }
    let (sign, rest) = match zone.strip_prefix('+') {
        Some(rest) => (1.0, rest),
        None => (-1.0, zone.strip_prefix('-')?),
    };
    let digits = rest.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0.0 } else { number(minutes)? };
    Some(sign * (number(hours)? * 3600.0 + minutes * 60.0))
}

fn is_date(text: &str) -> bool {
    let mut bytes = text.bytes().enumerate();
    bytes.all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

/// Midnight of a day, in seconds since 1970.
fn midnight(day: &str) -> Option<f64> {
    let midnight = humantime::parse_rfc3339_weak(&format!("{day}T00:00:00")).ok()?;
    midnight.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64())
}

/// Midnight of a day of a year and month; months are counted from 0.
fn date(year: i64, month: usize, day: f64) -> Option<f64> {
    midnight(&format!("{year:04}-{:02}-{day:02}", month + 1))
}
