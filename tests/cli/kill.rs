//! The server is killed at a random moment within 32 uploads, a hundred times over.
//! What it acknowledged is there after every restart, byte for byte, also when the index is gone;
//! what it was working on is there whole or not at all.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use crate::contents::Contents;
use crate::noise::Noise;
use crate::process::{Folder, Server, call, put};
use crate::wire::Call;

/// Clients at once; each does one thing in a round.
const CLIENTS: usize = 32;
/// Names that files have. Fewer than clients in three rounds, so that much is overwritten.
const NAMES: usize = 96;
const ROUNDS: usize = 100;
/// Every so many rounds the index is deleted before the restart.
const DELETE_INDEX_EVERY: usize = 3;
/// Every so many rounds the server is also killed while it starts again,
const KILL_OPENING_EVERY: usize = 2;
/// within so many microseconds: about as long as opening takes.
const OPENING_MICROS: usize = 15_000;
/// Every so many rounds the closed store is verified.
const VERIFY_EVERY: usize = 10;

/// sha256 of a file; `None` when there is none.
type State = Option<[u8; 32]>;

/// What one client does.
struct Step {
    name: String,
    call: Call,
    /// The state of the name afterwards.
    leads_to: State,
}

/// What a client heard of its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Done,
    Refused,
    Nothing,
}

/// What must be in the store.
#[derive(Default)]
struct Model {
    files: BTreeMap<String, State>,
    checked: usize,
    losses: Vec<String>,
}

impl Model {
    /// Compares all names with what is there after a round, and goes on with that.
    fn compare(&mut self, server: &Server, round: &[(Step, Heard)]) {
        for i in 0..NAMES {
            let name = name(i);
            let there = state(server, &name);
            let before = self.files.get(&name).copied().flatten();
            let steps = round.iter().filter(|(step, _)| step.name == name);
            let with = |heard| {
                let steps = steps.clone().filter(move |(_, h)| *h == heard);
                steps.map(|(step, _)| step.leads_to)
            };
            let done: Vec<State> = with(Heard::Done).collect();
            let mut allowed: Vec<State> = with(Heard::Nothing).collect();
            if done.is_empty() {
                allowed.push(before);
            }
            self.checked += usize::from(!done.is_empty() || before.is_some());
            allowed.extend(done);
            if !allowed.contains(&there) {
                self.losses
                    .push(format!("{name} is {there:?}, not one of {allowed:?}"));
            }
            self.files.insert(name, there);
        }
        let files = self.files.values().flatten().count();
        let stats = server.send(&Call::new("GET", "/packhold/stats")).json();
        assert_eq!(stats["files"], files, "files that nobody uploaded");
    }

    fn assert_no_losses(&self, when: &str) {
        assert!(self.losses.is_empty(), "{when}: {:#?}", self.losses);
    }
}

fn name(i: usize) -> String {
    format!("dir{}/file{i}", i % 7)
}

/// What the server says of a file, which must fit the bytes.
fn state(server: &Server, name: &str) -> State {
    let answer = server.send(&call("GET", name));
    if answer.status == 404 {
        return None;
    }
    assert_eq!(answer.status, 200, "{name}: {answer:?}");
    let sha256 = packhold::digest::sha256(&answer.body);
    let told = answer.header("X-Checksum-Sha256");
    assert_eq!(told, Some(&*hex::encode(sha256)), "{name}");
    Some(sha256)
}

fn step(choice: &mut Noise, contents: &mut Contents) -> Step {
    let name = name(choice.below(NAMES));
    let kind = choice.below(20);
    if kind < 3 {
        return Step {
            call: call("DELETE", &name),
            name,
            leads_to: None,
        };
    }
    let body = contents.next();
    let overwrite = if kind < 6 { "false" } else { "true" };
    let call = put(&name).header("X-BKREPO-OVERWRITE", overwrite);
    Step {
        call: call.body(&*body),
        name,
        leads_to: Some(packhold::digest::sha256(&body)),
    }
}

/// What becomes of a step while the server may die.
fn attempt(server: std::net::SocketAddr, step: &Step) -> Heard {
    let Ok(answer) = step.call.try_send(server) else {
        return Heard::Nothing;
    };
    match answer.verdict() {
        (200, 0) => Heard::Done,
        (400, 251_012) | (404, 251_006 | 251_010) => Heard::Refused,
        other => panic!("{}: {other:?}: {answer:?}", step.name),
    }
}

/// Lets all clients loose and kills the server when some of them have heard an answer.
fn round(server: &mut Server, choice: &mut Noise, contents: &mut Contents) -> Vec<(Step, Heard)> {
    let address = server.address;
    let barrier = Arc::new(Barrier::new(CLIENTS));
    let (sender, receiver): (Sender<(Step, Heard)>, Receiver<_>) = mpsc::channel();
    for _ in 0..CLIENTS {
        let (step, barrier) = (step(choice, contents), Arc::clone(&barrier));
        let sender = sender.clone();
        std::thread::spawn(move || {
            barrier.wait();
            let heard = attempt(address, &step);
            sender.send((step, heard)).expect("the round waits");
        });
    }
    drop(sender);
    let answers = choice.below(CLIENTS);
    let mut heard: Vec<_> = receiver.iter().take(answers).collect();
    let moment = choice.below(6000) as u64;
    std::thread::sleep(Duration::from_micros(moment));
    server.kill();
    heard.extend(receiver.iter());
    assert_eq!(heard.len(), CLIENTS, "a client panicked");
    heard
}

/// Starts the server and kills it while it opens the store: recovery must bear being cut off, too.
fn kill_while_opening(folder: &Folder, choice: &mut Noise) {
    let mut child = folder
        .command(&["serve", "--listen", "127.0.0.1:0", "--no-auth"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let moment = choice.below(OPENING_MICROS) as u64;
    std::thread::sleep(Duration::from_micros(moment));
    child.kill().expect("it may be killed");
    child.wait().expect("it ends");
}

fn rounds() -> usize {
    let given = std::env::var("PACKHOLD_KILL_ROUNDS").ok();
    given.map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"))
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let folder = Folder::new();
    let (mut choice, mut contents) = (Noise::new(11), Contents::new(12));
    let mut model = Model::default();
    let (rounds, mut in_flight) = (rounds(), 0);
    for number in 1..=rounds {
        let mut server = folder.serve();
        let steps = round(&mut server, &mut choice, &mut contents);
        in_flight += steps
            .iter()
            .filter(|(_, heard)| *heard == Heard::Nothing)
            .count();
        if number % DELETE_INDEX_EVERY == 0 {
            std::fs::remove_file(folder.index()).expect("there was an index");
        }
        if number % KILL_OPENING_EVERY == 0 {
            kill_while_opening(&folder, &mut choice);
        }
        if number % VERIFY_EVERY == 0 {
            folder.run(&["verify"]).assert_code(0);
        }
        let server = folder.serve();
        model.compare(&server, &steps);
        model.assert_no_losses(&format!("round {number}"));
        server.stop();
    }
    folder.run(&["verify"]).assert_code(0);
    let server = folder.serve();
    model.compare(&server, &[]);
    model.assert_no_losses("at the end");
    server.stop();
    println!(
        "rounds: {rounds}, requests cut off: {in_flight}, acknowledged files checked: {}, losses: {}",
        model.checked,
        model.losses.len()
    );
}
