//! A process, and what it took.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often memory is looked at, and whether it is over.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Clock ticks a second of `/proc/PID/stat`, on every Linux there is.
const TICKS: f64 = 100.0;

/// What something took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Seconds by the clock.
    pub wall: f64,
    /// Seconds of processors, of its own children too.
    pub cpu: f64,
    /// The most anonymous memory (`RssAnon`) that was seen, MiB.
    pub anon: f64,
}

impl Cost {
    /// One behind the other.
    pub fn and(self, next: Self) -> Self {
        Self {
            wall: self.wall + next.wall,
            cpu: self.cpu + next.cpu,
            anon: self.anon.max(next.anon),
        }
    }
}

/// What `/proc` tells of a process, also of one that has ended and was not waited for.
#[derive(Clone, Copy)]
pub struct Look {
    pub ended: bool,
    pub cpu: f64,
    pub anon: f64,
}

/// Looks at a process.
pub fn look(id: u32) -> Option<Look> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = fields.get(11..15)?.iter();
    let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    let kibibytes: f64 = kibibytes.and_then(|n| n.parse().ok()).unwrap_or(0.0);
    Some(Look {
        ended: fields.first() == Some(&"Z"),
        cpu: ticks / TICKS,
        anon: kibibytes / 1024.0,
    })
}

/// Runs a command to its end; `stdout` is where its output goes. What it complains of is the error.
pub fn run(command: &mut Command, stdout: Stdio, log: &Path) -> Result<Cost, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let errors = std::fs::File::create(log).map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(stdout).stderr(errors);
    let begun = Instant::now();
    let child = command.spawn();
    let mut child = child.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "not installed".to_owned(),
        _ => format!("{program}: {error}"),
    })?;
    let cost = watch(&child, begun);
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(cost);
    }
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let last = said.trim().lines().last().unwrap_or("it says nothing");
    Err(format!("{status}: {last}"))
}

fn watch(child: &Child, begun: Instant) -> Cost {
    let mut cost = Cost::default();
    while let Some(seen) = look(child.id()) {
        cost = Cost {
            wall: begun.elapsed().as_secs_f64(),
            cpu: seen.cpu,
            anon: cost.anon.max(seen.anon),
        };
        if seen.ended {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    cost
}
