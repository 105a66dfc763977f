//! A data set as a page: one HTML file with its charts and faces inside.

mod plots;

use std::collections::BTreeMap;

use agespan_client::proto::age::v1::Gender;
use agespan_client::proto::dataset::v1 as proto;
use agespan_page::figure;
use maud::{Markup, html};
use plots::{Series, stacked};

use super::{stats, word};

const STYLE: &str = "
figcaption i { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em }
.sheet { display: flex; flex-wrap: wrap; gap: 4px; margin-bottom: 1rem }
.sheet span { font-size: 11px; text-align: center; color: var(--soft) } .sheet img { display: block }
code { overflow-wrap: anywhere }
";

/// A face of the sheet.
pub(super) struct Face {
    /// Age and gender.
    pub(super) caption: String,
    /// Its path.
    pub(super) title: String,
    /// A JPEG in base64.
    pub(super) jpeg: String,
}

/// What the page shows.
pub(super) struct Page<'a> {
    pub(super) dataset: &'a proto::Dataset,
    pub(super) statistics: &'a proto::GetDatasetStatisticsResponse,
    /// Faces by decade.
    pub(super) sheet: &'a BTreeMap<u32, Vec<Face>>,
}

/// The page as text.
pub(super) fn page(page: &Page<'_>) -> String {
    let Page { dataset, statistics, sheet } = page;
    let body = html! {
        h1 { "What is in " (dataset.name) }
        (summary(dataset, statistics))
        h2 { "By decade and gender" } (by_gender(&statistics.cells))
        h2 { "By decade and split" } (by_split(&statistics.cells))
        h2 { "By race" } (bars(&stats::by_race(statistics), "As the data set states it."))
        @if !statistics.quarantined.is_empty() {
            h2 { "Kept out" }
            (bars(&stats::quarantined(statistics), "Files by the reason why they are quarantined."))
        }
        @if !sheet.is_empty() { (contact_sheet(sheet)) }
    };
    agespan_page::page(&format!("Agespan: {}", dataset.name), STYLE, &body)
}

fn summary(dataset: &proto::Dataset, statistics: &proto::GetDatasetStatisticsResponse) -> Markup {
    html! {
        p {
            b { (dataset.sample_count) } " faces, " (dataset.quarantined_count)
            " files quarantined. " (stats::sentence(statistics)) "."
        }
        table {
            tr { th { "split" } th { "faces" } th { "content" } }
            @for split in &dataset.splits {
                tr {
                    td { (word(split.split())) } td { (split.sample_count) }
                    td { code { (split.content_hash.get(..16).unwrap_or_default()) } }
                }
            }
        }
        p.note { "Manifest " code { (dataset.content_hash) } ", seed " (dataset.seed) "." }
    }
}

fn by_gender(cells: &[proto::StatisticsCell]) -> Markup {
    let genders =
        [("female", Gender::Female), ("male", Gender::Male), ("not stated", Gender::Unspecified)];
    by_decade(
        cells,
        &genders.map(|(name, gender)| {
            (name, move |cell: &proto::StatisticsCell| cell.gender() == gender)
        }),
    )
}

fn by_split(cells: &[proto::StatisticsCell]) -> Markup {
    let splits = [
        proto::Split::Train,
        proto::Split::Validation,
        proto::Split::Calibration,
        proto::Split::Test,
    ];
    by_decade(
        cells,
        &splits
            .map(|split| (word(split), move |cell: &proto::StatisticsCell| cell.split() == split)),
    )
}

/// Decades from left to right, stacked by what the cells have in common.
fn by_decade(
    cells: &[proto::StatisticsCell],
    parts: &[(&'static str, impl Fn(&proto::StatisticsCell) -> bool)],
) -> Markup {
    let last = cells.iter().map(|cell| cell.decade).max().unwrap_or(0);
    let decades: Vec<u32> = (0..=last / 10).map(|decade| decade * 10).collect();
    let count = |decade: u32, inside: &dyn Fn(&proto::StatisticsCell) -> bool| {
        let cells = cells.iter().filter(|cell| cell.decade == decade && inside(cell));
        cells.map(|cell| cell.count).sum()
    };
    let series: Vec<Series> = parts
        .iter()
        .map(|(name, inside)| Series {
            name,
            counts: decades.iter().map(|&decade| count(decade, inside)).collect(),
        })
        .filter(|series| series.counts.iter().any(|count| *count > 0))
        .collect();
    let names: Vec<String> = decades.iter().map(|d| format!("{d}–{}", d + 9)).collect();
    let caption = html! {
        "Faces"
        @for (series, place) in series.iter().zip(0..) {
            i style=(format!("background: {}", plots::web_colour(place))) {} (series.name)
        }
    };
    figure(stacked(&names, &series), caption)
}

fn bars(counts: &[stats::Count], caption: &str) -> Markup {
    let names: Vec<String> = counts.iter().map(|(name, _)| name.clone()).collect();
    let series = Series { name: "", counts: counts.iter().map(|(_, count)| *count).collect() };
    figure(plots::lying(&names, &series), caption)
}

fn contact_sheet(sheet: &BTreeMap<u32, Vec<Face>>) -> Markup {
    html! {
        h2 { "Faces of each decade" }
        p.note { "Taken at even distances in the order of paths. They are people: do not publish them." }
        @for (decade, faces) in sheet {
            h3 { (decade) "–" (decade + 9) }
            div.sheet {
                @for face in faces {
                    span title=(face.title) {
                        img width="96" height="96" alt="" src=(format!("data:image/jpeg;base64,{}", face.jpeg));
                        (face.caption)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(decade: u32, gender: Gender, count: u64) -> proto::StatisticsCell {
        let split = proto::Split::Train.into();
        let race = "<b>".to_owned();
        proto::StatisticsCell { decade, gender: gender.into(), race, split, count }
    }

    #[test]
    fn a_page_holds_charts_and_faces_and_escapes_what_it_is_told() {
        let statistics = proto::GetDatasetStatisticsResponse {
            cells: vec![cell(0, Gender::Female, 5), cell(20, Gender::Male, 7)],
            quarantined: vec![proto::QuarantineCount { reason: "EMPTY".into(), count: 1 }],
            ..Default::default()
        };
        let face =
            Face { caption: "25 m".into(), title: "a\"><b>.jpg".into(), jpeg: "AAAA".into() };
        let dataset = proto::Dataset { name: "datasets/a".into(), ..Default::default() };
        let sheet = BTreeMap::from([(20, vec![face])]);
        let html = page(&Page { dataset: &dataset, statistics: &statistics, sheet: &sheet });
        assert_eq!(html.matches("<svg").count(), 4);
        assert!(html.contains("data:image/jpeg;base64,AAAA"));
        assert!(html.contains("EMPTY"), "{html}");
        assert!(!html.contains("<b>.jpg") && !html.contains("><b><"), "{html}");
        // Nothing is fetched from anywhere.
        assert!(
            !html.contains("http://")
                || html.matches("http").count() == html.matches("http://www.w3.org").count()
        );
        let bare = page(&Page {
            dataset: &dataset,
            statistics: &Default::default(),
            sheet: &BTreeMap::new(),
        });
        assert!(!bare.contains("<img"));
    }
}
