use cargo_metadata::{DependencyKind, Metadata};

/// One of our crates: what it is, and whom of ours it may import. ARCHITECTURE.md has this table
/// for people; a change here is a change of the architecture.
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    imports: Imports,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Values in, values out.
    Pure,
    /// A state machine: no clock, no I/O, randomness from a seed.
    SansIo,
    /// Files, but no runtime.
    Files,
    /// Sockets, timers and threads are made here.
    Facade,
    Binary,
    /// Not published.
    Dev,
}

impl Kind {
    /// Whether somebody takes the crate for one protocol or one job: it is benched and fuzzed, and
    /// brings no runtime.
    pub(crate) fn stands_alone(self) -> bool {
        matches!(self, Self::Pure | Self::SansIo | Self::Files)
    }
}

enum Imports {
    Only(&'static [&'static str]),
    /// Every published crate further up in the table, and `bt-sim` for worlds.
    AllAbove,
}

/// From the bottom up: nobody imports a crate that stands below it here. Rows without a crate are
/// decided, not yet written.
#[rustfmt::skip]
pub(crate) const LAYERS: &[Layer] = &[
    only("bt-types",        Kind::Pure,   &[]),
    only("bt-bencoding",    Kind::Pure,   &[]),
    only("bt-hash",         Kind::Pure,   &[]),
    only("bt-metainfo",     Kind::Pure,   &["bt-types", "bt-bencoding", "bt-hash"]),
    only("bt-tracker-udp",  Kind::SansIo, &["bt-types"]),
    only("bt-tracker-http", Kind::SansIo, &["bt-types", "bt-bencoding"]),
    only("bt-tracker-ws",   Kind::SansIo, &["bt-types"]),
    only("bt-tracker",      Kind::SansIo, &["bt-types"]),
    only("bt-wire",         Kind::Pure,   &["bt-types", "bt-bencoding"]),
    only("bt-mse",          Kind::SansIo, &[]),
    only("bt-utp",          Kind::SansIo, &[]),
    only("bt-dht",          Kind::SansIo, &["bt-types", "bt-bencoding"]),
    only("bt-lsd",          Kind::SansIo, &["bt-types"]),
    only("bt-scheduler",    Kind::SansIo, &["bt-types"]),
    only("bt-swarm",        Kind::SansIo, &["bt-types", "bt-bencoding", "bt-hash", "bt-wire", "bt-scheduler", "bt-metainfo"]),
    only("bt-storage",      Kind::Files,  &["bt-types", "bt-bencoding", "bt-metainfo", "bt-hash"]),
    only("bt-webrtc",       Kind::SansIo, &[]),
    all_above("bt-client",  Kind::Facade),
    all_above("bt-cli",     Kind::Binary),
    only("bt-sim",          Kind::Dev,    &[]),
    all_above("bt-tests",   Kind::Dev),
    only("xtask",           Kind::Dev,    &[]),
];

const fn only(name: &'static str, kind: Kind, imports: &'static [&'static str]) -> Layer {
    Layer {
        name,
        kind,
        imports: Imports::Only(imports),
    }
}

const fn all_above(name: &'static str, kind: Kind) -> Layer {
    Layer {
        name,
        kind,
        imports: Imports::AllAbove,
    }
}

/// The row of a crate.
pub(crate) fn layer(name: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == name)
}

/// That `from` depends on `to`, both ours. A crate that imports nothing is an arrow to itself, so
/// that every crate is seen.
pub(super) struct Arrow {
    from: String,
    to: String,
    in_tests_only: bool,
}

/// All arrows between members of the workspace.
pub(super) fn arrows(metadata: &Metadata) -> Vec<Arrow> {
    let members = metadata.workspace_packages();
    let arrow = |from: &str, to: &str, in_tests_only| Arrow {
        from: from.to_owned(),
        to: to.to_owned(),
        in_tests_only,
    };
    let mut arrows = Vec::new();
    for package in &members {
        arrows.push(arrow(&package.name, &package.name, false));
        for dependency in &package.dependencies {
            if members.iter().any(|ours| *ours.name == dependency.name) {
                let in_tests_only = dependency.kind == DependencyKind::Development;
                arrows.push(arrow(&package.name, &dependency.name, in_tests_only));
            }
        }
    }
    arrows
}

/// Complains about arrows that the table does not have.
pub(super) fn check(arrows: &[Arrow]) -> Vec<String> {
    let complaints = arrows.iter().filter_map(|arrow| {
        let Arrow { from, to, .. } = arrow;
        let Some(layer) = layer(from) else {
            return Some(format!(
                "{from} has no row in xtask/src/tidy/layers.rs and ARCHITECTURE.md"
            ));
        };
        if from == to || layer.may_import(to) {
            return None;
        }
        if !arrow.in_tests_only {
            return Some(format!("{from} may not import {to}"));
        }
        let complaint = || format!("{from} may not import {to}, not even in tests");
        (!layer.reaches(to)).then(complaint)
    });
    complaints.collect()
}

impl Layer {
    fn may_import(&self, name: &str) -> bool {
        match self.imports {
            Imports::Only(names) => names.contains(&name),
            Imports::AllAbove => {
                let above = LAYERS.iter().take_while(|layer| layer.name != self.name);
                let mut allowed =
                    above.filter(|layer| self.kind == Kind::Dev || layer.is_library());
                allowed.any(|layer| layer.name == name)
            }
        }
    }

    /// Tests may also import what the imports import: it is built anyway.
    fn reaches(&self, name: &str) -> bool {
        self.may_import(name)
            || LAYERS
                .iter()
                .take_while(|layer| layer.name != self.name)
                .any(|layer| self.may_import(layer.name) && layer.reaches(name))
    }

    fn is_library(&self) -> bool {
        !matches!(self.kind, Kind::Binary | Kind::Dev)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complain(from: &str, to: &str, in_tests_only: bool) -> Vec<String> {
        check(&[Arrow {
            from: from.to_owned(),
            to: to.to_owned(),
            in_tests_only,
        }])
    }

    #[test]
    fn arrows_of_the_table_pass() {
        assert!(complain("bt-metainfo", "bt-hash", false).is_empty());
        assert!(complain("bt-client", "bt-swarm", false).is_empty());
        assert!(complain("bt-cli", "bt-client", false).is_empty());
        assert!(complain("bt-tests", "bt-sim", false).is_empty());
    }

    #[test]
    fn other_arrows_are_named() {
        let complaint = "bt-wire may not import bt-hash";
        assert_eq!(complain("bt-wire", "bt-hash", false), [complaint]);
        assert_eq!(complain("bt-types", "bt-client", false).len(), 1);
        assert_eq!(complain("bt-client", "bt-cli", false).len(), 1);
        assert_eq!(complain("bt-client", "bt-sim", false).len(), 1);
        assert_eq!(complain("xtask", "bt-types", false).len(), 1);
    }

    #[test]
    fn tests_may_import_what_is_below_and_nothing_else() {
        let new = only("bt-new", Kind::SansIo, &["bt-metainfo"]);
        assert!(!new.may_import("bt-hash") && new.reaches("bt-hash"));
        assert!(!new.reaches("bt-wire"));
        assert_eq!(complain("bt-wire", "bt-scheduler", true).len(), 1);
        assert_eq!(complain("bt-storage", "bt-sim", true).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_is_named() {
        assert!(complain("bt-new", "bt-new", false)[0].starts_with("bt-new has no row"));
    }

    #[test]
    fn the_table_points_upwards_only() {
        for (position, layer) in LAYERS.iter().enumerate() {
            let above = &LAYERS[..position];
            if let Imports::Only(names) = layer.imports {
                for name in names {
                    assert!(above.iter().any(|layer| layer.name == *name), "{name}");
                }
            }
        }
    }
}
