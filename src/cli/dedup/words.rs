//! What the same figures are called, of files that may come, and of a store that has them.

/// What things are called.
pub struct Words {
    /// Of a page.
    pub title: &'static str,
    /// One of what is compared.
    pub one: &'static str,
    /// Several of them.
    pub many: &'static str,
    /// Above the plot of their sizes.
    pub sizes: &'static str,
    /// Bytes that are shared, in that plot.
    pub shared: &'static str,
    /// Bytes that are not.
    pub added: &'static str,
    /// The column of those.
    pub adds: &'static str,
}

/// Files that would be stored: a release adds what those before it do not have.
pub const FORESEEN: Words = Words {
    title: "How these files would be stored",
    one: "release",
    many: "releases",
    sizes: "Release by release",
    shared: "shared with earlier ones",
    added: "stored anew",
    adds: "adds",
};

/// Repositories of a store: each has chunks that no other one has.
pub const STORED: Words = Words {
    title: "What this store holds",
    one: "repository",
    many: "repositories",
    sizes: "Repository by repository",
    shared: "stored once for several files",
    added: "only for it: what deleting it would give back",
    adds: "alone",
};
