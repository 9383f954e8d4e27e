//! What is asked, and what the answer must be.

use std::cmp::Ordering;

use packhold::format::meta::Package;
use packhold::index::{Field, Filter, Match, PackagePage, PackageQuery};

use crate::catalogue::{FEW_VERSION, FIRST, LAST, SPREAD_VERSION};

/// Every field that packages are sorted by, and what clients call it.
pub const ORDERS: [(Field, &str); 12] = [
    (Field::Id, "id"),
    (Field::Name, "name"),
    (Field::Kind, "type"),
    (Field::Version, "version"),
    (Field::BuildNumber, "buildNumber"),
    (Field::OperatingSystem, "operatingSystem"),
    (Field::Architecture, "architecture"),
    (Field::FileName, "fileName"),
    (Field::Sha1, "sha1"),
    (Field::Md5, "md5"),
    (Field::Size, "size"),
    (Field::Created, "createTime"),
];

/// Which page of the matches.
#[derive(Clone, Copy)]
pub enum Place {
    First,
    Middle,
    Last,
}

/// Queries that are alike but for their order.
#[derive(Clone, Copy)]
pub struct Class {
    pub what: &'static str,
    pub keyword: &'static str,
    pub kinds: &'static [&'static str],
    pub versions: &'static [&'static str],
    pub systems: &'static [&'static str],
    pub architectures: &'static [&'static str],
    pub place: Place,
    pub size: usize,
}

const ALL: Class = Class {
    what: "no filter",
    keyword: "",
    kinds: &[],
    versions: &[],
    systems: &[],
    architectures: &[],
    place: Place::First,
    size: 10,
};

const fn keyword(what: &'static str, keyword: &'static str) -> Class {
    Class {
        what,
        keyword,
        ..ALL
    }
}

const fn versions(what: &'static str, versions: &'static [&'static str]) -> Class {
    Class {
        what,
        versions,
        ..ALL
    }
}

/// What is asked of every store.
pub const CLASSES: [Class; 20] = [
    ALL,
    Class {
        what: "a type",
        kinds: &["OB_SERVER_INSTALL_PACKAGE"],
        ..ALL
    },
    Class {
        what: "an operating system, by its beginning",
        systems: &["el"],
        ..ALL
    },
    Class {
        what: "an architecture",
        architectures: &["aarch64"],
        ..ALL
    },
    keyword("keyword that all have", "RPM"),
    keyword("keyword that many have", "oceanbase"),
    keyword("keyword: a name", "obproxy-ce"),
    keyword("keyword that few have", "svc-007"),
    keyword("keyword that none has", "no such package"),
    keyword("keyword of one letter", "x"),
    versions("three versions", &["3.1.0.0", "4.2.1.2", "4.3.5.1"]),
    Class {
        what: "all filters and a keyword",
        keyword: "oceanbase",
        kinds: &["OB_SERVER_INSTALL_PACKAGE", "OTHERS_RPM"],
        versions: &["3.1.0.0", "4.2.1.2", "4.3.5.1", FEW_VERSION],
        systems: &["el", "alios7"],
        architectures: &["x86_64"],
        ..ALL
    },
    versions("1,030 spread over every order", &[SPREAD_VERSION]),
    versions("1,024 spread over every order", &[FEW_VERSION]),
    versions("1,500 that end every ascending order", &[LAST]),
    versions("1,500 that end every descending order", &[FIRST]),
    versions("both", &[FIRST, LAST]),
    Class {
        what: "no filter, page in the middle",
        place: Place::Middle,
        ..ALL
    },
    Class {
        what: "no filter, last page",
        place: Place::Last,
        ..ALL
    },
    Class {
        what: "no filter, first page of 2,000",
        size: 2000,
        ..ALL
    },
];

impl Class {
    /// The query in an order; `total` is how many match, roughly.
    pub fn query(&self, order: Field, descending: bool, total: u64) -> PackageQuery {
        let any = |field, values: &[&str], wanted: fn(String) -> Match| {
            let any: Vec<Match> = values.iter().map(|v| wanted((*v).to_owned())).collect();
            (!any.is_empty()).then_some(Filter { field, any })
        };
        let filters = [
            any(Field::Kind, self.kinds, Match::Is),
            any(Field::Version, self.versions, Match::Is),
            any(Field::OperatingSystem, self.systems, Match::Begins),
            any(Field::Architecture, self.architectures, Match::Begins),
        ];
        PackageQuery {
            keyword: (!self.keyword.is_empty()).then(|| self.keyword.to_owned()),
            filters: filters.into_iter().flatten().collect(),
            order,
            descending,
            skip: self.page(total) * self.size as u64,
            limit: self.size,
        }
    }

    /// Number of the page, from 0 on.
    fn page(&self, total: u64) -> u64 {
        let pages = total.div_ceil(self.size as u64);
        match self.place {
            Place::First => 0,
            Place::Middle => pages / 2,
            Place::Last => pages.saturating_sub(1),
        }
    }

    /// The same as a query string.
    pub fn query_string(&self, order: &str, descending: bool, total: u64) -> String {
        let list = |values: &[&str]| values.join(",");
        format!(
            "keyword={}&type={}&version={}&operatingSystem={}&architecture={}&sort={order},{}&page={}&size={}",
            self.keyword.replace(' ', "%20"),
            list(self.kinds),
            list(self.versions),
            list(self.systems),
            list(self.architectures),
            if descending { "desc" } else { "asc" },
            self.page(total) + 1,
            self.size,
        )
    }
}

/// The answer, as anybody would compute it of all packages.
pub fn plain<'p>(
    all: impl IntoIterator<Item = &'p Package>,
    query: &PackageQuery,
) -> (u64, Vec<&'p Package>) {
    let keyword = query.keyword.as_ref().map(|k| k.to_ascii_lowercase());
    let has_keyword = |package: &Package| {
        let name = || package.file_name.to_ascii_lowercase();
        keyword.as_ref().is_none_or(|word| name().contains(word))
    };
    let fits = |package: &&Package| query.filters.iter().all(|filter| holds(filter, package));
    let found = all.into_iter().filter(fits).filter(|p| has_keyword(p));
    let mut found: Vec<&Package> = found.collect();
    found.sort_by(|a, b| {
        let order = compare(query.order, a, b);
        let turned = if query.descending {
            order.reverse()
        } else {
            order
        };
        turned.then(a.id.cmp(&b.id))
    });
    let total = found.len() as u64;
    let skip = usize::try_from(query.skip).expect("a small number");
    let page = found.into_iter().skip(skip).take(query.limit);
    (total, page.collect())
}

/// Whether an answer of the index is the plain one.
pub fn assert_same(answer: &PackagePage, (total, page): &(u64, Vec<&Package>), what: &str) {
    assert_eq!(answer.total, *total, "{what}");
    assert!(answer.packages.iter().eq(page.iter().copied()), "{what}");
}

fn holds(filter: &Filter, package: &Package) -> bool {
    let value = text(filter.field, package);
    filter.any.iter().any(|wanted| match wanted {
        Match::Is(wanted) => value == wanted,
        Match::Begins(prefix) => value.starts_with(prefix),
    })
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
