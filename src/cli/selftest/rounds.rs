//! Rounds: let a process work, kill it, see what is there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::SelftestReport;
use super::model::Model;
use super::work::{Choice, SPAN};
use crate::cli::CliError;
use crate::format::scan;
use crate::pack::Medium;
use crate::store::{Options, Store, StoreError, index_path};

/// After so many rounds a new store is begun: a pack only grows.
const ROUNDS_A_STORE: u64 = 50;
/// A process is killed when it has acknowledged fewer changes than this.
const CHANGES: u64 = 40;
/// And within so many microseconds after that.
const MICROS: u64 = 4_000;
/// A process that opens the store is killed within so many microseconds.
const OPENING_MICROS: u64 = 20_000;
const SECTOR: u64 = 512;

/// The rounds of one run.
pub struct Rounds {
    folder: PathBuf,
    choice: Choice,
    report: SelftestReport,
    /// Where the pack may end: all that was acknowledged is below.
    acknowledged_len: u64,
}

impl Rounds {
    /// Rounds in an empty folder.
    pub fn new(folder: &Path, seed: u64) -> Self {
        let report = SelftestReport {
            seed,
            ..SelftestReport::default()
        };
        Self {
            folder: folder.to_owned(),
            choice: Choice::new(seed, u64::MAX),
            report,
            acknowledged_len: 0,
        }
    }

    /// Kills so many processes.
    pub fn run(mut self, crashes: u64) -> Result<SelftestReport, CliError> {
        let mut model = Model::default();
        for round in 0..crashes {
            if round % ROUNDS_A_STORE == 0 {
                self.begin_anew()?;
                model = Model::new(self.report.seed);
            }
            self.kill_one_at_work(&mut model, round * SPAN)?;
            self.fail_power(&model, round)?;
            self.disturb()?;
            model = self.look(&self.pack(), &model, &format!("crash {}", round + 1));
            if !self.report.losses.is_empty() {
                break;
            }
        }
        Ok(self.report)
    }

    fn pack(&self) -> PathBuf {
        self.folder.join("store.pack")
    }

    fn begin_anew(&mut self) -> Result<(), CliError> {
        let failed = || CliError::io("emptying the folder");
        for entry in fs::read_dir(&self.folder).map_err(failed())? {
            fs::remove_file(entry.map_err(failed())?.path()).map_err(failed())?;
        }
        Ok(())
    }

    fn spawn(&self, from: u64) -> Result<Child, CliError> {
        let own = std::env::current_exe().map_err(CliError::io("finding the own binary"))?;
        Command::new(own)
            .args(["--log", "error", "selftest", "--child"])
            .arg(self.pack())
            .args(["--seed", &self.report.seed.to_string()])
            .args(["--from", &from.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(CliError::io("starting a process"))
    }

    fn kill_one_at_work(&mut self, model: &mut Model, from: u64) -> Result<(), CliError> {
        // What the store closed with is durable, and so is the header of a new one.
        let found = fs::metadata(self.pack());
        self.acknowledged_len = found.map_or(0, |found| found.len()).max(4096);
        let mut child = self.spawn(from)?;
        let lines = lines_of(&mut child);
        let mut wait_for = 1 + self.choice.below(CHANGES);
        let mut heard = Vec::new();
        while wait_for > 0 {
            let Ok(line) = lines.recv() else { break };
            wait_for -= u64::from(line.starts_with("done"));
            heard.push(line);
        }
        let ended_by_itself = wait_for > 0;
        std::thread::sleep(Duration::from_micros(self.choice.below(MICROS)));
        kill(&mut child)?;
        heard.extend(lines);
        if ended_by_itself {
            let why = "the process that was to be killed ended by itself";
            self.report.losses.push(why.to_owned());
        }
        self.report.crashes += 1;
        self.note(model, &heard);
        Ok(())
    }

    /// Takes over what a process said.
    fn note(&mut self, model: &mut Model, heard: &[String]) {
        let (mut begun, mut done) = (0, 0);
        for line in heard {
            let mut words = line.split(' ');
            let word = words.next();
            let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
            match (word, number()) {
                (Some("begun"), Some(change)) => {
                    model.begun(change);
                    begun += 1;
                }
                // The last line may be cut off: then the change counts as one that was.
                (Some("done"), Some(change)) => {
                    let Some(len) = number() else { continue };
                    model.done(change);
                    self.acknowledged_len = self.acknowledged_len.max(len);
                    done += 1;
                }
                _ => {}
            }
        }
        self.report.acknowledged_changes += done;
        self.report.cut_off_changes += begun - done;
    }

    /// Makes a copy of the pack from which some bytes are missing that nobody was promised, and looks
    /// at that.
    fn fail_power(&mut self, model: &Model, round: u64) -> Result<(), CliError> {
        let copy = self.folder.join("power.pack");
        let failed = || CliError::io("copying the pack");
        let len = fs::copy(self.pack(), &copy).map_err(failed())?;
        let file = fs::OpenOptions::new().write(true).open(&copy);
        let file = file.map_err(failed())?;
        // What a commit proves to be synced is safe, too, if nobody has heard of it yet.
        let from = self.acknowledged_len.max(proven(&copy)?).min(len);
        if from < len && self.choice.below(2) == 0 {
            let cut = from + self.choice.below(len - from);
            file.set_len(cut).map_err(failed())?;
        }
        let len = file.metadata().map_err(failed())?.len();
        for sector in from.div_ceil(SECTOR)..len / SECTOR {
            if self.choice.below(3) == 0 {
                let zeros = [0; 512];
                file.write_all_at(&zeros, sector * SECTOR)
                    .map_err(failed())?;
            }
        }
        drop(file);
        self.report.power_failures += 1;
        self.look(&copy, model, &format!("power failure {}", round + 1));
        if self.report.losses.is_empty() {
            for path in [index_path(&copy), copy] {
                fs::remove_file(path).map_err(CliError::io("deleting a copy"))?;
            }
        }
        Ok(())
    }

    /// What else may happen before the store is opened again.
    fn disturb(&mut self) -> Result<(), CliError> {
        let failed = || CliError::io("exchanging the index");
        let index = index_path(&self.pack());
        let older = self.folder.join("older.index");
        let there = index.exists();
        match self.choice.below(4) {
            0 if there => {
                fs::remove_file(&index).map_err(failed())?;
                self.report.indexes_deleted += 1;
            }
            1 if older.exists() => {
                fs::rename(&older, &index).map_err(failed())?;
                self.report.indexes_aged += 1;
            }
            2 if there => {
                fs::copy(&index, &older).map_err(failed())?;
            }
            _ => {}
        }
        if self.choice.below(3) == 0 {
            // Nobody hears what it would begin, so it must not come so far.
            let mut child = self.spawn_opening()?;
            std::thread::sleep(Duration::from_micros(self.choice.below(OPENING_MICROS)));
            kill(&mut child)?;
            self.report.crashes_while_opening += 1;
        }
        Ok(())
    }

    fn spawn_opening(&self) -> Result<Child, CliError> {
        let own = std::env::current_exe().map_err(CliError::io("finding the own binary"))?;
        Command::new(own)
            .args(["--log", "error", "reindex", "--store"])
            .arg(self.pack())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(CliError::io("starting a process"))
    }

    /// Opens a store, compares and verifies it; gives what it holds.
    fn look(&mut self, pack: &Path, model: &Model, when: &str) -> Model {
        let store = match Store::open(pack, Options::default()) {
            Ok(store) => store,
            Err(error) => {
                let loss = format!("{when}: the store does not open: {error}");
                self.report.losses.push(loss);
                return model.clone();
            }
        };
        for damage in &store.open_report().corrupt {
            let loss = format!("{when}: at offset {}: {}", damage.offset, damage.reason);
            self.report.losses.push(loss);
        }
        let found = model.compare(&store, when, &mut self.report);
        self.report.verifications += 1;
        match store.verify(false) {
            Ok(verified) if verified.clean => {}
            Ok(verified) => self.report.losses.push(format!("{when}: {verified:?}")),
            Err(error) => self
                .report
                .losses
                .push(format!("{when}: verifying: {error}")),
        }
        store.close();
        found
    }
}

/// The end of what the commits of a pack prove to be synced.
fn proven(pack: &Path) -> Result<u64, StoreError> {
    let Some(medium) = Medium::open_file(pack)? else {
        return Ok(0);
    };
    let (header, start) = (medium.header()?, medium.start()?);
    let survey = scan::survey(medium.source.as_ref(), &header.pack_id, start, |_| {})?;
    Ok(survey.proven)
}

fn kill(child: &mut Child) -> Result<(), CliError> {
    // It may have ended already; then there is nothing to kill.
    let _ended = child.kill();
    child
        .wait()
        .map_err(CliError::io("waiting for a process"))?;
    Ok(())
}

/// Reads what a process says, so that it never waits for a reader.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}
