//! Drawn faces that are looked at: by the face detector, and by a pipeline's safety checker.

use agespan_client::proto::generator::v1 as proto;
use agespan_client::proto::job::v1::JobState;
use agespan_tests::Sandbox;

use crate::generator::{PROGRAM, WORKER, add, asked, generate, pixels, server, stream};
use crate::tiny_pipeline;

#[tokio::test]
async fn faces_are_counted_where_the_server_has_a_detector_and_missed_aloud_where_not() {
    let sandbox = Sandbox::new().await;
    let (server, _) = server(&sandbox).await;
    let blind = sandbox.start(PROGRAM, &["--role", "server", "--first-weights", "nowhere"]).await;
    let _worker = sandbox.start(PROGRAM, &WORKER).await;
    let request = proto::GenerateFacesRequest { face_check: 0, ..asked(2, 2) };
    let job = generate(&server, request.clone()).await.unwrap();
    let (counted, end) = stream(&server, &job.name, 0).await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!((counted[1].draws, counted[1].draw, counted[1].faces), (3, 1, Some(0)));
    assert!(counted[1].warnings[0].contains("none of 3 draws"), "{:?}", counted[1].warnings);
    let ended = server.until(&job.name, |job| job.state() == JobState::Succeeded).await;
    let message = ended.progress.unwrap().message;
    let summed = "2 of 2 images: 0 with exactly one face, 2 without; 4 draws were made again";
    assert_eq!(message, summed);

    let job = generate(&blind, request).await.unwrap();
    let (missed, _) = stream(&blind, &job.name, 0).await;
    assert_eq!((missed[1].draws, missed[1].faces), (1, None));
    assert!(missed[1].warnings[0].contains("no face detector"), "{:?}", missed[1].warnings);
    assert!(blind.log().contains("there is no face detector"), "{}", blind.log());
    // Both are the first draw's pixels; the files say what is known of them.
    let file = |image: &proto::StreamGeneratedFacesResponse| {
        String::from_utf8_lossy(&image.image).into_owned()
    };
    assert!(file(&counted[1]).contains("Faces\0\0\0\0\x000"));
    assert!(file(&counted[1]).contains("Draw\0\0\0\0\x001 of 3 made"));
    assert!(!file(&missed[1]).contains("Faces\0") && file(&missed[1]).contains("not counted"));
}

#[tokio::test]
async fn flagged_images_are_black_and_say_so() {
    let sandbox = Sandbox::new().await;
    let server = sandbox.start(PROGRAM, &["--role", "server"]).await;
    let flags = tiny_pipeline::save_with_checker(&sandbox.path(""), "flags", 1, true);
    let pipeline = add(&server, flags).await.unwrap();
    assert!(pipeline.has_safety_checker);
    let _worker = sandbox.start(PROGRAM, &WORKER).await;
    let request = proto::GenerateFacesRequest { face_check: 1, max_draws: 2, ..asked(1, 2) };
    let job = generate(&server, request).await.unwrap();
    let (images, end) = stream(&server, &job.name, 0).await;
    assert!(end.is_none(), "{end:?}");
    let image = &images[0];
    assert_eq!((image.flagged, image.draws, image.draw, image.faces), (true, 2, 1, Some(0)));
    let warnings = image.warnings.join("; ");
    assert!(warnings.contains("the safety checker flagged"), "{warnings}");
    let file = sandbox.path("black.png");
    std::fs::write(&file, &image.image).unwrap();
    assert!(pixels(file).as_raw().iter().all(|value| *value == 0));
    let text = String::from_utf8_lossy(&image.image).into_owned();
    assert!(text.contains("Safety checker\0\0\0\0\0flagged"));
}
