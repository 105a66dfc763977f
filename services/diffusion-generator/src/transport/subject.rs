//! What a caller wants to see, as prompts and attributes.

use agespan_proto::age::v1::Gender as ProtoGender;
use agespan_proto::generator::v1 as proto;
use agespan_proto::generator::v1::generate_faces_request::Subject;
use tonic::Status;

use super::asked::refuse;
use crate::wording::{Attributes, Gender, MAX_AGE, Race, UnknownRace};

/// The most values of each kind in a grid: together fewer combinations than images in a job.
const MAX_AGES: usize = 1000;
const MAX_OTHERS: usize = 10;

/// What to draw: a prompt, one person's attributes, or those of many.
#[derive(Debug, Default)]
pub(super) struct Asking {
    pub(super) prompt: String,
    pub(super) attributes: Option<Attributes>,
    pub(super) grid: Vec<Attributes>,
}

pub(super) fn read(subject: Option<&Subject>) -> Result<Asking, Status> {
    match subject {
        None => refuse("subject", "SUBJECT", "give a prompt, attributes or a grid"),
        Some(Subject::Prompt(prompt)) => Ok(Asking { prompt: prompt.clone(), ..Asking::default() }),
        Some(Subject::Attributes(asked)) => {
            let attributes = Attributes {
                age: age("attributes.age", asked.age)?,
                gender: gender("attributes.gender", asked.gender)?,
                race: race("attributes.race", &asked.race)?,
            };
            let prompt = attributes.prompt();
            Ok(Asking { prompt, attributes: Some(attributes), grid: Vec::new() })
        }
        Some(Subject::Grid(asked)) => Ok(Asking { grid: grid(asked)?, ..Asking::default() }),
    }
}

/// Ages, then genders, then races; an empty list is all of them.
fn grid(asked: &proto::FaceGrid) -> Result<Vec<Attributes>, Status> {
    for (field, count, most) in [
        ("grid.ages", asked.ages.len(), MAX_AGES),
        ("grid.genders", asked.genders.len(), MAX_OTHERS),
        ("grid.races", asked.races.len(), MAX_OTHERS),
    ] {
        if count > most {
            return refuse(field, "COUNT", format!("{count} are more than {most}"));
        }
    }
    let ages: Vec<u32> = match asked.ages.as_slice() {
        [] => [2].into_iter().chain((5..=85).step_by(5)).collect(),
        ages => ages.iter().map(|&of| age("grid.ages", of)).collect::<Result<_, _>>()?,
    };
    let genders: Vec<Gender> = match asked.genders.as_slice() {
        [] => vec![Gender::Female, Gender::Male],
        genders => {
            genders.iter().map(|&of| gender("grid.genders", of)).collect::<Result<_, _>>()?
        }
    };
    let races: Vec<Race> = match asked.races.as_slice() {
        [] => Race::ALL.to_vec(),
        races => races.iter().map(|of| race("grid.races", of)).collect::<Result<_, _>>()?,
    };
    let mut cells = Vec::with_capacity(ages.len() * genders.len() * races.len());
    for &age in &ages {
        for &gender in &genders {
            cells.extend(races.iter().map(|&race| Attributes { age, gender, race }));
        }
    }
    Ok(cells)
}

fn age(field: &str, asked: u32) -> Result<u32, Status> {
    if asked > MAX_AGE {
        return refuse(field, "AGE", format!("{asked} is not 0 to {MAX_AGE}"));
    }
    Ok(asked)
}

fn gender(field: &str, asked: i32) -> Result<Gender, Status> {
    match ProtoGender::try_from(asked) {
        Ok(ProtoGender::Female) => Ok(Gender::Female),
        Ok(ProtoGender::Male) => Ok(Gender::Male),
        Ok(ProtoGender::Unspecified) => {
            refuse(field, "GENDER", "give GENDER_FEMALE or GENDER_MALE")
        }
        Err(_) => refuse(field, "UNKNOWN_ENUM", "not a Gender"),
    }
}

fn race(field: &str, asked: &str) -> Result<Race, Status> {
    asked.parse().or_else(|error: UnknownRace| refuse(field, "RACE", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(grid: proto::FaceGrid) -> Result<Vec<Attributes>, Status> {
        read(Some(&Subject::Grid(grid))).map(|asking| asking.grid)
    }

    #[test]
    fn a_grid_holds_every_combination_once() {
        let all = cells(proto::FaceGrid::default()).unwrap();
        assert_eq!(all.len(), 18 * 2 * 5);
        assert_eq!(
            all[..2],
            [Race::White, Race::Black].map(|race| Attributes {
                age: 2,
                gender: Gender::Female,
                race
            })
        );
        assert_eq!(all[179], Attributes { age: 85, gender: Gender::Male, race: Race::Others });
        let some =
            proto::FaceGrid { ages: vec![30, 4], races: vec!["asian".into()], genders: vec![] };
        let ages: Vec<u32> = cells(some).unwrap().iter().map(|cell| cell.age).collect();
        assert_eq!(ages, [30, 30, 4, 4]);
    }

    #[test]
    fn what_a_grid_cannot_hold_is_refused() {
        for grid in [
            proto::FaceGrid { ages: vec![117], ..Default::default() },
            proto::FaceGrid { ages: vec![1; MAX_AGES + 1], ..Default::default() },
            proto::FaceGrid { genders: vec![0], ..Default::default() },
            proto::FaceGrid { races: vec!["martian".into()], ..Default::default() },
        ] {
            assert!(cells(grid).is_err());
        }
    }
}
