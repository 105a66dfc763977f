//! Clusters as Parquet: path, cluster, look.

use bytes::Bytes;

use super::{Clusters, Member};
use crate::columnar::{self, Attempt, Table};
use crate::manifest::ManifestError;

/// Writes the table. The same clusters always give the same bytes.
pub(crate) fn write(clusters: &Clusters) -> Result<Bytes, ManifestError> {
    let rows = &clusters.members;
    let columns = vec![
        ("path", columnar::texts(rows, |member| Some(member.path.clone()))),
        ("cluster", columnar::texts(rows, |member| Some(member.cluster.clone()))),
        ("look", columnar::numbers(rows, |member| member.look)),
    ];
    columnar::write(columns).map_err(ManifestError::written)
}

/// Reads the table.
pub(crate) fn read(bytes: Bytes) -> Result<Clusters, ManifestError> {
    let members = columnar::read(bytes, member).map_err(ManifestError::read)?;
    Ok(Clusters { members })
}

fn member(table: &Table<'_>, row: usize) -> Attempt<Member> {
    Ok(Member {
        path: table.text("path", row)?.ok_or("a path is missing")?.to_owned(),
        cluster: table.text("cluster", row)?.ok_or("a cluster is missing")?.to_owned(),
        look: table.number("look", row)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        let member = |path: &str, look| Member { path: path.into(), cluster: "a".into(), look };
        let clusters = Clusters { members: vec![member("a", None), member("b", Some(u64::MAX))] };
        assert_eq!(read(write(&clusters).unwrap()).unwrap(), clusters);
        assert_eq!(read(write(&Clusters::default()).unwrap()).unwrap(), Clusters::default());
    }
}
