//! What clients are told when the server fails: that it did, and nothing of its inside.

use packhold::format::header::{Chunking, PackHeader};

use super::rows::rows;
use super::spots::{Spot, World};
use crate::service::Service;
use crate::sim::{Call, Failure, Sim};

/// What only the inside of a server talks like.
const INSIDE: [&str; 17] = [
    "os error",
    "Input/output",
    "No such file",
    ".rs",
    "redb",
    "panick",
    "unwrap",
    "argon2",
    "/tmp",
    "/home",
    "/root",
    "StoreError",
    "Os {",
    "poison",
    "tokio",
    "bincode",
    "0x",
];

/// Every route on a disk that fails; gives how many answers were the server's fault.
fn ask_everything(failing: Option<(Call, Failure)>) -> usize {
    let sim = Sim::create(&PackHeader::new([7; 16], 1, Chunking::default()));
    let world = World::on(Service::on_medium(sim.medium()));
    let call = |row: &super::Row| row.call(&world, &Spot::new(row.places[0], row.path));
    let calls: Vec<_> = rows().into_iter().map(|row| (call(&row), row)).collect();
    if let Some((call, failure)) = failing {
        sim.fail_for_ever(call, failure);
    }
    let mut faults = 0;
    for (call, row) in calls {
        let answer = world.service.send(&call);
        if row.pattern() == "/packhold/pack" && answer.status == 200 {
            // The inside itself, for who may have all of it.
            continue;
        }
        let text = format!(
            "{:?} {}",
            answer.headers,
            String::from_utf8_lossy(&answer.body)
        );
        for word in INSIDE {
            assert!(!text.contains(word), "{}: {word} in {text}", row.route);
        }
        // In the envelope of its API.
        let verdict = row.verdict(&answer);
        if answer.status >= 500 {
            faults += 1;
            assert!(
                [500, 503, 507].contains(&answer.status),
                "{}: {verdict}",
                row.route
            );
        }
    }
    faults
}

#[test]
fn nothing_of_the_inside_is_told() {
    assert_eq!(ask_everything(None), 0);
    for failing in [
        (Call::Write, Failure::Io),
        (Call::Sync, Failure::Io),
        (Call::Write, Failure::Full),
    ] {
        let faults = ask_everything(Some(failing));
        assert!(faults > 20, "{failing:?}: only {faults} requests failed");
    }
}
