//! The compartment's element paths as a tree, so that a walk over a resource knows at every
//! step whether the object it is in stands at a known path.

use std::{collections::BTreeMap, sync::LazyLock};

use bulkhead_model::compartment::{Linkage, linkages};

use crate::scan::Wanted;

/// What a known path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// R4 lets it point at a patient; it does not make the resource that patient's.
    Other,
    /// Makes the resource the patient's.
    Linked,
    /// The same, and it is the patient whom the resource is about.
    Primary,
}

/// One step of a path.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) role: Option<Role>,
    /// Of the first step, what a walk stops at among the resource's own members.
    pub(crate) wanted: Wanted,
    children: Vec<(&'static str, Node)>,
}

impl Node {
    pub(crate) fn child(&self, name: impl AsRef<[u8]>) -> Option<&Self> {
        let name = name.as_ref();
        self.children
            .iter()
            // Told apart by their first letter nearly always, without a call.
            .find(|(child, _)| {
                child.as_bytes().first() == name.first() && child.as_bytes() == name
            })
            .map(|(_, node)| node)
    }

    fn insert(&mut self, path: &'static str, role: Role) {
        let mut node = self;
        for name in path.split('.') {
            let at = node.children.iter().position(|(child, _)| *child == name);
            let at = at.unwrap_or_else(|| {
                node.children.push((name, Self::default()));
                node.children.len() - 1
            });
            let Some((_, child)) = node.children.get_mut(at) else { return };
            node = child;
        }
        node.role = node.role.max(Some(role));
    }

    fn of(linkage: &Linkage) -> Self {
        let mut root = Self::default();
        for path in linkage.paths {
            root.insert(path, Role::Linked);
        }
        for path in linkage.other {
            root.insert(path, Role::Other);
        }
        if let Some(path) = linkage.primary {
            root.insert(path, Role::Primary);
        }
        root.wanted = wanted(root.children.iter().map(|(name, _)| name.as_bytes()));
        root
    }
}

/// Members of any resource that say what it is, or hold what is looked at in its own way.
const OWN: [&[u8]; 4] = [b"contained", b"id", b"meta", b"resourceType"];

fn wanted(known: impl Iterator<Item = &'static [u8]>) -> Wanted {
    Wanted::new(OWN.into_iter().chain(known))
}

/// What a walk stops at in a resource of a type that no table names.
pub(crate) static OF_ANY: LazyLock<Wanted> = LazyLock::new(|| wanted(std::iter::empty()));

static TREES: LazyLock<BTreeMap<&'static str, Node>> = LazyLock::new(|| {
    linkages().map(|linkage| (linkage.resource_type, Node::of(linkage))).collect()
});

/// The tree of `resource_type`, or `None` when no table names the type.
pub(crate) fn tree(resource_type: &str) -> Option<&'static Node> {
    TREES.get(resource_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_role_of_every_step() {
        let role = |kind: &str, path: &str| {
            path.split('.')
                .try_fold(tree(kind).expect("a known type"), |node, name| {
                    node.child(name)
                })
                .and_then(|node| node.role)
        };
        let cases = [
            ("Observation", "subject", Some(Role::Primary)),
            ("Observation", "performer", Some(Role::Linked)),
            ("Observation", "specimen", None),
            ("Claim", "payee.party", Some(Role::Linked)),
            ("Claim", "payee", None),
            ("Condition", "recorder", Some(Role::Other)),
            ("Task", "for", Some(Role::Primary)),
        ];
        for (kind, path, expected) in cases {
            assert_eq!(role(kind, path), expected, "case: {kind}.{path}");
        }
    }
}
