//! A catalogue of software packages as a build farm makes them, and some to make queries hard.

use packhold::format::meta::{Blob, Package, PackageKind};

/// Packages that come first in every order, and as many that come last.
pub const AT_AN_END: usize = 1500;
/// Packages spread over all orders: one more than a few, for the index.
pub const SPREAD: usize = 1030;
/// Packages spread over all orders: just a few, for the index.
pub const FEW: usize = 1024;

/// Versions by which the packages above are asked for.
pub const FIRST: &str = "0.0.1";
pub const LAST: &str = "9.9.9";
pub const SPREAD_VERSION: &str = "5.0.0";
pub const FEW_VERSION: &str = "5.0.1";

const NAMES: [(&str, PackageKind); 14] = [
    ("oceanbase", PackageKind::Server),
    ("oceanbase-ce", PackageKind::Server),
    ("oceanbase-ce-libs", PackageKind::Other),
    ("oceanbase-ce-utils", PackageKind::Other),
    ("obproxy", PackageKind::Proxy),
    ("obproxy-ce", PackageKind::Proxy),
    ("t-oceanbase-ocp-agent", PackageKind::OcpAgent),
    ("ocp-agent-ce", PackageKind::OcpAgent),
    ("t-oceanbase-ob-agent", PackageKind::Agent),
    ("oceanbase-data-maintain", PackageKind::BackupAgent),
    ("obagent", PackageKind::Other),
    ("obclient", PackageKind::Other),
    ("libobclient", PackageKind::Other),
    ("ob-deploy", PackageKind::Other),
];
const SERVICES: usize = 300;
const SYSTEMS: [&str; 6] = ["el7", "el8", "alios7", "alios8", "an8", ""];
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];
/// Packages that one run of the build farm makes: every system and architecture.
const RUN: usize = SYSTEMS.len() * ARCHITECTURES.len();

/// So many packages with the ids 1 and on; `blob` is the content of all of them, though their digests
/// and lengths differ as those of real ones do.
pub fn catalogue(count: usize, blob: &Blob) -> Vec<Package> {
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let middle = count - 2 * AT_AN_END;
    let step = middle / SPREAD;
    assert!(step > 1, "too few packages");
    let mut package = |place: usize| match place {
        first if first < AT_AN_END => at_end(&mut noise, place, false),
        last if last >= count - AT_AN_END => at_end(&mut noise, place, true),
        middle => {
            let (turn, kind) = ((middle - AT_AN_END) / step, (middle - AT_AN_END) % step);
            let version = match kind {
                0 if turn < SPREAD => Some(SPREAD_VERSION),
                1 if turn < FEW => Some(FEW_VERSION),
                _ => None,
            };
            ordinary(&mut noise, middle, version)
        }
    };
    let made = (0..count).map(&mut package);
    made.map(|package| finished(package, blob)).collect()
}

fn ordinary(noise: &mut Noise, place: usize, version: Option<&str>) -> Package {
    let run = place / RUN;
    let mut of_run = Noise((run as u64 + 1).wrapping_mul(0x2545_F491_4F6C_DD1D));
    // Two runs of three are of the database, one is of any service.
    let (name, kind) = match of_run.below(3) {
        0 => {
            let service = format!("svc-{:03}-server", of_run.below(SERVICES));
            (service, PackageKind::Other)
        }
        _ => {
            let (name, kind) = NAMES[of_run.below(NAMES.len())];
            (name.to_owned(), kind)
        }
    };
    let (major, minor) = (1 + of_run.below(4), of_run.below(5));
    let ordinary = format!("{major}.{minor}.{}.{}", of_run.below(6), of_run.below(3));
    let second = time_of(place) / 1000;
    // Half of the farm numbers a run, the other half each build of it.
    let build_number = match of_run.below(2) {
        0 => format!("2023{:010}", time_of(run * RUN) / 1000),
        _ => format!("1000000{second:011}"),
    };
    let first = u8::try_from(1 + noise.below(254)).expect("a byte");
    let digest = noise.digest(first);
    Package {
        operating_system: SYSTEMS[place % SYSTEMS.len()].to_owned(),
        architecture: ARCHITECTURES[place / SYSTEMS.len() % ARCHITECTURES.len()].to_owned(),
        size: 4096 + noise.below(500 << 20) as u64,
        name,
        version: version.unwrap_or(&ordinary).to_owned(),
        build_number,
        kind,
        ..blank(place, digest)
    }
}

/// One that comes before or behind all others in any order.
fn at_end(noise: &mut Noise, place: usize, last: bool) -> Package {
    let (name, version, byte, lead) = match last {
        false => ("aaa-first", FIRST, 0, 1),
        true => ("zzz-last", LAST, 0xff, 9),
    };
    let (kind, operating_system, architecture, size) = match last {
        false => (PackageKind::Proxy, "", "aarch64", place as u64),
        true => (PackageKind::Other, "zos9", "x86_64", 1 << 40),
    };
    Package {
        operating_system: operating_system.to_owned(),
        architecture: architecture.to_owned(),
        size,
        name: name.to_owned(),
        version: version.to_owned(),
        build_number: format!("{lead}{place:017}"),
        kind,
        ..blank(place, noise.digest(byte))
    }
}

/// What is left to say of a package at a place in the order of uploads.
fn blank(place: usize, sha1: [u8; 20]) -> Package {
    Package {
        id: place as u64 + 1,
        name: String::new(),
        version: String::new(),
        build_number: String::new(),
        operating_system: String::new(),
        architecture: String::new(),
        kind: PackageKind::Other,
        file_name: String::new(),
        sha256: [0; 32],
        size: 0,
        md5: sha1[..16].try_into().expect("16 bytes"),
        sha1,
        created_by: "ci".to_owned(),
        created_ms: time_of(place),
    }
}

/// With its content and the name of its file.
fn finished(package: Package, blob: &Blob) -> Package {
    let Package {
        name,
        version,
        build_number,
        operating_system,
        architecture,
        ..
    } = &package;
    let dot = if operating_system.is_empty() { "" } else { "." };
    Package {
        file_name: format!(
            "{name}-{version}-{build_number}{dot}{operating_system}.{architecture}.rpm"
        ),
        sha256: blob.sha256,
        ..package
    }
}

/// When it was uploaded: some in the same second.
fn time_of(place: usize) -> u64 {
    1_595_865_751_394 + place as u64 * 700
}

/// Choices that are the same on every run: xorshift64*.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 16) % limit as u64).expect("it is below a usize")
    }

    fn digest(&mut self, first: u8) -> [u8; 20] {
        let mut digest = [first; 20];
        for eight in digest[1..17].chunks_exact_mut(8) {
            eight.copy_from_slice(&self.next().to_le_bytes());
        }
        digest
    }
}
