//! Which faces belong together: near duplicates, and photos of one person.
//!
//! Three things connect faces. Files with the same **timestamp** were collected together and often
//! show the same person. Files with the same **look** (a difference hash, see `clean`) are the same
//! picture compressed twice. Files with the same **subject** show the same person, as the data set
//! says. Faces connected in any way, over any number of steps, are one group and stay in one split.

pub(crate) mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::label::Label;

/// A face to be dealt out.
#[derive(Clone, Copy, Debug)]
pub struct Face<'a> {
    /// Its path, by which faces are ordered.
    pub path: &'a str,
    /// Its label.
    pub label: Label,
    /// Faces with the same timestamp stay together.
    pub timestamp: Option<&'a str>,
    /// Faces with the same subject stay together.
    pub subject: Option<&'a str>,
    /// Faces with the same look stay together.
    pub look: Option<u64>,
}

/// Numbers of faces that belong together, in the order of their paths.
pub type Group = Vec<usize>;

/// A face that is not alone in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path.
    pub path: String,
    /// The path of the group's first face, which names the group.
    pub cluster: String,
    /// Its look.
    pub look: Option<u64>,
}

/// The groups of more than one face, as they are written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    /// By cluster, then by path.
    pub members: Vec<Member>,
}

/// What connects faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    /// They were collected at the same instant.
    Timestamp,
    /// They look alike to a difference hash.
    Look,
    /// They show the same person, as the data set says.
    Subject,
}

impl Clusters {
    /// The groups with more than one face.
    pub fn of(faces: &[Face<'_>], groups: &[Group]) -> Self {
        let member = |index: usize, first: usize| Member {
            path: faces[index].path.to_owned(),
            cluster: faces[first].path.to_owned(),
            look: faces[index].look,
        };
        let more = groups.iter().filter(|group| group.len() > 1);
        let mut members: Vec<_> =
            more.flat_map(|group| group.iter().map(|&i| member(i, group[0]))).collect();
        members.sort_by(|a, b| (&a.cluster, &a.path).cmp(&(&b.cluster, &b.path)));
        Self { members }
    }

    /// The clusters, each with its members.
    pub fn iter(&self) -> impl Iterator<Item = &[Member]> {
        self.members.chunk_by(|a, b| a.cluster == b.cluster)
    }

    /// Each member's cluster.
    pub fn by_path(&self) -> HashMap<&str, &str> {
        self.members.iter().map(|member| (&*member.path, &*member.cluster)).collect()
    }
}

/// What occurs more than once among some faces.
pub fn ties<'a>(
    faces: impl IntoIterator<Item = (Option<&'a str>, Option<u64>, Option<&'a str>)>,
) -> BTreeSet<Tie> {
    let (mut times, mut looks, mut subjects) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut ties = BTreeSet::new();
    for (timestamp, look, subject) in faces {
        let repeated = [
            (Tie::Timestamp, timestamp.is_some_and(|timestamp| !times.insert(timestamp))),
            (Tie::Look, look.is_some_and(|look| !looks.insert(look))),
            (Tie::Subject, subject.is_some_and(|subject| !subjects.insert(subject))),
        ];
        ties.extend(repeated.into_iter().filter(|(_, seen)| *seen).map(|(tie, _)| tie));
    }
    ties
}

/// All faces in groups, those alone among them.
pub fn groups(faces: &[Face<'_>]) -> Vec<Group> {
    let mut roots: Vec<usize> = (0..faces.len()).collect();
    let (mut by_time, mut by_look) = (HashMap::new(), HashMap::new());
    let mut by_subject = HashMap::new();
    for (index, face) in faces.iter().enumerate() {
        let relatives = [
            face.timestamp.map(|timestamp| *by_time.entry(timestamp).or_insert(index)),
            face.look.map(|look| *by_look.entry(look).or_insert(index)),
            face.subject.map(|subject| *by_subject.entry(subject).or_insert(index)),
        ];
        for relative in relatives.into_iter().flatten() {
            let (a, b) = (root(&mut roots, index), root(&mut roots, relative));
            roots[a] = b;
        }
    }
    // Not a HashMap, whose order changes from run to run.
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for index in 0..faces.len() {
        groups.entry(root(&mut roots, index)).or_default().push(index);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.iter_mut().for_each(|group| group.sort_by_key(|face| faces[*face].path));
    groups
}

/// The representative of a face's group, with the way to it shortened.
fn root(roots: &mut [usize], mut index: usize) -> usize {
    while roots[index] != index {
        roots[index] = roots[roots[index]];
        index = roots[index];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Age;

    fn face<'a>(path: &'a str, timestamp: &'a str, look: u64, subject: &'a str) -> Face<'a> {
        let label = Label { age: Age::Exact(1), gender: None, race: None };
        let said = |text: &'a str| (!text.is_empty()).then_some(text);
        let (timestamp, subject) = (said(timestamp), said(subject));
        Face { path, label, timestamp, subject, look: (look > 0).then_some(look) }
    }

    #[test]
    fn any_tie_connects() {
        let faces = [
            face("e", "", 0, ""),
            face("d", "1", 7, ""),
            face("c", "", 7, "ann"),
            face("b", "", 0, "ann"),
            face("a", "1", 0, ""),
            face("f", "2", 8, "bob"),
        ];
        let mut groups = groups(&faces);
        groups.sort();
        assert_eq!(groups, [vec![0], vec![4, 3, 2, 1], vec![5]]);
        let clusters = Clusters::of(&faces, &groups);
        let members: Vec<_> =
            clusters.members.iter().map(|m| (m.path.as_str(), m.cluster.as_str())).collect();
        assert_eq!(members, [("a", "a"), ("b", "a"), ("c", "a"), ("d", "a")]);
        let of = |faces: &[Face<'static>]| {
            ties(faces.iter().map(|face| (face.timestamp, face.look, face.subject)))
        };
        assert_eq!(of(&[faces[1], faces[2]]), [Tie::Look].into());
        assert_eq!(of(&faces), [Tie::Timestamp, Tie::Look, Tie::Subject].into());
    }
}
