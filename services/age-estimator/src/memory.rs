//! What was said of the photos that came last, for callers who send the same one again. Off by default:
//! it keeps ages and places of faces, never photos, in memory only.

use std::sync::Arc;

use agespan_storage::ContentHash;
use bytes::Bytes;
use quick_cache::sync::Cache;

use crate::engine::Output;
use crate::faces::quality::Issue;
use crate::faces::{Seen, Selection, Wanted};
use crate::instruments::Instruments;

/// What the model said of a photo, before any calibration had its say.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The faces, without their pixels.
    pub(crate) seen: Seen,
    /// Of each.
    pub(crate) outputs: Vec<Output>,
}

/// Whatever an answer hangs on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    photo: ContentHash,
    model: String,
    faces: Selection,
    refuse: Vec<Issue>,
}

/// The answers to the latest questions.
#[derive(Clone, Debug)]
pub struct Memory(Option<Kept>);

#[derive(Clone, Debug)]
struct Kept {
    answers: Arc<Cache<Question, Arc<Answer>>>,
    instruments: Arc<Instruments>,
}

impl Memory {
    /// Of so many photos; of none with 0.
    pub fn new(photos: usize, instruments: Arc<Instruments>) -> Self {
        let kept = || Kept { answers: Arc::new(Cache::new(photos)), instruments };
        Self((photos > 0).then(kept))
    }

    /// What is asked, where anything is remembered.
    pub(crate) fn question(&self, model: &str, photo: &Bytes, wanted: &Wanted) -> Option<Question> {
        self.0.as_ref()?;
        Some(Question {
            photo: ContentHash::of(photo),
            model: model.to_owned(),
            faces: wanted.faces,
            refuse: wanted.refuse.clone(),
        })
    }

    /// The answer that was given before.
    pub(crate) fn recall(&self, question: Option<&Question>) -> Option<Answer> {
        let kept = self.0.as_ref()?;
        let answer = kept.answers.get(question?);
        kept.instruments.remembered(answer.is_some());
        answer.map(|answer| (*answer).clone())
    }

    /// Keeps an answer, and lets go of one that was not asked for lately.
    pub(crate) fn keep(&self, question: Option<Question>, answer: &Answer) {
        if let (Some(kept), Some(question)) = (&self.0, question) {
            kept.answers.insert(question, Arc::new(answer.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(shade: f64) -> Answer {
        let output = Output { distribution: vec![1.0], probability_female: shade };
        let seen = Seen { crops: Vec::new(), refused: Vec::new(), count: 1 };
        Answer { seen, outputs: vec![output] }
    }

    fn memory(photos: usize) -> Memory {
        Memory::new(photos, Arc::new(Instruments::new()))
    }

    #[test]
    fn the_same_question_has_the_same_answer_and_others_have_none() {
        let memory = memory(8);
        let whole = Wanted::default();
        let all = Wanted { faces: Selection::All, ..Wanted::default() };
        let photo = Bytes::from_static(b"photo");
        let ask =
            |model: &str, photo: &Bytes, wanted: &Wanted| memory.question(model, photo, wanted);
        memory.keep(ask("a", &photo, &whole), &answer(0.25));
        let recalled = memory.recall(ask("a", &photo, &whole).as_ref()).unwrap();
        assert_eq!(recalled.outputs[0].probability_female, 0.25);
        for other in [
            ask("b", &photo, &whole),
            ask("a", &photo, &all),
            ask("a", &Bytes::from_static(b"other"), &whole),
        ] {
            assert!(memory.recall(other.as_ref()).is_none());
        }
    }

    #[test]
    fn it_holds_as_many_as_it_was_told() {
        let memory = memory(4);
        let question =
            |index: u8| memory.question("a", &Bytes::copy_from_slice(&[index]), &Wanted::default());
        for index in 0..100 {
            memory.keep(question(index), &answer(0.5));
        }
        let held = (0..100).filter(|&index| memory.recall(question(index).as_ref()).is_some());
        assert!((1..=4).contains(&held.count()));
    }

    #[test]
    fn without_room_nothing_is_asked_or_kept() {
        let memory = memory(0);
        let question = memory.question("a", &Bytes::from_static(b"photo"), &Wanted::default());
        assert!(question.is_none());
        memory.keep(question, &answer(0.5));
        assert!(memory.recall(None).is_none());
    }
}
