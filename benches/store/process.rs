//! What is measured runs in a process of its own, which has nothing else in its memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Makes this program such a process.
pub const FLAG: &str = "--job";
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Clock ticks a second of `/proc/self/stat`, on every Linux there is.
const TICKS: f64 = 100.0;

/// Figures by name.
#[derive(Debug, Default)]
pub struct Figures(pub BTreeMap<String, f64>);

impl Figures {
    /// The figure of this name.
    pub fn get(&self, name: &str) -> f64 {
        let figure = self.0.get(name);
        *figure.unwrap_or_else(|| panic!("no figure {name} in {self:?}"))
    }
}

/// Runs a job on a store in another process, to its end.
pub fn run(job: &str, pack: &Path, number: usize) -> Figures {
    let (output, died) = start(job, pack, number);
    assert!(!died, "{job} works");
    output
}

/// Runs a job that ends by dying.
pub fn run_to_death(job: &str, pack: &Path, number: usize) {
    let (_, died) = start(job, pack, number);
    assert!(died, "{job} dies");
}

fn start(job: &str, pack: &Path, number: usize) -> (Figures, bool) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let command = command.args([FLAG, job]).arg(pack).arg(number.to_string());
    let command = command.stderr(std::process::Stdio::inherit());
    let output = command.output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = text.lines().filter_map(|line| {
        let (name, figure) = line.split_once(' ')?;
        Some((name.to_owned(), figure.parse().ok()?))
    });
    (Figures(figures.collect()), !output.status.success())
}

/// Says a figure to the process that asked.
pub fn say(name: &str, figure: f64) {
    println!("{name} {figure}");
}

/// Time, processor time and memory of some work.
pub struct Meter {
    begun: Instant,
    ticks: f64,
    stop: Arc<AtomicBool>,
    peak: JoinHandle<f64>,
}

impl Meter {
    /// Begins to measure.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let peak = std::thread::spawn(move || {
            let mut peak: f64 = 0.0;
            while !told.load(Ordering::Relaxed) {
                peak = peak.max(resident("RssAnon"));
                std::thread::sleep(LOOK_EVERY);
            }
            peak
        });
        Self {
            begun: Instant::now(),
            ticks: ticks(),
            stop,
            peak,
        }
    }

    /// Says what it took.
    pub fn say(self) {
        say("seconds", self.begun.elapsed().as_secs_f64());
        say("cpu", (ticks() - self.ticks) / TICKS);
        self.stop.store(true, Ordering::Relaxed);
        let peak = self.peak.join().expect("no panic");
        say("anon", peak.max(resident("RssAnon")));
        say("hwm", resident("VmHWM"));
    }
}

/// A line of `/proc/self/status`, in MiB.
fn resident(what: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(what));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes.expect("a size").parse::<f64>().expect("a number") / 1024.0
}

/// Processor time of this process, of the system for it too.
fn ticks() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    let mut fields = fields.split(' ').skip(11);
    let mut next = || fields.next().expect("a field").parse::<f64>();
    next().expect("a number") + next().expect("a number")
}
