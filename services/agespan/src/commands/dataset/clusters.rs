//! `agespan dataset clusters`.

use agespan_client::proto::dataset::v1 as proto;
use anyhow::Result;
use serde_json::json;

use super::word;
use crate::commands::{Session, resource};
use crate::show;

/// The clusters with what ties them; as JSON with all their paths.
pub(super) async fn run(session: &Session, name: &str) -> Result<()> {
    let mut table = show::table(&["first sample", "samples", "split", "they share"]);
    let mut page_token = String::new();
    loop {
        let name = resource("datasets", name);
        let request = proto::ListClustersRequest { name, page_size: 1000, page_token };
        let answer = session.client.datasets().list_clusters(request).await?.into_inner();
        for cluster in &answer.clusters {
            if session.json {
                println!("{}", to_json(cluster));
            } else {
                table.add_row(row(cluster));
            }
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if !session.json {
        println!("{table}");
    }
    Ok(())
}

fn ties(cluster: &proto::Cluster) -> Vec<&'static str> {
    let tie = |tie| match tie {
        proto::ClusterTie::Unspecified => "unknown",
        proto::ClusterTie::Timestamp => "timestamp",
        proto::ClusterTie::Look => "look",
        proto::ClusterTie::Subject => "subject",
    };
    cluster.ties().map(tie).collect()
}

fn row(cluster: &proto::Cluster) -> Vec<String> {
    let first = cluster.samples.first();
    vec![
        first.map(|sample| sample.path.clone()).unwrap_or_default(),
        cluster.samples.len().to_string(),
        word(first.map(proto::Sample::split).unwrap_or_default()).to_owned(),
        ties(cluster).join(", "),
    ]
}

fn to_json(cluster: &proto::Cluster) -> serde_json::Value {
    let first = cluster.samples.first();
    json!({
        "split": word(first.map(proto::Sample::split).unwrap_or_default()),
        "ties": ties(cluster),
        "samples": cluster.samples.iter().map(|sample| &sample.path).collect::<Vec<_>>(),
    })
}
