//! Finding packages among 100,000, and taking them in.
//!
//! `cargo bench --bench packages` (with `-- --packages 1000`: among so many; with `-- --quick`: among
//! 10,000, once, to check that it works). Every answer is compared with that of a plain filter over all
//! packages, which is timed in the same run: once with all rows read from the index, as a store without
//! such an index would have to, and once over a list that is in memory already. Nothing depends on times.

mod catalogue;
mod costs;
mod memory;
mod queries;
#[expect(dead_code, reason = "tests build other RPMs, too")]
#[path = "../../tests/support/rpms.rs"]
mod rpms;
#[expect(dead_code, reason = "the other benchmarks use more of it")]
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use packhold::format::meta::{Blob, NodeKind, Package};
use packhold::index::{Field, PackagePage, PackageQuery, Rows};
use packhold::store::{Options, Store};

use queries::{CLASSES, Class, ORDERS, assert_same, plain};
use support::{Server, median};

fn main() {
    memory::ask_if_told();
    let quick = std::env::args().any(|arg| arg == "--quick");
    let asked = std::env::args()
        .skip_while(|arg| arg != "--packages")
        .nth(1);
    let asked = asked.map(|count| count.parse().expect("a number of packages"));
    let (count, runs) = match quick {
        true => (10_000, 1),
        false => (asked.unwrap_or(100_000), 5),
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("b.pack");
    let store = Store::open(&path, Options::default()).expect("a store");
    let server = Server::on(store.clone(), None);
    server.put("content", b"what all packages have in them", None);
    let packages = catalogue::catalogue(count, &content(&store));
    println!(
        "# A store with {count} software packages\n\n{}\n",
        support::machine()
    );
    costs::fill(&store, &packages);
    let bench = Bench {
        server,
        store,
        packages,
        runs,
    };
    bench.table();
    let Bench { server, store, .. } = bench;
    let report = store.verify(false).expect("a verification");
    assert!(
        report.clean && report.packages == count as u64,
        "{report:?}"
    );
    drop(server);
    store.close();
    drop(store);
    memory::measure(&path, 2 * runs);
    costs::uploads(count / 50, 3 * runs);
}

/// What was uploaded last.
fn content(store: &Store) -> Blob {
    let rows = store.rows().expect("rows");
    let repo = rows.repo("bench", "files").expect("a row");
    let node = rows.node(repo.expect("it is").root, "content");
    let NodeKind::File { sha256, .. } = node.expect("a row").expect("it is").kind else {
        panic!("a file");
    };
    rows.blob(&sha256).expect("a row").expect("it is")
}

struct Bench {
    server: Server,
    store: Store,
    packages: Vec<Package>,
    runs: usize,
}

impl Bench {
    fn table(&self) {
        println!(
            "| asked for, in {} orders | found | median, ms | slowest order, ms | slowest once, ms | HTTP, ms | filter over all rows, ms | × | over a list, ms |",
            ORDERS.len() * 2
        );
        println!("|---|---:|---:|---|---:|---:|---:|---:|---:|");
        for class in CLASSES {
            self.class(&class);
        }
    }

    /// Asks in every order, and prints a row.
    fn class(&self, class: &Class) {
        let (_, all) = self.answer(&class.query(Field::Id, false, 0));
        let total = all.total;
        let (mut times, mut lists) = (Vec::new(), Vec::new());
        let mut slowest = (Duration::ZERO, "", "");
        for (field, name) in ORDERS {
            for (descending, direction) in [(false, "ascending"), (true, "descending")] {
                let query = class.query(field, descending, total);
                let (list, expected) = timed(|| plain(&self.packages, &query));
                lists.push(list);
                let mut mine = Vec::new();
                for _ in 0..self.runs {
                    let (time, answer) = self.answer(&query);
                    assert_same(&answer, &expected, class.what);
                    mine.push(time);
                }
                slowest = slowest.max((median(&mine), name, direction));
                times.extend(mine);
            }
        }
        let http = self.over_http(class, total);
        let rows: Vec<Duration> = (0..self.runs)
            .map(|_| self.over_all_rows(class, total))
            .collect();
        let once = times.iter().max().copied().unwrap_or_default();
        let [middle, rows] = [&times, &rows].map(|times| median(times));
        println!(
            "| {} | {total} | {:.2} | {:.2} {} {} | {:.2} | {:.2} | {:.0} | {:.4} | {:.1} |",
            class.what,
            milliseconds(middle),
            milliseconds(slowest.0),
            slowest.1,
            slowest.2,
            milliseconds(once),
            milliseconds(median(&http)),
            milliseconds(rows),
            middle.as_secs_f64() / rows.as_secs_f64(),
            milliseconds(median(&lists)),
        );
    }

    fn answer(&self, query: &PackageQuery) -> (Duration, PackagePage) {
        let (time, page) = timed(|| Ok(self.store.rows()?.packages(query)?));
        let page: Result<PackagePage, packhold::store::StoreError> = page;
        (time, page.expect("an answer"))
    }

    /// Reads all rows, and filters and sorts them.
    fn over_all_rows(&self, class: &Class, total: u64) -> Duration {
        let everything = PackageQuery {
            keyword: None,
            filters: Vec::new(),
            order: Field::Id,
            descending: false,
            skip: 0,
            limit: usize::MAX,
        };
        let query = class.query(Field::FileName, false, total);
        let expected = plain(&self.packages, &query);
        let (time, ()) = timed(|| {
            let (_, all) = self.answer(&everything);
            assert!(plain(&all.packages, &query) == expected, "{}", class.what);
        });
        time
    }

    /// Asks over a connection of its own each time, in a few orders.
    fn over_http(&self, class: &Class, total: u64) -> Vec<Duration> {
        let mut times = Vec::new();
        for (field, name) in ORDERS.iter().step_by(3) {
            let expected = plain(&self.packages, &class.query(*field, true, total));
            let query = class.query_string(name, true, total);
            let line = format!("GET /api/v2/software-packages?{query}");
            for _ in 0..self.runs {
                let (time, answer) = timed(|| self.server.call(&line, "", &[]));
                times.push(time);
                let found = format!("\"totalElements\":{}", expected.0);
                assert!(answer.contains(&found), "{line}: {answer:.300}");
                let names = answer.split("\"fileName\":\"").skip(1);
                let names = names.filter_map(|rest| rest.split('"').next());
                assert!(
                    names.eq(expected.1.iter().map(|p| p.file_name.as_str())),
                    "{line}"
                );
            }
        }
        times
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
