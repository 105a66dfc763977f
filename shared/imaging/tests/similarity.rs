//! Faces are turned, scaled and moved to where they are wanted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use agespan_imaging::{Point, RgbImage, Similarity, cut};
use image::Rgb;

const FACE: [Point; 5] =
    [[58.0, 58.0], [142.0, 58.0], [100.0, 105.0], [65.0, 145.0], [135.0, 145.0]];

/// Turned by `degrees` about the origin, scaled, and moved.
fn moved(point: Point, degrees: f64, scale: f64, shift: Point) -> Point {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let [x, y] = point;
    [scale * (cos * x - sin * y) + shift[0], scale * (sin * x + cos * y) + shift[1]]
}

fn near(left: Point, right: Point, most: f64) {
    let apart = (left[0] - right[0]).hypot(left[1] - right[1]);
    assert!(apart <= most, "{left:?} and {right:?}");
}

#[test]
fn a_similarity_is_found_again() {
    let place = |point| moved(point, 33.0, 0.4, [300.0, -20.0]);
    let found = Similarity::between(&FACE, &FACE.map(place)).unwrap();
    assert!((found.scale() - 0.4).abs() < 1e-12);
    for point in [[0.0, 0.0], [199.0, 0.0], [31.0, 77.0]] {
        near(found.apply(point), place(point), 1e-9);
        near(found.inverse().apply(place(point)), point, 1e-9);
    }
}

#[test]
fn points_that_do_not_fit_are_fitted_by_least_squares() {
    let mut to = FACE.map(|point| moved(point, -10.0, 2.0, [5.0, 5.0]));
    let noise = [[1.0, -2.0], [-1.5, 0.5], [2.0, 2.0], [0.0, -1.0], [-1.0, 1.0]];
    for (point, noise) in to.iter_mut().zip(noise) {
        *point = [point[0] + noise[0], point[1] + noise[1]];
    }
    let error = |angle: f64, scale: f64, shift: Point| -> f64 {
        let apart = FACE.iter().zip(to).map(|(&from, to)| {
            let [x, y] = moved(from, angle, scale, shift);
            (x - to[0]).powi(2) + (y - to[1]).powi(2)
        });
        apart.sum()
    };
    let found = Similarity::between(&FACE, &to).unwrap();
    let origin = found.apply([0.0, 0.0]);
    let along = found.apply([1.0, 0.0]);
    let angle = (along[1] - origin[1]).atan2(along[0] - origin[0]).to_degrees();
    let best = error(angle, found.scale(), origin);
    // No step in any direction is better.
    for step in [-0.01, 0.01] {
        assert!(error(angle + step, found.scale(), origin) > best);
        assert!(error(angle, found.scale() + step, origin) > best);
        assert!(error(angle, found.scale(), [origin[0] + step, origin[1]]) > best);
        assert!(error(angle, found.scale(), [origin[0], origin[1] + step]) > best);
    }
}

#[test]
fn one_point_has_no_direction() {
    assert_eq!(Similarity::between(&[[3.0, 4.0]; 5], &FACE), None);
    assert_eq!(Similarity::between(&FACE, &[[3.0, 4.0]; 5]), None);
    assert_eq!(Similarity::between(&[[f64::NAN; 2]; 5], &FACE), None);
    assert_eq!(Similarity::between(&[[f64::MAX; 2]; 5], &FACE), None);
}

fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 128])
    })
}

#[test]
fn the_same_place_gives_the_same_picture() {
    let picture = gradient(64, 64);
    let same = Similarity::between(&FACE, &FACE).unwrap();
    assert_eq!(cut(&picture, &same, 64), picture);
}

#[test]
fn what_is_cut_shows_what_lies_there() {
    let picture = gradient(800, 600);
    for (degrees, scale) in [(0.0, 1.0), (20.0, 1.5), (-70.0, 0.6), (180.0, 0.25), (5.0, 0.1)] {
        // The picture's middle comes to the middle of the square.
        let [x, y] = moved([400.0, 300.0], degrees, scale, [0.0, 0.0]);
        let place = |point| moved(point, degrees, scale, [50.0 - x, 50.0 - y]);
        let place = Similarity::between(&FACE, &FACE.map(place)).unwrap();
        let square = cut(&picture, &place, 100);
        for (x, y) in [(50u32, 50u32), (45, 60), (62, 41)] {
            let [from_x, from_y] = place.inverse().apply([x.into(), y.into()]);
            let expected = [from_x * 255.0 / 800.0, from_y * 255.0 / 600.0, 128.0];
            for (found, expected) in square[(x, y)].0.into_iter().zip(expected) {
                let apart = (f64::from(found) - expected).abs();
                assert!(apart < 2.0, "{degrees}°, {scale}: {found} and {expected}");
            }
        }
    }
}

#[test]
fn shrinking_averages() {
    let board = RgbImage::from_fn(512, 512, |x, y| Rgb([((x + y) % 2 * 255) as u8; 3]));
    let place = |point| moved(point, 0.0, 0.125, [0.0, 0.0]);
    let place = Similarity::between(&FACE, &FACE.map(place)).unwrap();
    let square = cut(&board, &place, 64);
    for (x, y) in (2..62).flat_map(|x| (2..62).map(move |y| (x, y))) {
        assert!((126..=129).contains(&square[(x, y)].0[0]), "{:?}", square[(x, y)]);
    }
}

#[test]
fn beyond_the_picture_its_edge_goes_on() {
    let picture = RgbImage::from_pixel(40, 40, Rgb([9, 99, 199]));
    let place = Similarity::between(&FACE, &FACE.map(|[x, y]| [x + 90.0, y - 10.0])).unwrap();
    assert_eq!(cut(&picture, &place, 100), RgbImage::from_pixel(100, 100, Rgb([9, 99, 199])));
    // Wholly beside it, there is nothing to go on.
    let far = Similarity::between(&FACE, &FACE.map(|[x, y]| [x + 900.0, y])).unwrap();
    assert_eq!(cut(&picture, &far, 10), RgbImage::new(10, 10));
    assert_eq!(cut(&picture, &place, 0), RgbImage::new(0, 0));
}
