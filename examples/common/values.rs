//! Values on the command line.

use std::time::Duration;

/// The number of `--demo`.
pub fn entries(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "N is a number; words that are none go before --demo".to_owned())
}

/// A setting on the command line: `acct=1`.
pub fn assignment(text: &str) -> Result<(String, i64), String> {
    let wrong = || "a name and a number, such as tcp_timeout_time_wait=30".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    // It goes into a file of lines.
    if !name.trim().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    Ok((name.trim().to_owned(), value.trim().parse().map_err(|_| wrong())?))
}

/// The pause of `--watch`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match time(text)? {
        time if time >= Duration::from_millis(100) => Ok(time),
        _ => Err("a look every 0.1 seconds is the most that makes sense".to_owned()),
    }
}

/// A time in seconds.
pub fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
