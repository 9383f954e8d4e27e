//! Queries for software packages, against a plain filter over all of them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use packhold::format::meta::{Mutation, Package, PackageDelete, PackageKind};
use packhold::index::{
    Field, Filter, Index, Match, PackagePage, PackageQuery, Place, Reader, Rows,
};

use crate::support::noise::Noise;

const FIELDS: [Field; 12] = [
    Field::Id,
    Field::Name,
    Field::Kind,
    Field::Version,
    Field::BuildNumber,
    Field::OperatingSystem,
    Field::Architecture,
    Field::FileName,
    Field::Sha1,
    Field::Md5,
    Field::Size,
    Field::Created,
];

const NAMES: [&str; 5] = ["oceanbase", "oceanbase-ce", "obproxy", "OBAgent", "lib+x~1"];
const SYSTEMS: [&str; 5] = ["", "el7", "el8", "alios7", "alios8"];

/// The packages that are there.
type Model = BTreeMap<u64, Package>;

fn pick<'a>(noise: &mut Noise, from: &[&'a str]) -> &'a str {
    from[noise.below(from.len())]
}

fn package(noise: &mut Noise, id: u64) -> Package {
    let name = pick(noise, &NAMES).to_owned();
    let version = format!("{}.{}", noise.below(4), noise.below(12));
    let build_number = format!("{}", noise.below(300));
    let operating_system = pick(noise, &SYSTEMS).to_owned();
    let architecture = pick(noise, &["x86_64", "aarch64", "noarch"]).to_owned();
    let digest = noise.bytes(52);
    Package {
        id,
        file_name: format!(
            "{name}-{version}-{build_number}.{operating_system}.{architecture}.{id}.rpm"
        ),
        kind: PackageKind::ALL[noise.below(6)],
        sha256: digest[20..].try_into().unwrap(),
        size: noise.below(50) as u64,
        md5: digest[4..20].try_into().unwrap(),
        sha1: digest[..20].try_into().unwrap(),
        created_by: "ci".to_owned(),
        created_ms: 1_595_865_751_394 + noise.below(40_000) as u64,
        name,
        version,
        build_number,
        operating_system,
        architecture,
    }
}

fn query(noise: &mut Noise) -> PackageQuery {
    let mut filters = Vec::new();
    if noise.below(3) == 0 {
        let any = (0..=noise.below(2)).map(|_| Match::Is(pick(noise, &NAMES).to_owned()));
        filters.push(Filter {
            field: Field::Name,
            any: any.collect(),
        });
    }
    if noise.below(3) == 0 {
        let any = (0..=noise.below(2)).map(|_| match noise.below(2) {
            0 => Match::Is(pick(noise, &SYSTEMS).to_owned()),
            _ => Match::Begins(pick(noise, &["", "el", "ali", "alios7", "x"]).to_owned()),
        });
        filters.push(Filter {
            field: Field::OperatingSystem,
            any: any.collect(),
        });
    }
    if noise.below(3) == 0 {
        let any = PackageKind::ALL[noise.below(6)].name().to_owned();
        filters.push(Filter {
            field: Field::Kind,
            any: vec![Match::Is(any), Match::Is("unknown".to_owned())],
        });
    }
    let keywords = [
        "", "obagent", "-CE-", "7.x86", "rpm", "nothing", "+x~", "\n", "5.rpm",
    ];
    PackageQuery {
        keyword: (noise.below(3) == 0).then(|| pick(noise, &keywords).to_owned()),
        filters,
        order: FIELDS[noise.below(FIELDS.len())],
        descending: noise.below(2) == 0,
        skip: [0, 0, 3, 100, 1500][noise.below(5)],
        limit: [1, 10, 25, 2000][noise.below(4)],
    }
}

fn text(field: Field, package: &Package) -> &str {
    match field {
        Field::Name => &package.name,
        Field::Kind => package.kind.name(),
        Field::Version => &package.version,
        Field::BuildNumber => &package.build_number,
        Field::OperatingSystem => &package.operating_system,
        Field::Architecture => &package.architecture,
        Field::FileName => &package.file_name,
        _ => panic!("{field:?} is no text"),
    }
}

fn compare(field: Field, a: &Package, b: &Package) -> Ordering {
    match field {
        Field::Id => a.id.cmp(&b.id),
        Field::Sha1 => a.sha1.cmp(&b.sha1),
        Field::Md5 => a.md5.cmp(&b.md5),
        Field::Size => a.size.cmp(&b.size),
        Field::Created => (a.created_ms / 1000).cmp(&(b.created_ms / 1000)),
        texts => text(texts, a).cmp(text(texts, b)),
    }
}

fn holds(filter: &Filter, package: &Package) -> bool {
    let value = text(filter.field, package);
    filter.any.iter().any(|wanted| match wanted {
        Match::Is(wanted) => value == wanted,
        Match::Begins(prefix) => value.starts_with(prefix),
    })
}

/// The answer, as anybody would compute it.
fn plain(model: &Model, query: &PackageQuery) -> PackagePage {
    let has_keyword = |package: &&Package| {
        let name = package.file_name.to_lowercase();
        let keyword = query.keyword.as_ref();
        keyword.is_none_or(|keyword| name.contains(&keyword.to_lowercase()))
    };
    let mut found: Vec<&Package> = model
        .values()
        .filter(|package| query.filters.iter().all(|filter| holds(filter, package)))
        .filter(has_keyword)
        .collect();
    found.sort_by(|a, b| {
        let order = compare(query.order, a, b);
        let order = if query.descending {
            order.reverse()
        } else {
            order
        };
        order.then(a.id.cmp(&b.id))
    });
    let skip = usize::try_from(query.skip).unwrap();
    PackagePage {
        total: found.len() as u64,
        packages: found
            .into_iter()
            .skip(skip)
            .take(query.limit)
            .cloned()
            .collect(),
    }
}

fn apply(index: &Index, mutations: &[Mutation]) {
    let batch = index.begin().unwrap();
    {
        let mut tables = batch.tables();
        for mutation in mutations {
            tables.apply(mutation).unwrap();
        }
    }
    batch.commit(false).unwrap();
}

/// `count` packages with ids from `first` on, of which every seventh is gone again.
fn filled(noise: &mut Noise, first: u64, count: u64) -> (Index, Model) {
    let index = Index::open(&Place::Memory, 4 << 20).unwrap();
    let mut model = Model::new();
    let mut mutations = Vec::new();
    for id in first..first + count {
        let package = package(noise, id);
        mutations.push(Mutation::PackagePut(package.clone()));
        model.insert(id, package);
    }
    for id in (first..first + count).step_by(7) {
        mutations.push(Mutation::PackageDelete(PackageDelete { id }));
        model.remove(&id);
    }
    apply(&index, &mutations);
    (index, model)
}

fn assert_agrees(reader: &Reader, model: &Model, query: &PackageQuery) {
    let (answer, expected) = (reader.packages(query).unwrap(), plain(model, query));
    assert_eq!(answer.total, expected.total, "{query:?}");
    let ids = |page: &PackagePage| page.packages.iter().map(|p| p.id).collect::<Vec<_>>();
    assert_eq!(ids(&answer), ids(&expected), "{query:?}");
    assert_eq!(answer.packages, expected.packages, "{query:?}");
}

#[test]
fn any_query_equals_a_plain_filter() {
    let mut noise = Noise::new(8);
    // Few packages, many, and ids on both sides of the end of a set.
    for (first, count, queries) in [(1, 40, 600), (1, 4_000, 600), (64_000, 4_000, 600)] {
        let (index, model) = filled(&mut noise, first, count);
        let reader = index.reader().unwrap();
        for _ in 0..queries {
            assert_agrees(&reader, &model, &query(&mut noise));
        }
        for field in FIELDS {
            for descending in [false, true] {
                let query = PackageQuery {
                    keyword: None,
                    filters: Vec::new(),
                    order: field,
                    descending,
                    skip: 0,
                    limit: 5_000,
                };
                assert_agrees(&reader, &model, &query);
            }
        }
    }
}

#[test]
fn what_is_at_the_far_end_of_an_order_is_found() {
    let mut noise = Noise::new(12);
    let (index, mut model) = filled(&mut noise, 1, 9_000);
    // More than are few, and behind more others than are walked for them.
    let mut mutations = Vec::new();
    for id in 9_001..=11_000 {
        let mut last = package(&mut noise, id);
        for text in [&mut last.name, &mut last.version, &mut last.build_number] {
            text.insert(0, 'z');
        }
        last.file_name.insert(0, 'z');
        (last.sha1[0], last.md5[0], last.size) = (0xff, 0xff, 1000 + id % 7);
        last.created_ms += 1_000_000;
        mutations.push(Mutation::PackagePut(last.clone()));
        model.insert(id, last);
    }
    apply(&index, &mutations);
    let reader = index.reader().unwrap();
    for order in FIELDS {
        for (descending, skip) in [(false, 0), (true, 0), (false, 1_150), (true, 1_150)] {
            let query = PackageQuery {
                keyword: Some("zo".to_owned()),
                filters: Vec::new(),
                order,
                descending,
                skip,
                limit: 100,
            };
            assert_agrees(&reader, &model, &query);
        }
    }
}

#[test]
fn packages_are_found_by_id_and_file_name() {
    let (index, model) = filled(&mut Noise::new(9), 1, 300);
    let reader = index.reader().unwrap();
    for package in model.values() {
        assert_eq!(reader.package(package.id).unwrap().as_ref(), Some(package));
        let found = reader.package_called(&package.file_name).unwrap();
        assert_eq!(found.as_ref(), Some(package));
        let longer = format!("{}x", package.file_name);
        assert_eq!(reader.package_called(&longer).unwrap(), None);
    }
    assert_eq!(reader.package(1).unwrap(), None);
    assert_eq!(reader.package_called("").unwrap(), None);
    assert_eq!(reader.next_package().unwrap(), 301);
}

#[test]
fn what_is_gone_leaves_nothing_but_its_number() {
    let (index, model) = filled(&mut Noise::new(10), 1, 300);
    let gone = |id: &u64| Mutation::PackageDelete(PackageDelete { id: *id });
    apply(&index, &model.keys().map(gone).collect::<Vec<_>>());
    let empty = Index::open(&Place::Memory, 4 << 20).unwrap();
    apply(&empty, &[]);
    let (left, empty) = (index.reader().unwrap(), empty.reader().unwrap());
    let differences = left.differences(&empty, 100).unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert!(differences[0].contains("next_package"), "{differences:?}");
}

#[test]
fn rows_do_not_depend_on_the_order_of_changes() {
    let mut noise = Noise::new(11);
    let all: Vec<Mutation> = (1..=600)
        .map(|id| Mutation::PackagePut(package(&mut noise, id)))
        .collect();
    let forwards = Index::open(&Place::Memory, 4 << 20).unwrap();
    apply(&forwards, &all);
    let backwards = Index::open(&Place::Memory, 4 << 20).unwrap();
    for mutation in all.iter().rev() {
        apply(&backwards, std::slice::from_ref(mutation));
    }
    let (a, b) = (forwards.reader().unwrap(), backwards.reader().unwrap());
    assert_eq!(a.differences(&b, 10).unwrap(), Vec::<String>::new());
}
